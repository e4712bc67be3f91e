// WAIT and WAITAOF on a node without followers: no follower ever has anything.
#include <limits>
#include <memory>

#include "base/text.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/generic_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {

namespace {

constexpr int64_t kMicrosecondsPerMillisecond = 1000;

// When a wait of so many milliseconds ends, on the monotonic clock; 0, for ever, if never.
int64_t deadline_us(Node& node, int64_t timeout_ms) {
  int64_t deadline = 0;
  if (timeout_ms == 0 ||
      __builtin_mul_overflow(timeout_ms, kMicrosecondsPerMillisecond, &deadline) ||
      __builtin_add_overflow(deadline, node.monotonic_us(), &deadline)) {
    return 0;
  }
  return deadline;
}

// What WAITAOF reports: whether the session's last write is durable here, and on how many
// followers.
void reply_durable(resp::ReplyWriter reply, bool local) {
  reply.array(2);
  reply.integer(local ? 1 : 0);
  reply.integer(0);
}

}  // namespace

// WAIT numreplicas timeout
void wait_command(CommandContext& context) {
  int64_t replicas = 0, timeout_ms = 0;
  if (!read_integer(context, context.arguments[1], replicas)) return;
  if (!read_timeout_ms(context, context.arguments[2], timeout_ms)) return;
  if (replicas <= 0 || context.node.executing_transaction()) {
    context.reply.integer(0);
    return;
  }
  auto blocked = std::make_unique<Blocked>();
  blocked->deadline_us = deadline_us(context.node, timeout_ms);
  blocked->try_finish = [](Session&) { return false; };
  blocked->on_timeout = [](Session& session) { session.writer().integer(0); };
  context.node.block(context.session, std::move(blocked));
}

// WAITAOF numlocal numreplicas timeout
void waitaof_command(CommandContext& context) {
  Node& node = context.node;
  int64_t local = 0, replicas = 0, timeout_ms = 0;
  if (!read_integer_between(context, context.arguments[1], 0, 1, local)) return;
  if (!read_integer(context, context.arguments[2], replicas)) return;
  if (replicas < 0) {
    context.reply.error("ERR value is out of range, must be positive");
    return;
  }
  if (!read_timeout_ms(context, context.arguments[3], timeout_ms)) return;

  const auto durable = [&node](const Session& session) {
    // Not the commit: under everysec and never a record is committed before it is synced.
    return node.log().wal().synced() >= session.last_write;
  };
  if ((replicas == 0 && (local == 0 || durable(context.session))) || node.executing_transaction()) {
    reply_durable(context.reply, durable(context.session));
    return;
  }
  if (local == 1) node.log().wal().request_sync();  // goes out at the end of this turn
  auto blocked = std::make_unique<Blocked>();
  blocked->deadline_us = deadline_us(node, timeout_ms);
  blocked->try_finish = [durable, replicas](Session& session) {
    if (replicas > 0 || !durable(session)) return false;
    reply_durable(session.writer(), true);
    return true;
  };
  blocked->on_timeout = [durable](Session& session) {
    reply_durable(session.writer(), durable(session));
  };
  node.block(context.session, std::move(blocked));
}

}  // namespace kvorum::server
