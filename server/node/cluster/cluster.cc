#include "server/node/cluster/cluster.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/forwarding.h"
#include "server/node/node.h"
#include "server/node/persistence.h"

namespace kvorum::server {

using replication::Message;
using replication::Ready;
using replication::Replica;
using replication::Role;
using storage::HardState;
using storage::Lsn;
using storage::NodeId;
using storage::Position;

namespace {

// Records applied in one turn of a follower's loop.
constexpr size_t kAppliedPerTurn = 2000;
// Newest records kept in memory for followers, besides what is not on disk yet.
constexpr size_t kRecentBytes = 16 << 20;
// Every node compares its keyspace so often.
constexpr int64_t kDigestIntervalUs = 1'000'000;
// What is published waits for its gate; more than this is lost for the other nodes' subscribers.
constexpr size_t kMaxFanOutBytes = 16 << 20;
// Between two looks at the clock; longer than that is sleep.
constexpr int64_t kUsualTurnUs = 50'000;

}  // namespace

Cluster::Cluster(Node& node)
    : node_(node),
      host_(node.host()),
      shipper_(
          host_, node.log(), [this](NodeId peer) { return member_link(peer); },
          [this] { end_turn(); }),
      snapshots_(node, *this),
      read_index_(node),
      orphan_merge_(node),
      orphan_offer_(node, orphan_merge_) {}

Cluster::~Cluster() = default;

void Cluster::start(ClusterStart start) {
  identity_ = start.identity;
  if (birth_ != nullptr) {
    // Who has dialled us may have been told that we belong to no cluster: it shall ask again.
    for (const auto& [id, session] : node_.sessions()) {
      if (session->peer == NodeId{0}) continue;
      session->close_now = true;
      node_.make_ready(*session);
    }
  }
  if (birth_ == nullptr && start.birth.has_value()) {
    make_birth(start.membership, std::move(start.birth), nullptr);
  }
  replication::ReplicaStart replica;
  replica.id = identity_.node;
  replica.instance = identity_.instance;
  replica.seed = host_.random();
  replica.now_us = host_.monotonic_us();
  replica.hard_state = start.hard_state;
  replica.log = std::move(start.log);
  replica.commit = start.commit;
  replica.membership = std::move(start.membership);
  replica.membership_lsn = start.membership_lsn;
  replica.earlier_membership = std::move(start.earlier_membership);
  replica.earlier_membership_lsn = start.earlier_membership_lsn;
  replica.newborn = start.newborn;
  replica.claim = start.claim;
  replica.claim_unknown = start.claim_unknown;
  replica.commit_news_delay_us = host_.soon_us();
  replica_ = std::make_unique<Replica>(std::move(replica));
  looked_us_ = leader_lost_us_ = host_.monotonic_us();
  doubted_ = replica_->doubtful();
  read_index_.start(identity_.boot);
  for (const auto& [peer, link] : links_) link->set_hello(our_hello());
  do_membership_change();
  orphan_offer_.start();
  tick();
}

// --- Time.

void Cluster::tick() {
  const int64_t now_us = node_.monotonic_us();
  for (const auto& [peer, link] : links_) link->tick(now_us);
  if (replica_ == nullptr) return;
  // The only voter has to lead before it stops: nobody else commits what its log ends with.
  const bool leaves = node_.shutting_down() && voters_ > 1;
  replica_->set_may_campaign(!node_.log().disk_full() && !differs_ && !snapshots_.receiving() &&
                             !leaves && !told_removed_);
  look_at_clock();
  hand_over_.tick(*replica_, now_us);
  look_at_members();
  log_drift();
  if (leads()) {
    look_at_disk();
    if (replica_->settled() && !replica_->transferring()) {
      propose_membership();
      orphan_merge_.tick(orphan_offer_.files_left() > 0);
      propose_digest();
    }
    snapshots_.serve();
  }
  snapshots_.tick();
  read_index_.tick();
  orphan_offer_.step();
  // Before these nobody can be sent records any more.
  const RecordLog& log = node_.log();
  replica_->compacted(std::min(log.wal().oldest_lsn().previous(), log.recent().base().lsn));
  end_turn();
}

void Cluster::propose_sealed() {
  if (!leads() || node_.log().last() == proposed_) return;
  proposed_ = node_.log().last();
  replica_->propose(proposed_);
}

void Cluster::end_turn() {
  if (replica_ == nullptr) return;
  RecordLog& log = node_.log();
  propose_sealed();
  do_ready();
  if (leads()) {
    log.recent().close_block();
    shipper_.ship(*replica_);
    do_ready();
  }
  log.apply_some(kAppliedPerTurn);
  read_index_.end_turn();
  send_fan_outs();
  log.recent().trim(kRecentBytes,
                    std::min({log.commit().lsn, log.applied().lsn, log.wal().written().lsn}));
  log.start_write();
}

void Cluster::do_ready() {
  if (in_ready_) return;
  in_ready_ = true;
  bool moved = false;
  while (replica_->has_ready()) {
    const Ready ready = replica_->ready();
    moved = true;
    // Whoever leads no more first takes back what is not committed: the keyspace then shows what a
    // follower's shows.
    if (ready.role_changed && node_.log().leading() &&
        !(replica_->leading() && replica_->term() == led_term_)) {
      stop_leading();
    }
    do_log_changes(ready);
    for (const Message& message : ready.send_now) send(message);
    held_.insert(held_.end(), ready.send_after_save.begin(), ready.send_after_save.end());
    if (ready.commit.has_value()) node_.log().commit_to(*ready.commit);
    if (ready.membership_changed) do_membership_change();
    if (ready.role_changed) do_role_change();
  }
  send_held();
  if (doubted_ && !replica_->doubtful()) {
    doubted_ = false;
    node_.log().wal().end_doubt();
  }
  in_ready_ = false;
  if (moved) after_commit();
}

void Cluster::after_commit() {
  node_.log().apply_some(kAppliedPerTurn);
  read_index_.serve();
  orphan_merge_.serve();
  orphan_offer_.step();
  node_.open_gates();
}

// What was to be told has been undone.
void Cluster::forget_fan_outs(Lsn kept) {
  std::erase_if(fan_outs_, [&](const FanOut& each) {
    if (each.gate <= kept) return false;
    fan_out_bytes_ -= each.bytes();
    return true;
  });
}

// Before every message: a stalled loop must not take what is old for new, nor the other way round.
void Cluster::look_at_clock() {
  node_.refresh_clock();
  propose_sealed();
  // Large values, or a machine that is busy with others. What is usual counts, so that elections
  // come, if late, where every turn is slow.
  const int64_t now_us = node_.monotonic_us();
  const int64_t usual_us = std::max(kUsualTurnUs, int64_t{1000} * membership().heartbeat_ms);
  const int64_t slept_us = now_us - std::exchange(looked_us_, now_us) - usual_us;
  if (slept_us > 0) replica_->overslept(slept_us);
  replica_->tick(node_.monotonic_us(), node_.now_us());
  do_ready();
}

void Cluster::send_fan_outs() {
  while (!fan_outs_.empty() && fan_outs_.front().gate <= node_.log().commit().lsn) {
    for (const auto& [peer, link] : links_) {
      if (link->ready() && !link->full()) link->send_bulk(*fan_outs_.front().message);
    }
    fan_out_bytes_ -= fan_outs_.front().bytes();
    fan_outs_.pop_front();
  }
}

void Cluster::do_log_changes(const Ready& ready) {
  RecordLog& log = node_.log();
  if (ready.truncate.has_value() && ready.truncate->lsn < log.last().lsn) {
    log.truncate(*ready.truncate);
    forget_fan_outs(ready.truncate->lsn);
    node_.drop_gates_above(ready.truncate->lsn, /*disk_full=*/false);
  }
  log.accept(ready.append);
  if (ready.save.has_value()) log.save_hard_state(*ready.save);
}

void Cluster::send(const Message& message) {
  if (PeerLink* link = member_link(message.to)) link->send(message);
}

// A promise leaves when what it rests on is on disk.
void Cluster::send_held() {
  if (!node_.log().hard_state_saved()) return;
  for (const Message& message : std::exchange(held_, {})) send(message);
}

void Cluster::do_role_change() {
  log_election();
  const bool has_leader = replica_->leader() != NodeId{0};
  leader_lost_us_ = has_leader ? 0 : leader_lost_us_ != 0 ? leader_lost_us_ : node_.monotonic_us();
  if (replica_->leading() && !node_.log().leading()) {
    led_term_ = replica_->term();
    node_.log().lead(led_term_, static_cast<uint64_t>(node_.log_ms()));
    proposed_ = node_.log().last();
    last_digest_us_ = node_.monotonic_us();
    replica_->propose(proposed_);
  }
  if (has_leader) {
    told_removed_ = false;
    drop_strangers();
  }
  look_at_removal();
  node_.forwarding().leader_changed();
  read_index_.leader_changed();
  orphan_offer_.leader_changed();
  node_.wake_sessions();
}

void Cluster::stop_leading() {
  CHECK(node_.log().last() == proposed_) << "a record the replica never heard of";
  node_.log().stop_leading();
  shipper_.stop();
  snapshots_.stop_sending();
  read_index_.stop_leading();
  orphan_merge_.stop_leading();
  node_.leadership_lost();
}

// An election's story, a line for each change.
void Cluster::log_election() {
  if (replica_->leader() == shown_leader_ && replica_->term() == shown_term_) return;
  const uint64_t term = replica_->term().value();
  std::string line = base::concat("term ", term, ": ");
  switch (replica_->role()) {
    case Role::kLeader:
      line += base::concat("leading, log ends at lsn ", node_.log().last().lsn.value());
      break;
    case Role::kPreCandidate:
      line += "no leader heard of, asking whether an election would be won";
      break;
    case Role::kCandidate:
      line += "campaigning";
      break;
    case Role::kFollower:
      if (replica_->leader() == NodeId{0}) {
        line += "no leader";
      } else {
        line += base::concat("following node ", replica_->leader().value(), " (", leader_address(),
                             ")");
      }
      break;
  }
  shown_leader_ = replica_->leader();
  shown_term_ = replica_->term();
  host_.log(LogLevel::kInfo, line);
}

void Cluster::log_drift() {
  constexpr int64_t kIntervalUs = 10'000'000;
  const int64_t drift_us = replica_->clock_drift_us();
  if (drift_us == 0 || node_.monotonic_us() - last_drift_log_us_ < kIntervalUs) return;
  last_drift_log_us_ = node_.monotonic_us();
  host_.log(LogLevel::kError,
            base::concat("ALARM: this node's clock is ", -drift_us / 1000,
                         " ms ahead of a majority's: it leads no more until that is mended"));
}

// --- What a leader looks after.

void Cluster::propose_membership() {
  const auto changed = MembershipKeeper::next(*replica_, [this](NodeId peer) {
    const auto hello = hellos_.find(peer);
    return hello == hellos_.end() ? nullptr : &hello->second.instance;
  });
  if (!changed.has_value() || node_.log().record_open()) return;
  change_membership(*changed);
  do_ready();
}

Position Cluster::change_membership(const replication::Membership& changed) {
  proposed_ =
      node_.log().add(storage::RecordKind::kMembership, replication::encode_membership(changed),
                      static_cast<uint64_t>(node_.log_ms()));
  host_.log(LogLevel::kInfo, base::concat("membership changes with lsn ", proposed_.lsn.value(),
                                          ": ", changed.voters().size(), " voters of ",
                                          changed.members.size(), " members"));
  replica_->propose(proposed_, &changed);
  return proposed_;
}

void Cluster::propose_digest() {
  if (voters_ < 2 || node_.monotonic_us() - last_digest_us_ < kDigestIntervalUs) return;
  last_digest_us_ = node_.monotonic_us();
  // Nothing new to compare.
  if (node_.log().last().lsn == digest_lsn_ || node_.log().record_open()) return;
  digest_lsn_ =
      node_.log().add(storage::RecordKind::kDigest, {}, static_cast<uint64_t>(node_.log_ms())).lsn;
  digests_.begin(digest_lsn_);
  digests_.report(identity_.node, {digest_lsn_, node_.keyspace().digest()});
}

void Cluster::digest_reached(Lsn lsn, storage::Digest digest) {
  digests_.report(identity_.node, {lsn, digest});
  PeerLink* link = ready_link(leader());
  if (link != nullptr) link->send(peer::DigestReport{lsn, digest});
}

void Cluster::look_at_digests() {
  const auto verdict = digests_.verdict(membership().voters());
  if (!verdict.has_value()) return;
  if (verdict->split) {
    host_.log(LogLevel::kError,
              base::concat("ALARM: the keyspaces differ at lsn ", verdict->lsn.value(),
                           " and no digest has a majority: nobody discards anything, an operator "
                           "must decide (docs/operations.md)"));
    return;
  }
  for (const NodeId node : verdict->differing) {
    host_.log(LogLevel::kError,
              base::concat("ALARM: the keyspace of node ", node.value(),
                           " differs from the majority's at lsn ", verdict->lsn.value()));
    if (node == identity_.node) {
      differs_ = true;
      propose_sealed();
      replica_->step_down();
      snapshots_.want_keyspace(verdict->lsn);
    } else if (PeerLink* link = ready_link(node)) {
      link->send(peer::Differs{verdict->lsn, verdict->majority});
    }
  }
  do_ready();
}

// A leader whose disk does not answer, or is full, is no use: another one's may be well.
void Cluster::look_at_disk() {
  const int64_t since_us = node_.log().write_started_us();
  const int64_t limit_us = int64_t{2000} * membership().election_timeout_ms;
  const bool stuck = since_us != 0 && node_.monotonic_us() - since_us > limit_us;
  if ((stuck || node_.log().disk_full()) && voters_ > 1 && !replica_->transferring() &&
      replica_->transfer(NodeId{0})) {
    host_.log(LogLevel::kWarning, "the disk is stuck or full: handing leadership over");
  }
}

bool Cluster::transfer(NodeId to) {
  propose_sealed();  // the other one has to have all of it
  const bool begun = replica_->transfer(to);
  do_ready();
  return begun;
}

bool Cluster::hand_over(const HandOver::Request& request) {
  propose_sealed();
  const bool begun = hand_over_.begin(*replica_, request, node_.monotonic_us());
  if (begun) host_.log(LogLevel::kInfo, "FAILOVER: handing leadership over");
  do_ready();
  return begun;
}

// --- What the log reports.

void Cluster::log_persisted(Position durable, const HardState& saved) {
  if (replica_ == nullptr) return;
  propose_sealed();
  replica_->persisted(durable, saved);
  end_turn();
}

void Cluster::log_tail_lost(Position kept) {
  if (leads() && kept > proposed_) replica_->propose(kept);
  proposed_ = kept;
  forget_fan_outs(kept.lsn);
  replica_->lost_tail(kept);
  do_ready();
}

// --- For commands.

bool Cluster::leads() const { return node_.log().leading(); }

bool Cluster::clock_judged() const { return leads() && replica_->clock_judged(); }

bool Cluster::follows() const {
  return started() ? !leads() : node_.options().values().peers.size() > 1;
}

NodeId Cluster::leader() const { return replica_ == nullptr ? NodeId{0} : replica_->leader(); }

std::string Cluster::leader_address() const {
  if (replica_ == nullptr) return {};
  const replication::Member* member = membership().find(replica_->leader());
  return member == nullptr ? std::string() : member->address;
}

bool Cluster::reads_refused() const {
  return differs_ || node_.log().applied().lsn < reads_from_ ||
         (snapshots_.receiving() && node_.log().applied().lsn == Lsn{0});
}

GateView Cluster::gate_view() const {
  GateView view;
  view.commit = node_.log().commit().lsn;
  view.majority = voters_ / 2 + 1;
  durable_on_.resize(voters_);
  for (size_t i = 0; i < voters_; ++i) durable_on_[i] = replica_->durable_on(i + 1).lsn;
  view.durable_on = durable_on_;
  view.reads_until_us = replica_->reads_until_us();
  return view;
}

void Cluster::fan_out(std::string_view channel, std::string_view message, Position gate) {
  if (links_.empty() || fan_out_bytes_ > kMaxFanOutBytes) return;
  auto published = std::make_shared<peer::Published>();
  published->channel = channel;
  published->message = message;
  fan_outs_.push_back({gate.lsn, std::move(published)});
  fan_out_bytes_ += fan_outs_.back().bytes();
}

}  // namespace kvorum::server
