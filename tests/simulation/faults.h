// The kinds of misfortune a simulation knows, and how often each has struck. A campaign in which
// one never did proves nothing about it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kvorum::simulation {

enum class Fault : uint8_t {
  kCrash,
  kPowerCut,
  kPowerCutInsideWrite,
  kPowerCutEverywhere,
  kCleanStop,
  kWipe,
  kPause,
  kTransfer,
  kPartition,
  kOneWayPartition,
  kBridge,
  kIsolate,
  kConnectionBreak,
  kDelay,
  kSlowFollower,
  kMessageDrop,
  kMessageDuplicate,
  kMessageReorder,
  kSlowDisk,
  kStuckDisk,
  kDiskFull,
  kFailedSync,
  kBitFlip,
  kClockJump,
  kClockDrift,
  kMemberChange,
  // Not drawn: what the drawn ones lead to.
  kElection,
  kLogTruncated,
  kLogReplaced,  // by a snapshot
  kUnknownOutcome,
  kRefused,
  kWatchTouched,
  kForwarded,
  kIndexedRead,  // linearizable, at a follower
  kTokenTaken,   // at another connection than it was given to
  kMemberAdded,
  kLearnerAdded,
  kMemberPromoted,
  kMemberRemoved,
  kLeaderRemoved,
  kMemberAddedAgain,
  kOrphanMerged,
  kOrphansJudged,  // a file of them
  kCount,
};
inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::kCount);
inline constexpr size_t kDrawnFaultCount = static_cast<size_t>(Fault::kElection);

inline constexpr std::array<std::string_view, kFaultCount> kFaultNames = {
    "crash",
    "power cut",
    "power cut inside a write",
    "power cut everywhere",
    "clean stop",
    "wiped disk",
    "pause",
    "leadership transfer",
    "partition",
    "one-way partition",
    "bridge partition",
    "isolated node",
    "broken connection",
    "delayed network",
    "slow follower",
    "dropped message",
    "duplicated message",
    "reordered message",
    "slow disk",
    "stuck disk",
    "full disk",
    "failed fsync",
    "flipped bit",
    "clock jump",
    "clock drift",
    "change of members",
    "election",
    "log truncated",
    "log replaced by a snapshot",
    "outcome unknown",
    "command refused",
    "watched key touched",
    "command forwarded",
    "linearizable read at a follower",
    "token taken",
    "member added",
    "learner for good added",
    "learner promoted",
    "member removed",
    "leader removed",
    "removed member added again",
    "orphan merged",
    "orphans judged",
};

struct FaultCounters {
  std::array<uint64_t, kFaultCount> struck{};

  void count(Fault fault) { ++struck[static_cast<size_t>(fault)]; }
  uint64_t of(Fault fault) const { return struck[static_cast<size_t>(fault)]; }
  void add(const FaultCounters& other) {
    for (size_t i = 0; i < kFaultCount; ++i) struck[i] += other.struck[i];
  }
};

}  // namespace kvorum::simulation
