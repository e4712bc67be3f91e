#include "storage/recovery_history.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace kvorum::storage {
namespace {

SegmentFile begins_at(uint64_t lsn) {
  SegmentFile file;
  file.begun = true;
  file.header.first_lsn = Lsn{lsn};
  file.header.last = Position{Term{1}, Lsn{lsn - 1}};
  return file;
}

TEST(LogHistoryTest, ASegmentIsLimitedByTheLowestThatBeginsLater) {
  SegmentList list;
  for (const uint64_t lsn : {1, 11, 21, 6, 15}) list.begun.push_back(begins_at(lsn));
  const LogHistory history(list);
  EXPECT_EQ(history.limit(0), Lsn{6});
  EXPECT_EQ(history.limit(1), Lsn{6});
  EXPECT_EQ(history.limit(2), Lsn{6});
  EXPECT_EQ(history.limit(3), Lsn{15});
  EXPECT_EQ(history.limit(4), Lsn{UINT64_MAX});
  EXPECT_EQ(history.superseder(0), 3u);
  EXPECT_EQ(history.superseder(2), 3u);
  EXPECT_EQ(history.superseder(4), std::nullopt);
}

TEST(LogHistoryTest, SegmentsThatAreNotPartOfTheLogLimitItToo) {
  SegmentList list;
  list.begun.push_back(begins_at(1));
  list.beyond = {SegmentFile(), begins_at(30), begins_at(8)};
  const LogHistory history(list);
  EXPECT_EQ(history.limit(0), Lsn{8});
  EXPECT_EQ(history.superseder(0), std::nullopt);
}

TEST(LogHistoryTest, TheNewestRecordPassedWithAnLsnIsKeptWhereASegmentGoesOnBehindIt) {
  SegmentList list;
  for (const uint64_t lsn : {1, 4, 3}) list.begun.push_back(begins_at(lsn));
  LogHistory history(list);
  history.enter({});
  EXPECT_EQ(history.at(Lsn{2}), nullptr) << "not passed yet";
  for (uint64_t lsn = 1; lsn <= 5; ++lsn) history.pass(Position{Term{1}, Lsn{lsn}}, Hlc{lsn});
  ASSERT_NE(history.at(Lsn{2}), nullptr);
  EXPECT_EQ(history.at(Lsn{2})->last_hlc, Hlc{2});
  EXPECT_EQ(history.at(Lsn{4}), nullptr) << "nothing goes on there";
  history.enter({Position{Term{1}, Lsn{2}}, Hlc{2}});
  history.pass(Position{Term{2}, Lsn{3}}, Hlc{9});
  EXPECT_EQ(history.at(Lsn{3})->last, (Position{Term{2}, Lsn{3}}));
}

}  // namespace
}  // namespace kvorum::storage
