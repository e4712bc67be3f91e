// The parser gives the same commands and the same error whether the bytes come whole or cut, holds
// no more than its limits, and reads back what its commands encode to.
//
// Input: a byte that chooses the limits, a byte n, n bytes of piece sizes, then the client's bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "resp/parser.h"
#include "resp/request.h"

namespace kvorum::resp {
namespace {

struct Outcome {
  std::vector<std::vector<std::string>> commands;
  size_t command_bytes = 0;
  std::string error;

  bool operator==(const Outcome&) const = default;
};

Limits choose_limits(uint8_t choice) {
  switch (choice % 4) {
    case 0:
      return kUnauthenticatedLimits;
    case 1:
      return {.max_arguments = 3, .max_bulk_bytes = 12, .max_inline_bytes = 20};
    case 2:
      return {.max_inline_bytes = 70, .max_query_bytes = 1024};
    default:
      return {};
  }
}

void take(Parser& parser, Outcome& outcome) {
  Parser::Result result = parser.next();
  for (; result == Parser::Result::kCommand; result = parser.next()) {
    const Arguments arguments = parser.arguments();
    CHECK(!arguments.empty());
    outcome.commands.emplace_back(arguments.begin(), arguments.end());
    outcome.command_bytes += parser.command_bytes();
  }
  if (result == Parser::Result::kError) outcome.error = parser.error();
}

// Takes a piece of `sizes[i]` bytes at a time, the sizes over and over; all at once if there are
// none.
Outcome run(std::string_view bytes, const Limits& limits, std::string_view sizes) {
  Parser parser(limits);
  Outcome outcome;
  for (size_t i = 0; !bytes.empty() && outcome.error.empty(); ++i) {
    size_t piece = bytes.size();
    if (!sizes.empty()) piece = size_t{1} + static_cast<uint8_t>(sizes[i % sizes.size()]);
    const std::span<char> room = parser.reserve(piece);
    CHECK(!room.empty());
    piece = std::min({piece, bytes.size(), room.size()});
    std::memcpy(room.data(), bytes.data(), piece);
    parser.commit(piece);
    bytes.remove_prefix(piece);
    take(parser, outcome);
    CHECK(parser.buffered_bytes() <= limits.max_query_bytes);
    if (sizes.size() % 2 == 1) parser.release_memory();
  }
  return outcome;
}

void check(uint8_t choice, std::string_view sizes, std::string_view bytes) {
  const Limits limits = choose_limits(choice);
  const Outcome whole = run(bytes, limits, {});
  CHECK(whole.command_bytes <= bytes.size());
  CHECK(run(bytes, limits, sizes) == whole);
  CHECK(run(bytes, limits, std::string_view("\0", 1)) == whole);

  std::string encoded;
  for (const std::vector<std::string>& command : whole.commands) {
    append_request(encoded, std::vector<std::string_view>(command.begin(), command.end()));
  }
  const Outcome again = run(encoded, {}, sizes);
  CHECK(again.commands == whole.commands);
  CHECK(again.command_bytes == encoded.size());
  CHECK(again.error.empty());
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
