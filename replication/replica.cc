// What all roles share: inputs, the Ready, terms, the log's end, the membership in force.
#include "replication/replica.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::replication {

using storage::HardState;
using storage::InstanceId;
using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::Term;

namespace {

constexpr NodeId kNobody{0};

// Steele, Lea and Flood, "Fast splittable pseudorandom number generators": good enough to keep
// candidates apart, and the same everywhere.
uint64_t next_random(uint64_t& state) {
  uint64_t value = state += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

}  // namespace

Replica::Replica(ReplicaStart start)
    : id_(start.id),
      instance_(start.instance),
      newborn_(start.newborn),
      max_inflight_messages_(std::max(start.max_inflight_messages, uint32_t{1})),
      commit_news_delay_us_(start.commit_news_delay_us),
      learner_(start.learner),
      random_(start.seed ^ uint64_t{start.id.value()} << 48),
      now_us_(start.now_us),
      start_us_(start.now_us),
      hard_(start.hard_state),
      saved_(start.hard_state),
      log_(std::move(start.log)),
      durable_(log_.last()),
      claim_(start.claim),
      claim_unknown_(start.claim_unknown),
      handed_out_hard_(start.hard_state),
      handed_out_term_(start.hard_state.term) {
  CHECK(id_ != kNobody);
  // A snapshot may have been on disk sooner than the term it came in, in which no vote was sent
  // then.
  if (hard_.term < log_.last().term) hard_ = {log_.last().term, kNobody};
  if (start.earlier_membership) {
    memberships_.push_back({start.earlier_membership_lsn, std::move(*start.earlier_membership)});
  }
  memberships_.push_back({start.membership_lsn, std::move(start.membership)});
  // A damaged log may end before what is known to be committed.
  const Lsn committed = std::clamp(start.commit.lsn, log_.base().lsn, log_.last().lsn);
  handed_out_commit_ = commit_ = {*log_.term_at(committed), committed};
  if (is_another_instance()) learner_ = true;
  restart_election_timer();
}

void Replica::tick(int64_t now_us, int64_t wall_us) {
  now_us_ = std::max(now_us_, now_us);
  wall_us_ = wall_us;
  if (leading()) tick_leader();
  if (!leading()) tick_election();
}

void Replica::overslept(int64_t us) {
  timer_us_ += us;
  leader_heard_us_ += us;
  // After that the others have found another leader, unless they have slept too.
  if (us >= 2 * election_timeout_us()) return;
  for (auto& [id, progress] : progress_) progress.heard_us += us;
}

void Replica::step(const Message& message, const InstanceId& instance) {
  if (message.from == id_ || message.from == kNobody) return;
  if (!leading()) compare_clock(message);
  if (message.kind == MessageKind::kVoteRequest) return step_vote_request(message);
  if (message.kind == MessageKind::kVoteReply) return step_vote_reply(message, instance);
  if (message.term > term()) become_follower(message.term, kNobody);  // 3.3
  if (message.term < term()) {
    // A deposed leader, or one that this node's higher term keeps from leading it, has to hear.
    if (message.kind == MessageKind::kAppend) reject(message);
    return;
  }
  switch (message.kind) {
    case MessageKind::kAppend:
      return step_append(message);
    case MessageKind::kAck:
      return step_ack(message, instance);
    case MessageKind::kReject:
      return step_reject(message, instance);
    case MessageKind::kTimeoutNow:
      return step_timeout_now(message);
    case MessageKind::kVoteRequest:
    case MessageKind::kVoteReply:
      return;
  }
}

void Replica::heard_from_leader(NodeId from, Term term) {
  if (term != this->term() || from != leader_ || leading()) return;
  leader_heard_us_ = now_us_;
  restart_election_timer();
}

void Replica::persisted(Position durable, const HardState& saved) {
  CHECK(saved <= hard_) << "saved what was never promised";
  saved_ = std::max(saved_, saved);
  // What is not in the log any more was cut off while it was written.
  if (durable.lsn > durable_.lsn && log_.contains(durable)) durable_ = durable;
  if (role_ == Role::kCandidate) count_votes();
  if (leading()) {
    advance_commit();
  } else if (leader_ != kNobody && durable_match().lsn > acknowledged_) {
    acknowledge();
  }
  review_doubt();
}

void Replica::lost_tail(Position kept) {
  CHECK(log_.contains(kept)) << "kept a record that is not in the log";
  // A candidate's votes were for the longer log. A lone node has nobody to leave it to, and goes on
  // in its term: nobody else may have any of what is lost, the only member's own making included.
  const bool alone = leading() && membership().members.size() == 1 && membership_lsn() <= kept.lsn;
  if (role_ != Role::kFollower && !alone) step_down();
  matched_ = std::min(matched_, kept.lsn);
  acknowledged_ = std::min(acknowledged_, kept.lsn);
  if (commit_.lsn > kept.lsn) handed_out_commit_ = commit_ = kept;
  cut_log(kept.lsn);
}

void Replica::installed(Position cut, const Membership& membership, Lsn membership_lsn,
                        bool log_kept) {
  CHECK(!leading()) << "a leader needs no snapshot";
  if (role_ != Role::kFollower) step_down();
  if (!log_kept) {
    log_ = TermIndex(cut);
    durable_ = cut;
    matched_ = acknowledged_ = std::min(matched_, cut.lsn);
    memberships_ = {{membership_lsn, membership}};
    membership_has_changed();
  }
  CHECK(log_.contains(cut)) << "kept a log that does not have the snapshot's cut";
  if (durable_.lsn < cut.lsn) durable_ = cut;
  commit_to(cut.lsn);
  if (leader_ != kNobody) acknowledge();
  review_doubt();
}

void Replica::compacted(Lsn base) {
  const Lsn first = std::min(base, commit_.lsn);
  if (first <= log_.base().lsn) return;
  log_.compact(first);
  for (auto& [id, progress] : progress_) {
    if (progress.next <= log_.base().lsn) probe(progress, progress.next);
  }
}

void Replica::step_down() { become_follower(term(), kNobody); }

void Replica::set_may_campaign(bool may) {
  may_campaign_ = may;
  if (!may && (role_ == Role::kPreCandidate || role_ == Role::kCandidate)) step_down();
}

bool Replica::has_ready() const {
  const bool sends = !ready_.send_now.empty() || !ready_.send_after_save.empty();
  const bool cuts = ready_.truncate.has_value() || !ready_.append.empty();
  const bool role =
      role_ != handed_out_role_ || term() != handed_out_term_ || leader_ != handed_out_leader_;
  return sends || cuts || role || ready_.membership_changed || heartbeat_wanted_ ||
         commit_news_due() || hard_ != handed_out_hard_ || commit_ != handed_out_commit_;
}

Ready Replica::ready() {
  if (heartbeat_wanted_) send_heartbeats();
  if (commit_news_due()) send_commit_news();
  if (hard_ != handed_out_hard_) ready_.save = hard_;
  if (commit_ != handed_out_commit_) ready_.commit = commit_;
  ready_.role_changed =
      role_ != handed_out_role_ || term() != handed_out_term_ || leader_ != handed_out_leader_;
  handed_out_hard_ = hard_;
  handed_out_commit_ = commit_;
  handed_out_role_ = role_;
  handed_out_term_ = term();
  handed_out_leader_ = leader_;
  return std::exchange(ready_, {});
}

// A promise waits in the queue that is only sent when what was promised is on disk.
void Replica::send(Message message) {
  message.from = id_;
  message.wall_us = wall_us_;
  auto& queue = hard_ == saved_ ? ready_.send_now : ready_.send_after_save;
  queue.push_back(std::move(message));
}

void Replica::enter_term(Term term, NodeId vote) {
  CHECK_GT(term, hard_.term);
  hard_ = {term, vote};
  matched_ = acknowledged_ = leader_commit_ = Lsn{0};
  leader_sent_us_ = 0;
}

void Replica::become_follower(Term term, NodeId leader) {
  if (leading()) restart_election_timer();
  if (term > hard_.term) enter_term(term, kNobody);
  role_ = Role::kFollower;
  leader_ = leader;
  everyone_ = false;
  answers_.clear();
  votes_.clear();
  progress_.clear();
  heartbeat_wanted_ = commit_news_wanted_ = false;
  transfer_to_ = kNobody;
}

void Replica::restart_election_timer() {
  const int64_t timeout_us = election_timeout_us();
  timer_us_ = now_us_;
  timeout_us_ =
      timeout_us + static_cast<int64_t>(next_random(random_) % static_cast<uint64_t>(timeout_us));
}

bool Replica::only_voter() const { return is_voter() && membership().voters().size() == 1; }

bool Replica::is_bound(NodeId id, const InstanceId& instance) const {
  const Member* member = membership().find(id);
  if (member == nullptr || !member->voter) return false;
  return member->instance == instance || member->instance == InstanceId{};
}

// The membership knows this node's id, as another data directory.
bool Replica::is_another_instance() const {
  const Member* self = membership().find(id_);
  if (self == nullptr || instance_ == InstanceId{} || self->instance == InstanceId{}) return false;
  return self->instance != instance_;
}

void Replica::cut_log(Lsn kept) {
  CHECK_GE(kept, commit_.lsn) << "a committed record is never cut off";
  log_.truncate(kept);
  if (durable_.lsn > kept) durable_ = log_.last();
  bool restored = false;
  while (memberships_.size() > 1 && memberships_.back().lsn > kept) {  // 4.1
    memberships_.pop_back();
    restored = true;
  }
  if (restored) membership_has_changed();
}

void Replica::enter_membership(Lsn lsn, const Membership& membership) {
  memberships_.push_back({lsn, membership});  // in force from now on, committed or not: 4.1
  membership_has_changed();
}

void Replica::membership_has_changed() {
  ready_.membership_changed = true;
  if (instance_ != InstanceId{}) learner_ = is_another_instance();
  const bool campaigns = role_ == Role::kPreCandidate || role_ == Role::kCandidate;
  if (campaigns && !is_voter() && !still_needed()) step_down();
  if (leading()) follow_membership();
}

void Replica::commit_to(Lsn lsn) {
  if (lsn <= commit_.lsn) return;
  CHECK_LE(lsn, log_.last().lsn) << "committed what the log does not have";
  commit_ = {*log_.term_at(lsn), lsn};
  while (memberships_.size() > 1 && memberships_[1].lsn <= lsn) {
    memberships_.erase(memberships_.begin());
  }
}

// DESIGN 5: doubt ends when a log that a leader vouches for reaches what may have been lost.
void Replica::review_doubt() {
  if (!doubtful()) return;
  const Position known = leading() ? durable_ : durable_match();
  if (claim_unknown_) {
    const Lsn leader_commit = leading() ? commit_.lsn : leader_commit_;
    const bool settled = log_.term_at(leader_commit) == term();
    if (!settled || known.lsn < leader_commit) return;
  }
  if (known < claim_) return;
  claim_ = {};
  claim_unknown_ = false;
}

}  // namespace kvorum::replication
