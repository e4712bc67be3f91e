// The reply reader gives the same replies and the same error whether the bytes come whole or cut,
// and a reply that is written again reads back as it was.
//
// Input: a byte that chooses the limits, a byte n, n bytes of piece sizes, then the server's bytes.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"

namespace kvorum::resp {
namespace {

using Type = Reply::Type;

bool equal(const Reply& left, const Reply& right) {
  return left.type == right.type && left.text == right.text && left.integer == right.integer &&
         std::string_view(left.format, 3) == std::string_view(right.format, 3) &&
         std::bit_cast<uint64_t>(left.real) == std::bit_cast<uint64_t>(right.real) &&
         std::equal(left.elements.begin(), left.elements.end(), right.elements.begin(),
                    right.elements.end(), equal);
}

struct Outcome {
  std::vector<Reply> replies;
  std::string error;
};

bool equal(const Outcome& left, const Outcome& right) {
  return left.error == right.error &&
         std::equal(left.replies.begin(), left.replies.end(), right.replies.begin(),
                    right.replies.end(),
                    [](const Reply& one, const Reply& other) { return equal(one, other); });
}

// Takes a piece of `sizes[i]` bytes at a time, the sizes over and over; all at once if there are
// none.
Outcome run(std::string_view bytes, const ReplyLimits& limits, std::string_view sizes) {
  ReplyReader reader(limits);
  Outcome outcome;
  for (size_t i = 0; !bytes.empty() && outcome.error.empty(); ++i) {
    size_t piece = bytes.size();
    if (!sizes.empty()) piece = size_t{1} + static_cast<uint8_t>(sizes[i % sizes.size()]);
    reader.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    Reply reply;
    ReplyReader::Result result = reader.next(reply);
    for (; result == ReplyReader::Result::kReply; result = reader.next(reply)) {
      outcome.replies.push_back(std::move(reply));
    }
    if (result == ReplyReader::Result::kError) outcome.error = reader.error();
  }
  return outcome;
}

// Only what survives being written: a line end in an error becomes a space.
bool writable(const Reply& reply) {
  if (reply.type == Type::kError && reply.text.find_first_of("\r\n") != std::string::npos) {
    return false;
  }
  return std::all_of(reply.elements.begin(), reply.elements.end(), writable);
}

// The depth of the reply is limited, and this is a test.
void write(ReplyWriter& writer, const Reply& reply) {
  switch (reply.type) {
    case Type::kSimpleString:
      return writer.simple_string(reply.text);
    case Type::kError:
      return writer.error(reply.text);
    case Type::kInteger:
      return writer.integer(reply.integer);
    case Type::kBulk:
      return writer.bulk(reply.text);
    case Type::kNull:
      return writer.null();
    case Type::kBoolean:
      return writer.boolean(reply.integer == 1);
    case Type::kDouble:
      return writer.real(reply.real);
    case Type::kBigNumber:
      return writer.big_number(reply.text);
    case Type::kVerbatim:
      return writer.verbatim({reply.format, 3}, reply.text);
    case Type::kArray:
      writer.array(reply.elements.size());
      break;
    case Type::kSet:
      writer.set(reply.elements.size());
      break;
    case Type::kPush:
      writer.push(reply.elements.size());
      break;
    case Type::kMap:
      writer.map(reply.elements.size() / 2);
      break;
  }
  for (const Reply& element : reply.elements) write(writer, element);
}

// Doubles are written in one way and may be read in many.
void normalise(Reply& reply) {
  if (reply.type == Type::kDouble) {
    reply.text.clear();
    if (reply.real != reply.real) reply.real = 0;
  }
  for (Reply& element : reply.elements) normalise(element);
}

void check(uint8_t choice, std::string_view sizes, std::string_view bytes) {
  ReplyLimits limits;
  if (choice % 2 == 0) {
    limits = {.max_depth = 3,
              .max_elements = 9,
              .max_bulk_bytes = 12,
              .max_line_bytes = 20,
              .max_reply_bytes = 100};
  }
  Outcome whole = run(bytes, limits, {});
  CHECK(equal(run(bytes, limits, sizes), whole));
  CHECK(equal(run(bytes, limits, std::string_view("\0", 1)), whole));

  if (!std::all_of(whole.replies.begin(), whole.replies.end(), writable)) return;
  std::string encoded;
  ReplyWriter writer(encoded, Protocol::kResp3);
  for (const Reply& reply : whole.replies) write(writer, reply);
  Outcome again = run(encoded, {}, sizes);
  CHECK(again.error.empty());
  CHECK(again.replies.size() == whole.replies.size());
  for (Reply& reply : whole.replies) normalise(reply);
  for (Reply& reply : again.replies) normalise(reply);
  CHECK(equal(again, {std::move(whole.replies), ""}));
}

}  // namespace
}  // namespace kvorum::resp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.size() < 2) return 0;
  const size_t sizes = std::min<size_t>(data[1], input.size() - 2);
  kvorum::resp::check(data[0], input.substr(2, sizes), input.substr(2 + sizes));
  return 0;
}
