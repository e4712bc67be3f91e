#include "server/node/session_token.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "absl/status/status.h"
#include "base/text.h"
#include "storage/crc32c.h"

namespace kvorum::server {

namespace {

// "k1-<cluster>-<term>-<lsn>-<checksum of all before it>", the numbers hexadecimal.
constexpr std::string_view kPrefix = "k1";
constexpr size_t kFields = 5;

std::string hexadecimal(uint64_t number) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return {digits.data(), end};
}

// Only what hexadecimal() writes: a position has one token.
bool read_hexadecimal(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return error == std::errc() && end == text.data() + text.size() && hexadecimal(number) == text;
}

// Names the cluster well enough to tell two of one operator apart, and tells nobody its
// incarnation.
uint32_t cluster_number(const storage::Incarnation& incarnation) {
  return storage::crc32c({reinterpret_cast<const char*>(incarnation.data()), incarnation.size()});
}

}  // namespace

std::string encode_token(const storage::Incarnation& incarnation, storage::Position position) {
  std::string token =
      base::concat(kPrefix, "-", hexadecimal(cluster_number(incarnation)), "-",
                   hexadecimal(position.term.value()), "-", hexadecimal(position.lsn.value()));
  token += base::concat("-", hexadecimal(storage::crc32c(token)));
  return token;
}

absl::StatusOr<storage::Position> decode_token(const storage::Incarnation& incarnation,
                                               std::string_view token) {
  const absl::Status no_token =
      absl::InvalidArgumentError("this is no token that CLIENT TOKEN has given");
  std::array<std::string_view, kFields> fields;
  std::string_view rest = token;
  for (size_t i = 0; i < kFields; ++i) {
    const size_t end = std::min(rest.find('-'), rest.size());
    fields[i] = rest.substr(0, end);
    const bool last = i + 1 == kFields;
    if (last != (end == rest.size())) return no_token;
    if (!last) rest.remove_prefix(end + 1);
  }
  uint64_t cluster = 0, term = 0, lsn = 0, checksum = 0;
  const bool numbers = read_hexadecimal(fields[1], cluster) && read_hexadecimal(fields[2], term) &&
                       read_hexadecimal(fields[3], lsn) && read_hexadecimal(fields[4], checksum);
  if (fields[0] != kPrefix || !numbers) return no_token;
  if (checksum != storage::crc32c(token.substr(0, token.size() - fields[4].size() - 1))) {
    return no_token;
  }
  if (cluster != cluster_number(incarnation)) {
    return absl::FailedPreconditionError("the token is of another cluster");
  }
  return storage::Position{storage::Term{term}, storage::Lsn{lsn}};
}

}  // namespace kvorum::server
