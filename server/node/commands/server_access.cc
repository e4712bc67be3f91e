// What ACL says where there is one user who may do everything.
#include <algorithm>
#include <vector>

#include "base/text.h"
#include "server/node/command_docs.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/server_handlers.h"

namespace kvorum::server {
namespace {

// In Redis' order.
constexpr std::string_view kCategories[] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

}  // namespace

// ACL CAT [category]
void acl_cat_command(CommandContext& context) {
  if (context.arguments.size() == 2) {
    context.reply.array(std::size(kCategories));
    for (const std::string_view category : kCategories) context.reply.bulk(category);
    return;
  }
  const std::string_view wanted = context.arguments[2];
  if (context.arguments.size() > 3) {
    reply_subcommand_syntax(context);
    return;
  }
  if (std::none_of(std::begin(kCategories), std::end(kCategories), [&](std::string_view each) {
        return base::equal_ignoring_case(each, wanted);
      })) {
    context.reply.error(base::concat("ERR Unknown category '", wanted, "'"));
    return;
  }
  const size_t mark = context.reply.begin_array();
  size_t count = 0;
  const auto add = [&](const Command& command) {
    if (!has_category(command, wanted)) return;
    context.reply.bulk(command.name);
    ++count;
  };
  for (const Command* command : all_commands()) {
    add(*command);
    for (const Command& subcommand : command->subcommands) add(subcommand);
  }
  context.reply.end_array(mark, count);
}

// ACL HELP
void acl_help_command(CommandContext& context) { reply_help(context, "acl"); }

// ACL USERS
void acl_users_command(CommandContext& context) {
  context.reply.array(1);
  context.reply.bulk("default");
}

// ACL WHOAMI
void acl_whoami_command(CommandContext& context) { context.reply.bulk("default"); }

}  // namespace kvorum::server
