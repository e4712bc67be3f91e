// The clock of stamps and expiry: never back, never behind the log, whatever the wall clock does.
#include "server/node/log_clock.h"

#include <gtest/gtest.h>

namespace kvorum::server {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kNoon = 1'700'000'000 * kSecond;

storage::Hlc stamp_at(int64_t us) {
  return storage::Hlc{static_cast<uint64_t>(us / 1000) << storage::kHlcLogicBits};
}

TEST(LogClockTest, FollowsAWallClockThatIsTrusted) {
  LogClock clock;
  clock.refresh(5 * kSecond, kNoon, {}, true);
  EXPECT_EQ(clock.read_us(5 * kSecond), kNoon);
  EXPECT_EQ(clock.read_us(6 * kSecond), kNoon + kSecond);
  clock.refresh(7 * kSecond, kNoon + 100 * kSecond, {}, true);
  EXPECT_EQ(clock.read_us(7 * kSecond), kNoon + 100 * kSecond);
}

TEST(LogClockTest, GoesOnAtHalfSpeedUntilAWallClockThatWentBackHasCaughtUp) {
  LogClock clock;
  clock.refresh(0, kNoon, {}, true);
  for (int64_t second = 1; second <= 30; ++second) {
    clock.refresh(second * kSecond, kNoon + (second - 10) * kSecond, {}, true);
    const int64_t expected = std::max(second * kSecond / 2, (second - 10) * kSecond);
    EXPECT_EQ(clock.read_us(second * kSecond), kNoon + expected) << second;
  }
}

TEST(LogClockTest, NeverGoesBackBehindWhatItHasShownBetweenTwoRefreshes) {
  LogClock clock;
  clock.refresh(0, kNoon, {}, true);
  EXPECT_EQ(clock.read_us(kSecond), kNoon + kSecond);
  clock.refresh(kSecond, kNoon - kSecond, {}, true);
  EXPECT_EQ(clock.read_us(kSecond), kNoon + kSecond);
}

TEST(LogClockTest, IsNeverBehindTheLog) {
  LogClock clock;
  clock.refresh(0, kNoon, stamp_at(kNoon + 60 * kSecond), true);
  EXPECT_EQ(clock.read_us(0), kNoon + 60 * kSecond);
}

TEST(LogClockTest, GoesOnFromTheLogWhileTheWallClockIsNotTrusted) {
  LogClock clock;
  const int64_t hour = 3600 * kSecond;
  clock.refresh(0, kNoon + hour, stamp_at(kNoon), false);
  EXPECT_EQ(clock.read_us(0), kNoon);
  clock.refresh(kSecond, kNoon + hour + kSecond, stamp_at(kNoon), false);
  EXPECT_EQ(clock.read_us(kSecond), kNoon + kSecond);
  clock.refresh(2 * kSecond, kNoon + hour + 2 * kSecond, stamp_at(kNoon), true);
  EXPECT_EQ(clock.read_us(2 * kSecond), kNoon + hour + 2 * kSecond);
}

}  // namespace
}  // namespace kvorum::server
