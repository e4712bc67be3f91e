// kvorum-server: reads its options, opens the log, serves.
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "server/shell/command_line.h"
#include "server/shell/config_file.h"
#include "server/shell/logging.h"
#include "server/shell/server.h"
#include "storage/fail_point.h"
#include "storage/posix_file_system.h"

namespace {

using kvorum::base::view;
using kvorum::server::CommandLine;
using kvorum::server::LogLevel;
using kvorum::server::Options;
using kvorum::server::OptionTable;
using kvorum::server::Server;

int fail(std::string_view message) {
  std::cerr << "kvorum-server: " << message << "\n";
  return 1;
}

std::string absolute_path(const char* path) {
  char* resolved = realpath(path, nullptr);
  std::string result = resolved != nullptr ? resolved : path;
  std::free(resolved);
  return result;
}

}  // namespace

int main(int count, char** values) {
  OptionTable options;
  const std::vector<std::string_view> arguments(values + 1, values + count);
  const absl::StatusOr<CommandLine> command_line =
      kvorum::server::read_command_line(arguments, options);
  if (!command_line.ok()) return fail(view(command_line.status().message()));
  if (command_line->action == CommandLine::Action::kHelp) {
    std::cout << kvorum::server::help_text();
    return 0;
  }
  if (command_line->action == CommandLine::Action::kVersion) {
    std::cout << kvorum::server::version_text();
    return 0;
  }
  if (absl::Status status = kvorum::server::open_log(options.values()); !status.ok()) {
    return fail(view(status.message()));
  }
  std::unique_ptr<kvorum::storage::FileSystem> files = kvorum::storage::make_posix_file_system();
  std::unique_ptr<kvorum::storage::FileSystem> failing_files;
  // Fault injection for the durability tests; nothing happens where the variable is not set.
  if (const char* fail_points = std::getenv("KVORUM_FAIL_POINTS")) {
    auto made = kvorum::storage::make_fail_point_file_system(*files, fail_points);
    if (!made.ok()) return fail(view(made.status().message()));
    failing_files = *std::move(made);
  }

  Server::Settings settings;
  settings.executable = absolute_path("/proc/self/exe");
  settings.options_changed = [](const Options& changed) {
    kvorum::server::set_log_level(changed.log_level);
  };
  if (!command_line->config_file.empty()) {
    settings.config_file = absolute_path(command_line->config_file.c_str());
    settings.rewrite_configuration = [path = settings.config_file](const OptionTable& table) {
      return kvorum::server::rewrite_config_file(path, table);
    };
  }
  Server server(options, failing_files ? *failing_files : *files, std::move(settings));
  absl::Status status;
  const int exit_code = server.run(status);
  if (!status.ok()) {
    kvorum::server::write_log(LogLevel::kError, view(status.message()));
    return fail(view(status.message()));
  }
  return exit_code;
}
