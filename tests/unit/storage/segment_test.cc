#include "storage/segment.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace kvorum::storage {
namespace {

TEST(SegmentTest, NamesSortByNumber) {
  EXPECT_EQ(segment_file_name(17), "segment-0000000017.wal");
  EXPECT_EQ(spare_file_name(17), "spare-0000000017.wal");
  EXPECT_EQ(torn_file_name(17, 4096), "torn-0000000017-0000004096.wal");
  EXPECT_EQ(damaged_file_name(17), "damaged-0000000017.wal");
  EXPECT_LT(segment_file_name(9), segment_file_name(10));
}

TEST(SegmentTest, NamesParseBack) {
  for (const uint64_t number : {uint64_t{1}, uint64_t{9'999'999'999}, UINT64_MAX}) {
    EXPECT_EQ(parse_segment_file_name(segment_file_name(number)), number);
    EXPECT_EQ(parse_spare_file_name(spare_file_name(number)), number);
  }
}

TEST(SegmentTest, OnlyExactNamesParse) {
  for (const char* name :
       {"segment-17.wal", "segment-0000000000.wal", "segment-00000000017.wal", "segment-.wal",
        "segment-000000001x.wal", "segment-0000000017.wal~", "spare-0000000017.wal",
        "segment-99999999999999999999.wal", "identity", "", "torn-0000000017-0000004096.wal"}) {
    EXPECT_FALSE(parse_segment_file_name(name).has_value()) << name;
  }
}

TEST(SegmentTest, PathsHaveOneSlash) {
  EXPECT_EQ(join_path("data", "x"), "data/x");
  EXPECT_EQ(join_path("data/", "x"), "data/x");
}

}  // namespace
}  // namespace kvorum::storage
