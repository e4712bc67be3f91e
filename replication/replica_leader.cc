// Leading: what each follower has, what it gets next, what is committed.
#include <algorithm>
#include <functional>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/check.h"
#include "replication/replica.h"

namespace kvorum::replication {

using storage::InstanceId;
using storage::Lsn;
using storage::NodeId;
using storage::Position;

namespace {

bool same_voter(const Member& a, const Member& b) {
  const bool either_unbound = a.instance == InstanceId{} || b.instance == InstanceId{};
  return a.id == b.id && (a.instance == b.instance || either_unbound);
}

size_t voters_missing(const Membership& from, const Membership& in) {
  size_t missing = 0;
  for (const Member& member : from.members) {
    if (!member.voter) continue;
    const Member* other = in.find(member.id);
    if (other == nullptr || !other->voter || !same_voter(member, *other)) ++missing;
  }
  return missing;
}

}  // namespace

void Replica::become_leader() {
  role_ = Role::kLeader;
  leader_ = id_;
  led_since_us_ = now_us_;
  for (const Member& member : membership().members) {
    if (member.id == id_) continue;
    Progress progress = new_progress(member.id);
    progress.active = votes_.contains(member.id);
    progress_.emplace(member.id, std::move(progress));
  }
  answers_.clear();
  votes_.clear();
  timeout_now_sent_ = false;
  heartbeat_wanted_ = true;
}

Progress Replica::new_progress(NodeId follower) const {
  Progress progress;
  progress.next = log_.last().lsn.next();
  progress.heard_us = now_us_;
  progress.acked_sent_us = kLongAgo;
  progress.counts = membership().is_voter(follower);
  return progress;
}

Progress* Replica::progress_of(NodeId follower) {
  const auto found = progress_.find(follower);
  return found == progress_.end() ? nullptr : &found->second;
}

void Replica::tick_leader() {
  for (auto& [id, progress] : progress_) {
    if (now_us_ - progress.heard_us >= election_timeout_us()) progress.active = false;
  }
  if (!quorum_heard()) return step_down();  // 6.2
  if (const int64_t ahead_us = majority_clock_us(); ahead_us != 0) {
    drift_us_ = ahead_us;
    return step_down();
  }
  if (transferring() && now_us_ >= transfer_until_us_) transfer_to_ = NodeId{0};
  if (now_us_ - heartbeat_sent_us_ >= heartbeat_us()) send_heartbeats();
}

void Replica::propose(Position last, const Membership* membership) {
  CHECK(leading()) << "only a leader appends";
  CHECK_EQ(last.term, term());
  log_.append(last);
  if (membership == nullptr) return;
  CHECK(settled()) << "a membership before a record of the term is committed";
  CHECK(membership_committed()) << "two memberships under way";  // 4.1
  const Membership& current = this->membership();
  CHECK_LE(voters_missing(current, *membership) + voters_missing(*membership, current), size_t{1})
      << "more than one voter changes";
  enter_membership(last.lsn, *membership);
}

void Replica::follow_membership() {
  std::erase_if(progress_, [this](const auto& entry) { return !membership().find(entry.first); });
  for (const Member& member : membership().members) {
    if (member.id == id_) continue;
    const auto [entry, added] = progress_.try_emplace(member.id, new_progress(member.id));
    Progress& progress = entry->second;
    progress.counts = progress.instance ? is_bound(member.id, *progress.instance) : member.voter;
  }
  if (!membership().is_voter(transfer_to_)) transfer_to_ = NodeId{0};
}

// --- Shipping.

std::optional<Shipment> Replica::shipment(NodeId follower) const {
  const auto found = progress_.find(follower);
  if (found == progress_.end()) return std::nullopt;
  const Progress& progress = found->second;
  if (progress.state == Progress::State::kSnapshot) return std::nullopt;
  if (progress.next > log_.last().lsn) return std::nullopt;
  const bool probing = progress.state == Progress::State::kProbe;
  if (progress.inflight >= (probing ? 1 : max_inflight_messages_)) return std::nullopt;
  const Lsn before = progress.next.previous();
  return Shipment{{*log_.term_at(before), before}, progress.next, log_.last().lsn};
}

Message Replica::append_message(NodeId follower, const Shipment& shipment, Lsn last) {
  Progress* progress = progress_of(follower);
  CHECK(progress != nullptr && progress->state != Progress::State::kSnapshot);
  CHECK(shipment.first == progress->next && shipment.first <= last && last <= log_.last().lsn);
  if (progress->inflight_ends.empty()) progress->shipped_us = now_us_;
  progress->inflight_ends.push_back(last);
  progress->inflight = static_cast<uint32_t>(progress->inflight_ends.size());
  if (progress->state == Progress::State::kReplicate) progress->next = last.next();
  progress->commit_told = std::max(progress->commit_told, std::min(commit_.lsn, last));
  Message message;
  message.kind = MessageKind::kAppend;
  message.from = id_;
  message.to = follower;
  message.term = term();
  message.position = shipment.previous;
  message.commit = commit_.lsn;
  message.sent_us = now_us_;
  message.wall_us = wall_us_;
  return message;
}

void Replica::need_snapshot(NodeId follower) {
  Progress* progress = progress_of(follower);
  if (progress == nullptr) return;
  probe(*progress, progress->next);
  progress->state = Progress::State::kSnapshot;
}

void Replica::snapshot_done(NodeId follower, bool installed, Position cut) {
  Progress* progress = progress_of(follower);
  if (progress == nullptr || progress->state != Progress::State::kSnapshot) return;
  const Lsn known = installed ? std::max(progress->match.lsn, cut.lsn) : progress->match.lsn;
  probe(*progress, std::min(known, log_.last().lsn).next());
}

void Replica::link_lost(NodeId follower) {
  Progress* progress = progress_of(follower);
  if (progress == nullptr || progress->state == Progress::State::kSnapshot) return;
  const bool matched = progress->state == Progress::State::kReplicate;
  probe(*progress, matched ? progress->match.lsn.next() : progress->next);
}

// One message from `next` on, to see whether the record before it matches.
void Replica::probe(Progress& progress, Lsn next) {
  progress.next = next;
  progress.inflight_ends.clear();
  progress.inflight = 0;
  progress.commit_told = Lsn{0};
  const bool reachable = next > log_.base().lsn;  // the term before it is known
  progress.state = reachable ? Progress::State::kProbe : Progress::State::kSnapshot;
}

// --- Answers.

void Replica::heard_of(Progress& progress, const Message& message, const InstanceId& instance) {
  if (progress.instance && *progress.instance != instance) {
    // Another data directory: it knows nothing of what the other one had.
    const Lsn next = progress.next;
    progress = new_progress(message.from);
    probe(progress, next);
  }
  progress.instance = instance;
  progress.counts = is_bound(message.from, instance);
  progress.heard_us = now_us_;
  progress.active = true;
  if (message.sent_us != 0 && message.sent_us <= now_us_) {
    progress.acked_sent_us = std::max(progress.acked_sent_us, message.sent_us);
  }
  measure_clock(progress, message);
}

void Replica::step_ack(const Message& message, const InstanceId& instance) {
  Progress* progress = progress_of(message.from);
  if (progress == nullptr) return;
  heard_of(*progress, message, instance);
  const Position durable = message.position;
  if (durable.lsn >= log_.base().lsn && !log_.contains(durable)) return;  // no record of ours
  if (durable.lsn < progress->match.lsn) return;                          // late, or again
  progress->match_sent_us = std::max(progress->match_sent_us, message.sent_us);
  if (durable.lsn > progress->match.lsn) progress->shipped_us = now_us_;
  progress->match = durable;
  auto& ends = progress->inflight_ends;
  while (!ends.empty() && ends.front() <= durable.lsn) ends.pop_front();
  progress->inflight = static_cast<uint32_t>(ends.size());
  const bool probe_matches = durable.lsn.next() >= progress->next;
  if (progress->state == Progress::State::kProbe && probe_matches) {
    progress->state = Progress::State::kReplicate;
    if (!ends.empty()) progress->next = ends.back().next();  // what is out will match as well
  }
  progress->next = std::max(progress->next, durable.lsn.next());
  want_commit_news();
  continue_transfer();
  advance_commit();
}

void Replica::step_reject(const Message& message, const InstanceId& instance) {
  Progress* progress = progress_of(message.from);
  if (progress == nullptr) return;
  heard_of(*progress, message, instance);
  if (progress->state == Progress::State::kSnapshot) return;
  const Position hint = message.position;
  if (hint.lsn < progress->match.lsn) {
    const bool newer_than_ack = message.sent_us > progress->match_sent_us;
    if (!newer_than_ack) return;
    progress->match = {};  // it has lost what it had acknowledged
  } else {
    const Position candidate = log_.newest_up_to(hint.term, hint.lsn);
    const bool probing = progress->state == Progress::State::kProbe;
    if (probing && candidate.lsn.next() >= progress->next) return;  // late, or again
  }
  const Lsn common = log_.newest_up_to(hint.term, hint.lsn).lsn;
  probe(*progress, std::max(common, progress->match.lsn).next());
}

// --- Heartbeats and the news of a commit.

Message Replica::empty_append(NodeId follower, Progress& progress, int64_t sent_us) const {
  progress.commit_told = std::max(progress.commit_told, std::min(commit_.lsn, progress.match.lsn));
  Message message;
  message.kind = MessageKind::kAppend;
  message.to = follower;
  message.term = term();
  message.position = progress.match;  // always matches
  message.commit = std::min(commit_.lsn, progress.match.lsn);
  message.sent_us = sent_us;
  return message;
}

void Replica::send_heartbeats() {
  retry_lost_messages();
  heartbeat_wanted_ = false;
  heartbeat_sent_us_ = now_us_;
  for (auto& [id, progress] : progress_) send(empty_append(id, progress, now_us_));
}

// To those that no append tells: followers apply at commit, and their clients read there. Whoever
// writes on tells it with the next append, if that is given a moment.
void Replica::want_commit_news() {
  if (!commit_news_wanted_) commit_news_since_us_ = now_us_;
  commit_news_wanted_ = true;
}

bool Replica::commit_news_due() const {
  return commit_news_wanted_ && now_us_ - commit_news_since_us_ >= commit_news_delay_us_;
}

bool Replica::commit_news_pending() const {
  return commit_news_wanted_ &&
         std::any_of(progress_.begin(), progress_.end(),
                     [this](const auto& entry) { return lacks_commit_news(entry.second); });
}

bool Replica::lacks_commit_news(const Progress& progress) const {
  const bool appends_follow = progress.next <= log_.last().lsn || progress.inflight > 0;
  const bool knows = std::min(commit_.lsn, progress.match.lsn) <= progress.commit_told;
  return progress.state == Progress::State::kReplicate && !appends_follow && !knows;
}

void Replica::send_commit_news() {
  commit_news_wanted_ = false;
  for (auto& [id, progress] : progress_) {
    if (lacks_commit_news(progress)) send(empty_append(id, progress, 0));
  }
}

void Replica::retry_lost_messages() {
  for (auto& [id, progress] : progress_) {
    if (progress.inflight == 0) continue;
    const bool probing = progress.state == Progress::State::kProbe;
    const int64_t patience_us = probing ? heartbeat_us() : election_timeout_us();
    if (now_us_ - progress.shipped_us < patience_us) continue;
    probe(progress, probing ? progress.next : progress.match.lsn.next());
  }
}

// --- Commit.

Position Replica::durable_on(size_t voters) const {
  CHECK_GE(voters, size_t{1});
  absl::InlinedVector<Position, 8> positions;  // on the stack: asked for at every turn of the loop
  if (!leading()) return {};
  if (is_voter()) positions.push_back(durable_);
  for (const auto& [id, progress] : progress_) {
    if (progress.counts) positions.push_back(progress.match);
  }
  if (voters > positions.size()) return {};
  const auto nth = positions.begin() + static_cast<ptrdiff_t>(voters - 1);
  std::nth_element(positions.begin(), nth, positions.end(), std::greater<>());
  return *nth;
}

void Replica::advance_commit() {
  if (!leading()) return;
  const Position counted = durable_on(majority());
  if (counted.lsn <= commit_.lsn) return;
  if (counted.term != term()) return;  // 3.6.2: only by a later record of this term
  commit_to(counted.lsn);
  want_commit_news();
  review_doubt();
  if (!is_voter() && membership_committed()) leave_office();
}

// 4.2.2: its own removal is committed. Whoever has most of the log need not wait for an election
// timeout.
void Replica::leave_office() {
  const auto best =
      std::max_element(progress_.begin(), progress_.end(), [](const auto& one, const auto& other) {
        if (one.second.counts != other.second.counts) return other.second.counts;
        return one.second.match < other.second.match;
      });
  if (best != progress_.end() && best->second.counts) send_timeout_now(best->first);
  step_down();
}

}  // namespace kvorum::replication
