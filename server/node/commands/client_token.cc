// CLIENT TOKEN: what a connection has seen, to go on with at another node.
#include <memory>
#include <string>

#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/connection_handlers.h"
#include "server/node/node.h"
#include "server/node/session.h"
#include "server/node/session_token.h"

namespace kvorum::server {
namespace {

using storage::Position;

// False: what the session has seen is not known to be committed. Nothing else may be promised at
// another node: it could be lost with this leader.
bool reply_token(Node& node, Session& session) {
  const Position commit = node.commit_position();
  if (session.seen > commit) return false;
  // What is before the commit and not in the log was lost with its leader; or the log does not
  // reach back so far.
  const bool there =
      session.seen == Position() || node.cluster().replica().log().contains(session.seen);
  session.writer().bulk(
      encode_token(node.cluster().identity().incarnation, there ? session.seen : commit));
  return true;
}

void give_token(CommandContext& context) {
  Node& node = context.node;
  if (reply_token(node, context.session)) return;
  auto blocked = std::make_unique<Blocked>();
  blocked->deadline_us =
      node.monotonic_us() + node.options().values().write_timeout_ms * int64_t{1000};
  blocked->try_finish = [&node](Session& session) { return reply_token(node, session); };
  blocked->on_timeout = [](Session& session) {
    session.writer().error(
        "TRYAGAIN What this connection has seen was not confirmed in time. Ask again.");
  };
  node.block(context.session, std::move(blocked));
}

// The log says otherwise: it is not the one that the position was in.
bool contradicts(Node& node, Position position) {
  const Cluster& cluster = node.cluster();
  const auto term = cluster.replica().log().term_at(position.lsn);
  if (position.lsn <= node.commit_position().lsn)
    return term.value_or(position.term) != position.term;
  // Nobody but the only voter could have more.
  return cluster.leads() && cluster.voters() == 1 && position.lsn > node.last_position().lsn;
}

void take_token(CommandContext& context) {
  const auto position =
      decode_token(context.node.cluster().identity().incarnation, context.arguments[2]);
  if (!position.ok()) {
    context.reply.error(base::concat("ERR ", position.status().message()));
  } else if (contradicts(context.node, *position)) {
    context.reply.error("ERR the token is of another history of this cluster");
  } else {
    context.session.see(*position);
    context.reply.ok();
  }
}

}  // namespace

// CLIENT TOKEN [token]
void client_token_command(CommandContext& context) {
  if (context.arguments.size() > 3) {
    reply_subcommand_syntax(context);
  } else if (context.arguments.size() == 2) {
    give_token(context);
  } else {
    take_token(context);
  }
}

}  // namespace kvorum::server
