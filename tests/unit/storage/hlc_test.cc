#include "storage/hlc.h"

#include <gtest/gtest.h>

namespace kvorum::storage {
namespace {

TEST(HlcTest, FollowsTheWallClock) {
  HybridLogicalClock clock;
  EXPECT_EQ(clock.next(5).value(), uint64_t{5} << 16);
  EXPECT_EQ(clock.next(9).value(), uint64_t{9} << 16);
  EXPECT_EQ(HybridLogicalClock::wall_ms(clock.last()), 9u);
}

TEST(HlcTest, NeverRepeatsWithinAMillisecond) {
  HybridLogicalClock clock;
  EXPECT_EQ(clock.next(5).value(), uint64_t{5} << 16);
  EXPECT_EQ(clock.next(5).value(), (uint64_t{5} << 16) + 1);
}

TEST(HlcTest, NeverGoesBackWithTheWallClock) {
  HybridLogicalClock clock;
  const Hlc before = clock.next(1000);
  EXPECT_GT(clock.next(10), before);
  EXPECT_EQ(HybridLogicalClock::wall_ms(clock.last()), 1000u);
}

TEST(HlcTest, LogicCarriesIntoTime) {
  HybridLogicalClock clock;
  clock.observe(Hlc{(uint64_t{7} << 16) | 0xffff});
  EXPECT_EQ(clock.next(7).value(), uint64_t{8} << 16);
}

TEST(HlcTest, NeverStampsAtOrBelowWhatItHasSeen) {
  HybridLogicalClock clock;
  clock.observe(Hlc{1'000'000});
  clock.observe(Hlc{5});
  EXPECT_EQ(clock.next(0).value(), 1'000'001u);
}

}  // namespace
}  // namespace kvorum::storage
