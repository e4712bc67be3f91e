#include "storage/snapshot_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iomanip>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "storage/snapshot_entry.h"
#include "storage/tombstones.h"
#include "tests/unit/storage/snapshot_test_files.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string to_hex(std::string_view bytes) {
  std::ostringstream hex;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0 && i % 16 == 0) hex << '\n';
    hex << std::hex << std::setw(2) << std::setfill('0')
        << static_cast<int>(static_cast<uint8_t>(bytes[i]));
  }
  return hex.str();
}

class SnapshotFileTest : public ::testing::Test {
 protected:
  void set(int database, const std::string& key, std::string_view value, ExpiryMs expiry_ms = 0,
           bool raw = false) {
    Effect effect;
    effect.kind = EffectKind::kSet;
    effect.database = static_cast<uint8_t>(database);
    effect.key = key;
    effect.value = value;
    effect.expiry_ms = expiry_ms;
    effect.raw = raw;
    Inverse inverse;
    keyspace_.apply(effect, stamp_at(++hlc_), inverse);
  }
  std::vector<UnwrittenBlock> cut() {
    SnapshotWriter writer(keyspace_, test_info(hlc_));
    return all_blocks(writer);
  }
  // One of everything that the format knows.
  std::string small_snapshot() {
    set(0, "key", "value");
    set(0, "soon", "", 1'700'000'000'001);
    set(0, std::string(255, 'k'), "raw", 0, true);
    set(9, "last", "x", 1'700'000'000'002);
    return write_snapshot(disk_, cut());
  }
  absl::Status verify(const std::string& path) { return verify_snapshot(disk_, path).status(); }
  absl::Status load(const std::string& path) { return load_snapshot(disk_, path).status(); }
  // Both readers refuse `contents`.
  void expect_refused(const std::string& contents, const std::string& what) {
    disk_.set_contents("d/bad", contents);
    for (const absl::Status& status : {verify("d/bad"), load("d/bad")}) {
      EXPECT_FALSE(status.ok()) << what;
      EXPECT_THAT(std::string(status.message()), HasSubstr("d/bad: ")) << what;
    }
  }

  SimulatedDisk disk_;
  Keyspace keyspace_{kTestSeed};
  uint64_t hlc_ = 0;
};

TEST_F(SnapshotFileTest, ReportSaysWhatIsInTheFile) {
  small_snapshot();
  set(9, "large", std::string(4096, 'x'), 1'700'000'000'002);
  set(9, "larger", std::string(100'000, 'x'));
  const std::string path = write_snapshot(disk_, cut());
  const absl::StatusOr<SnapshotReport> report = verify_snapshot(disk_, path);
  ASSERT_TRUE(report.ok()) << report.status();
  SnapshotInfo expected = test_info(hlc_);
  expected.hash_seed = kTestSeed;
  expected.keys[0] = 3;
  expected.keys[9] = 3;
  EXPECT_EQ(report->info, expected);
  EXPECT_EQ(report->footer, (SnapshotFooter{6, keyspace_.digest()}));
  EXPECT_TRUE(load(path).ok());
  EXPECT_GE(report->blocks, 4u);
  EXPECT_EQ(report->bytes, disk_.contents(path).size());
}

TEST_F(SnapshotFileTest, EveryTruncationIsRefused) {
  const std::string contents = disk_.contents(small_snapshot());
  for (size_t size = 0; size < contents.size(); ++size) {
    expect_refused(contents.substr(0, size), "cut at " + std::to_string(size));
  }
}

TEST_F(SnapshotFileTest, EveryFlippedByteIsRefused) {
  const std::string contents = disk_.contents(small_snapshot());
  for (size_t at = 0; at < contents.size(); ++at) {
    for (const int flip : {0x01, 0x80}) {
      std::string flipped = contents;
      flipped[at] = static_cast<char>(flipped[at] ^ flip);
      expect_refused(flipped, "flipped at " + std::to_string(at));
    }
  }
}

TEST_F(SnapshotFileTest, BytesAfterTheFooterAreRefused) {
  const std::string contents = disk_.contents(small_snapshot());
  expect_refused(contents + '\0', "one zero");
  expect_refused(contents + contents, "twice");
}

TEST_F(SnapshotFileTest, BlockOfAnotherSnapshotIsRefused) {
  set(0, "k", "v");
  const std::string one = disk_.contents(write_snapshot(disk_, cut()));
  set(0, "k", "w");
  const std::string other = disk_.contents(write_snapshot(disk_, cut()));
  ASSERT_EQ(one.size(), other.size());
  const size_t footer = one.size() - kSnapshotBlockHeaderBytes - 16;
  expect_refused(one.substr(0, footer) + other.substr(footer), "foreign footer");
}

TEST_F(SnapshotFileTest, MissingAndRepeatedBlocksAreRefused) {
  set(0, "k", "v");
  set(5, "k", "v");
  const std::vector<UnwrittenBlock> blocks = cut();
  ASSERT_EQ(blocks.size(), 4u);
  const std::string contents = disk_.contents(write_snapshot(disk_, blocks));
  const size_t entry_block = kSnapshotBlockHeaderBytes + blocks[1].size();
  const size_t first = kSnapshotMagic.size() + kSnapshotBlockHeaderBytes + blocks[0].size();
  expect_refused(contents.substr(0, first) + contents.substr(first + entry_block), "missing");
  expect_refused(contents.substr(0, first + entry_block) + contents.substr(first), "repeated");
}

// Well-formed files that say something untrue: only a faulty writer makes them.
TEST_F(SnapshotFileTest, UntrueContentsAreRefused) {
  set(0, "k", "v");
  const auto refused = [&](std::vector<UnwrittenBlock> blocks, const std::string& why) {
    const absl::Status status = load(write_snapshot(disk_, blocks));
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << why;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
  };
  std::vector<UnwrittenBlock> blocks = cut();
  blocks[1].bytes += std::string(blocks[1].bytes);
  blocks[1].entries = 2;
  refused(std::move(blocks), "a key for the second time");

  blocks = cut();
  blocks[1].entries = 2;
  refused(std::move(blocks), "wrong number of entries");

  blocks = cut();
  blocks[1].database = 1;
  refused(std::move(blocks), "keys in database 0");

  blocks = cut();
  blocks[1].bytes.back() = 'w';
  refused(std::move(blocks), "digest");

  blocks = cut();
  blocks[1].bytes.pop_back();
  refused(std::move(blocks), "malformed entry");

  blocks = cut();
  blocks[1].bytes[7] = '\x7f';
  refused(std::move(blocks), "newer than the cut");
}

TEST_F(SnapshotFileTest, LengthIsCheckedBeforeMemoryIsTaken) {
  // A block header that verifies but promises 4 GiB.
  const SnapshotBlockHeader header{.payload_bytes = UINT32_MAX};
  const SnapshotBlockHeaderBytes bytes = encode_block_header(header, 0xd1ce);
  SnapshotBlockHeader decoded;
  ASSERT_TRUE(decode_block_header({bytes.data(), bytes.size()}, 0xd1ce, decoded));
  const std::string contents = disk_.contents(small_snapshot());
  expect_refused(
      contents.substr(0, kSnapshotMagic.size()) + std::string(bytes.data(), bytes.size()), "4 GiB");
}

TEST_F(SnapshotFileTest, OtherVersionsSayWhichIsRead) {
  std::vector<UnwrittenBlock> blocks = cut();
  blocks[0].bytes[0] = 2;
  absl::Status status = load(write_snapshot(disk_, blocks));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("reads version 1"));
  blocks[0].bytes[0] = 1;
  blocks[0].bytes[5] = 1;
  status = load(write_snapshot(disk_, blocks));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("partitions"));
  disk_.set_contents("d/bad", "REDIS0011 and more");
  EXPECT_THAT(std::string(load("d/bad").message()), HasSubstr("not a kvorum snapshot"));
}

TEST_F(SnapshotFileTest, FileHasItsNameOnlyWhenPublished) {
  ASSERT_TRUE(disk_.create_directory("d").ok());
  auto file = SnapshotFile::create(disk_, "d", Lsn{0xab});
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write(cut()).ok());
  EXPECT_TRUE(disk_.exists("d/snapshot-00000000000000ab.tmp"));
  EXPECT_THAT(*list_snapshots(disk_, "d"), IsEmpty());
  ASSERT_TRUE((*file)->sync().ok());
  ASSERT_TRUE((*file)->publish().ok());
  EXPECT_THAT(*list_snapshots(disk_, "d"),
              ElementsAre(SnapshotName{Lsn{0xab}, "d/snapshot-00000000000000ab.kvs"}));
  std::mt19937_64 random(1);
  disk_.power_cut(random);
  EXPECT_TRUE(load("d/snapshot-00000000000000ab.kvs").ok());
  EXPECT_FALSE(disk_.exists("d/snapshot-00000000000000ab.tmp"));
}

TEST_F(SnapshotFileTest, UnpublishedFileIsRemoved) {
  ASSERT_TRUE(disk_.create_directory("d").ok());
  {
    auto file = SnapshotFile::create(disk_, "d", Lsn{1});
    ASSERT_TRUE(file.ok());
  }
  EXPECT_THAT(*disk_.list("d"), IsEmpty());
}

TEST_F(SnapshotFileTest, LeftoversOfACrashAreRemoved) {
  disk_.set_contents("d/snapshot-0000000000000001.tmp", "half");
  disk_.set_contents("d/snapshot-0000000000000002.kvs", "whole");
  disk_.set_contents("d/snapshot-note.tmp", "not ours");
  {
    auto file = SnapshotFile::create(disk_, "d", Lsn{1});
    ASSERT_TRUE(file.ok()) << file.status();
  }
  disk_.set_contents("d/snapshot-0000000000000001.tmp", "half");
  ASSERT_TRUE(remove_unfinished_snapshots(disk_, "d").ok());
  EXPECT_THAT(*disk_.list("d"), ElementsAre("snapshot-0000000000000002.kvs", "snapshot-note.tmp"));
}

TEST_F(SnapshotFileTest, FullDiskFailsAndLeavesNothing) {
  set(0, "k", std::string(100'000, 'x'));
  ASSERT_TRUE(disk_.create_directory("d").ok());
  disk_.set_capacity(50'000);
  {
    auto file = SnapshotFile::create(disk_, "d", Lsn{1});
    ASSERT_TRUE(file.ok());
    EXPECT_EQ((*file)->write(cut()).code(), absl::StatusCode::kResourceExhausted);
  }
  EXPECT_THAT(*disk_.list("d"), IsEmpty());
}

TEST_F(SnapshotFileTest, ReadErrorIsReported) {
  const std::string path = small_snapshot();
  disk_.set_fault([](DiskOperation operation, const std::string&) {
    return operation == DiskOperation::kRead ? absl::DataLossError("EIO") : absl::OkStatus();
  });
  EXPECT_EQ(verify(path).code(), absl::StatusCode::kDataLoss);
}

TEST_F(SnapshotFileTest, LoaderReportsProgressAndSetsTheLastAccess) {
  const std::string path = small_snapshot();
  auto reader = SnapshotReader::open(disk_, path);
  ASSERT_TRUE(reader.ok());
  Keyspace loaded(kTestSeed);
  SnapshotLoader loader(loaded, **reader, 1'700'000'000'000);
  EXPECT_EQ(loader.progress().keys, 0u);
  EXPECT_EQ(loader.progress().total_keys, 4u);
  EXPECT_EQ(loader.progress().total_bytes, disk_.contents(path).size());
  SnapshotBlock block;
  while (*(*reader)->read_block(block)) ASSERT_TRUE(loader.add(block).ok());
  EXPECT_EQ(loader.progress().keys, 4u);
  EXPECT_EQ(loader.progress().bytes, loader.progress().total_bytes);
  EXPECT_EQ(loaded.find(0, "key")->idle_seconds(1'700'000'060), 60u);
}

TEST_F(SnapshotFileTest, UnfinishedLoadIsNotTakenForAWholeOne) {
  const std::string path = small_snapshot();
  auto reader = SnapshotReader::open(disk_, path);
  ASSERT_TRUE(reader.ok());
  Keyspace loaded(kTestSeed);
  SnapshotLoader loader(loaded, **reader, 0);
  EXPECT_EQ(loader.finish().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SnapshotFileTest, BytesAreThoseOfTheDocument) {
  set(2, "key", "value", 0x0102030405060708, true);
  EXPECT_EQ(to_hex(disk_.contents(write_snapshot(disk_, cut()))),
            R"(6b76736e61700d0a0b20985fc9000000
9857f881000000000000000001000000
01000000001000000102030405060708
090a0b0c0d0e0f100300ed5e00000000
00000200000000000000070000000000
000001000000000000000068e5cf8b01
00000000000000000000000000000000
00000100000000000000000000000000
00000000000000000000000000000000
00000000000000000000000000000000
00000000000000000000000000000000
00000000000000000000000000000000
00000000000000000000000000000000
00000000000000000000000000000000
00006d656d6265727365a07907200000
00f59fe84e0100000001000000020200
00010000000000000001003003050000
0008070605040302016b657976616c75
657de052471000000004891bdc000000
00020000000300000001000000000000
00aca4cb9a53e0b636)");
}

class SnapshotTombstonesTest : public SnapshotFileTest {
 protected:
  SnapshotTombstonesTest() { keyspace_.keep_tombstones(true, Hlc{0}); }
  void remove(const std::string& key) {
    Inverse inverse;
    keyspace_.apply({.kind = EffectKind::kDelete, .key = key}, stamp_at(++hlc_), inverse);
  }
};

TEST_F(SnapshotTombstonesTest, AreThereAgainAfterALoad) {
  set(0, "there", "value");
  remove("gone");
  const std::string path = write_snapshot(disk_, cut());
  EXPECT_TRUE(verify(path).ok()) << verify(path);
  const auto loaded = load_snapshot(disk_, path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_NE((*loaded)->tombstones(), nullptr);
  EXPECT_EQ((*loaded)->tombstones()->last_change(0, "gone", nullptr), stamp_at(2));
}

TEST_F(SnapshotTombstonesTest, EveryTruncationAndFlippedByteIsRefused) {
  set(0, "there", "value");
  remove("gone");
  const std::string good = disk_.contents(write_snapshot(disk_, cut()));
  for (size_t size = 0; size < good.size(); ++size) {
    expect_refused(good.substr(0, size), std::to_string(size));
  }
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x40);
    expect_refused(bad, std::to_string(i));
  }
}

TEST_F(SnapshotTombstonesTest, UntrueBlocksAreRefused) {
  remove("gone");
  for (const bool count : {true, false}) {
    std::vector<UnwrittenBlock> blocks = cut();
    ASSERT_EQ(blocks[1].kind, SnapshotBlockKind::kTombstones);
    if (count) {
      ++blocks[1].entries;
    } else {
      blocks[1].bytes += "x";
    }
    expect_refused(disk_.contents(write_snapshot(disk_, blocks)), count ? "count" : "bytes");
  }
}

TEST(SnapshotEntryTest, ValueGoesThroughItsEncoding) {
  Keyspace keyspace(kTestSeed);
  for (const size_t size : {size_t{0}, size_t{5}, size_t{200}, size_t{5000}}) {
    Effect effect;
    effect.kind = EffectKind::kSet;
    effect.key = "k";
    const std::string value(size, 'v');
    effect.value = value;
    effect.raw = size == 5;
    Inverse inverse;
    keyspace.apply(effect, stamp_at(1), inverse);
    std::string bytes;
    encode_value(*keyspace.find(0, "k"), bytes);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      std::string_view truncated = std::string_view(bytes).substr(0, cut);
      EncodedValue ignored;
      EXPECT_FALSE(decode_value(truncated, ignored));
      EXPECT_EQ(truncated.size(), cut);
    }
    bytes += "rest";
    std::string_view rest = bytes;
    EncodedValue decoded;
    ASSERT_TRUE(decode_value(rest, decoded));
    EXPECT_EQ(decoded.value, value);
    EXPECT_EQ(decoded.raw, effect.raw);
    EXPECT_EQ(decoded.type, ValueType::kString);
    EXPECT_EQ(rest, "rest");
  }
}

TEST(SnapshotEntryTest, UnknownTypesAndFlagsAreRefused) {
  EncodedValue value;
  for (const char head : {'\x01', '\x0f', '\x20', '\x80'}) {
    const std::string bytes = {head, '\0'};
    std::string_view rest = bytes;
    EXPECT_FALSE(decode_value(rest, value));
  }
  EncodedEntry entry;
  std::string bytes(16, '\0');
  std::string_view rest = bytes;
  EXPECT_TRUE(take_entry(rest, entry));
  for (const char flags : {'\x01', '\x40', '\x80', '\x20'}) {
    bytes = std::string(24, '\0');
    bytes[10] = flags;
    rest = bytes;
    EXPECT_FALSE(take_entry(rest, entry)) << static_cast<int>(flags);
  }
}

}  // namespace
}  // namespace kvorum::storage
