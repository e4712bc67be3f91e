// The fields of a message between nodes, written and read one by one: numbers in decimal, ids and
// digests in hex, flags as 0 and 1, bytes as they are; each a bulk string of REPLCONF's array.
// Pure, any thread.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/text.h"
#include "resp/parser.h"
#include "storage/types.h"

namespace kvorum::server::peer {

using Id = std::array<uint8_t, 16>;  // of an instance, of an incarnation

[[nodiscard]] std::string hex(const Id& id);
[[nodiscard]] std::string hex(uint64_t number);  // 16 digits
[[nodiscard]] bool parse_hex(std::string_view text, Id& id);
[[nodiscard]] bool parse_hex(std::string_view text, uint64_t& number);

// What came from a peer, for a log line or an error: in quotes, escaped where it is not printable,
// cut where it is long.
[[nodiscard]] std::string quoted(std::string_view bytes);

class FieldWriter {
 public:
  // `fields`: how many follow the word.
  FieldWriter(std::string_view word, size_t fields);

  FieldWriter& number(uint64_t number);
  FieldWriter& signed_number(int64_t number);
  FieldWriter& position(storage::Position position);  // two fields: term, lsn
  FieldWriter& flag(bool flag) { return number(flag ? 1 : 0); }
  FieldWriter& id(const Id& id) { return bytes(hex(id)); }
  FieldWriter& digest(uint64_t digest) { return bytes(hex(digest)); }
  FieldWriter& bytes(std::string_view bytes);
  // Only the length line of the bytes that follow.
  FieldWriter& length(size_t bytes);

  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Each read takes the next field; what is missing or wrong is remembered, the first of it, and the
// rest reads as zeros. finish() tells.
class FieldReader {
 public:
  // `arguments`: REPLCONF, the word, the fields. REQUIRES: at least two.
  explicit FieldReader(resp::Arguments arguments) : arguments_(arguments) {}

  template <std::integral Integer>
  Integer number(std::string_view name) {
    const std::string_view text = bytes(name);
    if (failed()) return 0;
    const auto parsed = base::parse_integer<Integer>(text);
    if (parsed) return *parsed;
    fail_number(name, std::to_string(std::numeric_limits<Integer>::min()),
                std::to_string(std::numeric_limits<Integer>::max()), text);
    return 0;
  }
  template <typename Named>  // Term, Lsn, NodeId
  Named named(std::string_view name) {
    return Named{number<typename Named::rep>(name)};
  }
  storage::Position position(std::string_view name) {
    const storage::Term term = named<storage::Term>(name);
    return {term, named<storage::Lsn>(name)};
  }
  bool flag(std::string_view name);
  Id id(std::string_view name);
  uint64_t digest(std::string_view name);
  std::string_view bytes(std::string_view name);

  size_t left() const { return arguments_.size() - taken_; }
  bool failed() const { return !status_.ok(); }
  // What came is a secret, or may be: errors do not quote it.
  void quote_nothing() { quote_ = false; }
  // "REPLCONF VOTE: term: expected a number from 0 to 9, got "x"".
  void fail(std::string_view name, std::string_view expected, std::string_view got);
  // The same, with `got` in quotes.
  void fail_bytes(std::string_view name, std::string_view expected, std::string_view got);
  // The first failure, or that fields are left over.
  [[nodiscard]] absl::Status finish();

 private:
  void fail_number(std::string_view name, std::string_view from, std::string_view to,
                   std::string_view got);

  resp::Arguments arguments_;
  size_t taken_ = 2;
  bool quote_ = true;
  absl::Status status_;
};

}  // namespace kvorum::server::peer
