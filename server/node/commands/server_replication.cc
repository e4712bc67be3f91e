// What Redis' replication commands answer on a node that stands alone.
#include "base/text.h"
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

// ROLE
void role_command(CommandContext& context) {
  context.reply.array(3);
  context.reply.bulk("master");
  context.reply.integer(static_cast<int64_t>(context.node.commit_position().lsn.value()));
  context.reply.array(0);
}

}  // namespace kvorum::server
