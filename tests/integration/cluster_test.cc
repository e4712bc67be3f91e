// Several real servers as one cluster: it forms, replicates, catches up, and starts again.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/integration/cluster_fixture.h"

namespace kvorum::integration {
namespace {

using ::testing::HasSubstr;

// Far longer than an election timeout: whoever heard no heartbeat would have campaigned.
constexpr int kQuietMs = 3 * kSteadyElectionMs;
constexpr int kPipeline = 500;

class ClusterTest : public ClusterFixture {
 protected:
  // SETs key:<begin> … key:<end - 1> in pipelines; how many were answered OK.
  int write_keys(int number, int begin, int end, const std::string& value) {
    const std::unique_ptr<Client> client = cluster_->connect(number);
    int ok = 0;
    for (int i = begin; i < end; i += kPipeline) {
      const int last = std::min(i + kPipeline, end);
      for (int key = i; key < last; ++key) {
        client->append({"SET", "key:" + std::to_string(key), value});
      }
      for (int key = i; key < last; ++key) {
        const std::optional<Reply> reply = client->read();
        ok += reply && reply->text == "OK" ? 1 : 0;
      }
    }
    return ok;
  }
};

class ClusterSizeTest : public ClusterFixture, public ::testing::WithParamInterface<int> {};

TEST_P(ClusterSizeTest, HeartbeatsReachEveryFollower) {
  const int nodes = GetParam();
  ASSERT_NO_FATAL_FAILURE(start_cluster(nodes, kSteady));
  const int leader = cluster_->leader();
  const uint64_t term = cluster_->info_number(leader, "quorum", "term");
  EXPECT_FALSE(eventually([&] { return cluster_->leader() != leader; }, kQuietMs));
  for (int i = 1; i <= nodes; ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(cluster_->info_number(i, "quorum", "term"), term);
    EXPECT_EQ(cluster_->info(i, "replication", "role"), i == leader ? "master" : "slave");
    if (i == leader) continue;
    EXPECT_EQ(cluster_->info(i, "replication", "master_link_status"), "up");
    EXPECT_EQ(cluster_->info(i, "replication", "master_last_io_seconds_ago"), "0");
    EXPECT_EQ(cluster_->info(i, "replication", "master_port"),
              std::to_string(cluster_->port(leader)));
  }
  EXPECT_EQ(cluster_->info_number(leader, "replication", "connected_slaves"),
            static_cast<uint64_t>(nodes - 1));
  EXPECT_EQ(cluster_->ask(leader, {"WAIT", std::to_string(nodes - 1), "10000"}),
            std::to_string(nodes - 1));
}

INSTANTIATE_TEST_SUITE_P(Peers, ClusterSizeTest, ::testing::Values(3, 5, 7));

TEST_F(ClusterTest, KeysWrittenOnAnyNodeAreOnEveryNodeAndDigestsAgree) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  for (int i = 0; i < 100; ++i) {
    const std::string key = "key:" + std::to_string(i);
    EXPECT_EQ(cluster_->ask(1 + i % 3, {"SET", key, std::to_string(i)}), "OK");
  }
  expect_equal_keyspaces();
  for (int number = 1; number <= 3; ++number) {
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(cluster_->ask(number, {"GET", "key:" + std::to_string(i)}), std::to_string(i));
    }
  }
}

TEST_F(ClusterTest, AFollowerThatWasAwayFor100000WritesCatchesUp) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  const int leader = cluster_->leader();
  const int away = cluster_->a_follower();
  cluster_->kill(away);
  EXPECT_EQ(write_keys(leader, 0, 100'000, "value"), 100'000);
  ASSERT_TRUE(cluster_->start(away)) << cluster_->logs();
  expect_equal_keyspaces();
  EXPECT_EQ(cluster_->ask(away, {"GET", "key:99999"}), "value");
}

TEST_F(ClusterTest, AFollowerWhoseLogIsGoneFromTheLeaderGetsASnapshotWhileWritesGoOn) {
  ASSERT_NO_FATAL_FAILURE(
      start_cluster(3, steady_and({"--segment-size", "1mb", "--snapshot-wal-size", "2mb"})));
  const int leader = cluster_->leader();
  const int away = cluster_->a_follower();
  cluster_->kill(away);
  // Overwritten again and again: a snapshot is far shorter than the log. And far more than the
  // records that a leader has in memory.
  const std::string filling(2000, '.');
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(write_keys(leader, 0, 2000, filling + std::to_string(round)), 2000);
  }
  EXPECT_TRUE(eventually([&] { return cluster_->ask(leader, {"SAVE"}) == "OK"; }));
  // The log before the snapshot is given up a moment later.
  const std::string early = cluster_->node(leader).data_directory() + "/segment-0000000002.wal";
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(early); }));
  cluster_->node(away).launch();
  EXPECT_EQ(write_keys(leader, 2000, 6000, "meanwhile"), 4000);
  ASSERT_TRUE(cluster_->wait_in_order(away)) << cluster_->logs();
  expect_equal_keyspaces();
  EXPECT_EQ(cluster_->ask(away, {"GET", "key:1999"}), filling + "19");
  EXPECT_THAT(cluster_->node(away).log(), HasSubstr("snapshot"));
}

TEST_F(ClusterTest, AValueOfManyPartsReplicates) {
  ASSERT_NO_FATAL_FAILURE(
      start_cluster(3, steady_and({"--write-timeout-ms", std::to_string(kPatienceMs)})));
  const std::string value(20 << 20, 'v');
  EXPECT_EQ(cluster_->ask(cluster_->a_follower(), {"SET", "large", value}), "OK")
      << cluster_->logs();
  expect_equal_keyspaces();
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(cluster_->ask(i, {"STRLEN", "large"}), std::to_string(value.size()));
  }
  EXPECT_TRUE(cluster_->ask(cluster_->a_follower(), {"GET", "large"}) == value);
}

TEST_F(ClusterTest, AClusterThatWasStoppedWholeStartsAgainWithEverything) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  EXPECT_EQ(write_keys(1, 0, 1000, "value"), 1000);
  for (const int signal : {SIGTERM, SIGKILL}) {
    SCOPED_TRACE(signal);
    for (int i = 1; i <= 3; ++i) cluster_->node(i).send_signal(signal);
    for (int i = 1; i <= 3; ++i) {
      EXPECT_EQ(cluster_->node(i).exit(), signal == SIGTERM ? (Exit{0, 0}) : (Exit{-1, SIGKILL}));
    }
    ASSERT_TRUE(cluster_->start()) << cluster_->logs();
    expect_equal_keyspaces();
    for (int i = 1; i <= 3; ++i) EXPECT_EQ(cluster_->ask(i, {"GET", "key:999"}), "value");
  }
}

// Two that are gone are no majority: nothing is answered that could be lost.
TEST_F(ClusterTest, WithoutAMajorityNothingIsAcknowledged) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, steady_and({"--write-timeout-ms", "200"})));
  EXPECT_EQ(cluster_->ask(1, {"SET", "key", "before"}), "OK");
  const int survivor = cluster_->leader();
  for (int i = 1; i <= 3; ++i) {
    if (i != survivor) cluster_->kill(i);
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(cluster_->ask(survivor, {"SET", "key", "after"}), ::testing::StartsWith("-"));
  }
  EXPECT_TRUE(eventually([&] {
    return cluster_->info(survivor, "replication", "role") == "slave";
  })) << cluster_->logs();
  ASSERT_TRUE(cluster_->start()) << cluster_->logs();
  EXPECT_EQ(cluster_->ask(survivor, {"SET", "key", "again"}), "OK");
  expect_equal_keyspaces();
}

TEST_F(ClusterTest, AWipedFollowerBecomesAFullMemberAgain) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  EXPECT_EQ(write_keys(1, 0, 1000, "value"), 1000);
  const int wiped = cluster_->a_follower();
  cluster_->kill(wiped);
  cluster_->node(wiped).wipe();
  ASSERT_TRUE(cluster_->start(wiped)) << cluster_->logs();
  expect_equal_keyspaces();
  EXPECT_TRUE(eventually([&] {
    return cluster_->ask(1, {"WAIT", "2", "100"}) == "2";
  })) << cluster_->logs();
}

}  // namespace
}  // namespace kvorum::integration
