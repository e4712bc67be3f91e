// Commands on whole databases.
#include "server/node/commands/arguments.h"
#include "server/node/commands/generic_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {

using storage::Effect;
using storage::EffectKind;

namespace {

// ASYNC and SYNC are the same here: a flush drops whole tables, and their memory comes back in
// slices.
void flush(CommandContext& context, uint8_t database) {
  const resp::Arguments arguments = context.arguments;
  const bool known =
      arguments.size() == 1 ||
      (arguments.size() == 2 && (is_word(arguments[1], "ASYNC") || is_word(arguments[1], "SYNC")));
  if (!known) {
    context.reply.error(kSyntaxError);
    return;
  }
  context.node.change(Effect{.kind = EffectKind::kFlush, .database = database});
  context.reply.ok();
}

}  // namespace

// SELECT index
void select_command(CommandContext& context) {
  if (!read_database(context, context.arguments[1], context.session.database)) return;
  context.reply.ok();
}

// SWAPDB index1 index2
void swapdb_command(CommandContext& context) {
  // Redis reads both before it looks whether there are such databases.
  int64_t first = 0, second = 0;
  if (!read_integer_between(context, context.arguments[1], INT_MIN, INT_MAX, first,
                            "ERR invalid first DB index") ||
      !read_integer_between(context, context.arguments[2], INT_MIN, INT_MAX, second,
                            "ERR invalid second DB index")) {
    return;
  }
  if (first < 0 || first >= storage::kDatabaseCount || second < 0 ||
      second >= storage::kDatabaseCount) {
    context.reply.error(kDatabaseOutOfRange);
    return;
  }
  if (first != second) {
    context.node.change(Effect{.kind = EffectKind::kSwapDatabases,
                               .database = static_cast<uint8_t>(first),
                               .other_database = static_cast<uint8_t>(second)});
  }
  context.reply.ok();
}

// FLUSHDB [ASYNC | SYNC]
void flushdb_command(CommandContext& context) {
  flush(context, static_cast<uint8_t>(context.session.database));
}

// FLUSHALL [ASYNC | SYNC]
void flushall_command(CommandContext& context) { flush(context, storage::kAllDatabases); }

// DBSIZE
void dbsize_command(CommandContext& context) {
  context.reply.integer(
      static_cast<int64_t>(context.node.keyspace().size(context.session.database)));
}

}  // namespace kvorum::server
