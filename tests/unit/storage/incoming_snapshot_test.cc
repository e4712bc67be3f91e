#include "storage/incoming_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tests/unit/storage/snapshot_test_files.h"

namespace kvorum::storage {
namespace {

using ::testing::HasSubstr;

constexpr Position kCut{Term{2}, Lsn{7}};  // test_info's
constexpr char kPath[] = "in/snapshot-0000000000000007.kvs";
constexpr char kTemporaryPath[] = "in/incoming-0000000000000007.tmp";

// That of test_info and of the keyspace.
Identity cluster() {
  Identity identity;
  identity.incarnation = test_info(0).incarnation;
  identity.hash_seed = kTestSeed;
  return identity;
}

class IncomingSnapshotTest : public ::testing::Test {
 protected:
  IncomingSnapshotTest() {
    Inverse inverse;
    for (int i = 0; i < 300; ++i) {
      const std::string key = "key " + std::to_string(i);
      const std::string value(static_cast<size_t>(i) * 100, 'v');
      keyspace_.apply({.kind = EffectKind::kSet, .key = key, .value = value},
                      stamp_at(static_cast<uint64_t>(i) + 1), inverse);
    }
    SnapshotWriter writer(keyspace_, test_info(300));
    SimulatedDisk source;
    contents_ = source.contents(write_snapshot(source, all_blocks(writer)));
    EXPECT_TRUE(disk_.create_directory("in").ok());
  }

  static absl::StatusOr<std::unique_ptr<IncomingSnapshot>> begin(SimulatedDisk& disk) {
    return IncomingSnapshot::create(disk, "in", kCut);
  }
  static absl::Status write_in_pieces(IncomingSnapshot& snapshot, std::string_view bytes) {
    constexpr size_t kPieceBytes = 512 << 10;
    for (size_t at = 0; at < bytes.size(); at += kPieceBytes) {
      absl::Status status = snapshot.write(at, bytes.substr(at, kPieceBytes));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  // All of it, from an empty file to a finished one.
  static absl::Status receive(SimulatedDisk& disk, std::string_view bytes) {
    auto snapshot = begin(disk);
    if (!snapshot.ok()) return snapshot.status();
    absl::Status status = write_in_pieces(**snapshot, bytes);
    if (!status.ok()) return status;
    return (*snapshot)->finish(cluster()).status();
  }

  Keyspace keyspace_{kTestSeed};
  std::string contents_;
  SimulatedDisk disk_;
};

TEST_F(IncomingSnapshotTest, GetsItsNameWhenItIsWhole) {
  ASSERT_GT(contents_.size(), 1u << 20);
  auto snapshot = begin(disk_);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  ASSERT_TRUE(write_in_pieces(**snapshot, contents_).ok());
  EXPECT_EQ((*snapshot)->bytes(), contents_.size());
  EXPECT_FALSE(disk_.exists(kPath));
  const auto report = (*snapshot)->finish(cluster());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->info.position, kCut);
  EXPECT_EQ((*snapshot)->path(), kPath);
  snapshot->reset();
  EXPECT_EQ(disk_.contents(kPath), contents_);
  EXPECT_FALSE(disk_.exists(kTemporaryPath));
  const auto loaded = load_snapshot(disk_, kPath);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->digest(), keyspace_.digest());
}

TEST_F(IncomingSnapshotTest, ReplacesOneOfTheSameCut) {
  disk_.set_contents(kPath, "what differed");
  ASSERT_TRUE(receive(disk_, contents_).ok());
  EXPECT_EQ(disk_.contents(kPath), contents_);
}

TEST_F(IncomingSnapshotTest, DamageIsNamedAndNothingIsLeft) {
  const auto expect_refused = [&](const std::string& bytes, const std::string& why) {
    const absl::Status status = receive(disk_, bytes);
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(kTemporaryPath));
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
    EXPECT_TRUE(disk_.list("in")->empty());
  };
  std::string flipped = contents_;
  flipped[flipped.size() / 2] ^= 1;
  expect_refused(flipped, "wrong checksum");
  expect_refused(contents_.substr(0, contents_.size() - 1), "cut short");
  expect_refused(contents_ + "x", "bytes after the footer");
  expect_refused("", "too short");
}

TEST_F(IncomingSnapshotTest, AnotherCutThanAnnouncedIsRefused) {
  for (const Position cut : {Position{Term{2}, Lsn{8}}, Position{Term{1}, Lsn{7}}}) {
    auto snapshot = IncomingSnapshot::create(disk_, "in", cut);
    ASSERT_TRUE(snapshot.ok());
    ASSERT_TRUE(write_in_pieces(**snapshot, contents_).ok());
    const absl::Status status = (*snapshot)->finish(cluster()).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("a snapshot of lsn 7 in term 2"));
    snapshot->reset();
    EXPECT_TRUE(disk_.list("in")->empty());
  }
}

TEST_F(IncomingSnapshotTest, AnotherClustersIsRefused) {
  Identity other = cluster();
  other.incarnation[3] ^= 1;
  Identity reseeded = cluster();
  reseeded.hash_seed ^= 1;
  for (const Identity& identity : {other, reseeded}) {
    auto snapshot = begin(disk_);
    ASSERT_TRUE(write_in_pieces(**snapshot, contents_).ok());
    EXPECT_TRUE(absl::IsFailedPrecondition((*snapshot)->finish(identity).status()));
    snapshot->reset();
    EXPECT_TRUE(disk_.list("in")->empty());
  }
}

TEST_F(IncomingSnapshotTest, IsRemovedWhenItIsGivenUp) {
  auto snapshot = begin(disk_);
  ASSERT_TRUE((*snapshot)->write(0, "half").ok());
  EXPECT_TRUE(disk_.exists(kTemporaryPath));
  snapshot->reset();
  EXPECT_TRUE(disk_.list("in")->empty());
}

TEST_F(IncomingSnapshotTest, WhatACrashLeftIsRemovedAndDoesNotDisturb) {
  disk_.set_contents(kTemporaryPath, std::string(5 << 20, 'x'));
  EXPECT_TRUE(receive(disk_, contents_).ok());
  disk_.set_contents(kTemporaryPath, "left");
  disk_.set_contents("in/snapshot-0000000000000009.tmp", "left");
  ASSERT_TRUE(remove_unfinished_snapshots(disk_, "in").ok());
  EXPECT_THAT(*disk_.list("in"), ::testing::ElementsAre("snapshot-0000000000000007.kvs"));
}

TEST_F(IncomingSnapshotTest, AFullDiskIsReportedAndNothingIsLeft) {
  disk_.set_capacity(contents_.size() / 2);
  EXPECT_TRUE(absl::IsResourceExhausted(receive(disk_, contents_)));
  EXPECT_TRUE(disk_.list("in")->empty());
}

// The process and then the power fail at each call: a file under its final name is whole, and what
// was reported as finished is there.
TEST_F(IncomingSnapshotTest, SurvivesAFailureAtEveryCall) {
  bool done = false;
  for (uint64_t n = 0; !done; ++n) {
    SCOPED_TRACE(n);
    SimulatedDisk disk;
    ASSERT_TRUE(disk.create_directory("in").ok());
    uint64_t calls = 0;
    disk.set_fault([&](DiskOperation, const std::string&) {
      return calls++ < n ? absl::OkStatus() : absl::InternalError("bad");
    });
    done = receive(disk, contents_).ok();
    disk.set_fault(nullptr);
    std::mt19937_64 random(n);
    disk.power_cut(random);
    if (done) {
      ASSERT_TRUE(disk.exists(kPath));
    }
    if (disk.exists(kPath)) {
      ASSERT_EQ(disk.contents(kPath), contents_);
    }
    ASSERT_TRUE(remove_unfinished_snapshots(disk, "in").ok());
    ASSERT_TRUE(receive(disk, contents_).ok());
    EXPECT_EQ(disk.list("in")->size(), 1u);
  }
}

}  // namespace
}  // namespace kvorum::storage
