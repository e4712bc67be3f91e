#include "server/shell/command_line.h"

#include <utility>
#include <vector>

#include "base/text.h"
#include "server/node/version.h"
#include "server/shell/config_file.h"

namespace kvorum::server {

namespace {

struct Flag {
  std::string_view name, value;
};

absl::StatusOr<std::vector<Flag>> split_flags(std::span<const std::string_view> arguments) {
  std::vector<Flag> flags;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (!argument.starts_with("--")) {
      return absl::InvalidArgumentError(
          base::concat("unexpected argument '", argument, "': options are given as --name value"));
    }
    argument.remove_prefix(2);
    const size_t equals = argument.find('=');
    if (equals != std::string_view::npos) {
      flags.push_back({argument.substr(0, equals), argument.substr(equals + 1)});
    } else if (argument == "help" || argument == "version") {
      flags.push_back({argument, {}});
    } else if (i + 1 < arguments.size()) {
      flags.push_back({argument, arguments[++i]});
    } else {
      return absl::InvalidArgumentError(base::concat("--", argument, " needs a value"));
    }
  }
  return flags;
}

absl::Status apply_flag(const Flag& flag, OptionTable& options) {
  const Option* option = OptionTable::find(flag.name);
  if (option == nullptr || option->name != flag.name) {
    return absl::InvalidArgumentError(base::concat(
        "unknown option --", flag.name, "; did you mean --", OptionTable::nearest(flag.name), "?"));
  }
  if (absl::Status status = options.set(*option, flag.value); !status.ok()) {
    return absl::InvalidArgumentError(base::concat("--", flag.name, ": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> read_command_line(std::span<const std::string_view> arguments,
                                              OptionTable& options) {
  const absl::StatusOr<std::vector<Flag>> flags = split_flags(arguments);
  if (!flags.ok()) return flags.status();
  CommandLine result;
  for (const Flag& flag : *flags) {
    if (flag.name == "help") result.action = CommandLine::Action::kHelp;
    if (flag.name == "version") result.action = CommandLine::Action::kVersion;
    if (flag.name == "config") result.config_file = std::string(flag.value);
  }
  if (result.action != CommandLine::Action::kServe) return result;
  if (!result.config_file.empty()) {
    absl::Status status = read_config_file(result.config_file, options);
    if (!status.ok()) return status;
  }
  for (const Flag& flag : *flags) {
    if (flag.name == "config") continue;
    if (absl::Status status = apply_flag(flag, options); !status.ok()) return status;
  }
  return result;
}

std::string help_text() {
  std::string text =
      "kvorum-server: a Redis-protocol server that keeps what it acknowledges\n\n"
      "usage: kvorum-server [--config FILE] [--OPTION VALUE ...]\n\n"
      "  --config FILE  read options from a TOML file; flags given here win over it\n"
      "  --help         this text\n"
      "  --version      the version\n";
  std::string_view section;
  for (const Option& option : OptionTable::options()) {
    if (option.section != section) {
      section = option.section;
      text += base::concat("\n[", section, "]\n");
    }
    const std::string value = OptionTable::default_value(option);
    text += base::concat("  --", option.name, " (", value.empty() ? "empty" : value, ")",
                         option.choices.empty() ? "" : " ", option.choices, "\n      ",
                         option.documentation, "\n");
  }
  return text;
}

std::string version_text() {
  return base::concat("kvorum-server ", kVersion, " (speaks the protocol of Redis ", kRedisVersion,
                      ")\n");
}

}  // namespace kvorum::server
