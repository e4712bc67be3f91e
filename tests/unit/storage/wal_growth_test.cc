// How a segment's file grows ahead of the frames in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "storage/wal.h"
#include "tests/support/log_driver.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kSegmentBytes = 64 * 512;
constexpr uint64_t kGrowBytes = 8 * 512;
constexpr char kFirst[] = "data/segment-0000000001.wal";
constexpr char kSecond[] = "data/segment-0000000002.wal";

class WalGrowthTest : public ::testing::Test {
 protected:
  void start() {
    WalOptions options;
    options.directory = "data";
    options.segment_bytes = kSegmentBytes;
    options.grow_bytes = kGrowBytes;
    log_ = std::make_unique<LogDriver>(disk_, options);
    ASSERT_TRUE(log_->start().ok());
  }
  // A frame of one sector.
  absl::Status write(const std::string& payload) {
    log_->append(payload);
    return log_->run_job();
  }
  uint64_t file_bytes(const std::string& path) const { return disk_.contents(path).size(); }

  SimulatedDisk disk_;
  std::unique_ptr<LogDriver> log_;
};

TEST_F(WalGrowthTest, AFileGrowsByManyFramesAtATime) {
  start();
  EXPECT_EQ(file_bytes(kFirst), 512 + kGrowBytes) << "with its start";
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(write("a").ok());
  EXPECT_EQ(file_bytes(kFirst), 512 + kGrowBytes) << "there was room";
  ASSERT_TRUE(write("a").ok());
  EXPECT_EQ(file_bytes(kFirst), 10 * 512 + kGrowBytes);
}

TEST_F(WalGrowthTest, GrowthIsSyncedWithTheFrameThatCausedIt) {
  start();
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(write("a").ok());
  const uint64_t syncs = disk_.calls(DiskOperation::kSync);
  ASSERT_TRUE(write("a").ok());
  EXPECT_EQ(disk_.calls(DiskOperation::kSync), syncs + 1);
}

TEST_F(WalGrowthTest, NoFileGrowsAheadBeyondASegment) {
  start();
  while (!disk_.exists(kSecond)) ASSERT_TRUE(write("a").ok());
  EXPECT_EQ(file_bytes(kFirst), kSegmentBytes);
}

TEST_F(WalGrowthTest, TheZerosAreNoPartOfTheLog) {
  start();
  ASSERT_TRUE(write("a").ok());
  ASSERT_TRUE(write("b").ok());
  EXPECT_EQ(log_->wal().stats().current_bytes, 3u * 512);
  log_.reset();
  disk_.crash();
  start();
  EXPECT_THAT(log_->recovered().payloads, ElementsAre("a", "b"));
  EXPECT_THAT(log_->recovered().messages, IsEmpty()) << "nothing is unusual about them";
}

TEST_F(WalGrowthTest, ARecycledFileIsLargeEnough) {
  start();
  while (!disk_.exists(kSecond)) ASSERT_TRUE(write("a").ok());
  ASSERT_TRUE(log_->retire_before(log_->wal().synced().lsn.next()).ok());
  const uint64_t used = disk_.used_bytes();
  const std::string third = "data/segment-0000000003.wal";
  while (!disk_.exists(third)) ASSERT_TRUE(write("a").ok());
  EXPECT_EQ(file_bytes(third), kSegmentBytes);
  EXPECT_LE(disk_.used_bytes(), used + kSegmentBytes) << "the second one grew, nothing else";
}

// What there is room for is for frames.
TEST_F(WalGrowthTest, ADiskWithNoRoomToGrowAheadTakesFrames) {
  start();
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(write("a").ok());
  disk_.set_capacity(disk_.used_bytes() + 3 * 512);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(write("b").ok()) << i;
  EXPECT_TRUE(absl::IsResourceExhausted(write("c")));
}

TEST_F(WalGrowthTest, AnyOtherErrorOfGrowthIsOneOfTheWrite) {
  start();
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(write("a").ok());
  int writes = 0;
  disk_.set_fault([&](DiskOperation operation, const std::string&) {
    if (operation != DiskOperation::kWrite || ++writes != 2) return absl::OkStatus();
    return absl::DataLossError("bad");
  });
  EXPECT_TRUE(absl::IsDataLoss(write("b")));
  EXPECT_EQ(writes, 2) << "the frame, then the zeros";
}

}  // namespace
}  // namespace kvorum::storage
