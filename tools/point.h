// A point of a log, as people name it. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/types.h"

namespace kvorum::tools {

// What was up to an lsn, or up to a time (of the records' hybrid logical clock), inclusive. With
// neither: everything.
struct Point {
  std::optional<storage::Lsn> lsn;
  std::optional<uint64_t> unix_ms;

  [[nodiscard]] bool includes(storage::Lsn record, storage::Hlc hlc) const;
  [[nodiscard]] std::string text() const;
};

// "1234" is an lsn, "2026-11-21T10:00:00Z" (a fraction and +01:00 in place of Z may follow) and a
// number from 100,000,000,000 on are times, the latter in Unix milliseconds. kInvalidArgument says
// what is wrong.
[[nodiscard]] absl::StatusOr<Point> parse_point(std::string_view text);

// "2026-11-21T10:00:00.123Z".
[[nodiscard]] std::string time_text(uint64_t unix_ms);

}  // namespace kvorum::tools
