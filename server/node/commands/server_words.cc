// TIME, LOLWUT and what is left of SCRIPT.
#include "base/text.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/node.h"
#include "server/node/version.h"

namespace kvorum::server {

// LOLWUT [VERSION version [argument ...]]
void lolwut_command(CommandContext& context) {
  int64_t version = 0;
  if (context.arguments.size() >= 3 && is_word(context.arguments[1], "version") &&
      !read_integer(context, context.arguments[2], version)) {
    return;
  }
  context.reply.verbatim(
      "txt",
      base::concat("kvorum ", kVersion, ", with the manners of Redis ver. ", kRedisVersion, "\n"));
}

// SCRIPT HELP
void script_help_command(CommandContext& context) { reply_help(context, "script"); }

// SCRIPT KILL
void script_kill_command(CommandContext& context) {
  context.reply.error("NOTBUSY No scripts in execution right now.");
}

// TIME
void time_command(CommandContext& context) {
  const int64_t now_us = context.node.now_us();
  context.reply.array(2);
  context.reply.bulk_integer(now_us / 1'000'000);
  context.reply.bulk_integer(now_us % 1'000'000);
}

}  // namespace kvorum::server
