// Nodes of a cluster that die, hang and come back under a write load on all of them.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/integration/cluster_load_fixture.h"

namespace kvorum::integration {
namespace {

constexpr int kWriters = 6;  // two for each node
constexpr int kRounds = 20;

class ClusterCrashTest : public ClusterLoadFixture {
 protected:
  void start_under_load(const ClusterProcess::Flags& flags = {}) {
    ASSERT_NO_FATAL_FAILURE(start_cluster(3, flags));
    ASSERT_NO_FATAL_FAILURE(start_load(kWriters));
  }
};

TEST_F(ClusterCrashTest, NothingAcknowledgedIsLostWhenTheLeaderIsKilledAgainAndAgain) {
  ASSERT_NO_FATAL_FAILURE(start_under_load());
  std::vector<int64_t> gaps_ms;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    const int leader = cluster_->leader();
    ASSERT_NE(leader, 0) << cluster_->logs();
    load_->take_longest_gap_ms();
    cluster_->kill(leader);
    ASSERT_NO_FATAL_FAILURE(expect_progress());
    gaps_ms.push_back(load_->take_longest_gap_ms());
    ASSERT_TRUE(cluster_->start(leader)) << cluster_->logs();
  }
  ASSERT_NO_FATAL_FAILURE(expect_nothing_lost());
  std::sort(gaps_ms.begin(), gaps_ms.end());
  RecordProperty("median_failover_ms", std::to_string(gaps_ms[gaps_ms.size() / 2]));
  RecordProperty("longest_failover_ms", std::to_string(gaps_ms.back()));
}

TEST_F(ClusterCrashTest, NothingAcknowledgedIsLostWhenFollowersAreKilledAndTheLeaderStays) {
  ASSERT_NO_FATAL_FAILURE(start_under_load());
  const int leader = cluster_->leader();
  for (int round = 0; round < 5; ++round) {
    const int follower = 1 + (leader + round % 2) % 3;
    cluster_->kill(follower);
    ASSERT_NO_FATAL_FAILURE(expect_progress());
    ASSERT_TRUE(cluster_->start(follower)) << cluster_->logs();
  }
  EXPECT_EQ(cluster_->leader(), leader) << cluster_->logs();
  ASSERT_NO_FATAL_FAILURE(expect_nothing_lost());
}

TEST_F(ClusterCrashTest, NothingAcknowledgedIsLostWhenAllAreKilledAtOnce) {
  ASSERT_NO_FATAL_FAILURE(start_under_load());
  for (int round = 0; round < 3; ++round) {
    for (int i = 1; i <= 3; ++i) cluster_->node(i).send_signal(SIGKILL);
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(cluster_->node(i).exit(), (Exit{-1, SIGKILL}));
    ASSERT_TRUE(cluster_->start()) << cluster_->logs();
    ASSERT_NO_FATAL_FAILURE(expect_progress());
  }
  ASSERT_NO_FATAL_FAILURE(expect_nothing_lost());
}

TEST_F(ClusterCrashTest, ALeaderThatHungStepsDownWhenItGoesOnAndNothingIsLost) {
  ASSERT_NO_FATAL_FAILURE(start_under_load());
  for (int round = 0; round < 3; ++round) {
    const int hung = cluster_->leader();
    cluster_->node(hung).send_signal(SIGSTOP);
    // The two writers of the hung node wait for it; the others go on with another leader.
    ASSERT_NO_FATAL_FAILURE(expect_progress());
    cluster_->node(hung).send_signal(SIGCONT);
    ASSERT_TRUE(eventually([&] {
      return cluster_->info(hung, "replication", "role") == "slave" && cluster_->in_order(hung);
    })) << cluster_->logs();
  }
  ASSERT_NO_FATAL_FAILURE(expect_nothing_lost());
}

// The leader holds a session for the client, which ends only with the follower.
TEST_F(ClusterCrashTest, AFollowerThatIsStoppedWhileAClientWatchesEndsCleanly) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3));
  const int follower = cluster_->a_follower();
  const std::unique_ptr<Client> client = cluster_->connect(follower);
  ASSERT_TRUE(ask_until(*client, {"WATCH", "key"}, "OK")) << cluster_->logs();
  EXPECT_EQ(cluster_->node(follower).stop(SIGTERM), (Exit{0, 0})) << cluster_->logs();
}

TEST_F(ClusterCrashTest, NothingAcknowledgedIsLostWhenALeaderIsKilledInTheMiddleOfAWrite) {
  ASSERT_NO_FATAL_FAILURE(start_under_load({"--segment-size", "65536"}));
  for (const char* fail_point :
       {"wal.write:after:40=kill-half", "wal.sync:after:40=kill", "wal.write:after:40=kill-after",
        "wal.sync:after:40=kill-after", "wal.create:after:2=kill"}) {
    SCOPED_TRACE(fail_point);
    const int victim = cluster_->leader();
    ASSERT_NE(victim, 0);
    cluster_->kill(victim);
    // It may lead again or follow when it meets the fail point: both are to be survived.
    cluster_->node(victim).launch({}, fail_point);
    ASSERT_TRUE(eventually([&] { return !cluster_->node(victim).running(); })) << cluster_->logs();
    ASSERT_NO_FATAL_FAILURE(expect_progress());
    ASSERT_TRUE(cluster_->start(victim)) << cluster_->logs();
  }
  ASSERT_NO_FATAL_FAILURE(expect_nothing_lost());
}

TEST_F(ClusterCrashTest, ALeaderWithAFullDiskHandsOver) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3));
  cluster_->kill(1);
  ASSERT_NE(cluster_->wait_for_leader(), 0) << cluster_->logs();
  ASSERT_TRUE(cluster_->start(1, {}, "wal.write:after:300:times:always=enospc"))
      << cluster_->logs();
  ASSERT_NO_FATAL_FAILURE(make_leader(1));
  load_ = std::make_unique<ClusterLoad>(kWriters,
                                        std::vector<int>{cluster_->port(2), cluster_->port(3)});
  load_->start();
  EXPECT_TRUE(eventually([&] {
    const int leader = cluster_->leader();
    return leader != 0 && leader != 1;
  })) << cluster_->logs();
  ASSERT_NO_FATAL_FAILURE(expect_progress());
  load_->stop();
  cluster_->kill(1);
  ASSERT_TRUE(cluster_->start(1)) << cluster_->logs();
  ASSERT_NO_FATAL_FAILURE(expect_nothing_lost());
}

}  // namespace
}  // namespace kvorum::integration
