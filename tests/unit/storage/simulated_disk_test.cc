#include "tests/support/simulated_disk.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>
#include <string>

namespace kvorum::storage {
namespace {

class SimulatedDiskTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(disk_.create_directory("d").ok()); }

  absl::Status write(File& file, uint64_t offset, std::string_view bytes) {
    const std::array<std::string_view, 1> pieces = {bytes};
    return file.write_at(offset, pieces);
  }

  SimulatedDisk disk_;
};

TEST_F(SimulatedDiskTest, SyncedBytesUnderSyncedNamesSurvive) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimulatedDisk disk;
    std::mt19937_64 random(seed);
    ASSERT_TRUE(disk.create_directory("d").ok());
    auto file = disk.open("d/f", OpenMode::kCreate);
    const std::string synced(5000, 's');
    ASSERT_TRUE(write(**file, 0, synced).ok());
    ASSERT_TRUE((*file)->sync().ok());
    ASSERT_TRUE(disk.sync_directory("d").ok());
    ASSERT_TRUE(write(**file, 5120, std::string(5000, 'u')).ok());
    disk.power_cut(random);
    ASSERT_TRUE(disk.exists("d/f"));
    ASSERT_TRUE(disk.contents("d/f").starts_with(synced));
  }
}

TEST_F(SimulatedDiskTest, EverySectorIsLostOrKeptOrTornByItself) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SimulatedDisk disk;
    std::mt19937_64 random(seed);
    disk.set_contents("d/f", std::string(1024, 'o'));
    auto file = disk.open("d/f", OpenMode::kReadWrite);
    ASSERT_TRUE(write(**file, 0, std::string(1024, 'n')).ok());
    disk.power_cut(random);
    std::string outcome;
    for (const size_t sector : {0, 1}) {
      const std::string bytes = disk.contents("d/f").substr(sector * 512, 512);
      outcome += bytes == std::string(512, 'o') ? 'o' : bytes == std::string(512, 'n') ? 'n' : 't';
    }
    outcomes.insert(outcome);
  }
  EXPECT_EQ(outcomes,
            (std::set<std::string>{"oo", "on", "ot", "no", "nn", "nt", "to", "tn", "tt"}));
}

TEST_F(SimulatedDiskTest, UnsyncedNamesAreLostOrKept) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimulatedDisk disk;
    std::mt19937_64 random(seed);
    disk.set_contents("d/renamed", "");
    disk.set_contents("d/removed", "");
    ASSERT_TRUE(disk.open("d/created", OpenMode::kCreate).ok());
    ASSERT_TRUE(disk.rename("d/renamed", "d/target").ok());
    ASSERT_TRUE(disk.remove("d/removed").ok());
    disk.power_cut(random);
    std::string outcome;
    EXPECT_NE(disk.exists("d/renamed"), disk.exists("d/target"));
    for (const char* path : {"d/created", "d/target", "d/removed"}) {
      outcome += disk.exists(path) ? '1' : '0';
    }
    outcomes.insert(outcome);
  }
  EXPECT_EQ(outcomes.size(), 8u);
}

TEST_F(SimulatedDiskTest, ACrashKeepsWhatWasWrittenAndEndsOpenFiles) {
  auto file = disk_.open("d/f", OpenMode::kCreate);
  ASSERT_TRUE(write(**file, 0, "bytes").ok());
  disk_.crash();
  EXPECT_EQ(disk_.contents("d/f"), "bytes");
  EXPECT_FALSE(write(**file, 0, "ghost").ok());
}

TEST_F(SimulatedDiskTest, AFullDiskTakesWhatFits) {
  auto file = disk_.open("d/f", OpenMode::kCreate);
  disk_.set_capacity(3);
  EXPECT_TRUE(absl::IsResourceExhausted(write(**file, 0, "bytes")));
  EXPECT_EQ(disk_.contents("d/f"), "byt");
  EXPECT_TRUE(write(**file, 0, "BYT").ok()) << "overwriting takes no room";
}

// As Linux does it (the fsyncgate of PostgreSQL): a second sync succeeds and has saved nothing.
TEST_F(SimulatedDiskTest, WhatASyncFailedToSaveIsNotSavedByTheNext) {
  auto file = disk_.open("d/f", OpenMode::kCreate);
  ASSERT_TRUE(write(**file, 0, "old").ok());
  ASSERT_TRUE((*file)->sync().ok());
  ASSERT_TRUE(write(**file, 0, "new").ok());
  disk_.set_fault([](DiskOperation operation, const std::string&) -> absl::Status {
    if (operation == DiskOperation::kSync) return absl::DataLossError("the medium refused");
    return absl::OkStatus();
  });
  EXPECT_FALSE((*file)->sync().ok());
  disk_.set_fault(nullptr);
  EXPECT_TRUE((*file)->sync().ok());
  EXPECT_EQ(disk_.contents("d/f"), "new") << "still in memory";
  (*file)->forget_cached(0, 0);
  EXPECT_EQ(disk_.contents("d/f"), "old") << "what the medium has";
  ASSERT_TRUE(write(**file, 0, "new").ok());
  EXPECT_TRUE((*file)->sync().ok());
  (*file)->forget_cached(0, 0);
  EXPECT_EQ(disk_.contents("d/f"), "new") << "written again, saved at last";
}

TEST_F(SimulatedDiskTest, CallsAreCounted) {
  auto file = disk_.open("d/f", OpenMode::kCreate);
  ASSERT_TRUE((*file)->sync().ok());
  ASSERT_TRUE((*file)->sync().ok());
  EXPECT_EQ(disk_.calls(DiskOperation::kCreate), 1u);
  EXPECT_EQ(disk_.calls(DiskOperation::kSync), 2u);
}

}  // namespace
}  // namespace kvorum::storage
