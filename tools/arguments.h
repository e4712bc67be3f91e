// The command line of kvorum-wal. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/point.h"

namespace kvorum::tools {

struct Arguments {
  bool help = false;
  std::string command;
  std::vector<std::string> paths;
  bool json = false;
  // restore
  std::string from, to;
  std::vector<std::string> snapshots;
  Point until;
  bool rejoin = false;
};

// kInvalidArgument says what is wrong.
[[nodiscard]] absl::StatusOr<Arguments> parse_arguments(const std::vector<std::string>& words);

extern const std::string_view kHelp;

}  // namespace kvorum::tools
