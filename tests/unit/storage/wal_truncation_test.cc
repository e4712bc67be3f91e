// Wal::truncate, Wal::restart_at, and what recovery makes of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/log_driver.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class WalTruncationTest : public ::testing::Test {
 protected:
  void start(FsyncPolicy fsync = FsyncPolicy::kAlways, uint64_t segment_bytes = 1 << 20,
             Position cut = {}, Hlc cut_hlc = {}) {
    log_.reset();
    disk_.crash();
    WalOptions options;
    options.directory = "data";
    options.segment_bytes = segment_bytes;
    options.fsync = fsync;
    log_ = std::make_unique<LogDriver>(disk_, options);
    log_->set_member(true);
    const absl::Status status = log_->start(cut, cut_hlc);
    ASSERT_TRUE(status.ok()) << status;
  }

  void append(const std::vector<std::string>& payloads) {
    for (const std::string& payload : payloads) log_->append(payload);
  }
  void write(const std::vector<std::string>& payloads) {
    append(payloads);
    ASSERT_TRUE(log_->flush().ok());
  }
  void truncate(uint64_t kept) { log_->truncate(Lsn{kept}); }
  WriteResult run(std::unique_ptr<WriteJob> job) {
    job->run();
    return wal().finish(std::move(job));
  }
  // The next `count` writes find the disk full.
  void fill_disk(int count = 1) {
    disk_.set_fault([count](DiskOperation operation, const std::string&) mutable {
      const bool hit = operation == DiskOperation::kWrite && count-- > 0;
      return hit ? absl::ResourceExhaustedError("full") : absl::OkStatus();
    });
  }

  Wal& wal() { return log_->wal(); }
  const std::vector<std::string>& recovered() const { return log_->recovered().payloads; }
  const RecoveredLog& log() const { return log_->recovered().log; }

  SimulatedDisk disk_;
  std::unique_ptr<LogDriver> log_;
};

TEST_F(WalTruncationTest, QueuedRecordsAreForgottenWithoutANewSegment) {
  start();
  append({"a", "b", "c"});
  truncate(1);
  EXPECT_EQ(wal().last(), (Position{Term{1}, Lsn{1}}));
  EXPECT_FALSE(wal().truncation_pending());
  write({"d"});
  EXPECT_EQ(wal().stats().segments, 1u);
  EXPECT_EQ(wal().queued_bytes(), 0u);
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "d"));
}

TEST_F(WalTruncationTest, WholeQueuedBatchesAreForgotten) {
  start();
  const std::string large(800'000, 'x');
  append({large, large, large});
  EXPECT_EQ(wal().queued_batches(), 3u);
  truncate(0);
  EXPECT_EQ(wal().queued_batches(), 0u);
  EXPECT_EQ(wal().queued_bytes(), 0u);
  EXPECT_EQ(wal().take_job(0), nullptr);
}

TEST_F(WalTruncationTest, WrittenRecordsAreVoidOnceANewSegmentSaysSo) {
  start();
  write({"a", "b", "c"});
  truncate(1);
  EXPECT_TRUE(wal().truncation_pending());
  EXPECT_EQ(wal().last().lsn, Lsn{1});
  EXPECT_EQ(wal().written().lsn, Lsn{1});
  EXPECT_EQ(wal().synced().lsn, Lsn{1});
  auto job = wal().take_job(0);
  ASSERT_NE(job, nullptr) << "though nothing is queued";
  EXPECT_TRUE(wal().truncation_pending());
  const WriteResult result = run(std::move(job));
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.durable.lsn, Lsn{1});
  EXPECT_FALSE(wal().truncation_pending());
  EXPECT_EQ(wal().stats().segments, 2u);
  start();
  EXPECT_THAT(recovered(), ElementsAre("a"));
  EXPECT_EQ(log().last, (Position{Term{1}, Lsn{1}}));
  EXPECT_EQ(log().claim, Position{}) << "nothing was lost";
}

TEST_F(WalTruncationTest, ACrashBeforeTheNewSegmentLeavesTheOldRecords) {
  start();
  write({"a", "b", "c"});
  truncate(1);
  append({"d"});
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "b", "c"));
}

TEST_F(WalTruncationTest, AppendsGoOnBehindTheKeptRecordInALaterTerm) {
  start();
  write({"a", "b", "c"});
  truncate(1);
  log_->set_term(Term{2});
  write({"d", "e", "f", "g"});
  EXPECT_EQ(wal().durable(), (Position{Term{2}, Lsn{5}}));
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "d", "e", "f", "g"));
  EXPECT_EQ(log().last, (Position{Term{2}, Lsn{5}}));
  write({"h"});
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "d", "e", "f", "g", "h"));
}

TEST_F(WalTruncationTest, EverythingCanGo) {
  start();
  write({"a", "b"});
  truncate(0);
  write({"c"});
  start();
  EXPECT_THAT(recovered(), ElementsAre("c"));
}

TEST_F(WalTruncationTest, TheNewSegmentIsSyncedBeforeTheRecordsAreWrittenUnderEveryPolicy) {
  start(FsyncPolicy::kNever);
  write({"a", "b"});
  truncate(1);
  append({"c"});
  std::vector<DiskOperation> calls;
  disk_.set_fault([&calls](DiskOperation operation, const std::string&) {
    calls.push_back(operation);
    return absl::OkStatus();
  });
  ASSERT_TRUE(run(wal().take_job(0)).status.ok());
  EXPECT_THAT(calls, ElementsAre(DiskOperation::kSync, DiskOperation::kCreate, DiskOperation::kSize,
                                 DiskOperation::kSyncDirectory, DiskOperation::kWrite,
                                 DiskOperation::kSync, DiskOperation::kWrite));
}

TEST_F(WalTruncationTest, AJobThatWasOutReportsAtMostWhatIsKept) {
  start();
  write({"a", "b"});
  append({"c", "d"});
  auto job = wal().take_job(0);
  truncate(3);
  append({"e"});
  EXPECT_EQ(wal().written().lsn, Lsn{2});
  const WriteResult result = run(std::move(job));
  EXPECT_EQ(result.written.lsn, Lsn{3});
  EXPECT_EQ(result.durable.lsn, Lsn{3});
  EXPECT_TRUE(wal().truncation_pending());
  ASSERT_TRUE(log_->flush().ok());
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "b", "c", "e"));
}

TEST_F(WalTruncationTest, ATruncationAboveTheJobThatIsOutNeedsNoSegment) {
  start();
  append({"a", "b"});
  auto job = wal().take_job(0);
  append({"c", "d"});
  truncate(3);
  EXPECT_FALSE(wal().truncation_pending());
  EXPECT_EQ(run(std::move(job)).written.lsn, Lsn{2});
  ASSERT_TRUE(log_->flush().ok());
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "b", "c"));
}

TEST_F(WalTruncationTest, ATruncationBelowWhatWasWrittenBeforeTheJobThatIsOut) {
  start();
  write({"a", "b"});
  append({"c", "d"});
  auto job = wal().take_job(0);
  truncate(1);
  const WriteResult result = run(std::move(job));
  EXPECT_EQ(result.written.lsn, Lsn{1});
  EXPECT_EQ(result.durable.lsn, Lsn{1});
  write({"e"});
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "e"));
}

TEST_F(WalTruncationTest, OfSeveralTruncationsTheLowestCounts) {
  start();
  write({"a", "b", "c", "d"});
  truncate(3);
  append({"e", "f"});
  truncate(4);  // into what is queued
  EXPECT_EQ(wal().last().lsn, Lsn{4});
  truncate(2);
  append({"g"});
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(wal().stats().segments, 2u) << "one new segment";
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "b", "g"));
}

class WalSecondTruncationTest : public WalTruncationTest,
                                public ::testing::WithParamInterface<uint64_t> {};

TEST_P(WalSecondTruncationTest, WhileTheFirstOnesJobIsOut) {
  const uint64_t kept = GetParam();
  start();
  write({"a", "b", "c", "d"});
  truncate(2);
  append({"e", "f"});
  auto job = wal().take_job(0);
  truncate(kept);
  EXPECT_TRUE(wal().truncation_pending());
  EXPECT_EQ(run(std::move(job)).written.lsn, Lsn{kept});
  // Right behind the first one nothing was written that counts, but the job's records were.
  EXPECT_TRUE(wal().truncation_pending());
  write({"g"});
  EXPECT_FALSE(wal().truncation_pending());
  start();
  std::vector<std::string> expected = {"a", "b", "e"};
  expected.resize(kept);
  expected.emplace_back("g");
  EXPECT_EQ(recovered(), expected);
}

INSTANTIATE_TEST_SUITE_P(Kept, WalSecondTruncationTest, ::testing::Values(1, 2, 3));

TEST_F(WalTruncationTest, AFullDiskLeavesTheTruncationPending) {
  start();
  write({"a", "b", "c"});
  truncate(1);
  append({"d"});
  fill_disk();
  const WriteResult result = run(wal().take_job(0));
  EXPECT_TRUE(absl::IsResourceExhausted(result.status));
  EXPECT_EQ(result.written.lsn, Lsn{1});
  EXPECT_EQ(wal().last().lsn, Lsn{1});
  EXPECT_TRUE(wal().truncation_pending());
  write({"e"});
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "e"));
}

TEST_F(WalTruncationTest, AFullDiskBehindTheNewSegmentsStartHasMadeTheTruncation) {
  start();
  write({"a", "b", "c"});
  truncate(1);
  append({"d"});
  int writes = 0;
  disk_.set_fault([&writes](DiskOperation operation, const std::string&) {
    const bool second = operation == DiskOperation::kWrite && ++writes == 2;
    return second ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsResourceExhausted(run(wal().take_job(0)).status));
  EXPECT_FALSE(wal().truncation_pending());
  start();
  EXPECT_THAT(recovered(), ElementsAre("a"));
}

TEST_F(WalTruncationTest, WhatAFullDiskRefusedNeedsNoTruncation) {
  start();
  write({"a"});
  append({"b", "c"});
  auto job = wal().take_job(0);
  truncate(2);
  fill_disk();
  const WriteResult result = run(std::move(job));
  EXPECT_TRUE(absl::IsResourceExhausted(result.status));
  EXPECT_EQ(result.written.lsn, Lsn{1});
  EXPECT_EQ(wal().last().lsn, Lsn{1});
  EXPECT_FALSE(wal().truncation_pending());
}

TEST_F(WalTruncationTest, ATruncationBelowAJobThatAFullDiskRefusedStaysPending) {
  start();
  write({"a", "b"});
  append({"c"});
  auto job = wal().take_job(0);
  truncate(1);
  fill_disk();
  EXPECT_EQ(run(std::move(job)).written.lsn, Lsn{1});
  EXPECT_TRUE(wal().truncation_pending());
  write({"d"});
  start();
  EXPECT_THAT(recovered(), ElementsAre("a", "d"));
}

TEST_F(WalTruncationTest, AHardStateGoesOutWithTheNewSegment) {
  start();
  write({"a", "b"});
  truncate(1);
  wal().save_hard_state({Term{7}, NodeId{2}});
  ASSERT_TRUE(log_->flush().ok());
  start();
  EXPECT_EQ(log().hard_state, (HardState{Term{7}, NodeId{2}}));
}

TEST_F(WalTruncationTest, NothingIsDurableTwiceUnderEverySecond) {
  start(FsyncPolicy::kEverySecond);
  write({"a", "b", "c"});
  EXPECT_EQ(wal().synced().lsn, Lsn{0});
  truncate(2);
  EXPECT_EQ(wal().durable().lsn, Lsn{2});
  append({"d"});
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(wal().synced().lsn, Lsn{2}) << "with the old segment";
  EXPECT_EQ(wal().durable().lsn, Lsn{3});
}

class WalTruncationOverSegmentsTest : public WalTruncationTest {
 protected:
  static constexpr uint64_t kSegmentBytes = 3 * 512;  // a start and two frames

  // Records 1 to 8 in four segments, then back to 3, into the third last.
  void write_and_go_back() {
    start(FsyncPolicy::kAlways, kSegmentBytes);
    for (int i = 1; i <= 8; ++i) write({std::to_string(i)});
    ASSERT_EQ(wal().stats().segments, 4u);
    truncate(3);
    ASSERT_TRUE(log_->flush().ok());
    ASSERT_EQ(wal().stats().segments, 5u);
  }
};

TEST_F(WalTruncationOverSegmentsTest, IntoTheThirdLastSegment) {
  write_and_go_back();
  EXPECT_EQ(wal().oldest_lsn(), Lsn{1});
  write({"four", "five"});
  start(FsyncPolicy::kAlways, kSegmentBytes);
  EXPECT_THAT(recovered(), ElementsAre("1", "2", "3", "four", "five"));
  // From a cut on, in the segment that was cut and behind it.
  for (uint64_t lsn = 1; lsn <= 5; ++lsn) {
    const Position cut{Term{1}, Lsn{lsn}};
    start(FsyncPolicy::kAlways, kSegmentBytes, cut);
    EXPECT_EQ(recovered().size(), 5 - lsn);
  }
}

TEST_F(WalTruncationOverSegmentsTest, SegmentsThatHoldNothingGoWithTheOthers) {
  write_and_go_back();
  write({"four", "five", "six"});
  ASSERT_TRUE(log_->retire_before(Lsn{3}).ok());
  EXPECT_EQ(wal().stats().segments, 4u) << "3 is in the second";
  ASSERT_TRUE(log_->retire_before(Lsn{4}).ok());
  EXPECT_EQ(wal().stats().segments, 1u);
  EXPECT_EQ(wal().oldest_lsn(), Lsn{4});
  start(FsyncPolicy::kAlways, kSegmentBytes, log_->position_of(Lsn{3}), log_->hlc_of(Lsn{3}));
  EXPECT_THAT(recovered(), ElementsAre("four", "five", "six"));
}

TEST_F(WalTruncationOverSegmentsTest, VoidSegmentsCountForNoReader) {
  write_and_go_back();
  write({"four"});
  const uint64_t newest = 2 * 512;
  EXPECT_EQ(wal().bytes_since(Lsn{3}), newest);
  EXPECT_EQ(wal().bytes_since(Lsn{2}), newest + kSegmentBytes);
  EXPECT_EQ(wal().bytes_since(Lsn{0}), newest + 2 * kSegmentBytes);
}

TEST_F(WalTruncationOverSegmentsTest, TwoTruncationsOneBelowTheOther) {
  write_and_go_back();
  write({"four", "five", "six"});
  truncate(5);
  write({"Six"});
  truncate(1);
  write({"two"});
  start(FsyncPolicy::kAlways, kSegmentBytes);
  EXPECT_THAT(recovered(), ElementsAre("1", "two"));
  write({"three"});
  start(FsyncPolicy::kAlways, kSegmentBytes);
  EXPECT_THAT(recovered(), ElementsAre("1", "two", "three"));
}

TEST_F(WalTruncationOverSegmentsTest, TheLogGoesOnFarBeyondWhatWasVoid) {
  write_and_go_back();
  for (int i = 4; i <= 20; ++i) write({"new " + std::to_string(i)});
  start(FsyncPolicy::kAlways, kSegmentBytes);
  ASSERT_EQ(recovered().size(), 20u);
  EXPECT_EQ(recovered()[2], "3");
  EXPECT_EQ(recovered()[3], "new 4");
  EXPECT_EQ(recovered()[19], "new 20");
}

TEST_F(WalTruncationOverSegmentsTest, ASegmentThatGoesBackToAnotherHistoryIsRefused) {
  write_and_go_back();
  log_.reset();
  // The start of the newest segment names a record that the log never had.
  std::string contents = disk_.contents("data/segment-0000000005.wal");
  FrameHeader header;
  const InstanceId instance = test_identity().instance;
  ASSERT_EQ(decode_frame_header(instance, contents, header), FrameError::kNone);
  header.last.term = Term{9};
  seal_frame(instance, header, contents.data(), 512);
  disk_.set_contents("data/segment-0000000005.wal", contents);
  RecoveryOptions options;
  options.directory = "data";
  options.identity = test_identity();
  options.identity.boot = 9;
  const RecoveredRecords result = recover_log(disk_, options);
  EXPECT_TRUE(absl::IsDataLoss(result.status));
  EXPECT_THAT(std::string(result.status.message()), ::testing::HasSubstr("of term 9"));
}

class WalRestartTest : public WalTruncationTest {
 protected:
  static constexpr Position kCut{Term{3}, Lsn{10}};
  // Later than what a driver stamps.
  static constexpr Hlc kCutHlc{uint64_t{2'000'000} << 16};
};

TEST_F(WalRestartTest, TheLogBeginsAnewBehindTheCut) {
  start();
  write({"a", "b", "c"});
  append({"d"});
  log_->restart_at(kCut, kCutHlc);
  EXPECT_TRUE(wal().truncation_pending());
  EXPECT_EQ(wal().last(), kCut);
  EXPECT_EQ(wal().durable(), kCut) << "the snapshot is";
  EXPECT_EQ(wal().oldest_lsn(), Lsn{11});
  EXPECT_EQ(wal().queued_bytes(), 0u);
  ASSERT_TRUE(log_->run_job().ok());
  EXPECT_FALSE(wal().truncation_pending());
  EXPECT_EQ(wal().stats().segments, 1u);
  write({"k"});
  EXPECT_EQ(wal().durable(), (Position{Term{3}, Lsn{11}}));
  start(FsyncPolicy::kAlways, 1 << 20, kCut, kCutHlc);
  EXPECT_THAT(recovered(), ElementsAre("k"));
  EXPECT_FALSE(log().restart_needed);
  EXPECT_FALSE(log().damaged);
  EXPECT_EQ(log().claim, Position{});
}

TEST_F(WalRestartTest, TheOldSegmentsGoWithTheNextRetirement) {
  start();
  write({"a", "b", "c"});
  log_->restart_at(kCut, kCutHlc);
  ASSERT_TRUE(log_->flush().ok());
  ASSERT_TRUE(disk_.exists("data/segment-0000000001.wal"));
  ASSERT_TRUE(log_->retire_before(kCut.lsn.next()).ok());
  EXPECT_FALSE(disk_.exists("data/segment-0000000001.wal"));
  EXPECT_EQ(wal().retire_before(kCut.lsn.next(), 0), nullptr);
}

TEST_F(WalRestartTest, OldSegmentsThatARestartFindsGoToo) {
  start();
  write({"a"});
  log_->restart_at(kCut, kCutHlc);
  ASSERT_TRUE(log_->flush().ok());
  start(FsyncPolicy::kAlways, 1 << 20, kCut, kCutHlc);
  EXPECT_THAT(recovered(), IsEmpty());
  ASSERT_TRUE(log_->retire_before(kCut.lsn.next()).ok());
  EXPECT_FALSE(disk_.exists("data/segment-0000000001.wal"));
}

TEST_F(WalRestartTest, ARetirementThatIsOutMeanwhileDoesNoHarm) {
  start(FsyncPolicy::kAlways, 3 * 512);
  for (int i = 0; i < 8; ++i) write({"x"});
  auto retirement = wal().retire_before(Lsn{5}, 0);
  ASSERT_NE(retirement, nullptr);
  log_->restart_at(kCut, kCutHlc);
  ASSERT_TRUE(log_->flush().ok());
  retirement->run();
  ASSERT_TRUE(wal().finish(std::move(retirement)).ok());
  EXPECT_EQ(wal().stats().segments, 1u);
  ASSERT_TRUE(log_->retire_before(kCut.lsn.next()).ok());
  write({"k"});
  start(FsyncPolicy::kAlways, 3 * 512, kCut, kCutHlc);
  EXPECT_THAT(recovered(), ElementsAre("k"));
}

TEST_F(WalRestartTest, AJobThatWasOutReportsTheCut) {
  start();
  write({"a"});
  append({"b"});
  auto job = wal().take_job(0);
  log_->restart_at(kCut, kCutHlc);
  const WriteResult result = run(std::move(job));
  EXPECT_EQ(result.written, kCut);
  EXPECT_EQ(result.durable, kCut);
  write({"k"});
  start(FsyncPolicy::kAlways, 1 << 20, kCut, kCutHlc);
  EXPECT_THAT(recovered(), ElementsAre("k"));
}

TEST_F(WalRestartTest, AFullDiskLeavesItPending) {
  start();
  write({"a"});
  log_->restart_at(kCut, kCutHlc);
  append({"k"});
  fill_disk();
  EXPECT_EQ(run(wal().take_job(0)).written, kCut);
  EXPECT_TRUE(wal().truncation_pending());
  write({"l"});
  start(FsyncPolicy::kAlways, 1 << 20, kCut, kCutHlc);
  EXPECT_THAT(recovered(), ElementsAre("l"));
}

TEST_F(WalRestartTest, ATruncationAfterItKeepsIt) {
  start();
  write({"a"});
  log_->restart_at(kCut, kCutHlc);
  append({"k", "l", "m"});
  truncate(11);
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(wal().stats().segments, 1u);
  truncate(10);
  write({"n"});
  start(FsyncPolicy::kAlways, 1 << 20, kCut, kCutHlc);
  EXPECT_THAT(recovered(), ElementsAre("n"));
}

TEST_F(WalRestartTest, ACrashBeforeItLeavesALogThatEndsBeforeTheCut) {
  start();
  write({"a", "b"});
  log_->restart_at(kCut, kCutHlc);
  start(FsyncPolicy::kAlways, 1 << 20, kCut, kCutHlc);
  EXPECT_TRUE(log().restart_needed);
  EXPECT_FALSE(log().damaged);
  EXPECT_EQ(log().last, kCut);
  EXPECT_EQ(log().commit, kCut.lsn);
  EXPECT_EQ(log().claim, Position{}) << "the cut is beyond what the log had";
  EXPECT_THAT(recovered(), IsEmpty());
  write({"k"});
  start(FsyncPolicy::kAlways, 1 << 20, kCut, kCutHlc);
  EXPECT_THAT(recovered(), ElementsAre("k"));
  EXPECT_FALSE(log().restart_needed);
}

}  // namespace
}  // namespace kvorum::storage
