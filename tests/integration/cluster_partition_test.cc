// A cluster whose network is cut.
#include <string>
#include <vector>

#include "tests/integration/cluster_load_fixture.h"

namespace kvorum::integration {
namespace {

using ::testing::StartsWith;

constexpr int kWriters = 3;
// Several election timeouts: whoever wants to campaign has done so.
constexpr int kManyElectionsMs = 5 * kSteadyElectionMs;

class PartitionTest : public ClusterLoadFixture {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(start_cluster(3, steady_and({"--write-timeout-ms", "500"}),
                                          ClusterProcess::Links::kThroughNetwork));
  }

  Network& network() { return cluster_->network(); }

  void heal_and_expect_nothing_lost() {
    network().heal();
    expect_nothing_lost();
  }
  std::vector<int> others(int node) const {
    std::vector<int> result;
    for (int i = 1; i <= 3; ++i) {
      if (i != node) result.push_back(i);
    }
    return result;
  }
  uint64_t term(int node) { return cluster_->info_number(node, "quorum", "term"); }
};

TEST_F(PartitionTest, ALeaderThatIsCutOffIsReplacedAndAcknowledgesNothing) {
  const int old_leader = cluster_->leader();
  EXPECT_EQ(cluster_->ask(old_leader, {"SET", "key", "before"}), "OK");
  start_load(kWriters, others(old_leader));
  network().isolate(old_leader);
  EXPECT_THAT(cluster_->ask(old_leader, {"SET", "key", "cut off"}), StartsWith("-"));
  ASSERT_TRUE(eventually([&] {
    return cluster_->info(old_leader, "replication", "role") == "slave" && cluster_->leader() != 0;
  })) << cluster_->logs();
  EXPECT_THAT(cluster_->ask(old_leader, {"SET", "key", "cut off"}), StartsWith("-"));
  ASSERT_NO_FATAL_FAILURE(expect_progress());
  const int new_leader = cluster_->leader();
  EXPECT_EQ(cluster_->ask(new_leader, {"SET", "key", "after"}), "OK");
  ASSERT_NO_FATAL_FAILURE(heal_and_expect_nothing_lost());
  EXPECT_EQ(cluster_->ask(old_leader, {"GET", "key"}), "after");
}

TEST_F(PartitionTest, AFollowerThatIsCutOffDisturbsNobodyWhenItComesBack) {
  const int leader = cluster_->leader();
  const int follower = cluster_->a_follower();
  const uint64_t before = term(leader);
  start_load(kWriters, others(follower));
  network().isolate(follower);
  ASSERT_NO_FATAL_FAILURE(expect_progress());
  EXPECT_FALSE(eventually([&] { return term(follower) != before; }, kManyElectionsMs));
  ASSERT_NO_FATAL_FAILURE(heal_and_expect_nothing_lost());
  EXPECT_EQ(cluster_->leader(), leader) << cluster_->logs();
  EXPECT_EQ(term(leader), before);
}

// It hears nobody but is heard: its heartbeats must not keep the others from electing.
TEST_F(PartitionTest, ALeaderThatHearsNobodyIsReplaced) {
  const int deaf = cluster_->leader();
  start_load(kWriters, others(deaf));
  for (const int other : others(deaf)) network().cut(other, deaf);
  ASSERT_TRUE(eventually([&] {
    const int leader = cluster_->leader();
    return leader != 0 && leader != deaf;
  })) << cluster_->logs();
  ASSERT_NO_FATAL_FAILURE(expect_progress());
  ASSERT_NO_FATAL_FAILURE(heal_and_expect_nothing_lost());
}

TEST_F(PartitionTest, TwoFollowersThatDoNotHearEachOtherChangeNothing) {
  const int leader = cluster_->leader();
  const uint64_t before = term(leader);
  start_load(kWriters, {1, 2, 3});
  const std::vector<int> followers = others(leader);
  network().cut_both(followers[0], followers[1]);
  ASSERT_NO_FATAL_FAILURE(expect_progress());
  EXPECT_FALSE(eventually([&] { return term(leader) != before; }, kManyElectionsMs));
  EXPECT_EQ(cluster_->leader(), leader);
  ASSERT_NO_FATAL_FAILURE(heal_and_expect_nothing_lost());
}

// Only one of the followers can be heard by the leader, and only it can take over.
TEST_F(PartitionTest, ABridgeKeepsTheClusterServing) {
  const int leader = cluster_->leader();
  const std::vector<int> followers = others(leader);
  start_load(kWriters, {1, 2, 3});
  network().cut_both(leader, followers[0]);
  ASSERT_NO_FATAL_FAILURE(expect_progress());
  EXPECT_TRUE(eventually([&] {
    return cluster_->ask(followers[1], {"SET", "bridge", "OK"}) == "OK";
  })) << cluster_->logs();
  ASSERT_NO_FATAL_FAILURE(heal_and_expect_nothing_lost());
}

TEST_F(PartitionTest, NothingAcknowledgedIsLostWhenTheNetworkIsCutInManyWays) {
  start_load(kWriters, {1, 2, 3});
  for (int round = 0; round < 6; ++round) {
    const int node = round % 2 == 0 ? cluster_->wait_for_leader() : cluster_->a_follower();
    ASSERT_NE(node, 0) << cluster_->logs();
    network().isolate(node);
    // The writers of the node that is cut off are refused; the others must come through.
    ASSERT_NO_FATAL_FAILURE(expect_progress());
    network().heal();
    ASSERT_TRUE(cluster_->wait_in_order(node)) << cluster_->logs();
  }
  ASSERT_NO_FATAL_FAILURE(heal_and_expect_nothing_lost());
}

}  // namespace
}  // namespace kvorum::integration
