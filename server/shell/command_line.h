// The command line: every option is a flag of its name. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/node/options.h"

namespace kvorum::server {

struct CommandLine {
  enum class Action : uint8_t { kServe, kHelp, kVersion };
  Action action = Action::kServe;
  std::string config_file;  // --config; empty: none
};

// Reads the file that --config names, then applies the flags over it: `--port 7000` or
// `--port=7000`; the flags of a list add up. Then checks what the options say together. An error
// names the flag or the file and line, and the nearest valid name of an unknown option.
[[nodiscard]] absl::StatusOr<CommandLine> read_command_line(
    std::span<const std::string_view> arguments, OptionTable& options);

std::string help_text();
std::string version_text();

}  // namespace kvorum::server
