// Elections: pre-vote, votes, stickiness, doubtful voters, the target of a transfer.
#include <algorithm>

#include "replication/replica.h"

namespace kvorum::replication {

using storage::InstanceId;
using storage::NodeId;
using storage::Position;

namespace {

constexpr NodeId kNobody{0};
constexpr Position kUnknownClaim{storage::Term::max(), storage::Lsn::max()};

}  // namespace

bool Replica::may_stand() const {
  if (!(is_voter() || still_needed()) || !may_campaign_ || clock_drift_us() != 0) return false;
  return only_voter() || !waits_after_start();
}

// 4.2.2, figure 4.6: the record of its own removal is in its log and perhaps in nobody else's; then
// nobody else can win. It counts itself in no majority.
bool Replica::still_needed() const {
  return !learner_ && memberships_.size() > 1 && !membership_committed() &&
         memberships_[memberships_.size() - 2].membership.is_voter(id_);
}

// DESIGN 5: the record may have been acknowledged here and may be committed because of that.
bool Replica::in_doubt_about(Position last) const {
  return claim_unknown_ || (claim_ != Position() && last < claim_);
}

// 6.4, 9.6 and 4.2.3: who has heard from a leader lately deposes nobody. The leader's lease counts
// on it, whatever term this node has reached since.
bool Replica::sticks_to_leader() const {
  if (leading()) return quorum_heard();
  return now_us_ - leader_heard_us_ < election_timeout_us();
}

// DESIGN 3: before it stopped it may have acknowledged a heartbeat, and a lease may count on that.
bool Replica::waits_after_start() const {
  return !newborn_ && now_us_ - start_us_ < election_timeout_us();
}

void Replica::tick_election() {
  if (only_voter() && role_ == Role::kFollower && may_stand()) {
    begin_pre_vote();  // nobody could be disturbed
    return;
  }
  if (now_us_ - timer_us_ < timeout_us_) return;
  step_down();
  restart_election_timer();
  if (may_stand()) begin_pre_vote();
}

void Replica::begin_pre_vote() {
  step_down();
  role_ = Role::kPreCandidate;
  attempt_ = std::max(now_us_, attempt_ + 1);
  const bool doubt = in_doubt_about(log_.last());
  answers_[id_] = {.granted = !doubt, .doubt = doubt, .last = log_.last()};
  request_votes(true, false, false);
  count_pre_votes();
}

void Replica::begin_election(bool transfer, bool everyone) {
  step_down();
  enter_term(hard_.term.next(), id_);
  role_ = Role::kCandidate;
  attempt_ = everyone ? attempt_ : std::max(now_us_, attempt_ + 1);
  everyone_ = everyone;
  restart_election_timer();
  request_votes(false, transfer, everyone);
}

void Replica::request_votes(bool pre_vote, bool transfer, bool everyone) {
  for (const NodeId voter : membership().voters()) {
    if (voter == id_) continue;
    Message request;
    request.kind = MessageKind::kVoteRequest;
    request.to = voter;
    request.term = pre_vote ? term().next() : term();
    request.position = log_.last();
    request.sent_us = attempt_;
    request.pre_vote = pre_vote;
    request.transfer = transfer;
    request.everyone = everyone;
    send(std::move(request));
  }
}

void Replica::step_vote_request(const Message& message) {
  // A leader that asks for votes leads no more.
  const bool of_leader = message.from == leader_ && !leading();
  if (!message.transfer && !of_leader && sticks_to_leader()) return;
  if (!message.pre_vote && message.term > term()) become_follower(message.term, kNobody);
  const bool current = message.pre_vote ? message.term > term() : message.term == term();
  const bool free = message.pre_vote || hard_.voted_for == kNobody ||
                    hard_.voted_for == message.from;        // one vote per term: 3.4
  const bool up_to_date = message.position >= log_.last();  // 3.6.1
  const bool willing = current && free && up_to_date && !waits_after_start() && !learner_;
  const Attempt attempt{message.from, message.sent_us};
  const bool everyone = message.everyone && attempt == doubted_attempt_;
  const bool doubt = in_doubt_about(message.position) && !everyone;
  Message reply;
  reply.kind = MessageKind::kVoteReply;
  reply.to = message.from;
  reply.granted = willing && !doubt;
  reply.term = reply.granted ? message.term : term();
  reply.position = log_.last();
  reply.sent_us = message.sent_us;
  reply.pre_vote = message.pre_vote;
  if (willing && doubt) {
    reply.claim = claim_unknown_ ? kUnknownClaim : claim_;
    if (message.pre_vote) doubted_attempt_ = attempt;
  }
  if (reply.granted && !message.pre_vote) {
    hard_.voted_for = message.from;
    restart_election_timer();
  }
  send(std::move(reply));
}

void Replica::step_vote_reply(const Message& message, const InstanceId& instance) {
  const bool of_my_next_term = message.pre_vote && message.granted;
  if (!of_my_next_term && message.term > term()) return become_follower(message.term, kNobody);
  if (!is_bound(message.from, instance)) return;
  if (message.sent_us != attempt_) return;
  if (message.pre_vote && role_ == Role::kPreCandidate) {
    const bool granted = message.granted && message.term == term().next();
    const bool doubt = !message.granted && message.claim != Position();
    answers_[message.from] = {.granted = granted, .doubt = doubt, .last = message.position};
    count_pre_votes();
  } else if (!message.pre_vote && role_ == Role::kCandidate) {
    if (!message.granted || message.term != term()) return;
    votes_.insert(message.from);
    count_votes();
  }
}

void Replica::count_pre_votes() {
  size_t granted = 0, willing = 0;
  for (const NodeId voter : membership().voters()) {
    const auto answer = answers_.find(voter);
    if (answer == answers_.end()) continue;
    if (answer->second.granted) ++granted;
    if (answer->second.last > log_.last()) continue;
    if (answer->second.granted || answer->second.doubt) ++willing;
  }
  if (granted >= majority()) {
    begin_election(false, false);
  } else if (willing == membership().voters().size()) {
    begin_election(false, true);  // DESIGN 5: all have answered, the most complete log wins
  }
}

// Its own vote is one of them as soon as it is on disk.
void Replica::count_votes() {
  const bool own_vote_saved = saved_ == storage::HardState{term(), id_};
  if (own_vote_saved && (everyone_ || !in_doubt_about(log_.last()))) votes_.insert(id_);
  size_t granted = 0;
  for (const NodeId voter : membership().voters()) granted += votes_.contains(voter) ? 1 : 0;
  if (granted >= majority()) become_leader();
}

// 3.10. A late one of an old term was dropped before; one of a leader that is not ours is nobody's.
void Replica::step_timeout_now(const Message& message) {
  if (role_ != Role::kFollower || message.from != leader_ || leader_ == kNobody) return;
  if (may_stand()) begin_election(true, false);
}

}  // namespace kvorum::replication
