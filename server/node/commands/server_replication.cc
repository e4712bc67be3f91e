// Redis' replication commands, and where messages between nodes come in.
#include <vector>

#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/cluster/follower_view.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {

// CLUSTER subcommand …
void cluster_command(CommandContext& context) {
  context.reply.error("ERR This instance has cluster support disabled");
}

// FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]
void failover_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  bool abort = false, to = false, other = false;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const size_t more = arguments.size() - 1 - i;
    int64_t number = 0;
    if (is_word(arguments[i], "timeout") && more >= 1 && !other) {
      if (!read_integer(context, arguments[++i], number)) return;
      if (number <= 0) {
        context.reply.error("ERR FAILOVER timeout must be greater than 0");
        return;
      }
      other = true;
    } else if (is_word(arguments[i], "to") && more >= 2 && !to) {
      i += 2;
      if (!read_integer(context, arguments[i], number)) return;
      to = true;
    } else if (is_word(arguments[i], "force") && to) {
      other = true;
    } else if (is_word(arguments[i], "abort") && arguments.size() == 2) {
      abort = true;
    } else {
      context.reply.error(kSyntaxError);
      return;
    }
  }
  context.reply.error(abort ? "ERR No failover in progress."
                            : "ERR FAILOVER requires connected replicas.");
}

// REPLCONF [option value [option value ...]]
void replconf_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  // REPLCONF ACK is a word of Redis' too, and gets no answer.
  const bool from_peer = context.session.peer != storage::NodeId{0};
  if (arguments.size() >= 2 && peer::is_peer_word(arguments[1]) &&
      (from_peer || !is_word(arguments[1], "ack"))) {
    context.node.cluster().receive(context.session, arguments);
    return;
  }
  if (arguments.size() % 2 == 0) {
    context.reply.error(kSyntaxError);
    return;
  }
  for (size_t i = 1; i < arguments.size(); i += 2) {
    if (is_word(arguments[i], "ack") || is_word(arguments[i], "getack")) return;  // no reply
  }
  context.reply.ok();
}

// REPLICAOF host port | REPLICAOF NO ONE
void replicaof_command(CommandContext& context) {
  if (is_word(context.arguments[1], "no") && is_word(context.arguments[2], "one")) {
    context.reply.ok();
    return;
  }
  context.reply.error(
      "ERR this node is nobody's replica: kvorum replicates by cluster membership, not by "
      "REPLICAOF");
}

// SLAVEOF host port | SLAVEOF NO ONE
void slaveof_command(CommandContext& context) { replicaof_command(context); }

namespace {

// [ip, port, offset] of each follower that is there.
void reply_master(CommandContext& context) {
  const std::vector<FollowerView> followers = connected_followers(context.node);
  context.reply.array(3);
  context.reply.bulk("master");
  context.reply.integer(static_cast<int64_t>(context.node.commit_position().lsn.value()));
  context.reply.array(followers.size());
  for (const FollowerView& follower : followers) {
    context.reply.array(3);
    context.reply.bulk(follower.address.host);
    context.reply.bulk_integer(follower.address.port);
    context.reply.bulk_integer(static_cast<int64_t>(follower.durable_lsn.value()));
  }
}

std::string_view link_state(const Cluster& cluster) {
  if (cluster.leader() == storage::NodeId{0}) return "connect";
  return cluster.snapshots().receiving() ? "sync" : "connected";
}

void reply_follower(CommandContext& context) {
  const HostAndPort leader = address_of(context.node.cluster().leader_address());
  context.reply.array(5);
  context.reply.bulk("slave");
  context.reply.bulk(leader.host);
  context.reply.integer(leader.port);
  context.reply.bulk(link_state(context.node.cluster()));
  context.reply.integer(static_cast<int64_t>(context.node.log().applied().lsn.value()));
}

}  // namespace

// ROLE
void role_command(CommandContext& context) {
  const Cluster& cluster = context.node.cluster();
  if (cluster.started() && !cluster.leads()) {
    reply_follower(context);
  } else {
    reply_master(context);
  }
}

}  // namespace kvorum::server
