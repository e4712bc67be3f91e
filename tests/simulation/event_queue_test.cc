#include "tests/simulation/event_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/simulation/virtual_clock.h"

namespace kvorum::simulation {
namespace {

TEST(EventQueueTest, EventsHappenInOrderOfTimeThenOfMaking) {
  EventQueue queue;
  std::vector<int> happened;
  queue.after(20, [&] { happened.push_back(3); });
  queue.after(10, [&] { happened.push_back(1); });
  queue.after(10, [&] {
    happened.push_back(2);
    queue.at(5, [&] { happened.push_back(4); });  // has passed: now, though after what is there
  });
  queue.at(10, [&] { happened.push_back(5); });
  while (!queue.empty()) queue.run_next();
  EXPECT_THAT(happened, testing::ElementsAre(1, 2, 5, 4, 3));
  EXPECT_EQ(queue.now_us(), 20);
}

TEST(VirtualClockTest, DriftGrowsAndAJumpMovesOnlyTheWallClock) {
  VirtualClock clock;
  const int64_t monotonic = clock.monotonic_us(0);
  clock.set_drift(0, 1000);
  EXPECT_EQ(clock.monotonic_us(1'000'000) - monotonic, 1'001'000);
  clock.jump(1'000'000, -5'000'000);
  EXPECT_EQ(clock.monotonic_us(1'000'000) - monotonic, 1'001'000);
  EXPECT_EQ(clock.wall_us(1'000'000), VirtualClock::kEpochUs + 1'001'000 - 5'000'000);
  clock.reboot(2'000'000, 7);
  EXPECT_EQ(clock.monotonic_us(2'000'000), 7);
}

}  // namespace
}  // namespace kvorum::simulation
