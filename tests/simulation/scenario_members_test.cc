// Nodes that join and leave at the worst of times.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simulation/scenario_support.h"

namespace kvorum::simulation {
namespace {

using testing::StartsWith;

class ScenarioMembersTest : public testing::Test {
 protected:
  static void with_spare(Parameters& parameters) { parameters.spares = 1; }

  static std::string remove(Scenario& story, Endpoint through, Endpoint gone, int64_t ms = 6000) {
    return story.client(through).ask({"MEMBER", "REMOVE", std::to_string(gone)}, ms);
  }
  static std::string add(Scenario& story, Endpoint through, Endpoint added) {
    const std::string id = std::to_string(added);
    return story.client(through).ask({"MEMBER", "ADD", id, "node-" + id + ":7000"});
  }
  static bool wait_for_voter(Scenario& story, Endpoint id) {
    return story.simulation().run_until(
        [&] { return story.node(id).loaded() && replica_of(story, id).is_voter(); }, 20'000'000);
  }
};

// Dissertation, figure 4.6: the record that removes the leader is in its log alone. The other one
// cannot win, so the removed one has to, and counts itself in no majority.
TEST_F(ScenarioMembersTest, ALeaderThatCrashesWhileItRemovesItselfComesBackToFinishThat) {
  Scenario story(3);
  story.elect();
  const Endpoint third = story.follower();
  ASSERT_EQ(remove(story, story.leader(), third), "OK");
  story.crash(third);
  const Endpoint old = story.leader(), other = 6 - old - third;
  EXPECT_EQ(story.client(old).ask({"SET", "k", "v"}), "OK");
  cut_off(story, old, other);
  EXPECT_EQ(remove(story, old, old, 100), "silence");
  ASSERT_FALSE(replica_of(story, old).is_voter());
  story.run_ms(100);
  story.crash(old);
  story.reconnect();
  story.start(old);
  ASSERT_TRUE(story.simulation().run_until(
      [&] { return story.leader() == other && replica_of(story, other).settled(); }, 10'000'000));
  EXPECT_EQ(story.client(other).ask({"GET", "k"}), "v");
  EXPECT_EQ(replica_of(story, other).membership().voters().size(), 1u);
  story.expect_recovery();
}

TEST_F(ScenarioMembersTest, ARemovedNodeThatHeardNothingOfItRaisesNobodysTerm) {
  Scenario story(3);
  story.elect();
  const Endpoint gone = story.follower();
  story.cut_off(gone);
  story.run_ms(1000);
  ASSERT_EQ(remove(story, story.leader(), gone), "OK");
  const storage::Term term = replica_of(story, story.leader()).term();
  story.run_ms(3000);
  story.reconnect();
  story.run_ms(5000);
  EXPECT_TRUE(story.node(gone).node()->cluster().removed());
  EXPECT_EQ(replica_of(story, story.leader()).term(), term);
  EXPECT_THAT(story.client(gone).ask({"GET", "k"}), StartsWith("-CLUSTERDOWN"));
  story.expect_recovery();
}

// What the deposed leader has in force is not what the cluster has.
TEST_F(ScenarioMembersTest, AMembershipThatIsCutOffIsInForceNoMore) {
  Scenario story(3, with_spare);
  story.elect();
  const Endpoint old = story.leader();
  story.cut_off(old);
  EXPECT_EQ(story.client(old).ask({"MEMBER", "ADD", "4", "node-4:7000"}, 50), "silence");
  EXPECT_EQ(replica_of(story, old).membership().members.size(), 4u);
  ASSERT_TRUE(story.simulation().run_until(
      [&] { return story.leader() != 0 && story.leader() != old; }, 10'000'000));
  EXPECT_EQ(story.client(story.leader()).ask({"SET", "k", "v"}), "OK");
  story.reconnect();
  story.run_ms(2000);
  EXPECT_EQ(replica_of(story, old).membership().members.size(), 3u);
  story.expect_recovery();
}

// Seed 315442: its log alone removes the node that leads now, so nobody else names that one's
// address. It could not answer it, and never got what it had missed.
TEST_F(ScenarioMembersTest, WhoRemovesTheNextLeaderInItsLogAloneStillAnswersIt) {
  Scenario story(3);
  story.elect();
  const Endpoint old = story.leader(), next = story.follower(0), other = story.follower(1);
  ASSERT_EQ(story.client(old).ask({"SET", "k", "v"}), "OK");
  story.cut_off(old);
  EXPECT_EQ(remove(story, old, next, 100), "silence");
  story.crash(old);
  story.wait_for_leader();
  if (story.leader() == next) story.hand_over();
  // So many records that the next leader begins to look for the place where they agree behind it.
  for (const char* value : {"1", "2", "3"}) {
    ASSERT_EQ(story.client(other).ask({"SET", "k", value}), "OK");
  }
  story.hand_over();
  ASSERT_EQ(story.leader(), next);
  story.reconnect();
  story.start(old);
  story.run_ms(2000);
  ASSERT_EQ(story.leader(), next);
  EXPECT_EQ(story.client(old).ask({"SET", "k", "w"}), "OK");
  story.expect_recovery();
}

// The last member has nobody to send records to, and somebody again.
TEST_F(ScenarioMembersTest, AClusterThatHasShrunkToOneNodeGrowsAgain) {
  for (const bool restarted : {false, true}) {
    SCOPED_TRACE(restarted);
    Scenario story(3, with_spare);
    story.elect();
    const Endpoint last = story.leader(), first_gone = story.follower(0);
    const Endpoint second_gone = 6 - last - first_gone;
    ASSERT_EQ(remove(story, last, first_gone), "OK");
    ASSERT_EQ(remove(story, last, second_gone), "OK");
    EXPECT_EQ(story.client(last).ask({"SET", "k", "alone"}), "OK");
    if (restarted) {
      story.crash(last);
      story.start(last);
      story.wait_for_leader();
      EXPECT_EQ(story.client(last).ask({"SET", "k", "alone again"}), "OK");
    }
    ASSERT_EQ(add(story, last, first_gone), "OK");
    ASSERT_TRUE(wait_for_voter(story, first_gone));
    ASSERT_EQ(add(story, first_gone, 4), "OK");
    story.start(4);
    ASSERT_TRUE(wait_for_voter(story, 4));
    story.crash(last);
    story.wait_for_leader();
    EXPECT_EQ(story.client(4).ask({"GET", "k"}), restarted ? "alone again" : "alone");
    story.start(last);
    story.expect_recovery();
  }
}

// It stepped down for its clock once. Where no majority of others is left to contradict it, that is
// over: nobody else could lead.
TEST_F(ScenarioMembersTest, TheOnlyVoterLeadsWhateverItsClock) {
  Scenario story(3);
  story.elect();
  const Endpoint wrong = story.leader();
  story.node(wrong).clock().jump(story.simulation().world().now_us(), 12'000'000);
  ASSERT_TRUE(story.simulation().run_until(
      [&] { return story.leader() != 0 && story.leader() != wrong; }, 10'000'000));
  story.wait_for_leader();
  const Endpoint last = story.leader();
  ASSERT_EQ(remove(story, last, 6 - wrong - last), "OK");
  // Its clock differs from the only voter's: it may step down before it can answer.
  remove(story, last, last);
  ASSERT_TRUE(story.simulation().run_until([&] { return story.leader() == wrong; }, 10'000'000));
  EXPECT_EQ(story.client(wrong).ask({"SET", "k", "v"}), "OK");
  story.expect_recovery();
}

TEST_F(ScenarioMembersTest, ANodeJoinsThroughALeaderThatItsFileDoesNotName) {
  Scenario story(3, with_spare);
  story.elect();
  if (story.leader() != 3) story.hand_over(3);
  ASSERT_EQ(story.leader(), 3u);
  story.wait_for_leader();
  EXPECT_EQ(story.client(1).ask({"SET", "k", "v"}), "OK");
  ASSERT_EQ(add(story, 2, 4), "OK");
  story.start(4);
  ASSERT_TRUE(wait_for_voter(story, 4));
  EXPECT_EQ(story.client(4).ask({"GET", "k"}), "v");
  story.expect_recovery();
}

}  // namespace
}  // namespace kvorum::simulation
