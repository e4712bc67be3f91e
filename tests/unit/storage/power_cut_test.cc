// One fault at every call that a small life of a log makes, one after the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/support/log_driver.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

WalOptions small_segments() {
  WalOptions options;
  options.directory = "data";
  options.segment_bytes = 3072;
  return options;
}

// What a life leaves that must be true ever after.
struct Life {
  std::vector<std::string> appended;  // by lsn - 1
  uint64_t acknowledged = 0;
  Position cut;
  bool died = false;  // an error ended the process
};

// Batches, with a retirement after the seventh. Goes on after a full disk, ends at any other error.
void live(LogDriver& log, Life& life, int batches = 10) {
  for (int batch = 0; batch < batches; ++batch) {
    for (int i = 0; i < 3; ++i) {
      life.appended.push_back("batch " + std::to_string(batch) + " record " + std::to_string(i));
      log.append(life.appended.back());
    }
    const absl::Status status = log.flush();
    if (absl::IsResourceExhausted(status)) {
      life.appended.resize(log.wal().last().lsn.value());
    } else if (!status.ok()) {
      life.died = true;
      return;
    }
    life.acknowledged = log.wal().durable().lsn.value();
    if (batch == 6) {
      const Position cut = log.wal().synced();
      if (log.retire_before(cut.lsn.next()).ok()) life.cut = cut;
    }
  }
}

void expect_intact(SimulatedDisk& disk, const Life& life) {
  LogDriver log(disk, small_segments());
  const absl::Status status = log.start(life.cut);
  ASSERT_TRUE(status.ok()) << status;
  const uint64_t last = log.recovered().log.last.lsn.value();
  ASSERT_GE(last, life.acknowledged);
  ASSERT_LE(last, life.appended.size());
  for (size_t i = 0; i < log.recovered().payloads.size(); ++i) {
    ASSERT_EQ(log.recovered().payloads[i], life.appended[life.cut.lsn.value() + i]);
  }
}

using Hits = std::function<bool(DiskOperation)>;

// Lives with `error` from the n-th call that `hits` on, for `times` calls. False: there were fewer.
bool live_with_fault(SimulatedDisk& disk, const absl::Status& error, uint64_t n, uint64_t times,
                     const Hits& hits, Life& life) {
  LogDriver log(disk, small_segments());
  EXPECT_TRUE(log.start().ok());
  uint64_t calls = 0;
  disk.set_fault([&](DiskOperation operation, const std::string&) {
    if (!hits(operation)) return absl::OkStatus();
    const uint64_t call = calls++;
    return call >= n && call - n < times ? error : absl::OkStatus();
  });
  live(log, life);
  disk.set_fault(nullptr);
  return calls > n;
}

// Lives once for each call n, with `error` from the n-th call on for `times` calls; then the power
// goes. Returns how many lives ended by an error.
int live_with_every_fault(const absl::Status& error, uint64_t times, const Hits& hits) {
  int deaths = 0;
  for (uint64_t n = 0;; ++n) {
    SimulatedDisk disk;
    Life life;
    const bool hit = live_with_fault(disk, error, n, times, hits, life);
    deaths += life.died ? 1 : 0;
    std::mt19937_64 random(n);
    disk.power_cut(random);
    expect_intact(disk, life);
    if (::testing::Test::HasFailure()) ADD_FAILURE() << "at call " << n;
    if (::testing::Test::HasFailure() || !hit) return deaths;
  }
}

// A member's log that goes back, and begins anew behind a snapshot, with a crash at every call.
class MemberLife {
 public:
  // Until an error ends the process.
  void live(LogDriver& log) {
    if (!write(log, 6)) return;
    // What is written from here to the end of the next write is either dropped or not.
    other_ = history_;
    go_back(log, 4);
    if (!write(log, 2)) return;
    other_ = history_;
    cut_ = Position{Term{5}, Lsn{20}};
    cut_hlc_ = Hlc{uint64_t{2'000'000} << 16};
    log.restart_at(cut_, cut_hlc_);
    history_.assign(20, "");
    acknowledged_ = 20;
    if (!write(log, 3)) return;
    other_ = history_;
    go_back(log, 21);
    if (!write(log, 3)) return;
    finished_ = true;
  }

  void expect_intact(SimulatedDisk& disk) const {
    LogDriver log(disk, small_segments());
    log.set_member(true);
    const absl::Status status = log.start(cut_, cut_hlc_);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_FALSE(log.recovered().log.damaged) << log.recovered().log.damage;
    const uint64_t last = log.recovered().log.last.lsn.value();
    ASSERT_GE(last, acknowledged_);
    std::vector<std::string> recovered(cut_.lsn.value());
    recovered.insert(recovered.end(), log.recovered().payloads.begin(),
                     log.recovered().payloads.end());
    const auto begins = [&recovered](const std::vector<std::string>& history) {
      return recovered.size() <= history.size() &&
             std::equal(recovered.begin(), recovered.end(), history.begin());
    };
    EXPECT_TRUE(begins(history_) || begins(other_));
  }
  bool finished() const { return finished_; }

 private:
  bool write(LogDriver& log, int records) {
    for (int i = 0; i < records; ++i) {
      history_.push_back("record " + std::to_string(++draws_));
      log.append(history_.back());
      if (!log.flush().ok()) return false;
      other_.clear();
      acknowledged_ = log.wal().durable().lsn.value();
    }
    return true;
  }
  void go_back(LogDriver& log, uint64_t kept) {
    log.truncate(Lsn{kept});
    history_.resize(kept);
    acknowledged_ = kept;
  }

  std::vector<std::string> history_;  // by lsn - 1
  std::vector<std::string> other_;    // may be on disk instead
  uint64_t acknowledged_ = 0;
  int draws_ = 0;
  Position cut_;
  Hlc cut_hlc_{0};
  bool finished_ = false;
};

TEST(FaultAtEveryCallTest, GoingBackAndBeginningAnewLoseNothingAcknowledged) {
  for (const uint64_t seed : {1, 2, 3}) {
    bool finished = false;
    uint64_t lives = 0;
    for (; !finished && !::testing::Test::HasFailure(); ++lives) {
      SimulatedDisk disk;
      LogDriver log(disk, small_segments());
      log.set_member(true);
      ASSERT_TRUE(log.start().ok());
      uint64_t calls = 0;
      disk.set_fault([&calls, lives](DiskOperation, const std::string&) {
        return calls++ >= lives ? absl::DataLossError("bad") : absl::OkStatus();
      });
      MemberLife life;
      life.live(log);
      finished = life.finished();
      disk.set_fault(nullptr);
      log.drop();
      std::mt19937_64 random(seed * 1000 + lives);
      disk.power_cut(random);
      life.expect_intact(disk);
      if (::testing::Test::HasFailure()) ADD_FAILURE() << "at call " << lives;
    }
    EXPECT_GT(lives, 30u);
  }
}

bool is_write(DiskOperation operation) { return operation == DiskOperation::kWrite; }
bool is_sync(DiskOperation operation) { return operation == DiskOperation::kSync; }
bool is_any(DiskOperation) { return true; }

TEST(FaultAtEveryCallTest, AFullDiskNeverEndsTheProcessAtAWrite) {
  EXPECT_EQ(live_with_every_fault(absl::ResourceExhaustedError("full"), 1, is_write), 0);
  EXPECT_EQ(live_with_every_fault(absl::ResourceExhaustedError("full"), 3, is_write), 0);
}

TEST(FaultAtEveryCallTest, AFailedSyncAlwaysEndsTheProcess) {
  const int syncs = live_with_every_fault(absl::DataLossError("bad"), 1, is_sync);
  EXPECT_GE(syncs, 10) << "one per batch at least";
  EXPECT_EQ(live_with_every_fault(absl::ResourceExhaustedError("full"), 1, is_sync), syncs);
}

// The system keeps pages whose sync has failed, and calls them clean.
TEST(FaultAtEveryCallTest, TheStartAfterAFailedSyncBuildsOnWhatTheMediumHas) {
  bool hit = true;
  for (uint64_t n = 0; hit && !::testing::Test::HasFailure(); ++n) {
    SimulatedDisk disk;
    Life life;
    hit = live_with_fault(disk, absl::DataLossError("bad"), n, 1, is_sync, life);
    disk.crash();
    {
      LogDriver log(disk, small_segments());
      ASSERT_TRUE(log.start(life.cut).ok());
      life.appended.resize(log.recovered().log.last.lsn.value());
      live(log, life, 3);
    }
    std::mt19937_64 random(n);
    disk.power_cut(random);
    expect_intact(disk, life);
    if (::testing::Test::HasFailure()) ADD_FAILURE() << "at sync " << n;
  }
}

TEST(FaultAtEveryCallTest, AnErrorAnywhereLosesNothingAcknowledged) {
  EXPECT_GT(live_with_every_fault(absl::DataLossError("bad"), 1, is_any), 10);
  EXPECT_GT(live_with_every_fault(absl::DataLossError("bad"), UINT64_MAX, is_any), 10);
  live_with_every_fault(absl::ResourceExhaustedError("full"), 1, is_any);
  live_with_every_fault(absl::ResourceExhaustedError("full"), UINT64_MAX, is_any);
}

}  // namespace
}  // namespace kvorum::storage
