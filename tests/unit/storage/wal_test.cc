#include "storage/wal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/log_driver.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kSegmentBytes = 16 * 512;

class WalTest : public ::testing::Test {
 protected:
  static WalOptions options(FsyncPolicy fsync = FsyncPolicy::kAlways) {
    WalOptions options;
    options.directory = "data";
    options.segment_bytes = kSegmentBytes;
    options.fsync = fsync;
    return options;
  }

  void start(FsyncPolicy fsync = FsyncPolicy::kAlways) {
    log_ = std::make_unique<LogDriver>(disk_, options(fsync));
    ASSERT_TRUE(log_->start().ok());
  }

  // A process that dies and one that follows it.
  void restart(FsyncPolicy fsync = FsyncPolicy::kAlways) {
    log_.reset();
    disk_.crash();
    start(fsync);
  }

  Wal& wal() { return log_->wal(); }
  uint64_t syncs() const { return disk_.calls(DiskOperation::kSync); }
  uint64_t writes() const { return disk_.calls(DiskOperation::kWrite); }

  SimulatedDisk disk_;
  std::unique_ptr<LogDriver> log_;
};

TEST_F(WalTest, RecordsComeBackInOrder) {
  start();
  EXPECT_THAT(log_->recovered().payloads, IsEmpty());
  log_->append("a");
  log_->append("b");
  ASSERT_TRUE(log_->flush().ok());
  log_->append("c");
  ASSERT_TRUE(log_->flush().ok());
  restart();
  EXPECT_THAT(log_->recovered().payloads, ElementsAre("a", "b", "c"));
  EXPECT_EQ(log_->recovered().log.last, (Position{Term{1}, Lsn{3}}));
  EXPECT_FALSE(log_->recovered().log.clean_stop);
}

TEST_F(WalTest, OneJobIsOneWriteAndOneSyncForEverythingQueued) {
  start();
  const uint64_t writes_before = writes();
  const uint64_t syncs_before = syncs();
  for (int i = 0; i < 10; ++i) log_->append("x");
  ASSERT_TRUE(log_->run_job().ok());
  EXPECT_EQ(writes(), writes_before + 1);
  EXPECT_EQ(syncs(), syncs_before + 1);
  EXPECT_EQ(wal().durable().lsn, Lsn{10});
  EXPECT_EQ(wal().stats().batches, 1u);
  EXPECT_EQ(wal().queued_bytes(), 0u);
}

TEST_F(WalTest, OneJobIsOutAtATime) {
  start();
  EXPECT_EQ(wal().take_job(0), nullptr) << "nothing is queued";
  log_->append("a");
  auto job = wal().take_job(0);
  ASSERT_NE(job, nullptr);
  log_->append("b");
  EXPECT_EQ(wal().take_job(0), nullptr);
  EXPECT_EQ(wal().durable().lsn, Lsn{0});
  EXPECT_EQ(wal().last().lsn, Lsn{2});
  job->run();
  const WriteResult result = wal().finish(std::move(job));
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.written.lsn, Lsn{1});
  EXPECT_EQ(result.durable.lsn, Lsn{1});
  ASSERT_TRUE(log_->run_job().ok());
  EXPECT_EQ(wal().durable().lsn, Lsn{2});
}

TEST_F(WalTest, AFullSegmentIsFollowedByTheNext) {
  start();
  for (int i = 0; i < 100; ++i) {
    log_->append("record " + std::to_string(i));
    ASSERT_TRUE(log_->flush().ok());
  }
  EXPECT_GT(wal().stats().segments, 5u);
  restart();
  ASSERT_EQ(log_->recovered().payloads.size(), 100u);
  EXPECT_EQ(log_->recovered().payloads.back(), "record 99");
}

TEST_F(WalTest, ARecordLargerThanASegmentFits) {
  start();
  const std::string large(10 * kSegmentBytes, 'x');
  log_->append(large);
  log_->append("after");
  ASSERT_TRUE(log_->flush().ok());
  restart();
  EXPECT_THAT(log_->recovered().payloads, ElementsAre(large, "after"));
}

TEST_F(WalTest, ALargeQueueGoesOutInSeveralJobs) {
  start();
  const std::string large(600'000, 'x');
  for (int i = 0; i < 3; ++i) log_->append(large);
  ASSERT_TRUE(log_->run_job().ok());
  EXPECT_EQ(wal().durable().lsn, Lsn{1});
  EXPECT_GT(wal().queued_bytes(), large.size());
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(wal().durable().lsn, Lsn{3});
}

TEST_F(WalTest, EverySecondSyncsAtMostOnceASecond) {
  start(FsyncPolicy::kEverySecond);
  const uint64_t before = syncs();
  for (uint64_t now_ms = 5000; now_ms < 6000; now_ms += 100) {
    log_->append("x");
    ASSERT_TRUE(log_->run_job(now_ms).ok());
  }
  EXPECT_EQ(syncs(), before);
  EXPECT_EQ(wal().durable(), wal().written()) << "counted as durable";
  EXPECT_EQ(wal().synced().lsn, Lsn{0});
  log_->append("x");
  ASSERT_TRUE(log_->run_job(6000).ok());
  EXPECT_EQ(syncs(), before + 1);
  EXPECT_EQ(wal().synced().lsn, Lsn{11});
}

TEST_F(WalTest, EverySecondSyncsAnIdleTail) {
  start(FsyncPolicy::kEverySecond);
  EXPECT_EQ(wal().sync_due_ms(), std::nullopt);
  log_->append("x");
  ASSERT_TRUE(log_->run_job(5000).ok());
  EXPECT_EQ(wal().sync_due_ms(), 6000u);
  EXPECT_EQ(wal().take_job(5999), nullptr);
  const uint64_t before = syncs();
  ASSERT_TRUE(log_->run_job(6000).ok());
  EXPECT_EQ(syncs(), before + 1);
  EXPECT_EQ(wal().synced().lsn, Lsn{1});
  EXPECT_EQ(wal().sync_due_ms(), std::nullopt);
}

TEST_F(WalTest, NeverSyncsOnlyWhenASegmentEnds) {
  start(FsyncPolicy::kNever);
  const uint64_t before = syncs();
  for (int i = 0; i < 10; ++i) {
    log_->append("x");
    ASSERT_TRUE(log_->run_job(1000 * i).ok());
  }
  EXPECT_EQ(syncs(), before);
  EXPECT_EQ(wal().sync_due_ms(), std::nullopt);
  EXPECT_EQ(wal().durable().lsn, Lsn{10});
  for (int i = 0; i < 10; ++i) {
    log_->append("x");
    ASSERT_TRUE(log_->run_job(1000 * i).ok());
  }
  EXPECT_EQ(wal().stats().segments, 2u);
  EXPECT_EQ(syncs(), before + 2) << "the old segment and the start of the new one";
}

TEST_F(WalTest, HardStateIsSyncedUnderEveryPolicyAndComesBack) {
  for (const FsyncPolicy fsync :
       {FsyncPolicy::kAlways, FsyncPolicy::kEverySecond, FsyncPolicy::kNever}) {
    restart(fsync);
    const HardState state{Term{10 + static_cast<uint64_t>(fsync)}, NodeId{3}};
    const uint64_t before = syncs();
    wal().save_hard_state(state);
    ASSERT_TRUE(log_->run_job().ok());
    EXPECT_EQ(syncs(), before + 1);
    restart();
    EXPECT_EQ(log_->recovered().log.hard_state, state);
  }
}

TEST_F(WalTest, HardStateIsRepeatedInEverySegment) {
  start();
  const HardState state{Term{9}, NodeId{2}};
  wal().save_hard_state(state);
  for (int i = 0; i < 100; ++i) {
    log_->append("record");
    ASSERT_TRUE(log_->flush().ok());
  }
  ASSERT_TRUE(log_->retire_before(Lsn{101}).ok());
  const Position cut = wal().written();
  log_.reset();
  disk_.crash();
  log_ = std::make_unique<LogDriver>(disk_, options());
  ASSERT_TRUE(log_->start(cut).ok());
  EXPECT_EQ(log_->recovered().log.hard_state, state) << "its own frame is gone with its segment";
}

TEST_F(WalTest, CommitTravelsWithTheNextFrame) {
  start();
  log_->append("a");
  ASSERT_TRUE(log_->flush().ok());
  wal().set_commit(Lsn{1});
  log_->append("b");
  ASSERT_TRUE(log_->flush().ok());
  restart();
  EXPECT_EQ(log_->recovered().log.commit, Lsn{1});
}

TEST_F(WalTest, ACleanStopIsRemembered) {
  for (const FsyncPolicy fsync :
       {FsyncPolicy::kAlways, FsyncPolicy::kEverySecond, FsyncPolicy::kNever}) {
    restart(fsync);
    log_->append("a");
    ASSERT_TRUE(log_->clean_stop().ok());
    EXPECT_EQ(wal().synced(), wal().last());
    restart(fsync);
    EXPECT_TRUE(log_->recovered().log.clean_stop);
    restart(fsync);
    EXPECT_FALSE(log_->recovered().log.clean_stop) << "begun since, and not stopped";
  }
}

TEST_F(WalTest, ARequestedSyncHappensUnderEveryPolicy) {
  start(FsyncPolicy::kNever);
  log_->append("a");
  ASSERT_TRUE(log_->run_job().ok());
  EXPECT_EQ(wal().synced().lsn, Lsn{0});
  wal().request_sync();
  ASSERT_TRUE(log_->run_job().ok());
  EXPECT_EQ(wal().synced().lsn, Lsn{1});
}

TEST_F(WalTest, RetirementFreesWhatNoSnapshotNeeds) {
  start();
  for (int i = 0; i < 100; ++i) {
    log_->append("record");
    ASSERT_TRUE(log_->flush().ok());
  }
  const WalStats before = wal().stats();
  ASSERT_GT(before.segments, 4u);
  ASSERT_TRUE(log_->retire_before(Lsn{1}).ok());
  EXPECT_EQ(wal().stats().segments, before.segments);
  ASSERT_TRUE(log_->retire_before(Lsn{101}).ok());
  const WalStats after = wal().stats();
  EXPECT_EQ(after.segments, 1u);
  EXPECT_EQ(after.spares, 2u);
  EXPECT_LT(after.current_bytes, before.current_bytes);
  EXPECT_EQ(after.base_bytes, after.current_bytes);
  EXPECT_GT(wal().oldest_lsn(), Lsn{1});
}

TEST_F(WalTest, ASegmentIsKeptWhileOneOfItsRecordsIsNeeded) {
  start();
  for (int i = 0; i < 100; ++i) {
    log_->append("record");
    ASSERT_TRUE(log_->flush().ok());
  }
  for (uint64_t lsn = 1; lsn <= 101; ++lsn) {
    ASSERT_TRUE(log_->retire_before(Lsn{lsn}).ok());
    ASSERT_LE(wal().oldest_lsn(), Lsn{lsn});
  }
}

TEST_F(WalTest, RetiredSegmentsAreOverwrittenNotGrown) {
  start();
  const auto fill = [this](int records) {
    for (int i = 0; i < records; ++i) {
      log_->append("record");
      ASSERT_TRUE(log_->flush().ok());
    }
  };
  fill(45);
  ASSERT_TRUE(log_->retire_before(wal().last().lsn.next()).ok());
  ASSERT_EQ(wal().stats().spares, 2u);
  const uint64_t creates = disk_.calls(DiskOperation::kCreate);
  fill(25);
  EXPECT_EQ(wal().stats().spares, 0u);
  EXPECT_EQ(disk_.calls(DiskOperation::kCreate), creates);
  const Position cut{Term{1}, wal().oldest_lsn().previous()};
  log_.reset();
  disk_.crash();
  log_ = std::make_unique<LogDriver>(disk_, options());
  ASSERT_TRUE(log_->start(cut).ok());
  EXPECT_EQ(log_->recovered().log.last.lsn, Lsn{70});
  EXPECT_EQ(log_->recovered().payloads.size(), 70 - cut.lsn.value());
}

TEST_F(WalTest, SparesAreFoundAgainAfterARestart) {
  start();
  for (int i = 0; i < 60; ++i) {
    log_->append("record");
    ASSERT_TRUE(log_->flush().ok());
  }
  ASSERT_TRUE(log_->retire_before(Lsn{61}).ok());
  ASSERT_EQ(wal().stats().spares, 2u);
  const Position cut = wal().written();
  log_.reset();
  disk_.crash();
  log_ = std::make_unique<LogDriver>(disk_, options());
  ASSERT_TRUE(log_->start(cut).ok());
  EXPECT_EQ(wal().stats().spares, 1u) << "one became the new segment";
}

TEST_F(WalTest, RetentionKeepsBytes) {
  start();
  for (int i = 0; i < 100; ++i) {
    log_->append("record");
    ASSERT_TRUE(log_->flush().ok());
  }
  wal().set_retention(0, 2 * kSegmentBytes - 512);
  const uint64_t segments = wal().stats().segments;
  ASSERT_TRUE(log_->retire_before(Lsn{101}).ok());
  EXPECT_EQ(wal().stats().segments, 3u) << "two that are kept, and the one being written";
  EXPECT_GT(segments, 3u);
}

TEST_F(WalTest, RetentionKeepsTime) {
  start();
  for (int i = 0; i < 100; ++i) {
    log_->set_wall_ms(1'000'000 + 1000 * static_cast<uint64_t>(i));
    log_->append("record");
    ASSERT_TRUE(log_->flush().ok());
  }
  const uint64_t segments = wal().stats().segments;
  wal().set_retention(60'000, 0);
  ASSERT_TRUE(log_->retire_before(Lsn{101}, 1'050'000).ok());
  EXPECT_EQ(wal().stats().segments, segments) << "all are younger than a minute";
  ASSERT_TRUE(log_->retire_before(Lsn{101}, 1'110'000).ok());
  EXPECT_LT(wal().stats().segments, segments);
  EXPECT_LE(wal().oldest_lsn(), Lsn{51});
  EXPECT_GT(wal().oldest_lsn(), Lsn{51 - 20});
}

TEST_F(WalTest, AFailedRetirementIsTriedAgain) {
  start();
  for (int i = 0; i < 100; ++i) {
    log_->append("record");
    ASSERT_TRUE(log_->flush().ok());
  }
  int removals = 0;
  disk_.set_fault([&removals](DiskOperation operation, const std::string&) {
    if (operation == DiskOperation::kRemove && ++removals == 2) return absl::DataLossError("bad");
    return absl::OkStatus();
  });
  EXPECT_FALSE(log_->retire_before(Lsn{101}).ok());
  disk_.set_fault(nullptr);
  EXPECT_TRUE(log_->retire_before(Lsn{101}).ok());
  EXPECT_EQ(wal().stats().segments, 1u);
  for (int i = 0; i < 100; ++i) {
    log_->append("record");
    ASSERT_TRUE(log_->flush().ok());
  }
}

TEST_F(WalTest, AFullDiskCutsTheBatchAndTheLogGoesOn) {
  start();
  log_->append("a");
  ASSERT_TRUE(log_->flush().ok());
  disk_.set_capacity(disk_.used_bytes() + 700);
  log_->append(std::string(2000, 'b'));
  auto job = wal().take_job(0);
  log_->append("queued meanwhile");
  job->run();
  const WriteResult result = wal().finish(std::move(job));
  EXPECT_TRUE(absl::IsResourceExhausted(result.status)) << result.status;
  EXPECT_EQ(result.written.lsn, Lsn{1});
  EXPECT_EQ(result.durable.lsn, Lsn{1});
  EXPECT_EQ(wal().last().lsn, Lsn{1}) << "what was queued behind it is gone too";
  EXPECT_EQ(wal().queued_bytes(), 0u);
  disk_.set_capacity(UINT64_MAX);
  EXPECT_EQ(log_->append("c"), Lsn{2});
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(wal().stats().segments, 2u) << "after a cut, a new segment";
  restart();
  EXPECT_THAT(log_->recovered().payloads, ElementsAre("a", "c"));
  EXPECT_THAT(log_->recovered().messages, IsEmpty());
}

TEST_F(WalTest, ADiskThatStaysFullDoesNotPileUpSegments) {
  start();
  log_->append("a");
  ASSERT_TRUE(log_->flush().ok());
  disk_.set_capacity(disk_.used_bytes() + 1400);
  for (int i = 0; i < 10; ++i) {
    log_->append(std::string(2000, 'b'));
    EXPECT_TRUE(absl::IsResourceExhausted(log_->flush()));
  }
  EXPECT_LE(wal().stats().segments, 2u);
  log_->append("c");
  ASSERT_TRUE(log_->flush().ok()) << "a small one still fits";
  disk_.set_capacity(UINT64_MAX);
  restart();
  EXPECT_THAT(log_->recovered().payloads, ElementsAre("a", "c"));
}

TEST_F(WalTest, HardStateLostToAFullDiskGoesOutWithTheNextJob) {
  start();
  disk_.set_capacity(disk_.used_bytes());
  const HardState state{Term{5}, NodeId{1}};
  wal().save_hard_state(state);
  EXPECT_TRUE(absl::IsResourceExhausted(log_->run_job()));
  disk_.set_capacity(UINT64_MAX);
  ASSERT_TRUE(log_->run_job().ok());
  restart();
  EXPECT_EQ(log_->recovered().log.hard_state, state);
}

TEST_F(WalTest, AFailedSyncIsFatalEvenIfTheReasonIsAFullDisk) {
  for (const absl::Status& error :
       {absl::ResourceExhaustedError("full"), absl::DataLossError("bad")}) {
    restart();
    log_->append("a");
    disk_.set_fault([&error](DiskOperation operation, const std::string&) {
      return operation == DiskOperation::kSync ? error : absl::OkStatus();
    });
    const absl::Status status = log_->flush();
    EXPECT_FALSE(status.ok());
    EXPECT_FALSE(absl::IsResourceExhausted(status)) << "not one to go on after";
    EXPECT_EQ(wal().durable(), log_->recovered().log.last);
    disk_.set_fault(nullptr);
  }
}

TEST_F(WalTest, AFailedCutIsFatal) {
  for (const DiskOperation failing : {DiskOperation::kTruncate, DiskOperation::kSync}) {
    restart();
    log_->append("a");
    disk_.set_fault([failing](DiskOperation operation, const std::string&) {
      if (operation == DiskOperation::kWrite || operation == failing) {
        return absl::ResourceExhaustedError("full");
      }
      return absl::OkStatus();
    });
    const absl::Status status = log_->flush();
    EXPECT_FALSE(status.ok());
    EXPECT_FALSE(absl::IsResourceExhausted(status));
    disk_.set_fault(nullptr);
  }
}

TEST_F(WalTest, AnyOtherWriteErrorIsReportedAsItIs) {
  start();
  log_->append("a");
  disk_.set_fault([](DiskOperation operation, const std::string&) {
    return operation == DiskOperation::kWrite ? absl::DataLossError("bad") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsDataLoss(log_->flush()));
  EXPECT_EQ(wal().durable().lsn, Lsn{0});
}

TEST_F(WalTest, ASegmentIsSyncedBeforeItsSuccessorIsWritten) {
  start(FsyncPolicy::kNever);
  std::vector<std::string> calls;
  disk_.set_fault([&calls](DiskOperation operation, const std::string& path) {
    if (operation == DiskOperation::kWrite) calls.push_back("write " + path);
    if (operation == DiskOperation::kSync) calls.push_back("sync " + path);
    if (operation == DiskOperation::kSyncDirectory) calls.push_back("sync " + path);
    return absl::OkStatus();
  });
  log_->append("a");
  ASSERT_TRUE(log_->flush().ok());
  log_->append(std::string(kSegmentBytes, 'x'));
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_THAT(calls,
              ElementsAre("write data/segment-0000000001.wal", "sync data/segment-0000000001.wal",
                          "sync data", "write data/segment-0000000002.wal",
                          "sync data/segment-0000000002.wal", "write data/segment-0000000002.wal"));
}

TEST_F(WalTest, NoSectorWithSyncedBytesIsEverWrittenAgain) {
  start();
  const std::string path = "data/segment-0000000001.wal";
  std::string synced;
  for (int i = 0; i < 14; ++i) {
    log_->append(std::string(static_cast<size_t>(i) * 7, 'x'));
    ASSERT_TRUE(log_->flush().ok());
    const std::string now = disk_.contents(path);
    ASSERT_TRUE(now.starts_with(synced));
    ASSERT_EQ(now.size() % 512, 0u);
    synced = now;
  }
}

TEST_F(WalTest, ATornTailIsPutAside) {
  start();
  log_->append("a");
  ASSERT_TRUE(log_->flush().ok());
  log_->append(std::string(3000, 'b'));
  ASSERT_TRUE(log_->flush().ok());
  const std::string path = "data/segment-0000000001.wal";
  const std::string whole = disk_.contents(path);
  disk_.set_contents(path, whole.substr(0, 2048));
  restart();
  EXPECT_THAT(log_->recovered().payloads, ElementsAre("a"));
  ASSERT_EQ(log_->recovered().messages.size(), 1u);
  EXPECT_THAT(log_->recovered().messages[0], HasSubstr(path + ": torn tail at offset 1024"));
  EXPECT_EQ(disk_.contents("data/torn-0000000001-0000001024.wal"), whole.substr(1024, 1024));
  restart();
  EXPECT_THAT(log_->recovered().payloads, ElementsAre("a"));
  EXPECT_THAT(log_->recovered().messages, IsEmpty()) << "said once";
}

}  // namespace
}  // namespace kvorum::storage
