#include "tests/unit/replication/replica_group.h"

#include <algorithm>

#include "base/check.h"

namespace kvorum::replication {

using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::RecordKind;
using storage::Term;

namespace {

std::string text(Position position) {
  return std::to_string(position.term.value()) + "." + std::to_string(position.lsn.value());
}

// The membership in force at the end of the log, and the one before it.
void read_memberships(const TestLog& log, const Membership& first, ReplicaStart& start) {
  start.membership = first;
  for (size_t i = 0; i < log.records.size(); ++i) {
    if (log.records[i].kind != RecordKind::kMembership) continue;
    start.earlier_membership = start.membership;
    start.earlier_membership_lsn = start.membership_lsn;
    CHECK(decode_membership(log.records[i].payload, start.membership));
    start.membership_lsn = Lsn{log.base.lsn.value() + i + 1};
  }
}

}  // namespace

Position TestLog::last() const { return at(Lsn{base.lsn.value() + records.size()}); }

Position TestLog::at(Lsn lsn) const {
  if (lsn == base.lsn) return base;
  return {record(lsn).term, lsn};
}

const TestRecord& TestLog::record(Lsn lsn) const {
  return records.at(lsn.value() - base.lsn.value() - 1);
}

void TestLog::truncate(Lsn kept) { records.resize(kept.value() - base.lsn.value()); }

std::string_view name_of(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "";
}

std::string describe(const Message& message, size_t records) {
  std::string line =
      std::to_string(message.from.value()) + "->" + std::to_string(message.to.value()) + " ";
  const std::string term = " term " + std::to_string(message.term.value());
  switch (message.kind) {
    case MessageKind::kVoteRequest:
      line += message.pre_vote ? "pre-vote?" : message.transfer ? "vote-by-transfer?" : "vote?";
      return line + term + " last " + text(message.position) +
             (message.everyone ? " everyone" : "");
    case MessageKind::kVoteReply:
      line += message.pre_vote ? "pre-vote " : "vote ";
      line += message.granted ? "granted" : message.claim != Position() ? "doubted" : "refused";
      return line + term + " last " + text(message.position);
    case MessageKind::kAppend:
      line += records == 0 ? message.sent_us == 0 ? "commit-news" : "heartbeat" : "append";
      line += term + " after " + text(message.position);
      if (records != 0) line += " records " + std::to_string(records);
      return line + " commit " + std::to_string(message.commit.value());
    case MessageKind::kAck:
      return line + "ack" + term + " durable " + text(message.position);
    case MessageKind::kReject:
      return line + "reject" + term + " hint " + text(message.position);
    case MessageKind::kTimeoutNow:
      return line + "timeout-now" + term;
  }
  return line;
}

ReplicaGroup::ReplicaGroup(Options options) : options_(options) {
  for (uint16_t id = 1; id <= options.nodes; ++id) {
    Member member;
    member.id = NodeId{id};
    member.address = "node" + std::to_string(id) + ":7000";
    if (options.instances) member.instance.fill(static_cast<uint8_t>(id));
    membership_.members.push_back(member);
  }
  for (uint16_t id = 1; id <= options.nodes; ++id) {
    Node& node = nodes_[id];
    node.id = NodeId{id};
    node.instance.fill(static_cast<uint8_t>(id));
    start(node, options.newborn);
  }
}

void ReplicaGroup::start(Node& node, bool newborn) {
  ReplicaStart start;
  start.id = node.id;
  start.seed = options_.seed + ++starts_;
  start.now_us = node.clock_us;
  start.hard_state = node.hard;
  start.log = TermIndex(node.log.base);
  for (size_t i = 0; i < node.log.records.size(); ++i) {
    start.log.append({node.log.records[i].term, Lsn{node.log.base.lsn.value() + i + 1}});
  }
  start.commit = node.commit;
  read_memberships(node.log, membership_, start);
  start.newborn = newborn;
  start.claim = node.claim;
  start.claim_unknown = node.claim_unknown;
  start.learner = node.learner;
  start.instance = node.instance;
  start.max_inflight_messages = options_.window;
  node.replica = std::make_unique<Replica>(std::move(start));
  node.commit = node.replica->commit();
}

void ReplicaGroup::tell_time(Node& node) {
  node.replica->tick(node.clock_us, now_us_ + node.wall_offset_us);
  pump(node.id.value());
}

void ReplicaGroup::tick(uint16_t id, int64_t milliseconds) {
  if (id == 0) now_us_ += milliseconds * 1000;
  for (auto& [each, node] : nodes_) {
    if (id != 0 && id != each) continue;
    node.clock_us += milliseconds * 1000;
    if (node.replica != nullptr) tell_time(node);
  }
}

void ReplicaGroup::look(uint16_t id) {
  Node& node = nodes_.at(id);
  node.clock_us = std::max(node.clock_us, now_us_);
  if (node.replica != nullptr) tell_time(node);
}

void ReplicaGroup::run(int64_t milliseconds) {
  run_until([] { return false; }, milliseconds);
}

bool ReplicaGroup::run_until(const std::function<bool()>& condition, int64_t milliseconds) {
  for (int64_t passed = 0; passed < milliseconds; passed += 10) {
    if (condition()) return true;
    tick(0, 10);
    deliver_all();
  }
  return condition();
}

uint16_t ReplicaGroup::settle(int64_t milliseconds) {
  const auto settled = [this] {
    const uint16_t id = leader();
    if (id == 0 || !replica(id).settled()) return false;
    for (auto& [each, node] : nodes_) {
      if (node.replica == nullptr) continue;
      if (node.replica->commit() != replica(id).log().last()) return false;
    }
    return true;
  };
  return run_until(settled, milliseconds) ? leader() : 0;
}

uint16_t ReplicaGroup::leader() const {
  uint16_t best = 0;
  for (const auto& [id, node] : nodes_) {
    if (node.replica == nullptr || !node.replica->leading()) continue;
    if (best == 0 || node.replica->term() > nodes_.at(best).replica->term()) best = id;
  }
  return best;
}

void ReplicaGroup::propose(uint16_t id, std::string payload) {
  Node& node = nodes_.at(id);
  node.log.records.push_back({node.replica->term(), RecordKind::kEffects, std::move(payload)});
  node.unsynced = true;
  node.replica->propose(node.log.last());
  pump(id);
}

void ReplicaGroup::propose_membership(uint16_t id, const Membership& membership) {
  Node& node = nodes_.at(id);
  node.log.records.push_back(
      {node.replica->term(), RecordKind::kMembership, encode_membership(membership)});
  node.unsynced = true;
  node.replica->propose(node.log.last(), &membership);
  pump(id);
}

void ReplicaGroup::persist(uint16_t id) {
  Node& node = nodes_.at(id);
  node.disk_log = node.log;
  node.disk_hard = node.hard;
  node.disk_commit = node.commit;
  node.unsynced = false;
  std::vector<Packet> promises;
  promises.swap(node.after_save);
  for (Packet& packet : promises) {
    send(node, std::move(packet.message), std::move(packet.records));
  }
  node.replica->persisted(node.disk_log.last(), node.disk_hard);
  pump(id);
}

void ReplicaGroup::crash(uint16_t id) {
  Node& node = nodes_.at(id);
  node.clock_us = options_.shared_clock ? now_us_ : node.clock_us;
  node.replica.reset();
  node.after_save.clear();
  node.log = node.disk_log;
  node.hard = node.disk_hard;
  node.commit = node.disk_commit;
  node.unsynced = false;
}

void ReplicaGroup::lose_synced(uint16_t id, Lsn kept) {
  Node& node = nodes_.at(id);
  CHECK(node.replica == nullptr);
  node.claim = std::max(node.claim, node.disk_log.last());
  node.disk_log.truncate(kept);
  node.disk_commit = std::min(node.disk_commit, node.disk_log.last());
  node.log = node.disk_log;
  node.commit = node.disk_commit;
  // A new life's HELLO ends the connection that the old one's messages came on.
  std::erase_if(network_, [&](const Packet& packet) { return packet.message.from == node.id; });
}

void ReplicaGroup::restart(uint16_t id, bool newborn) {
  if (up(id)) crash(id);
  if (options_.shared_clock) nodes_.at(id).clock_us = now_us_;
  start(nodes_.at(id), newborn);
  for (auto& [each, node] : nodes_) {
    if (node.replica == nullptr || each == id) continue;
    node.replica->link_lost(NodeId{id});
    pump(each);
  }
}

void ReplicaGroup::set_log(uint16_t id, const std::vector<uint64_t>& terms, bool newborn) {
  Node& node = nodes_.at(id);
  node.disk_log = {};
  for (const uint64_t term : terms) {
    node.disk_log.records.push_back({Term{term}, RecordKind::kEffects, std::to_string(term)});
    node.disk_hard.term = std::max(node.disk_hard.term, Term{term});
  }
  restart(id, newborn);
}

void ReplicaGroup::compact(uint16_t id, Lsn base) {
  Node& node = nodes_.at(id);
  for (TestLog* log : {&node.log, &node.disk_log}) {
    const Position cut = log->at(base);
    const auto gone = static_cast<ptrdiff_t>(base.value() - log->base.lsn.value());
    log->records.erase(log->records.begin(), log->records.begin() + gone);
    log->base = cut;
  }
  node.replica->compacted(base);
  pump(id);
}

void ReplicaGroup::install_snapshot(uint16_t from, uint16_t to) {
  const Position cut = replica(from).commit();
  Node& node = nodes_.at(to);
  const bool log_kept = node.replica->log().contains(cut);
  if (!log_kept) node.log = TestLog{cut, {}};
  node.disk_log = node.log;
  node.disk_commit = cut;
  node.replica->installed(cut, replica(from).membership(), replica(from).membership_lsn(),
                          log_kept);
  pump(to);
  replica(from).snapshot_done(NodeId{to}, true, cut);
  pump(from);
}

void ReplicaGroup::pump(uint16_t id) {
  Node& node = nodes_.at(id);
  do {
    while (node.replica->has_ready()) do_ready(node, node.replica->ready());
    ship(node);
    if (options_.auto_persist && (node.unsynced || !node.after_save.empty())) persist(id);
  } while (node.replica->has_ready());
}

void ReplicaGroup::do_ready(Node& node, Ready ready) {
  const std::string who = std::to_string(node.id.value());
  if (ready.truncate) {
    say(who + " cuts after " + text(*ready.truncate));
    node.log.truncate(ready.truncate->lsn);
    CHECK(node.log.last() == *ready.truncate);
    node.unsynced = true;
  }
  for (const storage::RecordView& record : ready.append) {
    CHECK_EQ(record.header.lsn, node.log.last().lsn.next());
    node.log.records.push_back(
        {record.header.term, record.header.kind, std::string(record.payload)});
    node.unsynced = true;
  }
  if (ready.save) {
    node.hard = *ready.save;
    node.unsynced = true;
  }
  for (Message& message : ready.send_now) send(node, std::move(message), {});
  for (Message& message : ready.send_after_save) {
    node.after_save.push_back({std::move(message), {}, node.instance});
  }
  if (ready.role_changed) {
    say(who + " " + std::string(name_of(node.replica->role())) + " term " +
        std::to_string(node.replica->term().value()) + " leader " +
        std::to_string(node.replica->leader().value()));
  }
  if (ready.membership_changed) {
    say(who + " voters " + std::to_string(node.replica->membership().voters().size()));
  }
  if (ready.commit) {
    say(who + " commits " + text(*ready.commit));
    CHECK_GT(ready.commit->lsn, node.commit.lsn);
    node.commit = *ready.commit;
  }
  if (on_change) on_change(node);
  const bool new_leader =
      ready.role_changed && node.replica->leading() && node.log.last().term != node.replica->term();
  if (new_leader) {
    node.log.records.push_back({node.replica->term(), RecordKind::kNoop, ""});
    node.unsynced = true;
    node.replica->propose(node.log.last());
  }
}

void ReplicaGroup::ship(Node& node) {
  if (!node.replica->leading()) return;
  for (const auto& [id, progress] : node.replica->progress()) {
    while (const auto shipment = node.replica->shipment(id)) {
      if (shipment->previous.lsn < node.log.base.lsn) {
        node.replica->need_snapshot(id);
        break;
      }
      std::vector<TestRecord> records;
      Lsn lsn = shipment->first;
      for (; lsn <= shipment->last && records.size() < options_.batch; ++lsn) {
        records.push_back(node.log.record(lsn));
      }
      send(node, node.replica->append_message(id, *shipment, lsn.previous()), std::move(records));
    }
  }
}

void ReplicaGroup::send(Node& node, Message message, std::vector<TestRecord> records) {
  CHECK_EQ(message.from, node.id);
  if (cuts_.contains({message.from.value(), message.to.value()})) {
    say("lost " + describe(message, records.size()));
    return;
  }
  network_.push_back({std::move(message), std::move(records), node.instance});
}

void ReplicaGroup::deliver(size_t index, bool keep) {
  Packet packet = network_.at(index);
  if (!keep) network_.erase(network_.begin() + static_cast<ptrdiff_t>(index));
  const uint16_t to = packet.message.to.value();
  const auto found = nodes_.find(to);
  if (found == nodes_.end() || found->second.replica == nullptr) return;
  if (options_.shared_clock) look(to);
  say(describe(packet.message, packet.records.size()));
  Lsn lsn = packet.message.position.lsn;
  for (const TestRecord& record : packet.records) {
    storage::RecordView view;
    view.header.lsn = ++lsn;
    view.header.term = record.term;
    view.header.kind = record.kind;
    view.payload = record.payload;
    packet.message.records.push_back(view);
  }
  found->second.replica->step(packet.message, packet.instance);
  pump(to);
}

void ReplicaGroup::deliver_all() {
  while (!network_.empty()) deliver(0);
}

void ReplicaGroup::isolate(uint16_t id) {
  for (const auto& [other, node] : nodes_) {
    cut(id, other);
    cut(other, id);
  }
}

}  // namespace kvorum::replication
