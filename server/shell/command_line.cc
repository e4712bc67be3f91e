#include "server/shell/command_line.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "server/node/cluster_options.h"
#include "server/node/version.h"
#include "server/shell/config_file.h"

namespace kvorum::server {

namespace {

struct Flag {
  std::string_view name;
  std::string value;
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
      flags.push_back({argument.substr(0, equals), std::string(argument.substr(equals + 1))});
    } else if (argument == "help" || argument == "version") {
      flags.push_back({argument, {}});
    } else if (i + 1 < arguments.size()) {
      flags.push_back({argument, std::string(arguments[++i])});
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
  options.set_origin(*option, {base::concat("--", flag.name)});
  return absl::OkStatus();
}

// A list that is given in several flags is one list.
std::vector<Flag> join_lists(std::vector<Flag> flags) {
  std::vector<Flag> joined;
  for (Flag& flag : flags) {
    const Option* option = OptionTable::find(flag.name);
    const auto before = std::find_if(joined.begin(), joined.end(),
                                     [&](const Flag& each) { return each.name == flag.name; });
    if (before != joined.end() && option != nullptr && option->type == OptionType::kStringList) {
      before->value += base::concat(",", flag.value);
    } else {
      joined.push_back(std::move(flag));
    }
  }
  return joined;
}

// What single options cannot know of each other.
absl::Status check_together(const OptionTable& options) {
  const std::optional<ClusterProblem> problem = check_cluster_options(options.values());
  if (!problem) return absl::OkStatus();
  const Option& option = *OptionTable::find(problem->option);
  return absl::InvalidArgumentError(
      base::concat(options.origin(option, problem->element), ": ", problem->text));
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
    if (flag.name == "config") result.config_file = flag.value;
  }
  if (result.action != CommandLine::Action::kServe) return result;
  if (!result.config_file.empty()) {
    absl::Status status = read_config_file(result.config_file, options);
    if (!status.ok()) return status;
  }
  for (const Flag& flag : join_lists(*flags)) {
    if (flag.name == "config") continue;
    if (absl::Status status = apply_flag(flag, options); !status.ok()) return status;
  }
  if (absl::Status status = check_together(options); !status.ok()) return status;
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
