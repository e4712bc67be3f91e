// What a cluster member makes of damage that a single node refuses, and of the doubt that it and a
// torn tail leave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "storage/frame.h"
#include "storage/recovery.h"
#include "tests/support/log_driver.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const char* const kFirst = "data/segment-0000000001.wal";
const char* const kSecond = "data/segment-0000000002.wal";
const char* const kThird = "data/segment-0000000003.wal";

// Later than what a driver stamps.
constexpr Hlc kLaterHlc{uint64_t{3'000'000} << 16};

constexpr Position at(uint64_t term, uint64_t lsn) { return {Term{term}, Lsn{lsn}}; }

class RecoveryMemberTest : public ::testing::Test {
 protected:
  absl::Status try_start(Position cut = {}, Hlc cut_hlc = {}) {
    log_.reset();
    disk_.crash();
    WalOptions options;
    options.directory = "data";
    options.segment_bytes = segment_bytes_;
    options.kernel_boot[0] = 5;
    options.fsync = fsync_;
    log_ = std::make_unique<LogDriver>(disk_, options);
    log_->set_member(true);
    return log_->start(cut, cut_hlc);
  }
  void start(Position cut = {}, Hlc cut_hlc = {}) {
    const absl::Status status = try_start(cut, cut_hlc);
    ASSERT_TRUE(status.ok()) << status;
  }
  // Each in a frame of its own.
  void write(const std::vector<std::string>& payloads) {
    for (const std::string& payload : payloads) {
      log_->append(payload);
      ASSERT_TRUE(log_->flush().ok());
    }
  }
  // Records 1 to 6, three to a segment.
  void write_two_segments() {
    segment_bytes_ = 4 * 512;
    start();
    write({"1", "2", "3", "4", "5", "6"});
    ASSERT_TRUE(disk_.exists(kSecond));
    ASSERT_FALSE(disk_.exists(kThird));
  }
  // Recovers without changing anything.
  RecoveredRecords recover(Position cut = {}, bool member = true) {
    RecoveryOptions options;
    options.directory = "data";
    options.identity = log_->identity();
    ++options.identity.boot;
    options.cut = cut;
    options.member = member;
    return recover_log(disk_, options);
  }
  void save_hard_state(const HardState& state) {
    log_->wal().save_hard_state(state);
    ASSERT_TRUE(log_->flush().ok());
  }
  void damage(const std::string& path, uint64_t offset) { disk_.flip_bit(path, offset, 3); }
  const RecoveredLog& log() const { return log_->recovered().log; }
  const std::vector<std::string>& recovered() const { return log_->recovered().payloads; }

  SimulatedDisk disk_;
  std::unique_ptr<LogDriver> log_;
  uint64_t segment_bytes_ = 1 << 20;
  FsyncPolicy fsync_ = FsyncPolicy::kAlways;
};

TEST_F(RecoveryMemberTest, TheLogEndsBeforeDamageAndClaimsWhatLiesBehind) {
  start();
  write({"a", "b", "c", "d"});
  damage(kFirst, 2 * 512 + 100);
  start();
  EXPECT_TRUE(log().damaged);
  EXPECT_THAT(log().damage, HasSubstr(std::string(kFirst) + ": corrupt at offset 1024"));
  EXPECT_THAT(recovered(), ElementsAre("a"));
  EXPECT_EQ(log().last, at(1, 1));
  EXPECT_EQ(log().claim, at(1, 4));
  EXPECT_FALSE(log().claim_unknown);
  EXPECT_FALSE(log().clean_stop);
  EXPECT_FALSE(log().restart_needed);
}

TEST_F(RecoveryMemberTest, ASingleNodeRefusesTheSame) {
  start();
  write({"a", "b", "c", "d"});
  damage(kFirst, 2 * 512 + 100);
  EXPECT_TRUE(absl::IsDataLoss(recover({}, false).status));
}

TEST_F(RecoveryMemberTest, EveryDamagedByteLeavesAPrefixAndTheWholeClaim) {
  write_two_segments();
  for (const char* path : {kFirst, kSecond}) {
    const size_t size = disk_.contents(path).size();
    for (size_t offset = 0; offset < size; ++offset) {
      damage(path, offset);
      const RecoveredRecords result = recover();
      ASSERT_TRUE(result.status.ok()) << path << " " << offset << ": " << result.status;
      const size_t before = (path == kSecond ? 3 : 0) + (offset < 512 ? 0 : offset / 512 - 1);
      ASSERT_EQ(result.payloads.size(), before) << path << " " << offset;
      if (path == kSecond && offset >= size - 512) {
        // Not to be told from a torn tail.
        ASSERT_FALSE(result.log.damaged);
        ASSERT_TRUE(result.log.claim == at(1, 6) || result.log.claim_unknown) << offset;
      } else {
        ASSERT_TRUE(result.log.damaged) << path << " " << offset;
        ASSERT_EQ(result.log.claim, at(1, 6)) << path << " " << offset;
      }
      damage(path, offset);
    }
  }
}

TEST_F(RecoveryMemberTest, WhatWasDamagedIsPutAsideAndTheLogGoesOn) {
  write_two_segments();
  damage(kFirst, 2 * 512 + 100);
  const std::string damaged = disk_.contents(kFirst);
  const std::string later = disk_.contents(kSecond);
  start();
  EXPECT_THAT(recovered(), ElementsAre("1"));
  EXPECT_EQ(disk_.contents("data/damaged-0000000001.wal"), damaged);
  EXPECT_EQ(disk_.contents("data/damaged-0000000002.wal"), later);
  EXPECT_TRUE(disk_.exists(kFirst)) << "record 1 is in it";
  EXPECT_FALSE(disk_.exists(kSecond));
  write({"two", "three"});
  start();
  EXPECT_FALSE(log().damaged) << log().damage;
  EXPECT_THAT(recovered(), ElementsAre("1", "two", "three"));
  EXPECT_EQ(recover({}, false).payloads.size(), 3u) << "a log like any other";
}

TEST_F(RecoveryMemberTest, AnInterruptedRepairIsFinishedByTheNextStart) {
  write_two_segments();
  damage(kFirst, 2 * 512 + 100);
  disk_.set_fault([](DiskOperation operation, const std::string& path) {
    const bool hit = operation == DiskOperation::kRename && path.find("identity") == path.npos;
    return hit ? absl::InternalError("the power is gone") : absl::OkStatus();
  });
  EXPECT_FALSE(try_start().ok());
  disk_.set_fault(nullptr);
  ASSERT_TRUE(disk_.exists(kSecond));
  ASSERT_TRUE(disk_.exists(kThird));
  start();
  EXPECT_FALSE(log().damaged);
  EXPECT_THAT(recovered(), ElementsAre("1"));
  EXPECT_EQ(log().claim, at(1, 6)) << "kept by the segment that was begun";
  EXPECT_FALSE(disk_.exists(kSecond));
  EXPECT_TRUE(disk_.exists("data/damaged-0000000002.wal"));
}

TEST_F(RecoveryMemberTest, AMissingSegmentEndsTheLogBeforeIt) {
  write_two_segments();
  write({"7", "8", "9"});
  ASSERT_TRUE(disk_.remove(kSecond).ok());
  start();
  EXPECT_TRUE(log().damaged);
  EXPECT_THAT(log().damage, HasSubstr(std::string(kSecond) + ": missing"));
  EXPECT_THAT(recovered(), ElementsAre("1", "2", "3"));
  EXPECT_EQ(log().claim, at(1, 9));
  EXPECT_TRUE(disk_.exists("data/damaged-0000000003.wal"));
  EXPECT_FALSE(disk_.exists("data/damaged-0000000001.wal")) << "nothing in it is damaged";
  write({"four"});
  start();
  EXPECT_FALSE(log().damaged) << log().damage;
  EXPECT_THAT(recovered(), ElementsAre("1", "2", "3", "four"));
}

TEST_F(RecoveryMemberTest, ALogThatHasVanishedIsUnknownDoubt) {
  start();
  write({"a"});
  const Position cut = at(1, 1);
  const Hlc hlc = log_->hlc_of(Lsn{1});
  ASSERT_TRUE(disk_.remove(kFirst).ok());
  start(cut, hlc);
  EXPECT_TRUE(log().damaged);
  EXPECT_TRUE(log().restart_needed);
  EXPECT_TRUE(log().claim_unknown);
  EXPECT_EQ(log().last, cut);
  write({"b"});
  start(cut, hlc);
  EXPECT_THAT(recovered(), ElementsAre("b"));
  EXPECT_TRUE(log().claim_unknown) << "until somebody says otherwise";
}

TEST_F(RecoveryMemberTest, ALogThatBeginsBehindTheCutIsVoid) {
  write_two_segments();
  ASSERT_TRUE(disk_.remove(kFirst).ok());
  start(at(1, 1));
  EXPECT_TRUE(log().damaged);
  EXPECT_TRUE(log().restart_needed);
  EXPECT_EQ(log().last, at(1, 1));
  EXPECT_EQ(log().claim, at(1, 6));
  EXPECT_TRUE(disk_.exists("data/damaged-0000000002.wal"));
  start(at(1, 1));
  EXPECT_FALSE(log().damaged);
  EXPECT_EQ(log().claim, at(1, 6));
}

TEST_F(RecoveryMemberTest, ALogThatALaterLeadersSnapshotReplacedIsVoid) {
  // The snapshot was installed, and a crash came before Wal::restart_at was on disk.
  write_two_segments();
  save_hard_state({Term{9}, NodeId{2}});
  start(at(7, 2), kLaterHlc);
  EXPECT_TRUE(log().restart_needed);
  EXPECT_FALSE(log().damaged);
  EXPECT_THAT(recovered(), IsEmpty());
  EXPECT_EQ(log().last, at(7, 2));
  EXPECT_EQ(log().claim, Position{}) << "the cut is of a later term";
  EXPECT_EQ(log().hard_state, (HardState{Term{9}, NodeId{2}})) << "never forgotten";
  write({"x"});
  start(at(7, 2), kLaterHlc);
  EXPECT_THAT(recovered(), ElementsAre("x"));
  EXPECT_EQ(log().hard_state, (HardState{Term{9}, NodeId{2}}));
  ASSERT_TRUE(log_->retire_before(Lsn{3}).ok());
  EXPECT_FALSE(disk_.exists(kFirst)) << "the old segments go with the next retirement";
  EXPECT_FALSE(disk_.exists(kSecond));
}

TEST_F(RecoveryMemberTest, ALogThatContradictsTheSnapshotIsDamage) {
  write_two_segments();
  start(at(1, 2), kLaterHlc);
  EXPECT_TRUE(log().restart_needed);
  EXPECT_TRUE(log().damaged);
  EXPECT_THAT(log().damage, HasSubstr("different records with lsn 2"));
  EXPECT_THAT(recovered(), IsEmpty());
  EXPECT_EQ(log().claim, at(1, 6));
  EXPECT_TRUE(disk_.exists("data/damaged-0000000001.wal"));
  EXPECT_TRUE(disk_.exists("data/damaged-0000000002.wal"));
}

TEST_F(RecoveryMemberTest, AHardStateBehindDamageIsFound) {
  start();
  write({"a", "b"});
  save_hard_state({Term{4}, NodeId{3}});
  write({"c"});
  damage(kFirst, 512 + 100);
  const RecoveredRecords result = recover();
  EXPECT_EQ(result.log.hard_state, (HardState{Term{4}, NodeId{3}}));
  EXPECT_FALSE(result.log.claim_unknown);
}

TEST_F(RecoveryMemberTest, AHardStateThatMayBeLostIsUnknownDoubt) {
  start();
  write({"a"});
  save_hard_state({Term{4}, NodeId{3}});
  write({"c"});
  for (const uint64_t offset : {20, 100}) {  // header, payload
    damage(kFirst, 2 * 512 + offset);
    const RecoveredRecords result = recover();
    EXPECT_TRUE(result.log.damaged);
    EXPECT_EQ(result.log.claim, at(1, 2));
    EXPECT_TRUE(result.log.claim_unknown) << offset;
    damage(kFirst, 2 * 512 + offset);
  }
}

TEST_F(RecoveryMemberTest, DamageOfWhatIsVoidIsPassedOver) {
  write_two_segments();
  log_->truncate(Lsn{1});
  ASSERT_TRUE(log_->flush().ok());
  write({"two", "three"});
  for (const char* path : {kFirst, kSecond}) {
    for (uint64_t offset = path == kFirst ? 2 * 512 : 512; offset < 4 * 512; offset += 100) {
      damage(path, offset);
      const RecoveredRecords result = recover();
      ASSERT_TRUE(result.status.ok()) << result.status;
      EXPECT_FALSE(result.log.damaged) << path << " " << offset;
      EXPECT_THAT(result.payloads, ElementsAre("1", "two", "three"));
      EXPECT_EQ(result.log.claim, Position{});
      damage(path, offset);
    }
  }
  damage(kFirst, 512 + 100);
  EXPECT_TRUE(recover().log.damaged) << "record 1 is not void";
}

TEST_F(RecoveryMemberTest, ATruncationBehindDamageStillCounts) {
  write_two_segments();
  log_->truncate(Lsn{4});
  ASSERT_TRUE(log_->flush().ok());
  log_->set_term(Term{2});
  write({"five"});
  ASSERT_TRUE(disk_.remove(kSecond).ok());
  EXPECT_THAT(recover().payloads, ElementsAre("1", "2", "3")) << "4 is missing";
  EXPECT_EQ(recover().log.claim, at(2, 5));
}

TEST_F(RecoveryMemberTest, RecordsThatATruncationBehindAMissingSegmentDroppedStayDropped) {
  write_two_segments();    // 1 to 3, 4 to 6
  log_->truncate(Lsn{1});  // third segment
  ASSERT_TRUE(log_->flush().ok());
  log_->set_term(Term{2});
  write({"two", "three", "four"});
  log_->truncate(Lsn{3});  // fourth
  ASSERT_TRUE(log_->flush().ok());
  ASSERT_TRUE(disk_.exists("data/segment-0000000004.wal"));
  ASSERT_TRUE(disk_.remove(kThird).ok());
  start();
  // The fourth says that records from 4 on were dropped; the third, that those from 2 on were, is
  // gone. What is left may be an old history, but the claim bars it from counting.
  EXPECT_THAT(recovered(), ElementsAre("1", "2", "3"));
  EXPECT_EQ(log().last, at(1, 3));
  EXPECT_EQ(log().claim, at(2, 3));
  write({"4"});
  start();
  EXPECT_THAT(recovered(), ElementsAre("1", "2", "3", "4"));
}

TEST_F(RecoveryMemberTest, APlaceThatCannotBeReadIsDamage) {
  write_two_segments();
  disk_.set_fault([](DiskOperation operation, const std::string& path) {
    const bool hit = operation == DiskOperation::kRead && path == kSecond;
    return hit ? absl::DataLossError("input/output error") : absl::OkStatus();
  });
  const RecoveredRecords result = recover();
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_TRUE(result.log.damaged);
  EXPECT_TRUE(result.log.claim_unknown);
  EXPECT_THAT(result.payloads, ElementsAre("1", "2", "3"));
  EXPECT_TRUE(absl::IsDataLoss(recover({}, false).status));
}

TEST_F(RecoveryMemberTest, AnotherNodesLogIsRefusedAllTheSame) {
  write_two_segments();
  RecoveryOptions options;
  options.directory = "data";
  options.identity = log_->identity();
  ++options.identity.boot;
  options.identity.instance[0] ^= 1;
  options.member = true;
  EXPECT_TRUE(absl::IsFailedPrecondition(recover_log(disk_, options).status));
}

TEST_F(RecoveryMemberTest, CommitIsKnownSliceBySliceAndNeverBeyondTheLog) {
  start();
  write({"a", "b"});
  log_->wal().set_commit(Lsn{2});
  write({"c"});
  log_->wal().set_commit(Lsn{3});
  write({"d", "e"});
  RecoveryOptions options;
  options.directory = "data";
  options.identity = log_->identity();
  ++options.identity.boot;
  auto reader = RecoveryReader::open(disk_, options);
  ASSERT_TRUE(reader.ok());
  RecoverySlice slice;
  std::vector<uint64_t> commits;
  while (*(*reader)->read_some(512, slice)) commits.push_back(slice.commit().value());
  EXPECT_THAT(commits, ElementsAre(0, 0, 2, 3, 3));
  EXPECT_EQ((*reader)->result().commit, Lsn{3});
  damage(kFirst, 3 * 512 + 100);
  EXPECT_EQ(recover().log.commit, Lsn{0}) << "as far as the log says";
}

TEST_F(RecoveryMemberTest, TheNewestSegmentsKernelBootIsTold) {
  start();
  EXPECT_EQ(recover().log.kernel_boot[0], 5);
}

class DoubtTest : public RecoveryMemberTest {
 protected:
  // A torn tail that claims record 3.
  void write_torn_tail() {
    start();
    write({"a", "b", "c"});
    damage(kFirst, 3 * 512 + 100);
  }
};

TEST_F(DoubtTest, ATornFramesHeaderClaims) {
  write_torn_tail();
  const RecoveredRecords result = recover();
  EXPECT_FALSE(result.log.damaged);
  EXPECT_EQ(result.log.last, at(1, 2));
  EXPECT_EQ(result.log.claim, at(1, 3));
  EXPECT_FALSE(result.log.claim_unknown);
}

TEST_F(DoubtTest, HeadersBeyondTheTornFrameClaimMore) {
  segment_bytes_ = 1 << 23;
  start();
  write({"a"});
  // One write of several frames would be synced together: take the synced-up-to back.
  log_->append("b");
  log_->append(std::string(2'000'000, 'x'));
  ASSERT_TRUE(log_->flush().ok());
  std::string contents = disk_.contents(kFirst);
  FrameHeader header;
  const InstanceId instance = log_->identity().instance;
  ASSERT_EQ(decode_frame_header(instance, std::string_view(contents).substr(1536), header),
            FrameError::kNone);
  header.synced_up_to = 1024;
  seal_frame(instance, header, contents.data() + 1536, frame_bytes(header.payload_bytes));
  disk_.set_contents(kFirst, contents);
  damage(kFirst, 1024 + 100);
  const RecoveredRecords result = recover();
  EXPECT_FALSE(result.log.damaged) << result.log.damage;
  EXPECT_EQ(result.log.last, at(1, 1));
  EXPECT_EQ(result.log.claim, at(1, 3));
}

TEST_F(DoubtTest, AHeaderThatCannotBeReadIsUnknownDoubt) {
  start();
  write({"a", "b", "c"});
  damage(kFirst, 3 * 512 + 20);
  EXPECT_EQ(recover().log.claim, Position{});
  EXPECT_TRUE(recover().log.claim_unknown);
}

TEST_F(DoubtTest, ATornHardStateIsUnknownDoubt) {
  start();
  write({"a"});
  save_hard_state({Term{4}, NodeId{3}});
  damage(kFirst, 2 * 512 + 100);
  const RecoveredRecords result = recover();
  EXPECT_FALSE(result.log.damaged);
  EXPECT_EQ(result.log.hard_state, HardState{});
  EXPECT_TRUE(result.log.claim_unknown) << "it may have been a vote";
}

TEST_F(DoubtTest, AHardStateBeyondATornFrameCounts) {
  fsync_ = FsyncPolicy::kNever;
  start();
  write({"a"});
  save_hard_state({Term{4}, NodeId{3}});  // synced, but its frame cannot say so of itself
  damage(kFirst, 512 + 100);
  const RecoveredRecords result = recover();
  EXPECT_FALSE(result.log.damaged);
  EXPECT_THAT(result.payloads, IsEmpty());
  EXPECT_EQ(result.log.hard_state, (HardState{Term{4}, NodeId{3}}));
  EXPECT_FALSE(result.log.claim_unknown);
}

TEST_F(DoubtTest, AWholeLogIsWithoutDoubt) {
  start();
  write({"a", "b"});
  EXPECT_EQ(recover().log.claim, Position{});
  EXPECT_FALSE(recover().log.claim_unknown);
}

TEST_F(DoubtTest, AClaimOutlivesStartsUntilTheLogReachesIt) {
  write_torn_tail();
  start();
  EXPECT_EQ(log().claim, at(1, 3));
  start();
  EXPECT_EQ(log().claim, at(1, 3)) << "though nothing is torn any more";
  write({"C"});
  EXPECT_EQ(recover().log.claim, Position{});
  log_->truncate(Lsn{2});
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(recover().log.claim, at(1, 3)) << "until it is resolved for good, a cut brings it back";
}

TEST_F(DoubtTest, AClaimIsForgottenOnceItIsResolved) {
  write_torn_tail();
  start();
  log_->wal().end_doubt();
  EXPECT_EQ(recover().log.claim, at(1, 3)) << "not on disk yet";
  write({"C"});
  log_->truncate(Lsn{2});
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(recover().log.claim, Position{});
}

TEST_F(DoubtTest, UnknownDoubtOutlivesStartsUntilItIsResolved) {
  start();
  write({"a", "b"});
  damage(kFirst, 2 * 512 + 20);
  start();
  write({"B", "C"});
  start();
  EXPECT_TRUE(log().claim_unknown);
  const uint64_t segments = log_->wal().stats().segments;
  log_->wal().end_doubt();
  write({"D"});
  EXPECT_EQ(log_->wal().stats().segments, segments + 1);
  write({"E"});
  EXPECT_EQ(log_->wal().stats().segments, segments + 1) << "one new segment says so";
  start();
  EXPECT_FALSE(log().claim_unknown);
}

TEST_F(DoubtTest, DoubtThatEndsWhileASegmentBeginsIsForgottenToo) {
  start();
  write({"a", "b"});
  damage(kFirst, 2 * 512 + 20);
  start();
  write({"B"});
  log_->truncate(Lsn{1});
  auto job = log_->wal().take_job(0);
  log_->wal().end_doubt();
  job->run();
  ASSERT_TRUE(log_->wal().finish(std::move(job)).status.ok());
  EXPECT_TRUE(recover().log.claim_unknown);
  write({"C"});
  EXPECT_FALSE(recover().log.claim_unknown);
}

}  // namespace
}  // namespace kvorum::storage
