// Elections that must not be won, votes that must not count, leases that must have ended. Each
// scenario is the shortest way to what one planted bug of mutants/ breaks.
#include <gtest/gtest.h>

#include "tests/simulation/scenario_support.h"

namespace kvorum::simulation {
namespace {

using replication::Role;
using storage::Term;

void slow_elections(Parameters& parameters) {
  parameters.election_timeout_ms = 1000;
  parameters.heartbeat_ms = 100;
}

TEST(ScenarioElectionTest, AnIsolatedFollowerRaisesNobodysTerm) {
  Scenario story(3);
  story.elect();
  story.run_ms(300);
  const Endpoint leader = story.leader();
  const Term term = replica_of(story, leader).term();
  const Endpoint alone = story.follower();
  story.cut_off(alone);
  story.run_ms(5000);
  EXPECT_EQ(replica_of(story, alone).term(), term);
  story.reconnect();
  story.run_ms(2000);
  EXPECT_EQ(story.leader(), leader);
  EXPECT_EQ(replica_of(story, alone).term(), term);
  story.expect_well();
}

// It is held back by a partition until another leader is in office: nobody waits for its target.
TEST(ScenarioElectionTest, ATimeoutNowOfAnOldTermDeposesNobody) {
  int late = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Scenario story(3, [seed](Parameters& parameters) { parameters.seed = seed; });
    story.elect();
    story.run_ms(300);
    const Endpoint old = story.leader(), target = story.follower();
    story.cut_off(old);
    // Nobody writes, so the target has everything: it is told at once.
    ASSERT_TRUE(
        story.node(old).node()->cluster().transfer(storage::NodeId{static_cast<uint16_t>(target)}));
    const auto elected = [&] { return story.leader() != 0 && story.leader() != old; };
    ASSERT_TRUE(step_until(story, elected, 10 * kSecondUs));
    story.run_ms(1000);
    const Endpoint leader = story.leader();
    if (leader == target) continue;
    ++late;
    const Term term = replica_of(story, leader).term();
    story.reconnect();
    story.run_ms(2000);
    EXPECT_EQ(story.leader(), leader);
    EXPECT_EQ(replica_of(story, target).term(), term);
    story.expect_well();
  }
  EXPECT_GT(late, 0);
}

// The voter's disk is stuck when it is asked; then it crashes, and another one asks in that term.
TEST(ScenarioElectionTest, AVoteThatIsNotOnDiskHasNotBeenGiven) {
  int campaigns = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    Scenario story(3, [seed](Parameters& parameters) { parameters.seed = seed; });
    story.elect();
    story.run_ms(300);
    const Endpoint old = story.leader(), voter = story.follower(0), candidate = story.follower(1);
    story.cut_off(old);
    story.node(voter).stick_disk(story.simulation().world().now_us() + 60 * kSecondUs);
    const auto asked = [&] {
      return replica_of(story, candidate).role() == Role::kCandidate &&
             replica_of(story, voter).hard_state().voted_for.value() == candidate;
    };
    if (!step_until(story, asked, 2 * kSecondUs)) continue;
    ++campaigns;
    story.run_ms(20);  // a vote that has left has arrived
    story.crash(voter);
    story.node(voter).heal_disk();
    story.power_cut(candidate);
    story.reconnect();
    story.start(voter);
    const auto elected = [&] { return story.leader() == old || story.leader() == voter; };
    EXPECT_TRUE(step_until(story, elected, 10 * kSecondUs));
    story.run_ms(1000);
    story.expect_well();
  }
  EXPECT_GT(campaigns, 0);
}

// The leader's lease rests on the word of a node that restarts; a third one, which does not hear
// the leader, asks it for its vote.
TEST(ScenarioElectionTest, ARestartedNodeKeepsItsWordForTheLease) {
  for (int64_t offset_ms = 0; offset_ms < 600; offset_ms += 25) {
    Scenario story(3);
    story.elect();
    // Until the digest record is everywhere: then nothing is written any more, and the rival's log
    // is as good as anybody's.
    story.run_ms(2000);
    const Endpoint leader = story.leader(), witness = story.follower(0), rival = story.follower(1);
    cut_off(story, leader, rival);
    story.run_ms(1000 + offset_ms);
    ASSERT_EQ(story.leader(), leader);
    story.crash(witness);
    cut_off(story, leader, witness);
    story.start(witness);
    const auto two_may_answer = [&] {
      const int64_t now_us =
          story.node(leader).clock().monotonic_us(story.simulation().world().now_us());
      const bool lease =
          story.node(leader).leads() && replica_of(story, leader).reads_until_us() >= now_us;
      return lease && story.node(rival).leads() && replica_of(story, rival).settled();
    };
    EXPECT_FALSE(step_until(story, two_may_answer, 2 * kSecondUs)) << "offset " << offset_ms;
    EXPECT_TRUE(story.node(rival).leads() || story.node(witness).leads());
    story.expect_well();
  }
}

// Heartbeats and their answers take long; then nothing reaches the leader's followers any more, and
// it hears what they have said for a while.
TEST(ScenarioElectionTest, ALeaseBeginsWhenTheHeartbeatIsSent) {
  int overlaps = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Scenario story(3, [seed](Parameters& parameters) {
      slow_elections(parameters);
      parameters.seed = seed;
    });
    story.elect();
    story.run_ms(500);
    const Endpoint old = story.leader();
    network_of(story).slow_down(old, 400'000);
    story.run_ms(5000);
    if (story.leader() != old) continue;
    const Endpoint followers[] = {story.follower(0), story.follower(1)};
    for (const Endpoint follower : followers) network_of(story).block(old, follower);
    Endpoint rival = 0;
    const auto elected = [&] {
      for (const Endpoint follower : followers) {
        if (story.node(follower).leads() && replica_of(story, follower).settled()) rival = follower;
      }
      return rival != 0;
    };
    ASSERT_TRUE(step_until(story, elected, 10 * kSecondUs));
    overlaps += story.node(old).leads();
    const int64_t now_us =
        story.node(old).clock().monotonic_us(story.simulation().world().now_us());
    EXPECT_LT(replica_of(story, old).reads_until_us(), now_us) << "seed " << seed;
    story.expect_well();
  }
  EXPECT_GT(overlaps, 0);
}

// A vote comes when its candidate campaigns again, in the next term, in which the voter elects
// somebody else.
TEST(ScenarioElectionTest, AVoteCountsInItsTermOnly) {
  int again = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Scenario story(3, [seed](Parameters& parameters) {
      slow_elections(parameters);
      parameters.seed = seed;
    });
    story.elect();
    story.run_ms(500);
    const Endpoint third = story.leader(), candidate = story.follower(0), voter = story.follower(1);
    story.power_cut(third);
    const auto campaigns = [&] { return replica_of(story, candidate).role() == Role::kCandidate; };
    const auto granted = [&] {
      return campaigns() && replica_of(story, voter).hard_state().voted_for.value() == candidate;
    };
    if (!step_until(story, granted, 5 * kSecondUs)) continue;
    const Term first = replica_of(story, candidate).term();
    network_of(story).slow_down(voter, 2'400'000);
    story.run_ms(50);
    network_of(story).slow_down(voter, 0);
    // The third one gives its word for the next term, though the voter cannot.
    cut_off(story, voter, third);
    story.start(third);
    const auto campaigns_again = [&] {
      return campaigns() && replica_of(story, candidate).term() == first.next();
    };
    if (!step_until(story, campaigns_again, 4 * kSecondUs)) continue;
    ++again;
    story.reconnect();
    network_of(story).block(candidate, voter);
    cut_off(story, candidate, third);
    story.run_ms(10'000);
    story.expect_well();
  }
  EXPECT_GT(again, 0);
}

// Two had an acknowledged record. The disk of one is wiped, the other one is down: the third has
// not got it, and must not lead by the wiped one's vote.
TEST(ScenarioElectionTest, AWipedNodeHasNoVote) {
  Scenario story(3);
  story.elect();
  story.run_ms(300);
  const Endpoint leader = story.leader(), wiped = story.follower(0), behind = story.follower(1);
  story.cut_off(behind);
  EXPECT_EQ(story.client(leader).ask({"SET", "key", "value"}), "OK");
  story.run_ms(200);
  story.power_cut(leader);  // nothing of it is on its way any more
  story.wipe(wiped);
  story.reconnect();
  ASSERT_LT(log_of(story, behind).last().lsn.value(), story.simulation().logs().committed());
  story.start(wiped);
  story.run_ms(10'000);
  EXPECT_EQ(story.leader(), 0u) << "elected without an acknowledged record";
  story.start(leader);
  story.wait_for_leader();
  EXPECT_EQ(story.client(story.leader()).ask({"GET", "key"}), "value");
  story.expect_recovery();
}

// The client's node forwards the WATCH to one leader and the EXEC to another one.
TEST(ScenarioElectionTest, AWatchIsNotHandedOver) {
  Scenario story(3);
  story.elect();
  story.run_ms(300);
  const Endpoint old = story.leader();
  const Endpoint between = story.follower(0), next = story.follower(1);
  ScenarioClient client = story.client(between);
  EXPECT_EQ(client.ask({"WATCH", "key"}), "OK");
  EXPECT_EQ(client.ask({"GET", "key"}), "nil");
  story.node(old).post([&] {
    story.node(old).node()->cluster().transfer(storage::NodeId{static_cast<uint16_t>(next)});
  });
  ASSERT_TRUE(step_until(
      story, [&] { return story.leader() == next; }, 5 * kSecondUs));
  story.run_ms(500);
  EXPECT_EQ(story.client(next).ask({"SET", "key", "of another client"}), "OK");
  EXPECT_EQ(client.ask({"MULTI"}), "OK");
  EXPECT_EQ(client.ask({"SET", "key", "of this one"}), "QUEUED");
  EXPECT_EQ(client.ask({"EXEC"}), "nil");
  EXPECT_EQ(client.ask({"GET", "key"}), "of another client");
  story.expect_recovery();
}

// Found by chaos: TIMEOUT-NOW comes on another connection than replies. The word that WATCH was
// executed comes from a deposed leader when the client's own node leads, which has seen nothing of
// what changed between the two.
TEST(ScenarioElectionTest, AWatchThatIsAnsweredWhenItsNodeLeadsHasWatchedNothing) {
  Scenario story(3, slow_elections);
  story.elect();
  story.run_ms(500);
  const Endpoint old = story.leader(), asked = story.follower(0), between = story.follower(1);
  ScenarioClient client = story.client(asked);
  const auto make_leader = [&](Endpoint next) {
    const Endpoint leader = story.leader();
    story.node(leader).post([&story, leader, next] {
      story.node(leader).node()->cluster().transfer(storage::NodeId{static_cast<uint16_t>(next)});
    });
    return step_until(
        story, [&] { return story.leader() == next && replica_of(story, next).settled(); },
        kSecondUs / 2);
  };
  network_of(story).block(old, asked);
  EXPECT_EQ(client.ask({"WATCH", "key"}, 50), "silence");
  ASSERT_TRUE(make_leader(between));
  EXPECT_EQ(story.client(between).ask({"SET", "key", "of another client"}), "OK");
  ASSERT_TRUE(make_leader(asked));
  story.reconnect();
  EXPECT_EQ(client.ask({"MULTI"}), "OK") << "to WATCH";
  EXPECT_EQ(client.ask({"SET", "key", "of this one"}), "OK") << "to MULTI";
  EXPECT_EQ(client.ask({"EXEC"}), "QUEUED") << "to SET";
  EXPECT_EQ(client.ask({"GET", "key"}), "nil") << "to EXEC";
  EXPECT_EQ(client.ask({"PING"}), "of another client");
  story.expect_recovery();
}

}  // namespace
}  // namespace kvorum::simulation
