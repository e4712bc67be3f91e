#include "server/node/cluster/recent_records.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "storage/record.h"

namespace kvorum::server {
namespace {

using storage::Lsn;
using storage::Position;
using storage::Term;

class RecentRecordsTest : public testing::Test {
 protected:
  RecentRecordsTest() { records_.reset({Term{1}, Lsn{10}}); }

  void append(uint64_t lsn, uint64_t term = 1, size_t bytes = 10) {
    storage::RecordHeader header;
    header.lsn = Lsn{lsn};
    header.term = Term{term};
    header.stamp.hlc = storage::Hlc{lsn};
    header.kind = storage::RecordKind::kEffects;
    std::string encoded;
    storage::encode_record(incarnation_, header, std::string(bytes, 'x'), encoded);
    records_.append(header, encoded);
    sizes_[lsn] = encoded.size();
  }
  std::vector<uint64_t> lsns(uint64_t after, uint64_t last) {
    std::vector<uint64_t> result;
    records_.for_each(Lsn{after}, Lsn{last}, [&](const storage::RecordView& record) {
      result.push_back(record.header.lsn.value());
      return true;
    });
    return result;
  }

  const storage::Incarnation incarnation_{7};
  RecentRecords records_;
  std::map<uint64_t, size_t> sizes_;
};

TEST_F(RecentRecordsTest, BeginsWithNothingAfterItsBase) {
  EXPECT_EQ(records_.last(), (Position{Term{1}, Lsn{10}}));
  EXPECT_FALSE(records_.from(Lsn{10}).has_value());
  EXPECT_FALSE(records_.from(Lsn{11}).has_value());
}

TEST_F(RecentRecordsTest, GivesTheRecordsOfABlockFromAnyOfThemOn) {
  for (uint64_t lsn = 11; lsn <= 14; ++lsn) append(lsn);
  const auto all = records_.from(Lsn{11});
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->previous, (Position{Term{1}, Lsn{10}}));
  EXPECT_EQ(all->last, (Position{Term{1}, Lsn{14}}));
  const auto rest = records_.from(Lsn{13});
  ASSERT_TRUE(rest.has_value());
  EXPECT_EQ(rest->previous, (Position{Term{1}, Lsn{12}}));
  EXPECT_EQ(rest->bytes->size(), sizes_[13] + sizes_[14]);
}

TEST_F(RecentRecordsTest, ALongRecordIsTakenOverAsABlockOfItsOwn) {
  append(11);
  storage::RecordHeader header;
  header.lsn = Lsn{12};
  header.term = Term{2};
  std::string encoded;
  storage::encode_record(incarnation_, header, std::string(100'000, 'x'), encoded);
  const char* const at = encoded.data();
  records_.append(header, std::move(encoded));
  append(13, 2);
  EXPECT_EQ(records_.from(Lsn{12})->bytes->data(), at);
  EXPECT_EQ(records_.from(Lsn{12})->previous, (Position{Term{1}, Lsn{11}}));
  EXPECT_EQ(records_.from(Lsn{12})->last, (Position{Term{2}, Lsn{12}}));
  EXPECT_EQ(records_.from(Lsn{13})->first, Lsn{13});
  EXPECT_EQ(lsns(10, 13), (std::vector<uint64_t>{11, 12, 13}));
}

TEST_F(RecentRecordsTest, AClosedBlockIsNeverChanged) {
  append(11);
  records_.close_block();
  const auto first = records_.from(Lsn{11});
  append(12);
  EXPECT_EQ(first->bytes->size(), sizes_[11]);
  EXPECT_EQ(records_.from(Lsn{12})->previous, (Position{Term{1}, Lsn{11}}));
}

TEST_F(RecentRecordsTest, TruncationGivesBackTheBytesItForgets) {
  append(11);
  records_.close_block();
  append(12);
  append(13);
  append(14, 2);
  const auto shipped = records_.from(Lsn{12});
  EXPECT_EQ(records_.truncate(Lsn{12}).size(), sizes_[13] + sizes_[14]);
  EXPECT_EQ(records_.last(), (Position{Term{1}, Lsn{12}}));
  EXPECT_EQ(shipped->bytes->size(), sizes_[12] + sizes_[13] + sizes_[14]);
  append(13, 3);
  EXPECT_EQ(lsns(10, 13), (std::vector<uint64_t>{11, 12, 13}));
  EXPECT_EQ(records_.header_of(Lsn{13}).term, Term{3});
  EXPECT_EQ(records_.truncate(Lsn{10}).size(), sizes_[11] + sizes_[12] + sizes_[13]);
  EXPECT_EQ(records_.bytes(), 0u);
}

TEST_F(RecentRecordsTest, TrimmingKeepsWhatIsNeeded) {
  for (uint64_t lsn = 11; lsn <= 20; ++lsn) {
    append(lsn);
    records_.close_block();
  }
  records_.trim(0, Lsn{15});
  EXPECT_EQ(records_.base(), (Position{Term{1}, Lsn{14}}));
  EXPECT_EQ(lsns(14, 20).size(), 6u);
  EXPECT_EQ(lsns(16, 18), (std::vector<uint64_t>{17, 18}));
}

}  // namespace
}  // namespace kvorum::server
