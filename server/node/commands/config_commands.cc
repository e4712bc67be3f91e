// CONFIG, on the option table of options.h.
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/text.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/glob.h"
#include "server/node/node.h"

namespace kvorum::server {
namespace {

using Values = std::map<std::string, std::string, std::less<>>;

// What clients ask for by Redis' names and what cannot be otherwise here.
constexpr std::pair<std::string_view, std::string_view> kFixed[] = {
    {"activedefrag", "no"},
    {"activerehashing", "yes"},
    {"aof-use-rdb-preamble", "yes"},
    {"appendonly", "yes"},
    {"cluster-enabled", "no"},
    {"daemonize", "no"},
    {"databases", "16"},
    {"hz", "10"},
    {"io-threads", "1"},
    {"latency-tracking", "yes"},
    {"latency-tracking-info-percentiles", "50 99 99.9"},
    {"lazyfree-lazy-user-flush", "yes"},
    {"maxmemory-clients", "0"},
    {"maxmemory-policy", "noeviction"},
    {"min-replicas-to-write", "0"},
    {"min-slaves-to-write", "0"},
    {"no-appendfsync-on-rewrite", "no"},
    {"replica-read-only", "yes"},
    {"replicaof", ""},
    {"slave-read-only", "yes"},
    {"slaveof", ""},
    {"supervised", "no"},
    {"tls-port", "0"},
};

// Redis' names for what stands in several options here.
void add_derived(const Options& options, Values& values) {
  values["auto-aof-rewrite-min-size"] = std::to_string(options.snapshot_wal_size);
  values["auto-aof-rewrite-percentage"] = options.snapshot_wal_size == 0 ? "0" : "100";
  values["client-output-buffer-limit"] =
      base::concat("normal ", options.max_output_bytes, " 0 0 slave 0 0 0 pubsub ",
                   options.max_pubsub_output_bytes, " 0 0");
  values["save"] = options.snapshot_interval_s == 0
                       ? std::string()
                       : base::concat(options.snapshot_interval_s, " 1");
}

// Those that cannot be set.
Values fixed_values(const Options& options) {
  Values values;
  for (const auto& [name, value] : kFixed) values.emplace(name, value);
  add_derived(options, values);
  return values;
}

Values all_values(const OptionTable& table) {
  Values values = fixed_values(table.values());
  for (const Option& option : OptionTable::options()) {
    std::string value = table.get(option);
    if (!option.redis_name.empty()) {
      const bool no_fsync = option.redis_name == "appendfsync" && value == "never";
      values[std::string(option.redis_name)] = no_fsync ? "no" : value;
    }
    values[std::string(option.name)] = std::move(value);
  }
  return values;
}

void reply_set_failure(CommandContext& context, std::string_view name, std::string_view reason) {
  context.reply.error(
      base::concat("ERR CONFIG SET failed (possibly related to argument '", name, "') - ", reason));
}

// Judges names before any value is looked at. Fills `options` with one element for each pair, null
// where it is a fixed value that the client sets to what it is. False with the error answered.
bool find_options(CommandContext& context, std::vector<const Option*>& options) {
  const Values fixed = fixed_values(context.node.options().values());
  std::vector<std::string> seen;
  for (size_t i = 2; i < context.arguments.size(); i += 2) {
    std::string name = base::lower(context.arguments[i]);
    const Option* option = OptionTable::find(name);
    const auto fixed_value = fixed.find(name);
    if (option == nullptr && fixed_value == fixed.end()) {
      context.reply.error(
          base::concat("ERR Unknown option or number of arguments for CONFIG SET - '",
                       context.arguments[i], "'"));
      return false;
    }
    if (option != nullptr
            ? !option->changeable
            : !base::equal_ignoring_case(fixed_value->second, context.arguments[i + 1])) {
      reply_set_failure(context, name, "can't set immutable config");
      return false;
    }
    std::string canonical = option != nullptr ? std::string(option->name) : name;
    if (std::find(seen.begin(), seen.end(), canonical) != seen.end()) {
      reply_set_failure(context, name, "duplicate parameter");
      return false;
    }
    seen.push_back(std::move(canonical));
    options.push_back(option);
  }
  return true;
}

}  // namespace

// CONFIG GET pattern [pattern ...]
void config_get_command(CommandContext& context) {
  Values matching;
  const Values values = all_values(context.node.options());
  for (const std::string_view pattern : context.arguments.subspan(2)) {
    if (pattern.find_first_of("*?[") == std::string_view::npos) {
      // Redis answers a plain name as the client wrote it.
      const auto value = values.find(base::lower(pattern));
      if (value != values.end()) matching.emplace(pattern, value->second);
      continue;
    }
    for (const auto& [name, value] : values) {
      if (glob_matches(pattern, name, true)) matching.emplace(name, value);
    }
  }
  context.reply.map(matching.size());
  for (const auto& [name, value] : matching) {
    context.reply.bulk(name);
    context.reply.bulk(value);
  }
}

// CONFIG HELP
void config_help_command(CommandContext& context) { reply_help(context, "config"); }

// CONFIG RESETSTAT
void config_resetstat_command(CommandContext& context) {
  context.node.statistics().reset();
  context.reply.ok();
}

// CONFIG REWRITE
void config_rewrite_command(CommandContext& context) {
  const absl::Status status = context.node.host().rewrite_configuration();
  if (status.ok()) {
    context.reply.ok();
  } else if (absl::IsFailedPrecondition(status)) {
    context.reply.error("ERR The server is running without a config file");
  } else {
    context.reply.error(base::concat("ERR Rewriting config file: ", status.message()));
  }
}

// CONFIG SET parameter value [parameter value ...]
void config_set_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  if (arguments.size() % 2 != 0) {
    context.reply.error(kSyntaxError);
    return;
  }
  std::vector<const Option*> options;
  if (!find_options(context, options)) return;
  OptionTable& table = context.node.options();
  std::vector<std::string> before;
  for (size_t i = 0; i < options.size(); ++i) {
    before.push_back(options[i] == nullptr ? std::string() : table.get(*options[i]));
    if (options[i] == nullptr) continue;
    const absl::Status status = table.set(*options[i], arguments[2 * i + 3]);
    if (status.ok()) continue;
    for (size_t j = i; j-- > 0;) {
      if (options[j] == nullptr) continue;
      const absl::Status restored = table.set(*options[j], before[j]);
      CHECK(restored.ok()) << options[j]->name;
    }
    reply_set_failure(context, base::lower(arguments[2 * i + 2]), base::view(status.message()));
    return;
  }
  context.node.options_changed();
  context.reply.ok();
}

}  // namespace kvorum::server
