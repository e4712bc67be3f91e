// What reads at followers promise: indexes, tokens, and leaders that are none any more. Each
// scenario is the shortest way to what one planted bug of mutants/ breaks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/simulation/scenario_support.h"

namespace kvorum::simulation {
namespace {

using replication::Role;
using testing::StartsWith;

void slow_elections(Parameters& parameters) {
  parameters.election_timeout_ms = 1000;
  parameters.heartbeat_ms = 100;
}

// The reply of a command that was silent before.
std::string late_reply(ScenarioClient client) { return client.ask({"PING"}); }

class ScenarioConsistencyTest : public testing::Test {
 protected:
  void elect(Scenario& story) {
    story.elect();
    leader_ = story.leader();
    follower_ = story.follower();
    ASSERT_EQ(story.client(leader_).ask({"SET", "k", "old"}), "OK");
    story.run_ms(500);
  }
  ScenarioClient linearizable_client(Scenario& story) {
    ScenarioClient client = story.client(follower_);
    EXPECT_EQ(client.ask({"CLIENT", "CONSISTENCY", "linearizable"}), "OK");
    return client;
  }

  Endpoint leader_ = 0, follower_ = 0;
};

// It has told another node to campaign; that one has been elected where neither the leader nor the
// follower that asks it hears of it.
TEST_F(ScenarioConsistencyTest, ADeposedLeaderTellsNoIndex) {
  Scenario story(5, slow_elections);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  ScenarioClient client = linearizable_client(story);
  const Endpoint next = other_than(leader_, follower_);
  story.node(leader_).node()->cluster().transfer(storage::NodeId{static_cast<uint16_t>(next)});
  ASSERT_TRUE(step_until(
      story, [&] { return replica_of(story, next).role() == Role::kCandidate; }, kSecondUs));
  for (Endpoint id = 1; id <= 5; ++id) {
    if (id == leader_ || id == follower_) continue;
    cut_off(story, leader_, id);
    cut_off(story, follower_, id);
  }
  ASSERT_TRUE(step_until(
      story, [&] { return replica_of(story, next).settled(); }, kSecondUs));
  ASSERT_EQ(story.client(next).ask({"SET", "k", "new"}), "OK");
  ASSERT_TRUE(story.node(leader_).leads());
  EXPECT_THAT(client.ask({"GET", "k"}), StartsWith("-TRYAGAIN"));
  story.reconnect();
  EXPECT_EQ(client.ask({"GET", "k"}), "new");
  story.expect_recovery();
}

TEST_F(ScenarioConsistencyTest, ARequestUnderWayServesNoLaterRead) {
  Scenario story(3, slow_elections);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  ScenarioClient first = linearizable_client(story), second = linearizable_client(story);
  network_of(story).block(leader_, follower_);
  EXPECT_EQ(first.ask({"GET", "k"}, 50), "silence");
  ASSERT_EQ(story.client(leader_).ask({"SET", "k", "new"}), "OK");
  EXPECT_EQ(second.ask({"GET", "k"}, 50), "silence");
  story.reconnect();
  EXPECT_EQ(late_reply(second), "new");
  story.expect_recovery();
}

TEST_F(ScenarioConsistencyTest, WhatAPipelineKnewServesNoLaterInput) {
  Scenario story(3, slow_elections);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  ScenarioClient client = linearizable_client(story);
  EXPECT_EQ(client.ask({"GET", "k"}), "old");
  network_of(story).block(leader_, follower_);
  ASSERT_EQ(story.client(leader_).ask({"SET", "k", "new"}), "OK");
  EXPECT_EQ(client.ask({"GET", "k"}, 50), "silence");
  story.reconnect();
  EXPECT_EQ(late_reply(client), "new");
  story.expect_recovery();
}

TEST_F(ScenarioConsistencyTest, ATokenKeepsReadsWaitingAtAnotherNode) {
  Scenario story(3, slow_elections);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  ScenarioClient here = story.client(leader_), there = story.client(follower_);
  network_of(story).block(leader_, follower_);
  ASSERT_EQ(here.ask({"SET", "k", "new"}), "OK");
  EXPECT_EQ(there.ask({"GET", "k"}), "old");
  ASSERT_EQ(there.ask({"CLIENT", "TOKEN", here.ask({"CLIENT", "TOKEN"})}), "OK");
  EXPECT_EQ(there.ask({"GET", "k"}, 50), "silence");
  story.reconnect();
  EXPECT_EQ(late_reply(there), "new");
  story.expect_recovery();
}

TEST_F(ScenarioConsistencyTest, WhatWasReadIsInTheToken) {
  Scenario story(3, slow_elections);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  network_of(story).block(leader_, follower_);
  ASSERT_EQ(story.client(leader_).ask({"SET", "k", "new"}), "OK");
  story.run_ms(200);
  for (const Endpoint node : {leader_, other_than(leader_, follower_)}) {
    ScenarioClient here = story.client(node), there = story.client(follower_);
    ASSERT_EQ(here.ask({"GET", "k"}), "new");
    ASSERT_EQ(there.ask({"CLIENT", "TOKEN", here.ask({"CLIENT", "TOKEN"})}), "OK");
    EXPECT_EQ(there.ask({"GET", "k"}, 50), "silence");
  }
  story.reconnect();
  story.expect_recovery();
}

TEST_F(ScenarioConsistencyTest, NoTokenIsGivenForWhatMayBeLost) {
  Scenario story(3, slow_elections);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  ScenarioClient client = story.client(leader_);
  ASSERT_EQ(client.ask({"CLIENT", "QUORUM", "1"}), "OK");
  story.cut_off(leader_);
  ASSERT_EQ(client.ask({"SET", "k", "lost"}), "OK");
  EXPECT_THAT(client.ask({"CLIENT", "TOKEN"}), StartsWith("-TRYAGAIN"));
  story.reconnect();
  story.wait_for_leader();
  story.run_ms(2000);
  // What was lost keeps nobody waiting: the log of the next leader goes on without it.
  EXPECT_EQ(client.ask({"GET", "k"}), "old");
  EXPECT_THAT(client.ask({"CLIENT", "TOKEN"}), StartsWith("k1-"));
  story.expect_recovery();
}

// The leader's lease has long been renewed without a word to this follower.
TEST_F(ScenarioConsistencyTest, AFollowerThatHearsNothingGivesUp) {
  Scenario story(3);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  ScenarioClient client = linearizable_client(story);
  story.cut_off(follower_);
  ASSERT_EQ(story.client(leader_).ask({"SET", "k", "new"}), "OK");
  EXPECT_THAT(client.ask({"GET", "k"}), StartsWith("-TRYAGAIN"));
  ASSERT_EQ(client.ask({"CLIENT", "CONSISTENCY", "prefix"}), "OK");
  EXPECT_EQ(client.ask({"GET", "k"}), "old");
  story.expect_recovery();
}

}  // namespace
}  // namespace kvorum::simulation
