#include <algorithm>
#include <cstring>
#include <span>

#include "base/text.h"
#include "server/node/cluster/peer_message.h"

namespace kvorum::server::peer {

PartAssembler::PartAssembler()
    : parser_(resp::Limits{.max_arguments = size_t{16} * 1024 * 1024,
                           .max_bulk_bytes = kMaxMessageBytes,
                           .max_query_bytes = kMaxMessageBytes}) {}

absl::StatusOr<bool> PartAssembler::add(const Part& part) {
  using Result = resp::Parser::Result;
  Result result = Result::kNeedMore;
  for (std::string_view bytes = part.bytes; !bytes.empty() && result == Result::kNeedMore;) {
    const std::span<char> room = parser_.reserve(bytes.size());
    const size_t taken = std::min(room.size(), bytes.size());
    if (taken == 0) {
      return absl::InvalidArgumentError(
          base::concat("REPLCONF PART: expected at most ", kMaxMessageBytes, " bytes, got more"));
    }
    std::memcpy(room.data(), bytes.data(), taken);
    parser_.commit(taken);
    bytes.remove_prefix(taken);
    result = parser_.next();
    if (!bytes.empty() && result == Result::kCommand) result = Result::kError;
  }
  if (result == Result::kError) {
    return absl::InvalidArgumentError(
        base::concat("REPLCONF PART: expected one message in its parts, got ",
                     parser_.error().empty() ? "more" : parser_.error()));
  }
  const bool whole = result == Result::kCommand && parser_.buffered_bytes() == 0;
  if (whole != part.last) {
    return absl::InvalidArgumentError(
        base::concat("REPLCONF PART: expected ", part.last ? "the end of a message" : "more parts",
                     ", got ", whole ? "its end" : "a piece of one"));
  }
  return whole;
}

}  // namespace kvorum::server::peer
