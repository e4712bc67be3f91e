#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simulation/scenario_support.h"

namespace kvorum::simulation {
namespace {

using testing::AnyOf;
using testing::Not;
using testing::StartsWith;

TEST(ScenarioTest, WhatACrashedLeaderAcknowledgedIsThereUnderTheNext) {
  Scenario story(3);
  story.elect();
  EXPECT_EQ(story.client(story.leader()).ask({"SET", "k", "v"}), "OK");
  story.crash(story.leader());
  story.run_ms(100);
  story.wait_for_leader();
  EXPECT_EQ(story.client(story.leader()).ask({"GET", "k"}), "v");
  story.expect_recovery();
}

TEST(ScenarioTest, EveryNodeLosesItsPowerAndNothingAcknowledgedIsLost) {
  Scenario story(3);
  story.elect();
  EXPECT_EQ(story.client(story.follower()).ask({"SET", "k", "v"}), "OK");
  for (Endpoint id = 1; id <= 3; ++id) story.power_cut(id);
  for (Endpoint id = 1; id <= 3; ++id) story.start(id);
  story.wait_for_leader();
  EXPECT_EQ(story.client(story.leader()).ask({"GET", "k"}), "v");
  story.expect_recovery();
}

TEST(ScenarioTest, AWipedNodeDoesNotVoteForALogThatLacksWhatItHad) {
  Scenario story(3);
  story.elect();
  const Endpoint leader = story.leader(), wiped = story.follower(0), lagging = story.follower(1);
  story.cut_off(lagging);
  EXPECT_EQ(story.client(leader).ask({"SET", "k", "v"}), "OK");
  story.crash(leader);
  story.wipe(wiped);
  story.reconnect();
  story.start(wiped);
  story.run_ms(5000);
  EXPECT_EQ(story.leader(), 0u);
  story.start(leader);
  story.wait_for_leader();
  EXPECT_EQ(story.client(story.leader()).ask({"GET", "k"}), "v");
  story.expect_recovery();
}

TEST(ScenarioTest, TwoWipedNodesAndAnOldOneFormNoNewCluster) {
  Scenario story(3);
  story.elect();
  EXPECT_EQ(story.client(story.leader()).ask({"SET", "k", "v"}), "OK");
  const Endpoint old = story.follower();
  for (Endpoint id = 1; id <= 3; ++id) {
    if (id == old) continue;
    story.wipe(id);
    story.start(id);
  }
  story.run_ms(10'000);
  EXPECT_EQ(story.leader(), 0u);
  EXPECT_THAT(story.client(old).ask({"SET", "k", "w"}), Not("OK"));
  story.expect_well();
}

TEST(ScenarioTest, AWipedNodeIsReadmittedByItself) {
  Scenario story(3);
  story.elect();
  EXPECT_EQ(story.client(story.leader()).ask({"SET", "k", "v"}), "OK");
  const Endpoint wiped = story.follower();
  story.wipe(wiped);
  story.start(wiped);
  ASSERT_TRUE(story.simulation().run_until(
      [&] {
        return story.node(wiped).loaded() &&
               story.node(wiped).node()->cluster().replica().is_voter();
      },
      20'000'000));
  EXPECT_EQ(story.client(wiped).ask({"GET", "k"}), "v");
  story.expect_recovery();
}

TEST(ScenarioTest, ExecUnderAnotherLeadersWatchIsNil) {
  Scenario story(3);
  story.elect();
  ScenarioClient client = story.client(story.follower());
  EXPECT_EQ(client.ask({"WATCH", "k"}), "OK");
  EXPECT_EQ(client.ask({"MULTI"}), "OK");
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "QUEUED");
  story.hand_over();
  story.wait_for_leader();
  EXPECT_EQ(client.ask({"EXEC"}), "nil");
  story.expect_recovery();
}

// Found by seed 255: a node that was waiting for its cluster to be born answered WATCH by itself,
// and EXEC went to the leader, which knew of no watch.
TEST(ScenarioTest, NothingIsWatchedBeforeTheClusterIsBorn) {
  Scenario story(3);
  story.start(1);
  story.run_ms(50);
  EXPECT_THAT(story.client(1).ask({"WATCH", "k"}), StartsWith("-CLUSTERDOWN"));
}

TEST(ScenarioTest, AClientOfASlowFollowerSeesItsOwnWrites) {
  Scenario story(3);
  story.elect();
  const Endpoint slow = story.follower();
  story.simulation().world().network.slow_down(slow, 100'000);
  ScenarioClient client = story.client(slow);
  for (int i = 0; i < 20; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_EQ(client.ask({"SET", "k", value}), "OK");
    ASSERT_EQ(client.ask({"GET", "k"}), value);
  }
  story.simulation().world().network.slow_down(slow, 0);
  story.expect_recovery();
}

// Found by seed 63: the forwarding of commands, refused again and again, counted as a sign of life
// of a leader that had stepped down.
TEST(ScenarioTest, ALeaderWhoseClockIsWrongIsReplaced) {
  Scenario story(3);
  story.elect();
  const Endpoint old = story.leader();
  ScenarioClient client = story.client(story.follower());
  story.node(old).clock().jump(story.simulation().world().now_us(), 60'000'000);
  EXPECT_THAT(client.ask({"SET", "k", "v"}), AnyOf("OK", StartsWith("-")));
  ASSERT_TRUE(story.simulation().run_until(
      [&] { return story.leader() != 0 && story.leader() != old; }, 5'000'000));
  EXPECT_EQ(client.ask({"SET", "k", "w"}), "OK");
  story.expect_recovery();
}

TEST(ScenarioTest, ANodeThatWasAwayForLongIsSentASnapshot) {
  Scenario story(3, [](Parameters& parameters) {
    parameters.segment_bytes = 4 << 10;
    parameters.snapshot_wal_bytes = 8 << 10;
  });
  story.elect();
  const Endpoint away = story.follower();
  story.crash(away);
  ScenarioClient client = story.client(story.leader());
  const std::string value(500, 'v');
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(client.ask({"SET", "k" + std::to_string(i % 20), value}), "OK");
  }
  story.run_ms(3000);
  // What they have in memory goes too: there is nothing but snapshots and the newest segments.
  const Endpoint first = story.leader(), second = 6 - first - away;
  for (const Endpoint id : {first, second}) story.crash(id);
  for (const Endpoint id : {first, second}) story.start(id);
  story.wait_for_leader();
  story.start(away);
  story.expect_recovery();
  EXPECT_GT(story.simulation().world().faults.of(Fault::kLogReplaced), 0u);
}

// Found by seed 5044: it waited for a commit, and did not campaign as it was stopping.
TEST(ScenarioTest, ALoneNodeThatIsStoppedBeforeItLeadsStops) {
  Scenario story(1);
  story.elect();
  EXPECT_EQ(story.client(1).ask({"SET", "k", "v"}), "OK");
  story.crash(1);
  story.start(1);
  ASSERT_TRUE(step_until(
      story, [&] { return story.node(1).loaded(); }, kSecondUs));
  ASSERT_FALSE(story.node(1).leads());
  // Its vote for itself is not on disk before the election is over.
  story.node(1).stick_disk(story.simulation().world().now_us() + 3 * kSecondUs);
  story.node(1).stop_cleanly();
  ASSERT_TRUE(step_until(
      story, [&] { return story.node(1).node() == nullptr; }, 10 * kSecondUs));
  story.start(1);
  story.wait_for_leader();
  EXPECT_EQ(story.client(1).ask({"GET", "k"}), "v");
}

TEST(ScenarioTest, OneSeedGoesTheSameWayTwice) {
  for (const uint64_t seed : {2u, 5u, 8u}) {
    EXPECT_EQ(simulate(seed, false).trace_hash, simulate(seed, false).trace_hash) << seed;
  }
}

}  // namespace
}  // namespace kvorum::simulation
