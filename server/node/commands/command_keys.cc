// COMMAND GETKEYS and GETKEYSANDFLAGS.
#include <algorithm>
#include <vector>

#include "server/node/command_docs.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/server_handlers.h"

namespace kvorum::server {
namespace {

struct FoundKey {
  std::string_view key;
  std::vector<std::string_view> flags;
};

// SET and BITFIELD do with a key what their options say.
std::vector<std::string_view> flags_of(const KeySpec& spec, resp::Arguments arguments) {
  std::vector<std::string_view> flags = spec.flags;
  if (std::erase(flags, "variable_flags") == 0) return flags;
  const bool reads = std::any_of(arguments.begin(), arguments.end(),
                                 [](std::string_view each) { return is_word(each, "get"); });
  if (!reads) flags = {"OW", "update"};
  return flags;
}

// The keys of a whole command. False with the error answered.
bool find_keys(CommandContext& context, resp::Arguments arguments, std::vector<FoundKey>& keys) {
  const Command* command = find_command(arguments[0]);
  if (command != nullptr && !command->subcommands.empty() && arguments.size() > 1) {
    command = find_subcommand(*command, arguments[1]);
  }
  if (command == nullptr) {
    context.reply.error("ERR Invalid command specified");
    return false;
  }
  const CommandDetails* details = find_command_details(command->name);
  const auto specs = parse_key_specs(details == nullptr ? "" : details->key_specs);
  if (std::all_of(specs.begin(), specs.end(), [](const KeySpec& spec) {
        return std::find(spec.flags.begin(), spec.flags.end(), "not_key") != spec.flags.end();
      })) {
    context.reply.error("ERR The command has no key arguments");
    return false;
  }
  const auto count = static_cast<int>(arguments.size());
  if (command->arity >= 0 ? count != command->arity : count < -command->arity) {
    context.reply.error("ERR Invalid number of arguments specified for command");
    return false;
  }
  for (const KeySpec& spec : specs) {
    const int last = spec.last < 0 ? count + spec.last : spec.first + spec.last;
    for (int i = spec.first; i <= std::min(last, count - 1); i += spec.step) {
      keys.push_back({arguments[static_cast<size_t>(i)], flags_of(spec, arguments)});
    }
  }
  return true;
}

}  // namespace

// COMMAND GETKEYS command [argument ...]
void command_getkeys_command(CommandContext& context) {
  std::vector<FoundKey> keys;
  if (!find_keys(context, context.arguments.subspan(2), keys)) return;
  context.reply.array(keys.size());
  for (const FoundKey& found : keys) context.reply.bulk(found.key);
}

// COMMAND GETKEYSANDFLAGS command [argument ...]
void command_getkeysandflags_command(CommandContext& context) {
  std::vector<FoundKey> keys;
  if (!find_keys(context, context.arguments.subspan(2), keys)) return;
  context.reply.array(keys.size());
  for (const FoundKey& found : keys) {
    context.reply.array(2);
    context.reply.bulk(found.key);
    context.reply.set(found.flags.size());
    for (const std::string_view flag : found.flags) context.reply.simple_string(flag);
  }
}

}  // namespace kvorum::server
