// WAIT and WAITAOF: how many followers have on disk what a session wrote. Only a leader knows.
#include <algorithm>
#include <memory>

#include "server/node/cluster/cluster.h"
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

// Followers that have everything this session wrote on disk.
int64_t followers_with(Node& node, const Session& session) {
  const auto& followers = node.cluster().replica().progress();
  return std::count_if(followers.begin(), followers.end(), [&](const auto& follower) {
    return follower.second.match.lsn >= session.last_write.lsn;
  });
}

bool durable_here(Node& node, const Session& session) {
  // Not the commit: under everysec and never a record is committed before it is synced.
  return node.log().wal().synced().lsn >= session.last_write.lsn;
}

void reply_durable(Node& node, Session& session) {
  resp::ReplyWriter reply = session.writer();
  reply.array(2);
  reply.integer(durable_here(node, session) ? 1 : 0);
  reply.integer(followers_with(node, session));
}

// True, with the error answered, if the wait is for a leadership that is over.
bool leadership_is_over(Node& node, Session& session) {
  if (node.cluster().leads()) return false;
  session.writer().error("TRYAGAIN This node leads no more. Ask again.");
  return true;
}

}  // namespace

// WAIT numreplicas timeout
void wait_command(CommandContext& context) {
  Node& node = context.node;
  int64_t replicas = 0, timeout_ms = 0;
  if (!read_integer(context, context.arguments[1], replicas)) return;
  if (!read_timeout_ms(context, context.arguments[2], timeout_ms)) return;
  const int64_t now = followers_with(node, context.session);
  if (now >= replicas || node.executing_transaction()) {
    context.reply.integer(now);
    return;
  }
  auto blocked = std::make_unique<Blocked>();
  blocked->deadline_us = deadline_us(node, timeout_ms);
  blocked->try_finish = [&node, replicas](Session& session) {
    if (leadership_is_over(node, session)) return true;
    const int64_t followers = followers_with(node, session);
    if (followers < replicas) return false;
    session.writer().integer(followers);
    return true;
  };
  blocked->on_timeout = [&node](Session& session) {
    session.writer().integer(followers_with(node, session));
  };
  node.block(context.session, std::move(blocked));
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

  const auto reached = [&node, local, replicas](const Session& session) {
    return (local == 0 || durable_here(node, session)) && followers_with(node, session) >= replicas;
  };
  if (reached(context.session) || node.executing_transaction()) {
    reply_durable(node, context.session);
    return;
  }
  if (local == 1) node.log().wal().request_sync();  // goes out at the end of this turn
  auto blocked = std::make_unique<Blocked>();
  blocked->deadline_us = deadline_us(node, timeout_ms);
  blocked->try_finish = [&node, reached](Session& session) {
    if (leadership_is_over(node, session)) return true;
    if (!reached(session)) return false;
    reply_durable(node, session);
    return true;
  };
  blocked->on_timeout = [&node](Session& session) { reply_durable(node, session); };
  node.block(context.session, std::move(blocked));
}

}  // namespace kvorum::server
