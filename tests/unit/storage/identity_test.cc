#include "storage/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "storage/crc32c.h"
#include "tests/support/log_driver.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

using ::testing::HasSubstr;

class IdentityTest : public ::testing::Test {
 protected:
  absl::StatusOr<DataDirectory> open() {
    return open_data_directory(disk_, "data", test_identity());
  }

  void expect_refused(absl::StatusCode code, const std::string& message) {
    const auto directory = open();
    EXPECT_EQ(directory.status().code(), code);
    EXPECT_THAT(std::string(directory.status().message()), HasSubstr(message));
  }

  SimulatedDisk disk_;
};

TEST_F(IdentityTest, ANewDirectoryIsBornWithTheGivenIdentity) {
  const auto directory = open();
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_TRUE(directory->born);
  Identity expected = test_identity();
  expected.boot = 1;
  EXPECT_EQ(directory->identity, expected);
}

TEST_F(IdentityTest, TheFileHasTheGoldenText) {
  // docs/wal-format.md, "Identity file": this text may never change.
  ASSERT_TRUE(open().ok());
  const std::string text =
      "kvorum data directory, format 1\n"
      "node 1\n"
      "incarnation 0102030405060708090a0b0c0d0e0f10\n"
      "instance a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\n"
      "hash-seed 0123456789abcdef\n"
      "partitions 4096\n"
      "boot 1\n";
  EXPECT_THAT(disk_.contents("data/identity"), ::testing::StartsWith(text + "checksum "));
}

TEST_F(IdentityTest, EveryStartRaisesTheBootCounterDurably) {
  std::mt19937_64 random(1);
  for (uint64_t boot = 1; boot < 20; ++boot) {
    const auto directory = open();
    ASSERT_TRUE(directory.ok()) << directory.status();
    EXPECT_EQ(directory->identity.boot, boot);
    EXPECT_EQ(directory->born, boot == 1);
    disk_.power_cut(random);
  }
}

TEST_F(IdentityTest, WhatWasDrawnAtBirthStays) {
  ASSERT_TRUE(open().ok());
  Identity other = test_identity();
  other.instance[0] = 99;
  other.hash_seed = 99;
  const auto directory = open_data_directory(disk_, "data", other);
  ASSERT_TRUE(directory.ok());
  EXPECT_EQ(directory->identity.instance, test_identity().instance);
  EXPECT_EQ(directory->identity.hash_seed, test_identity().hash_seed);
}

TEST_F(IdentityTest, ASecondHolderIsRefused) {
  const auto directory = open();
  ASSERT_TRUE(directory.ok());
  expect_refused(absl::StatusCode::kUnavailable, "another process holds the data directory data");
  EXPECT_EQ(read_identity(disk_, "data")->boot, 1u) << "and changed nothing";
}

TEST_F(IdentityTest, AnotherNodesDirectoryIsRefused) {
  ASSERT_TRUE(open().ok());
  Identity second = test_identity();
  second.node = NodeId{2};
  const auto directory = open_data_directory(disk_, "data", second);
  EXPECT_EQ(directory.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(directory.status().message()),
              HasSubstr("belongs to node 1, this is node 2"));
}

TEST_F(IdentityTest, ADirectoryThatIsNotOursIsRefusedAndLeftAlone) {
  disk_.set_contents("data/holiday.jpg", "x");
  expect_refused(absl::StatusCode::kFailedPrecondition, "not a kvorum data directory");
  EXPECT_EQ(disk_.list("data")->size(), 1u);
}

TEST_F(IdentityTest, ANewerVersionIsRefused) {
  disk_.set_contents("data/identity", "kvorum data directory, format 2\nsomething else\n");
  expect_refused(absl::StatusCode::kFailedPrecondition, "written by a newer version (format 2");
}

TEST_F(IdentityTest, EveryFlippedBitIsRefused) {
  ASSERT_TRUE(open().ok());
  const std::string good = disk_.contents("data/identity");
  for (size_t i = 0; i < good.size() * 8; ++i) {
    std::string bad = good;
    bad[i / 8] = static_cast<char>(bad[i / 8] ^ (1 << (i % 8)));
    disk_.set_contents("data/identity", bad);
    ASSERT_FALSE(open().ok()) << "bit " << i;
  }
}

TEST_F(IdentityTest, EveryTruncationIsRefused) {
  ASSERT_TRUE(open().ok());
  const std::string good = disk_.contents("data/identity");
  for (size_t size = 0; size < good.size(); ++size) {
    disk_.set_contents("data/identity", good.substr(0, size));
    expect_refused(absl::StatusCode::kDataLoss, "data/identity: damaged");
  }
}

TEST_F(IdentityTest, ANewbornMayBelongToNoCluster) {
  Identity newborn = test_identity();
  newborn.incarnation = Incarnation{};
  const auto directory = open_data_directory(disk_, "data", newborn);
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_FALSE(is_member(directory->identity));
  EXPECT_FALSE(is_member(*read_identity(disk_, "data")));
}

TEST_F(IdentityTest, JoiningAClusterIsDurable) {
  Identity newborn = test_identity();
  newborn.incarnation = Incarnation{};
  auto directory = open_data_directory(disk_, "data", newborn);
  ASSERT_TRUE(directory.ok());
  ASSERT_TRUE(join_cluster(disk_, *directory, test_identity().incarnation, 77).ok());
  EXPECT_TRUE(is_member(directory->identity));
  std::mt19937_64 random(1);
  disk_.power_cut(random);
  const auto identity = read_identity(disk_, "data");
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(*identity, directory->identity);
  EXPECT_EQ(identity->incarnation, test_identity().incarnation);
  EXPECT_EQ(identity->hash_seed, 77u);
  EXPECT_EQ(identity->instance, newborn.instance);
}

TEST_F(IdentityTest, ALogIsNotedDurablyAndOnce) {
  auto directory = open();
  ASSERT_TRUE(directory.ok());
  EXPECT_FALSE(directory->identity.has_log);
  ASSERT_TRUE(note_log(disk_, *directory).ok());
  const uint64_t writes = disk_.calls(DiskOperation::kWrite);
  ASSERT_TRUE(note_log(disk_, *directory).ok());
  EXPECT_EQ(disk_.calls(DiskOperation::kWrite), writes);
  std::mt19937_64 random(1);
  disk_.power_cut(random);
  EXPECT_TRUE(read_identity(disk_, "data")->has_log);
  EXPECT_TRUE(open()->identity.has_log) << "kept when the boot counter is raised";
  EXPECT_THAT(disk_.contents("data/identity"), HasSubstr("boot 2\nlog 1\nchecksum "));
}

TEST_F(IdentityTest, AnOldDirectoryWithALogHasOne) {
  for (const char* name : {"data/segment-0000000001.wal", "data/snapshot-0000000001.kvs"}) {
    ASSERT_TRUE(open().ok());
    EXPECT_FALSE(open()->identity.has_log);
    disk_.set_contents(name, "");
    EXPECT_TRUE(open()->identity.has_log) << name;
    ASSERT_TRUE(disk_.remove("data/identity").ok());
    ASSERT_TRUE(disk_.remove(name).ok());
  }
}

TEST_F(IdentityTest, ADirectoryWhoseLogHasVanishedBecomesAnotherInstance) {
  auto directory = open();
  ASSERT_TRUE(directory.ok());
  ASSERT_TRUE(note_log(disk_, *directory).ok());
  InstanceId other = test_identity().instance;
  other[0] = 1;
  ASSERT_TRUE(renew_instance(disk_, *directory, other).ok());
  std::mt19937_64 random(1);
  disk_.power_cut(random);
  const auto identity = read_identity(disk_, "data");
  ASSERT_TRUE(identity.ok());
  EXPECT_EQ(*identity, directory->identity);
  EXPECT_EQ(identity->instance, other);
  EXPECT_FALSE(identity->has_log);
  EXPECT_EQ(identity->incarnation, test_identity().incarnation);
  EXPECT_EQ(identity->boot, 1u) << "counts on";
}

TEST_F(IdentityTest, ARestoredDirectoryIsAnyNodesAndGetsItsInstanceAtItsFirstStart) {
  Identity restored = test_identity();
  restored.node = NodeId{9};
  restored.boot = 12;
  restored.has_log = true;
  ASSERT_TRUE(begin_restored_directory(disk_, "data/").ok());
  disk_.set_contents("data/snapshot-0000000000000001.kvs", "");
  ASSERT_TRUE(finish_restored_directory(disk_, "data/", restored).ok());
  std::mt19937_64 random(1);
  disk_.power_cut(random);
  EXPECT_THAT(disk_.contents("data/identity"), HasSubstr("boot 0\nrestored 1\nchecksum "));
  EXPECT_EQ(read_identity(disk_, "data")->instance, InstanceId{});
  EXPECT_EQ(read_identity(disk_, "data")->incarnation, test_identity().incarnation);

  auto directory = open();
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_EQ(directory->identity.node, NodeId{1});
  EXPECT_EQ(directory->identity.instance, test_identity().instance);
  EXPECT_EQ(directory->identity.boot, 1u);
  EXPECT_TRUE(directory->identity.restored);
  EXPECT_FALSE(directory->identity.has_log) << "though there is a snapshot";
  // The instance is drawn once.
  directory->lock.reset();
  Identity newborn = test_identity();
  newborn.instance[0] = 99;
  directory = open_data_directory(disk_, "data", newborn);
  EXPECT_EQ(directory->identity.instance, test_identity().instance);
  EXPECT_EQ(directory->identity.boot, 2u);

  ASSERT_TRUE(note_log(disk_, *directory).ok());
  EXPECT_FALSE(read_identity(disk_, "data")->restored);
  EXPECT_TRUE(read_identity(disk_, "data")->has_log);
}

TEST_F(IdentityTest, ARestoredDirectoryIsMadeWhereNothingIs) {
  disk_.set_contents("data/holiday.jpg", "x");
  const absl::Status refused = begin_restored_directory(disk_, "data");
  EXPECT_TRUE(absl::IsAlreadyExists(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("data: exists and is not empty"));
  ASSERT_TRUE(disk_.remove("data/holiday.jpg").ok());
  EXPECT_TRUE(begin_restored_directory(disk_, "data").ok()) << "an empty one counts as none";
}

TEST_F(IdentityTest, EveryDirectoryThatIsMadeOnTheWayIsSyncedIntoItsParent) {
  disk_.set_contents("/there/file", "x");
  std::vector<std::string> synced;
  disk_.set_fault([&](DiskOperation operation, const std::string& path) {
    if (operation == DiskOperation::kSyncDirectory) synced.push_back(path);
    return absl::OkStatus();
  });
  ASSERT_TRUE(begin_restored_directory(disk_, "/there/a/b/c").ok());
  EXPECT_EQ(synced, (std::vector<std::string>{"/there/a/b", "/there/a", "/there"}));
}

TEST_F(IdentityTest, AFailedRewriteLeavesTheIdentityInMemory) {
  auto directory = open();
  ASSERT_TRUE(directory.ok());
  for (const DiskOperation fails :
       {DiskOperation::kCreate, DiskOperation::kWrite, DiskOperation::kSync, DiskOperation::kRename,
        DiskOperation::kSyncDirectory}) {
    disk_.set_fault([fails](DiskOperation operation, const std::string&) {
      return operation == fails ? absl::DataLossError("bad") : absl::OkStatus();
    });
    EXPECT_FALSE(note_log(disk_, *directory).ok());
    EXPECT_FALSE(directory->identity.has_log);
  }
}

TEST_F(IdentityTest, APowerCutAnywhereLeavesTheOldOrTheNewIdentity) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SimulatedDisk disk;
    std::mt19937_64 random(seed);
    uint64_t boot = 0;
    for (int start = 0; start < 5; ++start) {
      uint64_t calls = 0;
      const uint64_t last = random() % 12;
      disk.set_fault([&](DiskOperation, const std::string&) {
        return calls++ >= last ? absl::InternalError("the power is gone") : absl::OkStatus();
      });
      const auto directory = open_data_directory(disk, "data", test_identity());
      disk.set_fault(nullptr);
      if (directory.ok()) {
        ASSERT_GT(directory->identity.boot, boot) << "seed " << seed;
        boot = directory->identity.boot;
      }
      disk.power_cut(random);
    }
    const auto directory = open_data_directory(disk, "data", test_identity());
    ASSERT_TRUE(directory.ok()) << "seed " << seed << ": " << directory.status();
    ASSERT_GT(directory->identity.boot, boot);
  }
}

}  // namespace
}  // namespace kvorum::storage
