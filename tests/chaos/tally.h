// What a run has met so far: operations by outcome, the longest time without an acknowledged write,
// and the first thing that was wrong. Any thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::chaos {

// Of a clock that only goes forward; the clocks of the nodes do not matter here.
inline int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

enum class Deed : uint8_t {
  kIncrement,
  kAppend,
  kSet,
  kSetIfAbsent,
  kSetVolatile,
  kDelete,
  kCompareAndSet,
  kSetBoth,
  kLedgerWrite,
  kLocalRead,         // promises the connection's session
  kLinearizableRead,  // executed by the leader, inside a watched transaction
  kLeaderRead,        // by a node that led before and after
  kConsistentRead,    // linearizable by the connection's level, by whichever node is asked
  kPrefixRead,        // of a connection that asks for no more than that
  kTokenTaken,        // a session goes on at another connection
  kCount,
};
inline constexpr size_t kDeeds = static_cast<size_t>(Deed::kCount);
inline constexpr std::array<std::string_view, kDeeds> kDeedNames = {"INCR",
                                                                    "APPEND",
                                                                    "SET",
                                                                    "SET NX",
                                                                    "SET PX",
                                                                    "DEL",
                                                                    "WATCH/EXEC",
                                                                    "MULTI/EXEC",
                                                                    "SET GET",
                                                                    "local read",
                                                                    "linearizable read",
                                                                    "leader's read",
                                                                    "read on linearizable",
                                                                    "read on prefix",
                                                                    "token taken along"};

enum class Answer : uint8_t { kDone, kRefused, kUnknown };

class Tally {
 public:
  struct Figures {
    std::array<std::array<uint64_t, 3>, kDeeds> deeds{};  // by Answer
    std::map<std::string, uint64_t> errors;               // by first word
    uint64_t acknowledged_writes = 0;
    int64_t longest_gap_us = 0;  // between two acknowledged writes
    uint64_t groups_judged = 0;
    uint64_t groups_undecided = 0;

    uint64_t of(Answer answer) const;
  };

  Tally() : last_write_us_(now_us()) {}

  void count(Deed deed, Answer answer);
  void count_error(const std::string& word);
  void count_judged(bool decided);
  Figures figures() const;

  // Something that must not be. Empty texts are passed over, so that checks can be called in place.
  void fail(const std::string& what);
  bool failed() const;
  std::vector<std::string> failures() const;

 private:
  mutable std::mutex mutex_;
  Figures figures_;
  int64_t last_write_us_ = 0;
  std::vector<std::string> failures_;
};

}  // namespace kvorum::chaos
