// Redis' replication commands, and where messages between nodes come in.
#include <string>
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

namespace {

struct FailoverArguments {
  bool abort = false, to = false, force = false, timeout = false;
  std::string address;
  int64_t timeout_ms = 0;
};

// False: the reply says what is wrong.
bool read_failover(CommandContext& context, FailoverArguments& given) {
  const resp::Arguments& arguments = context.arguments;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const size_t more = arguments.size() - 1 - i;
    if (is_word(arguments[i], "timeout") && more >= 1 && !given.timeout) {
      if (!read_integer(context, arguments[++i], given.timeout_ms)) return false;
      if (given.timeout_ms <= 0) {
        context.reply.error("ERR FAILOVER timeout must be greater than 0");
        return false;
      }
      given.timeout = true;
    } else if (is_word(arguments[i], "to") && more >= 2 && !given.to) {
      int64_t port = 0;
      if (!read_integer(context, arguments[i + 2], port)) return false;
      given.address = base::concat(arguments[i + 1], ":", port);
      given.to = true;
      i += 2;
    } else if (is_word(arguments[i], "force") && given.to && !given.force) {
      given.force = true;
    } else if (is_word(arguments[i], "abort") && arguments.size() == 2) {
      given.abort = true;
    } else {
      context.reply.error(kSyntaxError);
      return false;
    }
  }
  return true;
}

}  // namespace

// FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]
void failover_command(CommandContext& context) {
  // What the transaction writes would belong to an office that is being given up.
  if (context.node.executing_transaction()) {
    return context.reply.error("ERR Command not allowed inside a transaction");
  }
  FailoverArguments given;
  if (!read_failover(context, given)) return;
  Cluster& cluster = context.node.cluster();
  if (given.abort) {
    if (!cluster.handing_over()) return context.reply.error("ERR No failover in progress.");
    cluster.abort_hand_over();
    return context.reply.simple_string("OK");
  }
  if (cluster.handing_over()) return context.reply.error("ERR FAILOVER already in progress.");
  if (!cluster.leads()) {
    return context.reply.error("ERR FAILOVER is not valid when server is a replica.");
  }
  if (cluster.voters() <= 1) {
    return context.reply.error("ERR FAILOVER requires connected replicas.");
  }
  if (given.force && !given.timeout) {
    return context.reply.error(
        "ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
  }
  HandOver::Request request;
  request.timeout_us = given.timeout_ms * 1000;
  request.force = given.force;
  if (given.to) {
    for (const replication::Member& member : cluster.membership().members) {
      const bool other = member.voter && member.id != cluster.replica().id();
      if (other && member.address == given.address) request.to = member.id;
    }
    if (request.to == storage::NodeId{0}) {
      return context.reply.error("ERR FAILOVER target HOST and PORT is not a replica.");
    }
  }
  if (!cluster.hand_over(request)) {
    return context.reply.error(given.to ? "ERR FAILOVER target replica is not online."
                                        : "ERR FAILOVER requires connected replicas.");
  }
  context.reply.simple_string("OK");
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
  if (context.node.cluster().follows()) {
    reply_follower(context);
  } else {
    reply_master(context);
  }
}

}  // namespace kvorum::server
