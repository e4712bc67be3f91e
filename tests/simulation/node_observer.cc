#include "tests/simulation/node_observer.h"

#include <algorithm>

#include "server/node/cluster/cluster.h"
#include "server/node/node.h"
#include "server/node/record_log.h"

namespace kvorum::simulation {

using server::RecordLog;
using storage::Lsn;
using storage::Position;

NodeObserver::NodeObserver(World& world)
    : world_(world),
      logs_(world.parameters.machines(), world.parameters.nodes, world.verdict),
      leaders_(world.verdict),
      hard_states_(world.parameters.machines(), world.verdict),
      seen_(static_cast<size_t>(world.parameters.machines()) + 1) {}

void NodeObserver::process_ends(SimulatedNode& machine) {
  if (seen_[machine.id()].generation == machine.generation()) logs_.ended(machine.id());
  seen_[machine.id()].generation = 0;
}

void NodeObserver::disk_wiped(SimulatedNode& machine) {
  logs_.disk_lost(machine.id());
  hard_states_.disk_lost(machine.id());
  seen_[machine.id()] = {};
}

void NodeObserver::disk_damaged(SimulatedNode& machine) {
  seen_[machine.id()].may_have_lost = true;
  hard_states_.disk_lost(machine.id());
}

void NodeObserver::keyspace_damaged(SimulatedNode& machine) {
  seen_[machine.id()].keyspace_damaged = true;
  seen_[machine.id()].damage_found = false;
}

void NodeObserver::turn_ended(SimulatedNode& machine) {
  // A lone node keeps no records in memory to look at.
  if (!machine.loaded() || world_.parameters.nodes == 1) return;
  Seen& seen = seen_[machine.id()];
  const server::Cluster& cluster = machine.node()->cluster();
  const replication::Replica& replica = cluster.replica();
  RecordLog& log = machine.node()->log();
  if (seen.generation != machine.generation()) {
    hard_states_.recovered(machine.id(), replica.hard_state());
    recovered(machine, seen);
  }
  hard_states_.now(machine.id(), replica.hard_state(),
                   log.hard_state_saved() && log.hard_state() == replica.hard_state());
  if (replica.leading() && leaders_.leads(machine.id(), replica.term())) {
    world_.faults.count(Fault::kElection);
  }
  if (replica.leading()) follow_members(replica);
  follow_log(machine, seen);
}

void NodeObserver::follow_members(const replication::Replica& replica) {
  Members& members = world_.members;
  const bool known = members.term == replica.term() && members.lsn == replica.membership_lsn();
  if (replica.term() < members.term) return;
  if (known) {
    members.committed |= replica.membership_committed();
    return;
  }
  members = {replica.term(), replica.membership_lsn(), {}, {}, {}, replica.membership_committed()};
  for (const replication::Member& member : replica.membership().members) {
    const Endpoint id = member.id.value();
    members.all.insert(id);
    if (member.voter) members.voters.insert(id);
    if (member.stays_learner) members.learners_for_good.insert(id);
  }
}

void NodeObserver::follow_voters(SimulatedNode& machine, Seen& seen) {
  const replication::Replica& replica = machine.node()->cluster().replica();
  const bool known =
      seen.voters_of == replica.membership_lsn() && seen.voters_in == replica.log().last();
  if (known) return;
  seen.voters_of = replica.membership_lsn();
  seen.voters_in = replica.log().last();
  uint64_t voters = 0;
  for (const storage::NodeId voter : replica.membership().voters()) {
    voters |= uint64_t{1} << voter.value();
  }
  logs_.voters(machine.id(), voters);
}

void NodeObserver::recovered(SimulatedNode& machine, Seen& seen) {
  const RecordLog& log = machine.node()->log();
  const uint32_t id = machine.id();
  if (seen.may_have_lost) logs_.disk_lost(id);
  const bool may_have_lost = seen.may_have_lost;
  seen = {};
  seen.generation = machine.generation();
  seen.base = seen.last = log.recent().base();
  seen.commit = seen.synced = seen.base.lsn;
  logs_.begin(id, seen.base);
  append_from(machine, seen.base.lsn.value());
  seen.last = log.last();
  if (!may_have_lost) logs_.recovered(id);
}

void NodeObserver::append_from(SimulatedNode& machine, uint64_t after) {
  const server::RecentRecords& recent = machine.node()->log().recent();
  if (recent.last().lsn.value() <= after) return;
  recent.for_each(Lsn{after}, recent.last().lsn, [&](const storage::RecordView& record) {
    logs_.append(machine.id(), record);
    return true;
  });
}

void NodeObserver::follow_log(SimulatedNode& machine, Seen& seen) {
  const RecordLog& log = machine.node()->log();
  const server::RecentRecords& recent = log.recent();
  const uint32_t id = machine.id();
  // What a full disk has cut off may have been committed by the others in the same turn.
  const Position committed = log.commit();
  if (committed.lsn > std::max(log.last().lsn, seen.commit) &&
      logs_.term_at(id, committed.lsn.value()) == committed.term) {
    logs_.commit(id, committed.lsn.value());
  }
  if (log.last() != seen.last || recent.base() != seen.base) {
    if (recent.base().lsn > seen.last.lsn ||
        (recent.base() != seen.base &&
         logs_.term_at(id, recent.base().lsn.value()) != recent.base().term)) {
      world_.faults.count(Fault::kLogReplaced);
      world_.print("node ", id, " goes on at lsn ", recent.base().lsn.value());
      logs_.begin(id, recent.base());
      seen.synced = seen.commit = recent.base().lsn;
    }
    seen.base = recent.base();
    // Where what is known still is what the node has.
    uint64_t same = std::min(logs_.last(id), log.last().lsn.value());
    while (same > recent.base().lsn.value() &&
           recent.header_of(Lsn{same}).term != logs_.term_at(id, same)) {
      --same;
    }
    if (same < logs_.last(id)) {
      world_.faults.count(Fault::kLogTruncated);
      world_.print("node ", id, " cuts its log at lsn ", same);
      const replication::Replica& replica = machine.node()->cluster().replica();
      if (replica.leading() && replica.membership().members.size() == 1) logs_.forget(id, same);
      logs_.truncate(id, same);
      seen.synced = std::min(seen.synced, Lsn{same});
      seen.commit = std::min(seen.commit, Lsn{same});
      seen.digested = Lsn{0};
    }
    append_from(machine, same);
    seen.last = log.last();
  }
  if (log.wal().synced().lsn > seen.synced) {
    seen.synced = log.wal().synced().lsn;
    logs_.synced(id, seen.synced.value());
  }
  const Lsn commit = std::min(log.commit().lsn, log.last().lsn);
  if (commit > seen.commit) {
    seen.commit = commit;
    logs_.commit(id, commit.value());
  }
  follow_voters(machine, seen);
  follow_keyspace(machine, seen);
}

void NodeObserver::follow_keyspace(SimulatedNode& machine, Seen& seen) {
  if (seen.keyspace_damaged) {
    const bool differs = machine.node()->cluster().keyspace_differs();
    seen.keyspace_damaged = differs || !seen.damage_found;
    seen.damage_found = seen.damage_found || differs;
    return;
  }
  const RecordLog& log = machine.node()->log();
  const Position shown = log.applied();
  if (shown.lsn != seen.digested && shown.lsn <= log.last().lsn) {
    seen.digested = shown.lsn;
    logs_.digest(machine.id(), shown, machine.node()->keyspace().digest());
  }
}

}  // namespace kvorum::simulation
