#include "storage/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "storage/frame.h"
#include "storage/segment.h"
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

// A log in one directory, written by earlier starts, recovered without being changed.
class RecoveryTest : public ::testing::Test {
 protected:
  void start(uint64_t segment_bytes = 1 << 20, Position cut = {}) {
    log_.reset();
    disk_.crash();
    WalOptions options;
    options.directory = "data";
    options.segment_bytes = segment_bytes;
    log_ = std::make_unique<LogDriver>(disk_, options);
    const absl::Status status = log_->start(cut);
    ASSERT_TRUE(status.ok()) << status;
  }

  void write(std::string_view payload) {
    log_->append(payload);
    ASSERT_TRUE(log_->flush().ok());
  }

  RecoveryOptions options(Position cut = {}) const {
    RecoveryOptions options;
    options.directory = "data";
    options.identity = log_->identity();
    ++options.identity.boot;
    options.cut = cut;
    return options;
  }

  RecoveredRecords recover(Position cut = {}) { return recover_log(disk_, options(cut)); }

  void edit(const std::string& path, uint64_t offset, std::string_view bytes) {
    std::string contents = disk_.contents(path);
    contents.replace(offset, bytes.size(), bytes);
    disk_.set_contents(path, contents);
  }

  void truncate(const std::string& path, size_t size) {
    disk_.set_contents(path, disk_.contents(path).substr(0, size));
  }

  void expect_refused(std::string_view message, absl::StatusCode code = absl::StatusCode::kDataLoss,
                      Position cut = {}) {
    const RecoveredRecords result = recover(cut);
    EXPECT_EQ(result.status.code(), code);
    EXPECT_THAT(std::string(result.status.message()), HasSubstr(std::string(message)));
  }

  SimulatedDisk disk_;
  std::unique_ptr<LogDriver> log_;
};

TEST_F(RecoveryTest, AnEmptyDirectoryIsAnEmptyLog) {
  disk_.set_contents("data/identity", "");
  RecoveryOptions options;
  options.directory = "data";
  options.identity = test_identity();
  const RecoveredRecords result = recover_log(disk_, options);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.log.last, Position{});
  EXPECT_EQ(result.log.next_segment, 1u);
}

TEST_F(RecoveryTest, SlicesOfAnySizeGiveTheSameRecords) {
  start(8192);
  std::vector<std::string> expected;
  for (size_t i = 0; i < 60; ++i) {
    expected.emplace_back(i * 37 % 2500, static_cast<char>('a' + i % 26));
    write(expected.back());
  }
  for (const size_t slice_bytes : {1, 100, 512, 1000, 4096, 10'000, 1'000'000}) {
    const RecoveredRecords result = recover_log(disk_, options(), slice_bytes);
    ASSERT_TRUE(result.status.ok()) << result.status;
    EXPECT_EQ(result.payloads, expected);
  }
}

TEST_F(RecoveryTest, OnlyRecordsAfterTheCutAreGiven) {
  start(4096);
  for (int i = 1; i <= 40; ++i) write(std::to_string(i));
  for (uint64_t cut = 0; cut <= 40; ++cut) {
    const Position position{cut == 0 ? Term{0} : Term{1}, Lsn{cut}};
    const RecoveredRecords result = recover(position);
    ASSERT_TRUE(result.status.ok()) << result.status;
    ASSERT_EQ(result.payloads.size(), 40 - cut);
    if (cut < 40) {
      EXPECT_EQ(result.payloads.front(), std::to_string(cut + 1));
    }
    EXPECT_EQ(result.log.last.lsn, Lsn{40});
  }
}

TEST_F(RecoveryTest, ALogThatEndsBeforeTheCutIsRefused) {
  start();
  write("a");
  expect_refused("the log ends with lsn 1, before the snapshot's 2", absl::StatusCode::kDataLoss,
                 Position{Term{1}, Lsn{2}});
}

TEST_F(RecoveryTest, ASnapshotOfAnotherHistoryIsRefused) {
  start();
  write("a");
  write("b");
  expect_refused("the snapshot ends with lsn 1 of term 7, the log has that lsn in term 1",
                 absl::StatusCode::kDataLoss, Position{Term{7}, Lsn{1}});
}

TEST_F(RecoveryTest, ASnapshotWhoseLastRecordIsAnotherIsRefused) {
  start();
  write("a");
  const Hlc hlc = recover().log.last_hlc;
  write("b");
  RecoveryOptions with_hlc = options(Position{Term{1}, Lsn{1}});
  with_hlc.cut_hlc = hlc;
  EXPECT_TRUE(recover_log(disk_, with_hlc).status.ok());
  ++with_hlc.cut_hlc;
  const RecoveredRecords result = recover_log(disk_, with_hlc);
  EXPECT_TRUE(absl::IsDataLoss(result.status));
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("different records with lsn 1"));
}

TEST_F(RecoveryTest, EveryTruncationOfTheLastSegmentGivesAPrefixOfWholeRecords) {
  start();
  std::vector<std::string> expected;
  for (size_t i = 0; i < 6; ++i) {
    expected.emplace_back(i * 300, static_cast<char>('a' + i));
    write(expected.back());
  }
  const std::string whole = disk_.contents(kFirst);
  size_t before = 0;
  for (size_t size = 0; size <= whole.size(); ++size) {
    disk_.set_contents(kFirst, whole.substr(0, size));
    const RecoveredRecords result = recover();
    ASSERT_TRUE(result.status.ok()) << "size " << size << ": " << result.status;
    const size_t count = result.payloads.size();
    ASSERT_TRUE(std::equal(result.payloads.begin(), result.payloads.end(), expected.begin()));
    ASSERT_GE(count, before) << "more bytes never give fewer records";
    before = count;
    // Half a frame is never passed over in silence. (Less than a header at the very start says
    // nothing: the segment had not begun.)
    const bool whole_frames = size % 512 == 0 && result.log.segments.size() == 1 &&
                              result.log.segments.back().end == size;
    if (size >= 512 && !whole_frames) {
      ASSERT_EQ(result.messages.size(), 1u) << "size " << size;
      ASSERT_THAT(result.messages[0], HasSubstr("torn tail"));
    }
  }
  EXPECT_EQ(before, expected.size());
}

TEST_F(RecoveryTest, EveryTruncationOfAnEarlierSegmentIsRefused) {
  start();
  write("a");
  write(std::string(1000, 'b'));
  start();
  write("c");
  const std::string whole = disk_.contents(kFirst);
  for (size_t size = 0; size < whole.size(); ++size) {
    disk_.set_contents(kFirst, whole.substr(0, size));
    const RecoveredRecords result = recover();
    ASSERT_TRUE(absl::IsDataLoss(result.status)) << "size " << size;
    ASSERT_THAT(std::string(result.status.message()), HasSubstr(kFirst));
  }
}

// Flips bits in every byte of a file and recovers.
template <typename Check>
void flip_every_byte(SimulatedDisk& disk, const std::string& path, const Check& check) {
  const size_t size = disk.contents(path).size();
  for (size_t offset = 0; offset < size; ++offset) {
    const int bit = static_cast<int>(offset % 8);
    disk.flip_bit(path, offset, bit);
    check(offset);
    disk.flip_bit(path, offset, bit);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST_F(RecoveryTest, EveryFlippedByteBeforeTheLastFrameIsRefusedByName) {
  start();
  for (int i = 0; i < 4; ++i) write(std::string(300, static_cast<char>('a' + i)));
  const size_t last_frame = disk_.contents(kFirst).size() - 512;
  flip_every_byte(disk_, kFirst, [&](size_t offset) {
    const RecoveredRecords result = recover();
    if (offset < last_frame) {
      ASSERT_TRUE(absl::IsDataLoss(result.status)) << "offset " << offset;
      const size_t frame = offset / 512 * 512;
      ASSERT_THAT(std::string(result.status.message()),
                  HasSubstr(std::string(kFirst) + ": corrupt at offset " + std::to_string(frame)));
    } else {
      // Not to be told from a power cut during this write; but said, and put aside.
      ASSERT_TRUE(result.status.ok()) << "offset " << offset << ": " << result.status;
      ASSERT_EQ(result.payloads.size(), 3u);
      ASSERT_EQ(result.log.torn_begin, last_frame);
      ASSERT_EQ(result.log.torn_end, last_frame + 512);
      ASSERT_EQ(result.messages.size(), 1u);
    }
  });
}

TEST_F(RecoveryTest, AfterACleanStopNoFlippedByteLosesARecord) {
  start();
  for (int i = 0; i < 4; ++i) write(std::string(300, static_cast<char>('a' + i)));
  ASSERT_TRUE(log_->clean_stop().ok());
  const size_t marker = disk_.contents(kFirst).size() - 512;
  flip_every_byte(disk_, kFirst, [&](size_t offset) {
    const RecoveredRecords result = recover();
    if (offset < marker) {
      ASSERT_TRUE(absl::IsDataLoss(result.status)) << "offset " << offset;
    } else {
      ASSERT_TRUE(result.status.ok()) << result.status;
      ASSERT_EQ(result.payloads.size(), 4u);
      ASSERT_FALSE(result.log.clean_stop);
    }
  });
}

TEST_F(RecoveryTest, AfterARestartNoFlippedByteOfAnEarlierSegmentIsPassedOver) {
  start();
  for (int i = 0; i < 3; ++i) write(std::string(600, static_cast<char>('a' + i)));
  start();
  flip_every_byte(disk_, kFirst, [&](size_t offset) {
    ASSERT_TRUE(absl::IsDataLoss(recover().status)) << "offset " << offset;
  });
  // The new segment holds nothing but its start: without it the log is still whole.
  flip_every_byte(disk_, kSecond, [&](size_t offset) {
    const RecoveredRecords result = recover();
    ASSERT_TRUE(result.status.ok()) << "offset " << offset << ": " << result.status;
    ASSERT_EQ(result.payloads.size(), 3u);
  });
}

TEST_F(RecoveryTest, FlippedBytesInARecycledSegmentLoseNothingSilently) {
  start(4096);
  for (int i = 0; i < 30; ++i) write("old record of the segment's earlier life");
  ASSERT_TRUE(log_->retire_before(Lsn{31}).ok());
  ASSERT_GT(log_->wal().stats().spares, 0u);
  while (log_->wal().stats().spares > 0) write("new");
  write("the last");
  const uint64_t last = log_->wal().last().lsn.value();
  const Position cut{Term{1}, log_->wal().oldest_lsn().previous()};
  std::set<std::string> paths;
  const auto names = disk_.list("data");
  for (const std::string& name : *names) {
    if (parse_segment_file_name(name).has_value()) paths.insert(join_path("data", name));
  }
  ASSERT_GT(disk_.contents(*paths.rbegin()).size(), 1024u) << "old frames beyond the end";
  for (const std::string& path : paths) {
    flip_every_byte(disk_, path, [&](size_t offset) {
      const RecoveredRecords result = recover(cut);
      if (!result.status.ok()) return;
      const uint64_t recovered = result.log.last.lsn.value();
      ASSERT_GE(recovered, last - 1) << path << " offset " << offset;
      if (recovered < last) {
        ASSERT_THAT(result.messages, ElementsAre(HasSubstr("torn tail"))) << offset;
      }
    });
  }
}

TEST_F(RecoveryTest, ATornBatchIsCutEvenWithValidRecordsInside) {
  start();
  write("a");
  for (int i = 0; i < 10; ++i) log_->append(std::string(300, 'b'));
  ASSERT_TRUE(log_->flush().ok());
  edit(kFirst, 1024 + 2900, "damage near the end of the batch");
  const RecoveredRecords result = recover();
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.payloads, ElementsAre("a"));
  EXPECT_EQ(result.log.torn_begin, 1024u);
}

TEST_F(RecoveryTest, FramesThatDoNotVouchForEachOtherAreATornTail) {
  // Under everysec several frames are unsynced: the disk may keep a later one and lose an earlier.
  log_.reset();
  WalOptions wal_options;
  wal_options.directory = "data";
  wal_options.fsync = FsyncPolicy::kNever;
  log_ = std::make_unique<LogDriver>(disk_, wal_options);
  ASSERT_TRUE(log_->start().ok());
  for (int i = 0; i < 4; ++i) write(std::to_string(i));
  edit(kFirst, 512 * 2, std::string(512, '\0'));
  const RecoveredRecords result = recover();
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.payloads, ElementsAre("0"));
  EXPECT_EQ(result.log.torn_begin, 1024u);
  EXPECT_EQ(result.log.torn_end, 512u * 5);
}

TEST_F(RecoveryTest, AZeroFilledTailEndsTheLog) {
  start();
  write("a");
  disk_.set_contents(kFirst, disk_.contents(kFirst) + std::string(10'000, '\0'));
  const RecoveredRecords result = recover();
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.payloads, ElementsAre("a"));
  EXPECT_THAT(result.messages, IsEmpty()) << "files grow ahead of what is written";
}

TEST_F(RecoveryTest, FramesOfAnotherSegmentAreLeftovers) {
  start(4096);
  for (int i = 0; i < 8; ++i) write("first segment");
  const std::string old_frames = disk_.contents(kFirst).substr(512, 1024);
  ASSERT_TRUE(disk_.exists(kSecond));
  disk_.set_contents(kSecond, disk_.contents(kSecond) + old_frames);
  const RecoveredRecords result = recover();
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.payloads.size(), 8u);
  EXPECT_THAT(result.messages, ElementsAre(HasSubstr("leftover frames of a recycled segment")));
}

TEST_F(RecoveryTest, FramesOfAnotherOffsetAreLeftovers) {
  start();
  write("a");
  const std::string whole = disk_.contents(kFirst);
  disk_.set_contents(kFirst, whole + whole.substr(512));
  const RecoveredRecords result = recover();
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.payloads, ElementsAre("a"));
  EXPECT_THAT(result.messages, ElementsAre(HasSubstr("leftover frames")));
}

TEST_F(RecoveryTest, FramesOfAnEarlierBootAreLeftovers) {
  start();
  write("a");
  // A copy of the second segment as the second boot would have left it, had it died before its
  // start was synced: the third boot begins the same segment again.
  start();
  write("of the second boot");
  const std::string second_boot = disk_.contents(kSecond);
  disk_.set_contents(kSecond, std::string(1024, 'x'));
  start();
  EXPECT_THAT(log_->recovered().payloads, ElementsAre("a"));
  disk_.set_contents(kSecond, disk_.contents(kSecond).substr(0, 512) + second_boot.substr(512));
  const RecoveredRecords result = recover();
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.payloads, ElementsAre("a"));
  EXPECT_THAT(result.messages, ElementsAre(HasSubstr("leftover frames")));
}

TEST_F(RecoveryTest, ASegmentOfAnotherNodeIsRefused) {
  start();
  write("a");
  RecoveryOptions other = options();
  other.identity.node = NodeId{2};
  other.identity.instance[0] ^= 1;
  const RecoveredRecords result = recover_log(disk_, other);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status.message()),
              HasSubstr(std::string(kFirst) + ": belongs to node 1"));
}

TEST_F(RecoveryTest, ASegmentOfAnotherClusterIsRefused) {
  start();
  write("a");
  RecoveryOptions other = options();
  other.identity.incarnation[0] ^= 1;
  const RecoveredRecords result = recover_log(disk_, other);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("belongs to another cluster"));
}

TEST_F(RecoveryTest, ASegmentOfANewerFormatIsRefused) {
  start();
  std::string frame = disk_.contents(kFirst).substr(0, 512);
  FrameHeader header;
  ASSERT_EQ(decode_frame_header(test_identity().instance, frame, header), FrameError::kNone);
  frame[kFrameHeaderBytes] = 2;
  seal_frame(test_identity().instance, header, frame.data(), frame.size());
  edit(kFirst, 0, frame);
  expect_refused("newer version (log format 2", absl::StatusCode::kFailedPrecondition);
}

TEST_F(RecoveryTest, AnIdentityOlderThanTheLogIsRefused) {
  start();
  RecoveryOptions restored = options();
  restored.identity.boot = 1;
  const RecoveredRecords result = recover_log(disk_, restored);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status.message()), HasSubstr("older than the log"));
  restored.read_only = true;
  EXPECT_TRUE(recover_log(disk_, restored).status.ok()) << "a tool beside the running server";
}

TEST_F(RecoveryTest, AMissingSegmentIsNamed) {
  for (int i = 0; i < 3; ++i) {
    start();
    write("x");
  }
  ASSERT_TRUE(disk_.remove(kSecond).ok());
  expect_refused(std::string(kSecond) + ": missing");
}

TEST_F(RecoveryTest, MissingOldSegmentsAreNamedByLsn) {
  for (int i = 0; i < 3; ++i) {
    start();
    write("x");
  }
  ASSERT_TRUE(disk_.remove(kFirst).ok());
  expect_refused("the log begins with lsn 2, but records from 1 on are needed");
  const RecoveredRecords covered = recover(Position{Term{1}, Lsn{1}});
  EXPECT_TRUE(covered.status.ok()) << covered.status;
}

TEST_F(RecoveryTest, AMissingLogIsNotAnEmptyOne) {
  start();
  write("x");
  ASSERT_TRUE(disk_.remove(kFirst).ok());
  expect_refused("the log from lsn 2 on is missing", absl::StatusCode::kDataLoss,
                 Position{Term{1}, Lsn{1}});
}

TEST_F(RecoveryTest, OldSegmentsBeforeAGapThatTheSnapshotCoversAreRemovedLater) {
  // A power cut during retirement may undo one removal and keep another.
  for (int i = 0; i < 4; ++i) {
    start();
    write("x");
  }
  ASSERT_TRUE(disk_.remove(kSecond).ok());
  const Position cut{Term{1}, Lsn{3}};
  const RecoveredRecords result = recover(cut);
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_THAT(result.log.leftovers, ElementsAre(1u));
  start(1 << 20, cut);
  write("y");
  ASSERT_TRUE(log_->retire_before(Lsn{1}).ok());
  EXPECT_FALSE(disk_.exists(kFirst));
  EXPECT_TRUE(disk_.exists(kThird));
}

TEST_F(RecoveryTest, ADamagedStartWithFramesBehindItIsCorruption) {
  start();
  write("a");
  edit(kFirst, 0, std::string(512, '\0'));
  expect_refused(std::string(kFirst) + ": corrupt at offset 0");
}

TEST_F(RecoveryTest, AFrameThatDoesNotFollowIsRefused) {
  start();
  write("a");
  write("b");
  // The second frame in the place of the first, resealed: valid, but it skips a record.
  std::string frame = disk_.contents(kFirst).substr(1024, 512);
  FrameHeader header;
  ASSERT_EQ(decode_frame_header(test_identity().instance, frame, header), FrameError::kNone);
  header.offset = 512;
  seal_frame(test_identity().instance, header, frame.data(), frame.size());
  edit(kFirst, 512, frame);
  expect_refused("a frame that begins with lsn 2 follows lsn 0");
}

TEST_F(RecoveryTest, ARecordThatDoesNotVerifyInsideAValidFrameIsRefused) {
  start();
  write("abc");
  std::string frame = disk_.contents(kFirst).substr(512, 512);
  FrameHeader header;
  ASSERT_EQ(decode_frame_header(test_identity().instance, frame, header), FrameError::kNone);
  frame[kFrameHeaderBytes + kRecordHeaderBytes] = 'x';
  seal_frame(test_identity().instance, header, frame.data(), frame.size());
  edit(kFirst, 512, frame);
  expect_refused("corrupt at offset 512: a record inside a valid frame does not verify");
}

TEST_F(RecoveryTest, AReadErrorIsReported) {
  start();
  write("a");
  disk_.set_fault([](DiskOperation operation, const std::string&) {
    return operation == DiskOperation::kRead ? absl::DataLossError("cannot read")
                                             : absl::OkStatus();
  });
  expect_refused("cannot read");
}

TEST_F(RecoveryTest, TheCutPositionIsNeverWrittenAgain) {
  start();
  write("a");
  write(std::string(1000, 'b'));
  truncate(kFirst, 1500);
  start();
  write("c");
  EXPECT_EQ(disk_.contents(kFirst).size(), 1500u);
  start();
  EXPECT_THAT(log_->recovered().payloads, ElementsAre("a", "c"));
  EXPECT_THAT(log_->recovered().messages, IsEmpty());
}

TEST_F(RecoveryTest, RecoveringDoesNotChangeTheLog) {
  start();
  write("a");
  write(std::string(1000, 'b'));
  truncate(kFirst, 1500);
  const std::string before = disk_.contents(kFirst);
  const uint64_t writes = disk_.calls(DiskOperation::kWrite);
  ASSERT_TRUE(recover().status.ok());
  EXPECT_EQ(disk_.contents(kFirst), before);
  EXPECT_EQ(disk_.calls(DiskOperation::kWrite), writes);
}

}  // namespace
}  // namespace kvorum::storage
