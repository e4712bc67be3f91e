#include "storage/log_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "storage/segment.h"
#include "tests/support/log_driver.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

WalOptions options_with(uint64_t segment_bytes) {
  WalOptions options;
  options.directory = "data";
  options.segment_bytes = segment_bytes;
  return options;
}

// What a reader gave: payloads in order, every property of slices checked on the way.
class Collected {
 public:
  explicit Collected(Lsn first) : next_(first) {}

  void add(const LogReader::Slice& slice) {
    ASSERT_FALSE(slice.bytes.empty());
    EXPECT_EQ(slice.first, next_);
    EXPECT_EQ(slice.previous.lsn.next(), slice.first);
    if (last_.lsn != Lsn{0}) {
      EXPECT_EQ(slice.previous, last_);
    }
    std::string_view rest = slice.bytes;
    while (!rest.empty()) {
      RecordView record;
      ASSERT_EQ(decode_record(test_identity().incarnation, rest, record), RecordError::kNone);
      ASSERT_EQ(record.header.lsn, next_);
      last_ = Position{record.header.term, record.header.lsn};
      payloads.emplace_back(record.payload);
      ++next_;
    }
    EXPECT_EQ(slice.last, last_);
  }

  std::vector<std::string> payloads;

 private:
  Lsn next_;
  Position last_;
};

// Reads to the plan's end. The status is that of the last call.
absl::Status read_all(LogReader& reader, size_t max_bytes, Collected& collected) {
  LogReader::Slice slice;
  while (true) {
    const auto more = reader.read_some(max_bytes, slice);
    if (!more.ok()) return more.status();
    if (!*more) {
      EXPECT_THAT(slice.bytes, IsEmpty());
      return absl::OkStatus();
    }
    collected.add(slice);
  }
}

class LogReaderTest : public ::testing::Test {
 protected:
  void start(uint64_t segment_bytes) {
    log_ = std::make_unique<LogDriver>(disk_, options_with(segment_bytes));
    ASSERT_TRUE(log_->start().ok());
  }
  // One record in a frame of its own.
  void write(const std::string& payload) {
    queue(payload);
    ASSERT_TRUE(log_->flush().ok());
  }
  void queue(const std::string& payload) {
    log_->append(payload);
    payloads_.push_back(payload);
  }
  void truncate(uint64_t kept) {
    log_->truncate(Lsn{kept});
    payloads_.resize(kept);
  }
  // On an empty disk.
  void start_anew(uint64_t segment_bytes) {
    log_ = nullptr;
    ASSERT_TRUE(disk_.create_directory("data").ok());
    const std::vector<std::string> names = disk_.list("data").value();
    for (const std::string& name : names) ASSERT_TRUE(disk_.remove("data/" + name).ok());
    payloads_.clear();
    start(segment_bytes);
  }
  std::vector<std::string> read_from(uint64_t first) {
    LogReader log = reader(first);
    Collected collected(Lsn{first});
    const absl::Status status = read_all(log, 1000, collected);
    EXPECT_TRUE(status.ok()) << status;
    return collected.payloads;
  }
  std::vector<std::string> written_from(uint64_t first) const {
    return {payloads_.begin() + static_cast<std::ptrdiff_t>(first - 1), payloads_.end()};
  }
  LogReader reader(uint64_t first) {
    return LogReader(disk_, log_->wal().plan(Lsn{first}), Lsn{first});
  }
  absl::Status first_error(LogReader reader) {
    Collected collected(reader.next());
    return read_all(reader, 1, collected);
  }

  SimulatedDisk disk_;
  std::unique_ptr<LogDriver> log_;
  std::vector<std::string> payloads_;  // by lsn - 1
};

TEST_F(LogReaderTest, EveryRecordComesFromEveryPlaceInSlicesOfEverySize) {
  start(3072);
  std::mt19937_64 random(1);
  for (int batch = 0; batch < 15; ++batch) {
    if (batch % 4 == 0) log_->set_term(Term{2 + static_cast<uint64_t>(batch)});
    const uint64_t records = 1 + random() % 6;
    for (uint64_t i = 0; i < records; ++i) queue(std::string(random() % 400, 'a' + batch));
    ASSERT_TRUE(log_->flush().ok());
  }
  ASSERT_GE(log_->wal().stats().segments, 4u);
  for (uint64_t first = 1; first <= payloads_.size(); ++first) {
    for (const size_t max_bytes : {size_t{1}, size_t{700}, size_t{1} << 20}) {
      LogReader log = reader(first);
      Collected collected(Lsn{first});
      ASSERT_TRUE(read_all(log, max_bytes, collected).ok());
      EXPECT_EQ(collected.payloads, written_from(first));
      EXPECT_EQ(log.next(), Lsn{payloads_.size() + 1});
    }
  }
}

TEST_F(LogReaderTest, TheRecordBeforeTheFirstIsNamedWithItsTerm) {
  start(1 << 20);
  queue("a");
  queue("b");
  ASSERT_TRUE(log_->flush().ok());
  log_->set_term(Term{4});
  write("c");
  LogReader::Slice slice;
  for (const uint64_t first : {1, 2, 3}) {
    ASSERT_TRUE(*reader(first).read_some(1, slice));
    EXPECT_EQ(slice.previous, (Position{Term{first == 1 ? 0u : 1u}, Lsn{first - 1}}));
    EXPECT_EQ(slice.last, (Position{Term{first == 3 ? 4u : 1u}, Lsn{first}}));
  }
}

TEST_F(LogReaderTest, ASliceIsNoLongerThanAskedUnlessOneRecordIs) {
  start(1 << 20);
  for (const size_t size : {100, 100, 5000, 100}) queue(std::string(size, 'x'));
  ASSERT_TRUE(log_->flush().ok());
  LogReader log = reader(1);
  LogReader::Slice slice;
  std::vector<uint64_t> last;
  while (*log.read_some(300, slice)) last.push_back(slice.last.lsn.value());
  EXPECT_THAT(last, ElementsAre(2, 3, 4));
}

TEST_F(LogReaderTest, ALongRecordIsReadWhole) {
  start(1 << 20);
  write("short");
  write(std::string(5 << 20, 'x'));
  write("short again");
  LogReader log = reader(1);
  Collected collected(Lsn{1});
  ASSERT_TRUE(read_all(log, 64 << 10, collected).ok());
  EXPECT_TRUE(collected.payloads == payloads_);
}

TEST_F(LogReaderTest, NothingAboveThePlanIsReadUntilItIsExtended) {
  start(3072);
  for (int i = 0; i < 10; ++i) write(std::string(300, 'x'));
  LogReader log = reader(1);
  queue("later");
  Collected collected(Lsn{1});
  ASSERT_TRUE(read_all(log, 1000, collected).ok());
  ASSERT_TRUE(log_->flush().ok());
  ASSERT_TRUE(read_all(log, 1000, collected).ok());
  EXPECT_EQ(collected.payloads.size(), 10u);
  log.extend(log_->wal().plan(log.next()));
  ASSERT_TRUE(read_all(log, 1000, collected).ok());
  EXPECT_EQ(collected.payloads, payloads_);
}

TEST_F(LogReaderTest, QueuedRecordsAreNotInThePlan) {
  start(1 << 20);
  write("written");
  queue("queued");
  LogReader log = reader(1);
  Collected collected(Lsn{1});
  ASSERT_TRUE(read_all(log, 1000, collected).ok());
  EXPECT_THAT(collected.payloads, ElementsAre("written"));
  EXPECT_TRUE(first_error(reader(2)).ok());
}

TEST_F(LogReaderTest, GoesOnWhileTheLogIsWritten) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    start_anew(2048 + random() % 4 * 1024);
    LogReader log = reader(1);
    Collected collected(Lsn{1});
    for (int step = 0; step < 60; ++step) {
      const uint64_t records = random() % 4;
      for (uint64_t i = 0; i < records; ++i) queue(std::string(random() % 900, 'x'));
      if (random() % 3 != 0) {
        ASSERT_TRUE(log_->flush().ok());
      }
      if (random() % 8 == 0 && !collected.payloads.empty()) {
        ASSERT_TRUE(log_->retire_before(Lsn{collected.payloads.size()}).ok());
      }
      if (random() % 2 == 0) log.extend(log_->wal().plan(log.next()));
      LogReader::Slice slice;
      const uint64_t slices = random() % 4;
      for (uint64_t i = 0; i < slices; ++i) {
        const auto more = log.read_some(random() % 2000, slice);
        ASSERT_TRUE(more.ok()) << more.status();
        if (*more) collected.add(slice);
      }
    }
    ASSERT_TRUE(log_->flush().ok());
    log.extend(log_->wal().plan(log.next()));
    ASSERT_TRUE(read_all(log, 1000, collected).ok());
    ASSERT_EQ(collected.payloads, payloads_);
  }
}

TEST_F(LogReaderTest, ALogThatBeginsLaterIsNotFound) {
  start(2048);
  for (int i = 0; i < 20; ++i) write(std::string(300, 'x'));
  LogReader before = reader(1);
  ASSERT_TRUE(log_->retire_before(Lsn{15}).ok());
  const uint64_t oldest = log_->wal().oldest_lsn().value();
  ASSERT_GT(oldest, 1u);
  EXPECT_TRUE(absl::IsNotFound(first_error(reader(oldest - 1))));
  EXPECT_TRUE(first_error(reader(oldest)).ok());
  EXPECT_TRUE(absl::IsNotFound(first_error(std::move(before)))) << "planned, then retired";
}

TEST_F(LogReaderTest, ASegmentThatIsWrittenOverWhileItIsReadIsNotFound) {
  start(4 << 20);
  const std::string megabyte(1 << 20, 'x');
  for (int i = 0; i < 6; ++i) write(megabyte);
  LogReader log = reader(1);
  LogReader::Slice slice;
  ASSERT_TRUE(*log.read_some(1, slice));
  ASSERT_TRUE(log_->retire_before(Lsn{6}).ok());
  ASSERT_EQ(log_->wal().stats().spares, 1u);
  for (int i = 0; i < 4; ++i) write(std::string(1 << 20, 'y'));
  ASSERT_EQ(log_->wal().stats().spares, 0u) << "its blocks are in use again";
  EXPECT_TRUE(absl::IsNotFound(first_error(std::move(log))));
}

TEST_F(LogReaderTest, DamageNamesFileAndOffset) {
  start(1 << 20);
  for (int i = 0; i < 3; ++i) write(std::string(300, 'x'));
  const std::string path = "data/" + segment_file_name(1);
  const auto expect_damaged = [&](uint64_t offset, uint64_t frame) {
    disk_.flip_bit(path, offset, 3);
    const absl::Status status = first_error(reader(1));
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(path + ": corrupt at offset " + std::to_string(frame) + ": "));
    disk_.flip_bit(path, offset, 3);
  };
  expect_damaged(40, 0);
  expect_damaged(512 + 40, 512);
  expect_damaged(512 + 96 + 50, 512);
  expect_damaged(1024 + 96 + 50, 1024);
  EXPECT_TRUE(first_error(reader(1)).ok());
}

// A record of another cluster inside a frame that verifies.
TEST_F(LogReaderTest, RecordsAreVerifiedToo) {
  start(1 << 20);
  write("a");
  LogPlan plan = log_->wal().plan(Lsn{1});
  plan.incarnation[0] ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(first_error(LogReader(disk_, plan, Lsn{1}))));
}

TEST_F(LogReaderTest, AnErrorOfTheDiskIsReported) {
  start(1 << 20);
  write("a");
  disk_.set_fault([](DiskOperation operation, const std::string&) {
    return operation == DiskOperation::kRead ? absl::InternalError("bad") : absl::OkStatus();
  });
  EXPECT_TRUE(absl::IsInternal(first_error(reader(1))));
}

TEST_F(LogReaderTest, WhatATruncationCutIsNotRead) {
  start(1 << 20);
  for (int i = 0; i < 3; ++i) {
    queue("first");
    queue("first");
    ASSERT_TRUE(log_->flush().ok());
  }
  truncate(4);
  EXPECT_EQ(read_from(1), payloads_) << "before there is a segment that says so";
  log_->set_term(Term{2});
  for (int i = 0; i < 3; ++i) write("second");
  truncate(3);
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_EQ(read_from(1), payloads_);
  truncate(3);
  log_->set_term(Term{3});
  write("third");
  write("third");
  EXPECT_THAT(payloads_, ElementsAre("first", "first", "first", "third", "third"));
  for (uint64_t first = 1; first <= 5; ++first) EXPECT_EQ(read_from(first), written_from(first));
}

TEST_F(LogReaderTest, AReaderBelowATruncationGoesOnInTheNewHistory) {
  start(1 << 20);
  for (int i = 0; i < 4; ++i) write("first");
  LogReader log = reader(1);
  Collected collected(Lsn{1});
  LogReader::Slice slice;
  ASSERT_TRUE(*log.read_some(1, slice));
  collected.add(slice);
  truncate(2);
  log_->set_term(Term{2});
  write("second");
  log.extend(log_->wal().plan(log.next()));
  ASSERT_TRUE(read_all(log, 1, collected).ok());
  EXPECT_EQ(collected.payloads, payloads_);
}

TEST_F(LogReaderTest, AReaderAboveATruncationIsAborted) {
  start(1 << 20);
  for (int i = 0; i < 4; ++i) write("first");
  LogReader log = reader(1);
  Collected collected(Lsn{1});
  ASSERT_TRUE(read_all(log, 1000, collected).ok());
  truncate(2);
  ASSERT_TRUE(log_->flush().ok());
  log.extend(log_->wal().plan(log.next()));
  EXPECT_TRUE(read_all(log, 1000, collected).ok()) << "nothing above its place yet";
  log_->set_term(Term{2});
  for (int i = 0; i < 3; ++i) write("second");
  log.extend(log_->wal().plan(log.next()));
  EXPECT_TRUE(absl::IsAborted(read_all(log, 1000, collected)));
}

TEST_F(LogReaderTest, WhatIsBeforeTheCutOfAnInstalledSnapshotIsNotFound) {
  start(1 << 20);
  for (int i = 0; i < 4; ++i) write("void");
  log_->restart_at({Term{3}, Lsn{10}}, Hlc{uint64_t{1} << 62});
  for (const bool begun : {false, true}) {
    if (begun) {
      ASSERT_TRUE(log_->flush().ok());
    }
    for (const uint64_t first : {1, 4, 5, 10}) {
      EXPECT_TRUE(absl::IsNotFound(first_error(reader(first)))) << first;
    }
    EXPECT_TRUE(first_error(reader(11)).ok());
  }
  log_->set_term(Term{3});
  log_->append("eleventh");
  ASSERT_TRUE(log_->flush().ok());
  EXPECT_THAT(read_from(11), ElementsAre("eleventh"));
}

TEST_F(LogReaderTest, EveryHistoryOfTruncationsIsReadAsItIsInForce) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    start_anew(2048 + random() % 4 * 1024);
    uint64_t term = 1;
    for (int step = 0; step < 60; ++step) {
      const uint64_t records = random() % 5;
      for (uint64_t i = 0; i < records; ++i) {
        queue(std::to_string(random()) + std::string(random() % 700, 'x'));
      }
      if (random() % 3 != 0) {
        ASSERT_TRUE(log_->flush().ok());
      }
      if (random() % 6 == 0) {
        truncate(payloads_.size() - std::min<size_t>(random() % 12, payloads_.size()));
        log_->set_term(Term{++term});
      }
      const uint64_t written = log_->wal().written().lsn.value();
      if (written == 0) continue;
      const uint64_t first = 1 + random() % written;
      ASSERT_EQ(read_from(first),
                std::vector<std::string>(payloads_.begin() + static_cast<int>(first) - 1,
                                         payloads_.begin() + static_cast<int>(written)));
    }
  }
}

}  // namespace
}  // namespace kvorum::storage
