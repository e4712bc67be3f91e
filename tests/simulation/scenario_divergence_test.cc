// Keyspaces that are not what the log says: memory that lies, or a defect. Digest records find
// them, a majority decides, and what is replaced is the keyspace, never the log or a vote.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "storage/keyspace.h"
#include "tests/simulation/scenario_support.h"

namespace kvorum::simulation {
namespace {

using testing::StartsWith;

class ScenarioDivergenceTest : public testing::Test {
 protected:
  void elect(Scenario& story) {
    story.elect();
    leader_ = story.leader();
    ASSERT_EQ(story.client(leader_).ask({"SET", "key", "right"}), "OK");
    ASSERT_EQ(story.client(leader_).ask({"SET", "other", "value"}), "OK");
    story.run_ms(2000);
    ASSERT_EQ(story.leader(), leader_);
  }

  // The node finds another value under the key than was ever written.
  static void damage(Scenario& story, Endpoint id, std::string_view value) {
    SimulatedNode& node = story.node(id);
    story.simulation().node_observer().keyspace_damaged(node);
    storage::Effect effect;
    effect.key = "key";
    effect.value = value;
    storage::Inverse inverse;
    node.node()->keyspace().apply(effect, {node.node()->log().applied_hlc(), storage::NodeId{1}},
                                  inverse);
  }

  static bool differs(Scenario& story, Endpoint id) {
    return story.node(id).node()->cluster().keyspace_differs();
  }

  // It is found by the next digest record, which follows a write, and made good.
  static bool replaced(Scenario& story, Endpoint id) {
    return step_until(
        story, [&] { return !differs(story, id); }, 10 * kSecondUs);
  }

  Endpoint leader_ = 0;
};

TEST_F(ScenarioDivergenceTest, AFollowerThatDiffersServesNoReadsAndGetsAnotherKeyspace) {
  Scenario story(3);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  const Endpoint wrong = story.follower();
  damage(story, wrong, "never written");
  ScenarioClient client = story.client(wrong);
  EXPECT_EQ(client.ask({"GET", "key"}), "never written");
  const storage::Position log = log_of(story, wrong).last();
  const auto term = replica_of(story, wrong).term();
  ASSERT_EQ(story.client(leader_).ask({"SET", "other", "value"}), "OK");
  ASSERT_TRUE(step_until(
      story, [&] { return differs(story, wrong); }, 5 * kSecondUs));
  // It is asked before it has another keyspace: the leader answers.
  EXPECT_EQ(client.ask({"GET", "key"}), "right");
  ASSERT_TRUE(replaced(story, wrong));
  EXPECT_EQ(client.ask({"GET", "key"}), "right");
  EXPECT_EQ(client.ask({"CLIENT", "CONSISTENCY", "prefix"}), "OK");
  EXPECT_EQ(client.ask({"GET", "key"}), "right");
  EXPECT_TRUE(replica_of(story, wrong).log().contains(log)) << "the log stays";
  EXPECT_EQ(replica_of(story, wrong).term(), term);
  EXPECT_EQ(story.leader(), leader_);
  story.expect_recovery();
}

// It acknowledges and votes meanwhile, as its log is right: without it there is no majority.
TEST_F(ScenarioDivergenceTest, ANodeThatDiffersStillCountsForWrites) {
  Scenario story(3);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  const Endpoint wrong = story.follower(0), third = story.follower(1);
  damage(story, wrong, "never written");
  ASSERT_EQ(story.client(leader_).ask({"SET", "other", "value"}), "OK");
  ASSERT_TRUE(step_until(
      story, [&] { return differs(story, wrong); }, 5 * kSecondUs));
  story.crash(third);
  EXPECT_EQ(story.client(leader_).ask({"SET", "key", "newer"}), "OK");
  EXPECT_EQ(story.client(wrong).ask({"GET", "key"}), "newer");
  story.start(third);
  story.expect_recovery();
}

TEST_F(ScenarioDivergenceTest, ALeaderThatDiffersStepsDownFirst) {
  Scenario story(3);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  damage(story, leader_, "never written");
  ASSERT_EQ(story.client(leader_).ask({"SET", "other", "value"}), "OK");
  ASSERT_TRUE(step_until(
      story, [&] { return differs(story, leader_); }, 5 * kSecondUs));
  EXPECT_FALSE(story.node(leader_).leads());
  ASSERT_TRUE(step_until(
      story, [&] { return story.leader() != 0; }, 10 * kSecondUs));
  EXPECT_NE(story.leader(), leader_);
  ASSERT_TRUE(replaced(story, leader_));
  EXPECT_EQ(story.client(leader_).ask({"GET", "key"}), "right");
  story.expect_recovery();
}

// The wrong keyspace has become a snapshot: it is forgotten with the keyspace.
TEST_F(ScenarioDivergenceTest, ASnapshotOfAKeyspaceThatDifferedIsNotLoadedAgain) {
  Scenario story(3);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  const Endpoint wrong = story.follower();
  damage(story, wrong, "never written");
  EXPECT_THAT(story.client(wrong).ask({"BGSAVE"}), StartsWith("Background saving started"));
  ASSERT_EQ(story.client(leader_).ask({"SET", "other", "value"}), "OK");
  ASSERT_TRUE(step_until(
      story, [&] { return differs(story, wrong); }, 5 * kSecondUs));
  ASSERT_TRUE(replaced(story, wrong));
  story.crash(wrong);
  story.start(wrong);
  ASSERT_TRUE(step_until(
      story, [&] { return story.node(wrong).loaded(); }, 10 * kSecondUs));
  story.run_ms(1000);
  ScenarioClient client = story.client(wrong);
  EXPECT_EQ(client.ask({"CLIENT", "CONSISTENCY", "prefix"}), "OK");
  EXPECT_EQ(client.ask({"GET", "key"}), "right");
  story.expect_recovery();
}

// Nobody knows which one is right: nobody discards anything, everybody goes on.
TEST_F(ScenarioDivergenceTest, WithoutAMajorityNobodyDiscardsAnything) {
  Scenario story(3);
  ASSERT_NO_FATAL_FAILURE(elect(story));
  const Endpoint one = story.follower(0), other = story.follower(1);
  damage(story, one, "of one");
  damage(story, other, "of another");
  ASSERT_EQ(story.client(leader_).ask({"SET", "other", "value"}), "OK");
  story.run_ms(5000);
  for (const auto& [node, value] :
       {std::pair(leader_, "right"), {one, "of one"}, {other, "of another"}}) {
    EXPECT_FALSE(differs(story, node));
    EXPECT_EQ(story.client(node).ask({"GET", "key"}), value);
    EXPECT_EQ(story.client(node).ask({"SET", "other", "value"}), "OK");
  }
  EXPECT_EQ(story.leader(), leader_);
  story.expect_well();
}

}  // namespace
}  // namespace kvorum::simulation
