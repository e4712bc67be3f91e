// MULTI, EXEC, DISCARD, WATCH, UNWATCH. What EXEC runs becomes one record: all or nothing.
#include <string>
#include <vector>

#include "server/node/cluster/forwarding.h"
#include "server/node/command.h"
#include "server/node/node.h"
#include "server/node/session.h"

namespace kvorum::server {

namespace {

// MULTI
void multi(CommandContext& context) {
  if (context.session.in_transaction) {
    context.reply.error("ERR MULTI calls can not be nested");
    return;
  }
  context.session.in_transaction = true;
  context.reply.ok();
}

// DISCARD
void discard(CommandContext& context) {
  if (!context.session.in_transaction) {
    context.reply.error("ERR DISCARD without MULTI");
    return;
  }
  context.node.transactions().discard(context.session);
  context.node.forwarding().forwarder().unwatch(context.session);
  context.reply.ok();
}

void run_queued(CommandContext& context, const std::vector<QueuedCommand>& queued) {
  context.reply.array(queued.size());
  context.node.set_executing_transaction(true);
  std::vector<std::string_view> arguments;
  for (const QueuedCommand& each : queued) {
    arguments.assign(each.arguments.begin(), each.arguments.end());
    // HELLO cannot be queued, so the protocol stays; RESP version is read anew all the same.
    CommandContext inner{context.node, context.session, *each.command, arguments,
                         context.session.writer()};
    context.node.call(inner);
  }
  context.node.set_executing_transaction(false);
}

// A key that was there when it was watched and has expired since has changed too.
bool watched_expired(CommandContext& context) {
  for (const auto& [database, key] : context.session.watched) {
    const storage::Entry* entry = context.node.keyspace().find(database, key);
    if (entry != nullptr && context.node.expired(*entry)) return true;
  }
  return false;
}

// EXEC
void exec(CommandContext& context) {
  Session& session = context.session;
  if (!session.in_transaction) {
    context.reply.error("ERR EXEC without MULTI");
    return;
  }
  const bool broken = session.transaction_broken;
  const bool touched = session.watch_touched || watched_expired(context);
  const std::vector<QueuedCommand> queued = std::move(session.queued);
  context.node.transactions().discard(session);
  context.node.forwarding().forwarder().unwatch(session);
  if (broken) {
    context.reply.error("EXECABORT Transaction discarded because of previous errors.");
  } else if (touched) {
    context.reply.null_array();
  } else {
    run_queued(context, queued);
  }
}

// WATCH key [key ...]
void watch(CommandContext& context) {
  if (context.session.in_transaction) {
    context.reply.error("ERR WATCH inside MULTI is not allowed");
    return;
  }
  for (std::string_view key : context.arguments.subspan(1)) {
    // An expired key is deleted first, so that its deletion does not count as a change later.
    if (context.node.loaded()) context.node.lookup(context, key, Node::Lookup::kPeek);
    context.node.transactions().watch(context.session, context.session.database, key);
  }
  context.reply.ok();
}

// UNWATCH
void unwatch(CommandContext& context) {
  context.node.transactions().unwatch(context.session);
  context.node.forwarding().forwarder().unwatch(context.session);
  context.reply.ok();
}

using namespace command_flag;

constexpr Command kCommands[] = {
    {.name = "multi",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .handler = multi,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Mark the start of a transaction block",
     .categories = "@fast @transaction"},
    {.name = "exec",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kSkipSlowlog,
     .handler = exec,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "Depends on commands in the transaction",
     .summary = "Execute all commands issued after MULTI",
     .categories = "@slow @transaction"},
    {.name = "discard",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .handler = discard,
     .group = "transactions",
     .since = "2.0.0",
     .complexity = "O(N), when N is the number of queued commands",
     .summary = "Discard all commands issued after MULTI",
     .categories = "@fast @transaction"},
    {.name = "watch",
     .arity = -2,
     // Gates on the log's end: what is read after it on a follower is no older.
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy | kKeyspaceWide,
     .keys = {1, -1, 1},
     .handler = watch,
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(1) for every key.",
     .summary = "Watch the given keys to determine execution of the MULTI/EXEC block",
     .categories = "@fast @transaction",
     .arguments = "key#0*"},
    {.name = "unwatch",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kAllowBusy,
     .handler = unwatch,
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Forget about all watched keys",
     .categories = "@fast @transaction"},
};

}  // namespace

std::span<const Command> transaction_commands() { return kCommands; }

}  // namespace kvorum::server
