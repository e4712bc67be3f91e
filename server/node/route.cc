#include "server/node/route.h"

#include <algorithm>
#include <string>

#include "server/node/cluster/cluster.h"
#include "server/node/cluster/forwarding.h"
#include "server/node/node.h"

namespace kvorum::server {

namespace {

using namespace command_flag;

bool has_keys(const Command& command) {
  return command.keys.first != 0 || (command.flags & kMovableKeys) != 0;
}

bool reads(const Command& command) {
  return (command.flags & kReadOnly) && (has_keys(command) || (command.flags & kKeyspaceWide));
}

// Reads here show no less than the session's level promises: if need be they wait for it.
Route route_of_local_read(Node& node, Session& session) {
  const Consistency level = node.consistency_of(session);
  // What is read after WATCH may not be older than what is watched: EXEC would overwrite the rest.
  const auto watches = [&] { return node.forwarding().forwarder().watches(session); };
  if (level == Consistency::kPrefix && !watches()) return Route::kHere;
  Cluster& cluster = node.cluster();
  const bool indexed = level != Consistency::kLinearizable || cluster.read_index().ready(session);
  if (indexed && session.seen <= node.log().applied()) return Route::kHere;
  if (!session.read_wait.has_value()) session.read_wait = ReadWait{.since_us = node.monotonic_us()};
  const int64_t waited_us = node.monotonic_us() - session.read_wait->since_us;
  if (waited_us >= int64_t{1000} * node.options().values().write_timeout_ms) return Route::kBehind;
  if (!indexed) {
    cluster.read_index().ask(session);
    return Route::kIndexed;
  }
  // For longer than it should take: the read had better be the leader's.
  const bool long_behind = waited_us >= int64_t{1000} * cluster.membership().election_timeout_ms;
  return long_behind && cluster.leader() != storage::NodeId{0} ? Route::kLeader : Route::kLater;
}

// `ordered`: it may follow what is under way to the leader.
Route route_of_read(Node& node, Session& session, bool ordered) {
  const Cluster& cluster = node.cluster();
  // The only voter has just started: what it acknowledged is shown when it leads again. With a full
  // disk it does not before there is room.
  const bool only_voter = cluster.voters() == 1 && cluster.replica().is_voter();
  if (only_voter && !node.log().disk_full()) return Route::kLater;
  if (cluster.reads_refused()) {
    if (cluster.leader() != storage::NodeId{0}) return Route::kLeader;
    return session.forwarded == 0 ? Route::kUnreadable : Route::kLater;
  }
  if (session.forwarded != 0) return ordered ? Route::kLeader : Route::kLater;
  return route_of_local_read(node, session);
}

Route route_of_exec(Node& node, Session& session, Route here) {
  const bool runs = session.in_transaction && !session.transaction_broken && !session.watch_touched;
  if (!runs) return here;  // only its error or its nil
  if (node.forwarding().forwarder().watches(session)) return Route::kLeader;
  const bool any_read =
      std::any_of(session.queued.begin(), session.queued.end(),
                  [](const QueuedCommand& queued) { return reads(*queued.command); });
  return any_read ? route_of_read(node, session, /*ordered=*/true) : here;
}

}  // namespace

bool runs_inside_multi(const Command& command) {
  static constexpr std::string_view kRuns[] = {"exec",  "discard", "multi",
                                               "watch", "quit",    "reset"};
  return std::find(std::begin(kRuns), std::end(kRuns), command.name) != std::end(kRuns);
}

bool has_flag(const Session& session, const Command& command, uint32_t flag) {
  if (command.flags & flag) return true;
  if (command.name != "exec") return false;
  return std::any_of(session.queued.begin(), session.queued.end(),
                     [&](const QueuedCommand& each) { return each.command->flags & flag; });
}

bool writes(const Session& session, const Command& command) {
  return has_flag(session, command, kWrite);
}

bool changes_membership(const Command& command) {
  return (command.flags & kWrite) != 0 && command.name.starts_with("member|");
}

bool speaks_of_keyspace(const Command& command) {
  const bool of_keys = (command.flags & (kWrite | kReadOnly | kKeyspaceWide)) != 0;
  return of_keys || has_keys(command) || waits_for_followers(command);
}

bool waits_for_followers(const Command& command) {
  return command.name == "wait" || command.name == "waitaof";
}

Route route_of(Node& node, Session& session, const Command& command) {
  const Cluster& cluster = node.cluster();
  const Route here = session.forwarded == 0 ? Route::kHere : Route::kLater;
  if (cluster.leads()) return here;
  // Most commands at a follower: none of what is special below only reads.
  if (!session.in_transaction && reads(command) && !(command.flags & kWrite)) {
    return route_of_read(node, session, has_keys(command));
  }
  const bool writing = writes(session, command);
  if (writing) {
    const std::string& mode = node.options().values().follower_writes;
    if (mode == "readonly") return here == Route::kHere ? Route::kReadOnly : here;
    if (mode == "redirect" && session.capability_redirect &&
        cluster.leader() != storage::NodeId{0}) {
      return here == Route::kHere ? Route::kRedirect : here;
    }
  }
  const bool exec = command.name == "exec";
  if (session.in_transaction && !exec) return here;  // queued, or refused inside MULTI
  // How far the members are only the leader knows; without one this node tells what it knows.
  const bool lists_members =
      command.name == "member|list" && cluster.leader() != storage::NodeId{0};
  const bool at_leader =
      writing || waits_for_followers(command) || command.name == "watch" || lists_members;
  if (exec && !(writing && !session.transaction_broken && !session.watch_touched)) {
    return route_of_exec(node, session, here);
  }
  if (at_leader) return Route::kLeader;
  return reads(command) ? route_of_read(node, session, has_keys(command)) : here;
}

}  // namespace kvorum::server
