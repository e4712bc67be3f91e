// Leadership that changes hands on purpose: FAILOVER, and clean stops one after the other. Clients
// on every node are not to notice more than a pause.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/integration/cluster_load_fixture.h"

namespace kvorum::integration {
namespace {

constexpr int kWriters = 6;  // two for each node
constexpr int kRounds = 9;
// Far less than what a follower that nobody tells anything waits before it campaigns.
constexpr int64_t kHandOverMs = 300;

class HandOverTest : public ClusterLoadFixture {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady)); }

  std::string fail_over(int leader, int to, const Arguments& more = {}) {
    Arguments arguments = {"FAILOVER", "TO", "127.0.0.1", std::to_string(cluster_->port(to))};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return cluster_->ask(leader, arguments);
  }
};

TEST_F(HandOverTest, NoClientOnAnyNodeSeesAnErrorWhenLeadershipIsHandedOverUnderLoad) {
  ASSERT_NO_FATAL_FAILURE(start_load(kWriters));
  std::vector<int64_t> gaps_ms;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    const int old_leader = cluster_->wait_for_leader();
    const int next = old_leader % 3 + 1;
    load_->take_longest_gap_ms();
    ASSERT_EQ(fail_over(old_leader, next), "OK") << cluster_->logs();
    ASSERT_TRUE(eventually([&] { return cluster_->leader() == next; })) << cluster_->logs();
    ASSERT_NO_FATAL_FAILURE(expect_progress());
    gaps_ms.push_back(load_->take_longest_gap_ms());
    EXPECT_EQ(cluster_->info(next, "replication", "master_failover_state"), "no-failover");
  }
  EXPECT_EQ(load_->errors(), "");
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(load_->broken(cluster_->port(i)), 0u);
  ASSERT_NO_FATAL_FAILURE(expect_nothing_lost());
  std::sort(gaps_ms.begin(), gaps_ms.end());
  EXPECT_LT(gaps_ms[gaps_ms.size() / 2], kHandOverMs) << "nobody waits for a timeout";
  RecordProperty("median_hand_over_ms", std::to_string(gaps_ms[gaps_ms.size() / 2]));
  RecordProperty("longest_hand_over_ms", std::to_string(gaps_ms.back()));
}

// Whoever is cut off knows that its last command was not executed: it just asks another node.
TEST_F(HandOverTest, NoClientSeesAnErrorWhenNodesAreRestartedOneAfterTheOther) {
  ASSERT_NO_FATAL_FAILURE(start_load(kWriters));
  for (int round = 0; round < 2; ++round) {
    for (int node = 1; node <= 3; ++node) {
      SCOPED_TRACE(node);
      EXPECT_EQ(cluster_->node(node).stop(SIGTERM), (Exit{0, 0})) << cluster_->logs();
      ASSERT_NO_FATAL_FAILURE(expect_progress());
      ASSERT_TRUE(cluster_->start(node)) << cluster_->logs();
      ASSERT_NO_FATAL_FAILURE(expect_progress());
    }
  }
  EXPECT_EQ(load_->errors(), "");
  load_->stop();
  EXPECT_EQ(load_->executed_unanswered(*cluster_->connect(1)), 0);
  ASSERT_NO_FATAL_FAILURE(expect_nothing_lost());
}

// Another build on every node, and back: they speak what both know, whoever leads.
TEST_F(HandOverTest, NoClientSeesAnErrorWhenNodesAreReplacedByAnotherBuildAndBack) {
  const auto spoken = [&](int node, const std::string& versions) {
    return cluster_->node(node).log().find("connected, speaking protocol version 1 (" + versions) !=
           std::string::npos;
  };
  ASSERT_NO_FATAL_FAILURE(start_load(kWriters));
  for (const char* const program : {KVORUM_SERVER_LATER, KVORUM_SERVER}) {
    for (int node = 1; node <= 3; ++node) {
      SCOPED_TRACE(std::string(program) + " as node " + std::to_string(node));
      EXPECT_EQ(cluster_->node(node).stop(SIGTERM), (Exit{0, 0})) << cluster_->logs();
      ASSERT_NO_FATAL_FAILURE(expect_progress());
      cluster_->node(node).replace_program(program);
      ASSERT_TRUE(cluster_->start(node)) << cluster_->logs();
      ASSERT_NO_FATAL_FAILURE(expect_progress());
      if (node == 3) continue;  // from here on all are of one build
      const bool later = program == std::string(KVORUM_SERVER_LATER);
      EXPECT_TRUE(eventually([&] {
        return spoken(node, later ? "2 here, 1 there" : "1 here, 2 there") &&
               spoken(3, later ? "1 here, 2 there" : "2 here, 1 there");
      })) << cluster_->logs();
      // Both builds lead, and feed the other one.
      ASSERT_NO_FATAL_FAILURE(make_leader(node));
      ASSERT_NO_FATAL_FAILURE(expect_progress());
      ASSERT_NO_FATAL_FAILURE(make_leader(3));
      ASSERT_NO_FATAL_FAILURE(expect_progress());
    }
  }
  EXPECT_EQ(load_->errors(), "");
  load_->stop();
  EXPECT_EQ(load_->executed_unanswered(*cluster_->connect(1)), 0);
  ASSERT_NO_FATAL_FAILURE(expect_nothing_lost());
}

TEST_F(HandOverTest, AFailoverThatCannotBeIsRefusedAsRedisRefusesIt) {
  const int leader = cluster_->wait_for_leader();
  const int follower = cluster_->a_follower();
  EXPECT_EQ(cluster_->ask(follower, {"FAILOVER"}),
            "-ERR FAILOVER is not valid when server is a replica.");
  EXPECT_EQ(cluster_->ask(leader, {"FAILOVER", "ABORT"}), "-ERR No failover in progress.");
  EXPECT_EQ(cluster_->ask(leader, {"FAILOVER", "TO", "127.0.0.1", "1"}),
            "-ERR FAILOVER target HOST and PORT is not a replica.");
  EXPECT_EQ(fail_over(leader, leader), "-ERR FAILOVER target HOST and PORT is not a replica.");
  EXPECT_EQ(fail_over(leader, follower, {"FORCE"}),
            "-ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
  EXPECT_EQ(cluster_->ask(leader, {"FAILOVER", "TIMEOUT", "0"}),
            "-ERR FAILOVER timeout must be greater than 0");
  cluster_->kill(follower);
  ASSERT_TRUE(eventually([&] {
    const std::string answer = fail_over(leader, follower);
    return answer == "-ERR FAILOVER target replica is not online.";
  })) << cluster_->logs();
  EXPECT_EQ(cluster_->leader(), leader);
}

// A hung follower cannot catch up: writes wait for it until somebody changes his mind.
TEST_F(HandOverTest, AFailoverToAHungNodeIsAbortedOrTimesOutAndTheLeaderGoesOn) {
  const int leader = cluster_->wait_for_leader();
  const int hung = cluster_->a_follower();
  EXPECT_EQ(cluster_->ask(leader, {"SET", "key", "before"}), "OK");
  cluster_->node(hung).send_signal(SIGSTOP);
  EXPECT_EQ(cluster_->ask(leader, {"SET", "key", "without it"}), "OK");
  ASSERT_EQ(fail_over(leader, hung), "OK");
  EXPECT_EQ(cluster_->info(leader, "replication", "master_failover_state"), "waiting-for-sync");
  EXPECT_EQ(fail_over(leader, hung), "-ERR FAILOVER already in progress.");
  EXPECT_EQ(cluster_->ask(leader, {"FAILOVER", "ABORT"}), "OK");
  EXPECT_EQ(cluster_->info(leader, "replication", "master_failover_state"), "no-failover");
  EXPECT_EQ(cluster_->ask(leader, {"SET", "key", "after"}), "OK");
  ASSERT_EQ(fail_over(leader, hung, {"TIMEOUT", "100"}), "OK");
  EXPECT_EQ(cluster_->ask(leader, {"SET", "key", "later"}), "OK");
  EXPECT_EQ(cluster_->ask(leader, {"GET", "key"}), "later");
  cluster_->node(hung).send_signal(SIGCONT);
  ASSERT_TRUE(cluster_->wait_in_order(hung)) << cluster_->logs();
  EXPECT_EQ(cluster_->leader(), leader);
  expect_equal_keyspaces();
}

}  // namespace
}  // namespace kvorum::integration
