#include <gtest/gtest.h>

#include <random>
#include <string>

#include "server/node/cluster/birth_file.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::server {
namespace {

TEST(BirthFileTest, ReadsBackWhatWasSaved) {
  storage::SimulatedDisk disk;
  ASSERT_TRUE(disk.create_directory("d").ok());
  EXPECT_TRUE(absl::IsNotFound(load_birth(disk, "d").status()));
  const peer::Birth birth{{1, 2, 3}, 77, std::string("rec\r\nord\0", 9)};
  ASSERT_TRUE(save_birth(disk, "d", birth).ok());
  const auto loaded = load_birth(disk, "d");
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(peer::encode(*loaded), peer::encode(birth));
}

TEST(BirthFileTest, SurvivesAPowerCutOnceSaved) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    storage::SimulatedDisk disk;
    ASSERT_TRUE(disk.create_directory("d").ok());
    ASSERT_TRUE(save_birth(disk, "d", {{1}, 1, "first"}).ok());
    ASSERT_TRUE(save_birth(disk, "d", {{2}, 2, "second"}).ok());
    disk.power_cut(random);
    const auto loaded = load_birth(disk, "d");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->record, "second");
  }
}

TEST(BirthFileTest, AFailureAtAnyCallLeavesTheOldOneOrTheNew) {
  for (int fail_at = 0; fail_at < 8; ++fail_at) {
    std::mt19937_64 random(static_cast<uint64_t>(fail_at));
    storage::SimulatedDisk disk;
    ASSERT_TRUE(disk.create_directory("d").ok());
    ASSERT_TRUE(save_birth(disk, "d", {{1}, 1, "first"}).ok());
    int calls = 0;
    disk.set_fault([&](storage::DiskOperation, const std::string&) {
      return calls++ == fail_at ? absl::DataLossError("injected") : absl::OkStatus();
    });
    const bool saved = save_birth(disk, "d", {{2}, 2, "second"}).ok();
    disk.set_fault(nullptr);
    disk.power_cut(random);
    const auto loaded = load_birth(disk, "d");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    if (saved) {
      EXPECT_EQ(loaded->record, "second");
    }
    EXPECT_TRUE(save_birth(disk, "d", {{3}, 3, "third"}).ok());  // leftovers are no obstacle
  }
}

TEST(BirthFileTest, EveryFlippedBitIsSeen) {
  storage::SimulatedDisk disk;
  ASSERT_TRUE(disk.create_directory("d").ok());
  ASSERT_TRUE(save_birth(disk, "d", {{1}, 1, "record"}).ok());
  const size_t size = disk.contents("d/birth").size();
  for (size_t byte = 0; byte < size; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      disk.flip_bit("d/birth", byte, bit);
      EXPECT_TRUE(absl::IsDataLoss(load_birth(disk, "d").status())) << byte;
      disk.flip_bit("d/birth", byte, bit);
    }
  }
  EXPECT_TRUE(load_birth(disk, "d").ok());
}

}  // namespace
}  // namespace kvorum::server
