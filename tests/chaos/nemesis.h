// Strikes a cluster with one fault after the other, drawn from a seed, and heals what it has done.
// Faults overlap. They are drawn as cards are dealt: within one deck each kind comes once, changes
// of members twice, so that none is left out of a run that lasts for a deck. One thread, the
// cluster's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/chaos/chaos_cluster.h"
#include "tests/chaos/member_change.h"
#include "tests/chaos/tally.h"
#include "tests/support/random.h"

namespace kvorum::chaos {

enum class Fault : uint8_t {
  kKillOne,
  kKillTwo,
  kKillAll,
  kKillInsideWrite,
  kPause,
  kPartition,
  kOneWayPartition,
  kBridge,
  kClockStep,
  kFullDisk,
  kHandOver,
  kMemberAdded,
  kMemberRemoved,
  kWipe,
  kRollingRestart,
  kCount,
};
inline constexpr size_t kFaultKinds = static_cast<size_t>(Fault::kCount);
inline constexpr std::array<std::string_view, kFaultKinds> kFaultNames = {
    "one node killed", "two nodes killed", "all nodes killed",       "killed inside a write",
    "paused",          "partition",        "one-way partition",      "bridge partition",
    "clock step",      "full disk",        "leadership handed over", "member added",
    "member removed",  "wiped disk",       "rolling restart"};

using FaultCounts = std::array<uint64_t, kFaultKinds>;

class Nemesis {
 public:
  // `told` hears of everything that is done, for the record.
  Nemesis(ChaosCluster& cluster, Tally& tally, uint64_t seed,
          std::function<void(const std::string&)> told);

  // Ends what is over, and strikes if it is time to. Returns soon, but for those that
  // nothing else may strike beside: wiped disks and rolling restarts.
  void turn();
  // Ends everything and waits until the change of members under way has happened and every node is
  // in order; what is not in time is a failure.
  void heal();

  // Strikes that did what they should, by kind.
  const FaultCounts& fired() const { return fired_; }
  uint64_t decks() const { return decks_; }  // dealt to the end

 private:
  struct Strike {
    Fault fault = Fault::kKillOne;
    int64_t end_us = 0;
    std::set<int> nodes;        // nobody else's meanwhile
    std::function<bool()> end;  // false: it was without effect
  };

  void deal();
  bool strike(Fault fault);  // false: not now
  bool kill(Fault fault, size_t count);
  bool kill_inside_write();
  bool pause();
  bool cut(Fault fault);
  bool step_clock();
  bool fill_small_disk();
  bool fill_disk();
  bool hand_over();
  bool change_members(Fault fault);
  void begin_join();
  void begin_leave();
  // True: none is under way any more.
  bool go_on_with_change();
  bool wipe();
  bool restart_all();

  void add(Fault fault, std::set<int> nodes, std::function<bool()> end);
  void end_strikes(int64_t now_us);
  void restart(int node);
  bool held(int node) const;  // by a strike
  // Nodes that no strike holds, in any order, the leader first half of the time.
  std::vector<int> idle();
  int any_idle();
  // Nodes that are there, in any order, the leader first half of the time.
  std::vector<int> present();
  bool strikes(Fault first, Fault last) const;
  int64_t draw_us(int64_t least_ms, int64_t most_ms);

  ChaosCluster& cluster_;
  Tally& tally_;
  simulation::Random random_;
  const std::function<void(const std::string&)> told_;
  std::vector<Fault> deck_;
  std::vector<Strike> strikes_;
  std::unique_ptr<MemberChange> change_;  // null: none is under way
  FaultCounts fired_{};
  uint64_t decks_ = 0;
  int64_t next_us_ = 0;
};

}  // namespace kvorum::chaos
