#include "tools/point.h"

#include <gtest/gtest.h>

#include "storage/hlc.h"

namespace kvorum::tools {
namespace {

using storage::Hlc;
using storage::Lsn;

std::optional<uint64_t> time_of(std::string_view text) {
  const auto point = parse_point(text);
  return point.ok() ? point->unix_ms : std::nullopt;
}

Hlc at_ms(uint64_t ms, uint64_t logic = 0) { return Hlc{(ms << 16) + logic}; }

TEST(PointTest, ASmallNumberIsAnLsnAndALargeOneATime) {
  EXPECT_EQ(parse_point("1")->lsn, Lsn{1});
  EXPECT_EQ(parse_point("99999999999")->lsn, Lsn{99'999'999'999});
  EXPECT_EQ(time_of("100000000000"), 100'000'000'000u);
  EXPECT_EQ(time_of("1795255200000"), 1'795'255'200'000u);
}

TEST(PointTest, ATimeNamesItsZone) {
  EXPECT_EQ(time_of("1970-01-01T00:00:00Z"), 0u);
  EXPECT_EQ(time_of("2026-11-21T10:00:00Z"), 1'795'255'200'000u);
  EXPECT_EQ(time_of("2026-11-21 10:00:00Z"), 1'795'255'200'000u);
  EXPECT_EQ(time_of("2026-11-21T10:00:00.25Z"), 1'795'255'200'250u);
  EXPECT_EQ(time_of("2026-11-21T11:30:00+01:30"), 1'795'255'200'000u);
  EXPECT_EQ(time_of("2026-11-21T05:00:00-05:00"), 1'795'255'200'000u);
  EXPECT_EQ(time_of("2024-02-29T00:00:00Z"), 1'709'164'800'000u);
  EXPECT_EQ(time_of("2000-03-01T00:00:00Z"), 951'868'800'000u);
}

TEST(PointTest, WhatIsNoPointIsRefused) {
  for (const char* text :
       {"", "0", "-1", "x", "12x", "2026-11-21", "2026-11-21T10:00:00", "2026-13-21T10:00:00Z",
        "2026-02-29T10:00:00Z", "2026-11-31T10:00:00Z", "2026-11-21T24:00:00Z",
        "2026-11-21T10:00:00.Z", "2026-11-21T10:00:00Zx", "2026-11-21T10:00:00+1:00",
        "1970-01-01T00:00:00+01:00", "20260-11-21T10:00:00Z", "18446744073709551615"}) {
    EXPECT_FALSE(parse_point(text).ok()) << text;
  }
}

TEST(PointTest, APointIsInclusive) {
  const Point lsn = *parse_point("7");
  EXPECT_TRUE(lsn.includes(Lsn{7}, at_ms(5)));
  EXPECT_FALSE(lsn.includes(Lsn{8}, at_ms(5)));
  const Point time = *parse_point("100000000007");
  EXPECT_TRUE(time.includes(Lsn{1}, at_ms(100'000'000'007, 65'535)));
  EXPECT_FALSE(time.includes(Lsn{1}, at_ms(100'000'000'008)));
  EXPECT_TRUE(Point().includes(Lsn::max(), Hlc{UINT64_MAX})) << "everything";
}

TEST(PointTest, TimesArePrintedAsTheyAreRead) {
  for (uint64_t ms = 3; ms < 4'000'000'000'000; ms += 98'765'432'101) {
    EXPECT_EQ(time_of(time_text(ms)), ms) << time_text(ms);
  }
  EXPECT_EQ(time_text(1'795'255'200'250), "2026-11-21T10:00:00.250Z");
}

}  // namespace
}  // namespace kvorum::tools
