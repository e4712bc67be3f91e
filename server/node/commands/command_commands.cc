// COMMAND: the command table as clients see it.
#include "base/text.h"
#include "server/node/command_docs.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/glob.h"

namespace kvorum::server {
namespace {

void write_all(CommandContext& context) {
  context.reply.array(all_commands().size());
  for (const Command* command : all_commands()) write_command_info(context.reply, *command);
}

enum class ListFilter : uint8_t { kNone, kModule, kCategory, kPattern };

bool passes(const Command& command, ListFilter filter, std::string_view value) {
  switch (filter) {
    case ListFilter::kNone:
      return true;
    case ListFilter::kModule:
      return false;  // there are none
    case ListFilter::kCategory:
      return has_category(command, value);
    case ListFilter::kPattern:
      break;
  }
  return glob_matches(value, command.name, true);
}

}  // namespace

// COMMAND
void command_command(CommandContext& context) { write_all(context); }

// COMMAND COUNT
void command_count_command(CommandContext& context) {
  context.reply.integer(static_cast<int64_t>(all_commands().size()));
}

// COMMAND DOCS [command-name [command-name ...]]
void command_docs_command(CommandContext& context) {
  if (context.arguments.size() == 2) {
    context.reply.map(all_commands().size());
    for (const Command* command : all_commands()) {
      write_command_documentation(context.reply, *command);
    }
    return;
  }
  const size_t mark = context.reply.begin_map();
  size_t pairs = 0;
  for (const std::string_view name : context.arguments.subspan(2)) {
    const Command* command = find_full_command(name);
    if (command == nullptr) continue;
    write_command_documentation(context.reply, *command);
    ++pairs;
  }
  context.reply.end_map(mark, pairs);
}

// COMMAND HELP
void command_help_command(CommandContext& context) { reply_help(context, "command"); }

// COMMAND INFO [command-name [command-name ...]]
void command_info_command(CommandContext& context) {
  if (context.arguments.size() == 2) {
    write_all(context);
    return;
  }
  context.reply.array(context.arguments.size() - 2);
  for (const std::string_view name : context.arguments.subspan(2)) {
    const Command* command = find_full_command(name);
    if (command == nullptr) {
      context.reply.null();
    } else {
      write_command_info(context.reply, *command);
    }
  }
}

// COMMAND LIST [FILTERBY MODULE name|ACLCAT category|PATTERN pattern]
void command_list_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  ListFilter filter = ListFilter::kNone;
  std::string_view value;
  if (arguments.size() == 5 && is_word(arguments[2], "filterby")) {
    value = arguments[4];
    if (is_word(arguments[3], "module")) {
      filter = ListFilter::kModule;
    } else if (is_word(arguments[3], "aclcat")) {
      filter = ListFilter::kCategory;
    } else if (is_word(arguments[3], "pattern")) {
      filter = ListFilter::kPattern;
    }
  }
  if (arguments.size() > 2 && filter == ListFilter::kNone) {
    context.reply.error(kSyntaxError);
    return;
  }
  const size_t mark = context.reply.begin_array();
  size_t count = 0;
  const auto add = [&](const Command& command) {
    if (!passes(command, filter, value)) return;
    context.reply.bulk(command.name);
    ++count;
  };
  for (const Command* command : all_commands()) {
    add(*command);
    for (const Command& subcommand : command->subcommands) add(subcommand);
  }
  context.reply.end_array(mark, count);
}

}  // namespace kvorum::server
