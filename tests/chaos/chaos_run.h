// One run: a cluster, clients of all kinds on all nodes, a nemesis; then everything is healed and
// judged. docs/testing.md says what is checked.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/chaos_cluster.h"
#include "tests/chaos/key_groups.h"
#include "tests/chaos/load_client.h"
#include "tests/chaos/nemesis.h"
#include "tests/chaos/tally.h"

namespace kvorum::chaos {

struct RunOptions {
  uint64_t seed = 1;
  int64_t seconds = 60;
  bool plain = false;     // no namespaces and no small disk, though they are allowed
  std::string directory;  // for logs and data; it exists
};

// Why a run of so many seconds proves little though nothing was wrong; empty: it does prove it.
std::vector<std::string> what_is_missing(const Tally::Figures& figures, const FaultCounts& fired,
                                         int64_t seconds);

class ChaosRun {
 public:
  // REQUIRES: the process has one thread.
  explicit ChaosRun(const RunOptions& options);
  ~ChaosRun();

  // True if everything held. Prints how it goes, what was wrong, and a summary.
  bool run();

 private:
  bool time_is_left() const;
  void judge_groups();
  void judge_in_background();
  void stop_judging();
  void settle();
  void expect_progress();
  void expect_members();
  void read_what_is_left();
  void check_disks();
  void tell(const std::string& event);
  void show_progress();
  void print_summary() const;

  const RunOptions options_;
  const int64_t begin_us_;
  int64_t shown_us_ = 0;
  KeyGroups groups_;
  Tally tally_;
  ChaosCluster cluster_;
  Nemesis nemesis_;
  std::vector<std::unique_ptr<LoadClient>> clients_;
  std::atomic<bool> judging_ = false;
  std::thread judge_;
};

}  // namespace kvorum::chaos
