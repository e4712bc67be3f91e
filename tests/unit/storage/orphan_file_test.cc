#include "storage/orphan_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "storage/frame.h"
#include "storage/record.h"
#include "tests/support/log_driver.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;

constexpr Position kFirst{Term{3}, Lsn{17}};

std::string records(int count, const std::string& payload) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    const RecordHeader header{.lsn = Lsn{17 + static_cast<uint64_t>(i)},
                              .term = Term{i == 0 ? 3u : 4u},
                              .stamp = {Hlc{100 + static_cast<uint64_t>(i)}, NodeId{1}},
                              .kind = RecordKind::kEffects};
    encode_record(test_identity().incarnation, header, payload, bytes);
  }
  return bytes;
}

// The records of a whole file; empty if it is not one.
std::string records_in(const std::string& file) {
  std::string result;
  FrameHeader header;
  for (size_t at = 0; at < file.size(); at += frame_bytes(header.payload_bytes)) {
    const std::string_view rest = std::string_view(file).substr(at);
    const InstanceId instance = test_identity().instance;
    if (decode_frame_header(instance, rest, header) != FrameError::kNone) return {};
    if (check_frame_payload(instance, header, rest) != FrameError::kNone) return {};
    if (header.offset != at || (header.kind == FrameKind::kSegmentStart) != (at == 0)) return {};
    if (header.kind != FrameKind::kRecords) continue;
    result += rest.substr(kFrameHeaderBytes, header.payload_bytes);
  }
  return header.kind == FrameKind::kCleanStop ? result : std::string();
}

class OrphanFileTest : public ::testing::Test {
 protected:
  OrphanFileTest() { EXPECT_TRUE(disk_.create_directory("data").ok()); }
  absl::StatusOr<std::string> write(std::string_view bytes) {
    return write_orphan_file(disk_, "data", test_identity(), kFirst, bytes);
  }
  SimulatedDisk disk_;
};

TEST_F(OrphanFileTest, HoldsTheRecordsAsTheyWereEncoded) {
  for (const std::string& bytes :
       {records(1, "x"), records(3, std::string(700'000, 'y')), records(9'000, "z")}) {
    const auto path = write(bytes);
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_TRUE(records_in(disk_.contents(*path)) == bytes);
  }
}

TEST_F(OrphanFileTest, IsNamedAfterTheFirstRecordAndNeverWrittenOver) {
  EXPECT_EQ(*write(records(1, "a")), "data/orphaned-0000000003-0000000017.wal");
  EXPECT_EQ(*write(records(1, "b")), "data/orphaned-0000000003-0000000017-2.wal");
  EXPECT_EQ(*write(records(2, "a")), "data/orphaned-0000000003-0000000017-3.wal");
  EXPECT_THAT(*disk_.list("data"), ElementsAre("orphaned-0000000003-0000000017-2.wal",
                                               "orphaned-0000000003-0000000017-3.wal",
                                               "orphaned-0000000003-0000000017.wal"));
  EXPECT_EQ(records_in(disk_.contents("data/orphaned-0000000003-0000000017.wal")), records(1, "a"));
}

TEST_F(OrphanFileTest, TheSameRecordsAreSavedOnce) {
  const std::string first = *write(records(2, "a"));
  Identity later = test_identity();
  later.boot += 1;
  EXPECT_EQ(*write_orphan_file(disk_, "data", later, kFirst, records(2, "a")), first);
  const std::string second = *write(records(2, "b"));
  EXPECT_EQ(*write(records(2, "b")), second);
  EXPECT_EQ(disk_.list("data")->size(), 2u);
}

TEST_F(OrphanFileTest, IsReadAsItWasWritten) {
  for (const std::string& bytes :
       {records(1, "x"), records(3, std::string(700'000, 'y')), records(9'000, "z")}) {
    const std::string path = *write(bytes);
    const auto read = read_orphan_file(disk_, path, test_identity());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == bytes);
  }
}

TEST_F(OrphanFileTest, NothingIsReadOfADamagedOne) {
  const std::string path = *write(records(3, "a value"));
  const std::string good = disk_.contents(path);
  const auto read = [&] { return read_orphan_file(disk_, path, test_identity()).status(); };
  for (size_t at = 0; at < good.size(); at += 7) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    disk_.set_contents(path, bad);
    EXPECT_TRUE(absl::IsDataLoss(read())) << at;
  }
  for (size_t size = 0; size < good.size(); size += 100) {
    disk_.set_contents(path, good.substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(read())) << size;
  }
  disk_.set_contents(path, good);
  Identity other = test_identity();
  other.instance[0] ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(read_orphan_file(disk_, path, other).status()));
}

TEST_F(OrphanFileTest, WhatWasOfferedHasAnotherNameAndIsNotListed) {
  const std::string first = *write(records(1, "a"));
  const std::string second = *write(records(1, "b"));
  EXPECT_EQ(list_orphan_files(disk_, "data")->size(), 2u);
  EXPECT_EQ(*mark_offered(disk_, "data", first), "data/offered-0000000003-0000000017.wal");
  EXPECT_THAT(*list_orphan_files(disk_, "data"), ElementsAre(second));
  std::mt19937_64 random(1);
  disk_.power_cut(random);
  EXPECT_THAT(*disk_.list("data"), ElementsAre("offered-0000000003-0000000017.wal",
                                               "orphaned-0000000003-0000000017-2.wal"));
  EXPECT_TRUE(*read_orphan_file(disk_, "data/offered-0000000003-0000000017.wal", test_identity()) ==
              records(1, "a"));
}

TEST_F(OrphanFileTest, NamesAreRecognised) {
  EXPECT_TRUE(is_orphan_file_name("offered-0000000003-0000000017.wal"));
  EXPECT_TRUE(is_orphan_file_name("orphaned-0000000003-0000000017.wal"));
  EXPECT_TRUE(is_orphan_file_name("orphaned-0000000003-0000000017-2.wal"));
  for (const char* name : {"orphaned.tmp", "orphaned-.wal", "segment-0000000001.wal",
                           "orphaned-x-0000000017.wal", "orphaned-1-2.wal.tmp", "orphaned-"}) {
    EXPECT_FALSE(is_orphan_file_name(name)) << name;
  }
}

TEST_F(OrphanFileTest, AFullDiskLeavesNothing) {
  disk_.set_capacity(700'000);
  EXPECT_TRUE(absl::IsResourceExhausted(write(records(3, std::string(700'000, 'y'))).status()));
  EXPECT_TRUE(disk_.list("data")->empty());
}

// The process and then the power fail at each call: what has its name is whole, what was reported
// is there, and the next try succeeds.
TEST_F(OrphanFileTest, SurvivesAFailureAtEveryCall) {
  const std::string bytes = records(3, std::string(700'000, 'y'));
  bool done = false;
  for (uint64_t n = 0; !done; ++n) {
    SCOPED_TRACE(n);
    SimulatedDisk disk;
    ASSERT_TRUE(disk.create_directory("data").ok());
    uint64_t calls = 0;
    disk.set_fault([&](DiskOperation, const std::string&) {
      return calls++ < n ? absl::OkStatus() : absl::InternalError("bad");
    });
    const auto path = write_orphan_file(disk, "data", test_identity(), kFirst, bytes);
    done = path.ok();
    disk.set_fault(nullptr);
    std::mt19937_64 random(n);
    disk.power_cut(random);
    if (path.ok()) {
      ASSERT_TRUE(disk.exists(*path));
    }
    const std::vector<std::string> names = disk.list("data").value();
    for (const std::string& name : names) {
      if (!is_orphan_file_name(name)) continue;
      ASSERT_TRUE(records_in(disk.contents("data/" + name)) == bytes);
    }
    const auto again = write_orphan_file(disk, "data", test_identity(), kFirst, bytes);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, "data/orphaned-0000000003-0000000017.wal");
    EXPECT_EQ(disk.list("data")->size(), 1u);
  }
}

}  // namespace
}  // namespace kvorum::storage
