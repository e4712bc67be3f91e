// Leading safely: check-quorum, the read lease, clocks that disagree, handing over.
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "replication/replica.h"

namespace kvorum::replication {

using storage::NodeId;

size_t Replica::reachable_voters() const {
  size_t reachable = is_voter() ? 1 : 0;
  for (const auto& [id, progress] : progress_) {
    if (progress.counts && progress.active) ++reachable;
  }
  return reachable;
}

// 6.2. A new leader is given an election timeout to hear from them.
bool Replica::quorum_heard() const {
  size_t heard = is_voter() ? 1 : 0;
  for (const auto& [id, progress] : progress_) {
    if (progress.counts && now_us_ - progress.heard_us < election_timeout_us()) ++heard;
  }
  return heard >= majority();
}

// --- The lease: 6.4.1, with the heartbeat's send time.

// The newest of our clock readings that a majority has sent back; our own is now.
int64_t Replica::majority_acked_us() const {
  absl::InlinedVector<int64_t, 8> acked;  // on the stack: asked for at every turn of the loop
  if (is_voter()) acked.push_back(now_us_);
  for (const auto& [id, progress] : progress_) {
    if (progress.counts) acked.push_back(progress.acked_sent_us);
  }
  if (acked.size() < majority()) return kLongAgo;
  const auto nth = acked.begin() + static_cast<ptrdiff_t>(majority() - 1);
  std::nth_element(acked.begin(), nth, acked.end(), std::greater<>());
  return *nth;
}

int64_t Replica::lease_us() const { return majority_acked_us() + election_timeout_us() * 8 / 10; }

int64_t Replica::reads_until_us() const {
  constexpr int64_t kNever = std::numeric_limits<int64_t>::min();
  if (!settled() || majority_acked_us() == kLongAgo) return kNever;
  // Whoever was told to campaign may lead already, and no vote waited for our lease.
  if (timeout_now_sent_) return std::max(majority_acked_us(), last_lease_us_);
  return lease_us();
}

// --- Clocks: DESIGN 2. Judged by the leader, before it stamps.

void Replica::measure_clock(Progress& progress, const Message& message) {
  if (wall_us_ == 0 || message.wall_us == 0 || message.sent_us == 0) return;
  const int64_t round_trip_us = now_us_ - message.sent_us;
  if (round_trip_us < 0 || round_trip_us > max_drift_us()) return;  // says too little
  progress.clock_ahead_us = message.wall_us - (wall_us_ - round_trip_us / 2);
  progress.clock_error_us = round_trip_us / 2;
  progress.clock_known = true;
}

// How far a majority that agrees with itself is ahead of this clock, beyond the limit; else 0. What
// the way of a message may explain is no difference.
int64_t Replica::majority_clock_us() const {
  const int64_t limit_us = max_drift_us();
  if (limit_us == 0) return 0;
  std::vector<int64_t> ahead;
  for (const auto& [id, progress] : progress_) {
    const bool known = progress.counts && progress.active && progress.clock_known;
    if (!known) continue;
    const int64_t certain_us = std::abs(progress.clock_ahead_us) - progress.clock_error_us;
    const int64_t least_us = std::max<int64_t>(certain_us, 0);
    ahead.push_back(progress.clock_ahead_us < 0 ? -least_us : least_us);
  }
  std::sort(ahead.begin(), ahead.end());
  const size_t needed = majority();
  for (size_t first = 0; first + needed <= ahead.size(); ++first) {
    const int64_t lowest = ahead[first], highest = ahead[first + needed - 1];
    const bool agree = highest - lowest <= limit_us;
    if (agree && (lowest > limit_us || highest < -limit_us)) return ahead[first + needed / 2];
  }
  return 0;
}

// Whoever stepped down for its clock may lead again when another's agrees with it: a leader's, or a
// candidate's or a voter's while there is no leader. If that one is as wrong, leading will show it.
void Replica::compare_clock(const Message& message) {
  const bool known = wall_us_ != 0 && message.wall_us != 0;
  if (known && std::abs(message.wall_us - wall_us_) <= max_drift_us()) drift_us_ = 0;
}

bool Replica::clock_judged() const {
  if (!leading()) return false;
  // Asked at every turn of the loop: nearly always answered here.
  const bool in_time = now_us_ - led_since_us_ < election_timeout_us();
  if (max_drift_us() == 0 || !in_time) return true;
  if (!others_are_a_majority()) return true;
  const auto known = std::count_if(progress_.begin(), progress_.end(), [](const auto& row) {
    return row.second.counts && row.second.active && row.second.clock_known;
  });
  return static_cast<size_t>(known) >= majority();
}

bool Replica::clock_differs(const Progress& progress) const {
  const bool judged = progress.clock_known && max_drift_us() != 0;
  return judged && std::abs(progress.clock_ahead_us) - progress.clock_error_us > max_drift_us();
}

bool Replica::others_are_a_majority() const {
  return membership().voters().size() - (is_voter() ? 1 : 0) >= majority();
}

int64_t Replica::clock_drift_us() const {
  if (leading()) return majority_clock_us();
  return others_are_a_majority() ? drift_us_ : 0;
}

// --- Handing over: 3.10.

bool Replica::transfer(NodeId to) {
  if (!leading()) return false;
  const Progress* best = nullptr;
  NodeId target{0};
  for (const auto& [id, progress] : progress_) {
    const bool wanted = to == NodeId{0} ? progress.active : id == to;
    if (!wanted || !progress.counts) continue;
    if (best != nullptr && clock_differs(progress) != clock_differs(*best)) {
      if (clock_differs(progress)) continue;
    } else if (best != nullptr && progress.match <= best->match) {
      continue;
    }
    best = &progress;
    target = id;
  }
  if (best == nullptr) return false;
  transfer_to_ = target;
  transfer_until_us_ = now_us_ + election_timeout_us();
  timeout_now_due_ = true;
  continue_transfer();
  return true;
}

void Replica::continue_transfer() {
  if (!transferring() || !timeout_now_due_) return;
  const Progress* target = progress_of(transfer_to_);
  if (target == nullptr || target->match.lsn != log_.last().lsn) return;
  announce_transfer();
}

void Replica::hurry_transfer() {
  if (transferring() && timeout_now_due_) announce_transfer();
}

void Replica::announce_transfer() {
  timeout_now_due_ = false;
  send_timeout_now(transfer_to_);
}

void Replica::send_timeout_now(NodeId to) {
  if (!timeout_now_sent_) last_lease_us_ = std::min(reads_until_us(), now_us_);
  timeout_now_sent_ = true;
  Message message;
  message.kind = MessageKind::kTimeoutNow;
  message.to = to;
  message.term = term();
  send(std::move(message));
}

}  // namespace kvorum::replication
