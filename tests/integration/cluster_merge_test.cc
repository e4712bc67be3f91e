// Real servers that answer below a majority: what an old leader had to drop is merged.
#include <memory>
#include <string>

#include "tests/integration/cluster_fixture.h"

namespace kvorum::integration {
namespace {

using ::testing::HasSubstr;

class ClusterMergeTest : public ClusterFixture {
 protected:
  // The leader is cut off and answers this much alone; the others have another leader then.
  void write_apart(int keys) {
    ASSERT_NO_FATAL_FAILURE(start_cluster(
        3, {"--write-quorum", "1", "--divergence", "merge", "--election-timeout-ms", "1000"},
        ClusterProcess::Links::kThroughNetwork));
    old_ = cluster_->leader();
    const std::unique_ptr<Client> client = cluster_->connect(old_);
    for (const char* key : {"deleted", "older", "kept"}) {
      ASSERT_EQ(client->ask({"SET", key, "before"}), "OK");
    }
    expect_equal_keyspaces();
    cluster_->network().isolate(old_);
    for (int i = 0; i < keys; ++i) {
      client->append({"SET", "key:" + std::to_string(i), "alone"});
    }
    for (const char* key : {"deleted", "older"}) client->append({"SET", key, "alone"});
    client->append({"APPEND", "kept", " alone"});
    for (int i = 0; i < keys + 3; ++i) ASSERT_FALSE(client->read()->is_error());
    ASSERT_TRUE(eventually([&] {
      new_ = cluster_->leader();
      return new_ != 0 && new_ != old_ && cluster_->ask(new_, {"SET", "older", "newest"}) == "OK";
    })) << cluster_->logs();
    ASSERT_EQ(cluster_->ask(new_, {"DEL", "deleted"}), "1");
  }

  int old_ = 0, new_ = 0;
};

TEST_F(ClusterMergeTest, WhatTheOldLeaderAnsweredAloneComesBackUnlessItIsOlder) {
  constexpr int kKeys = 2000;
  ASSERT_NO_FATAL_FAILURE(write_apart(kKeys));
  cluster_->network().heal();
  ASSERT_TRUE(eventually([&] {
    return cluster_->node(old_).log().find("the leader has judged the orphaned records") !=
           std::string::npos;
  })) << cluster_->logs();
  EXPECT_THAT(
      cluster_->node(old_).log(),
      HasSubstr("2000 merged, 2 older than what is there or merged before, 1 that cannot be "
                "merged"));
  expect_equal_keyspaces();
  for (int node = 1; node <= 3; ++node) {
    EXPECT_EQ(cluster_->ask(node, {"GET", "key:0"}), "alone");
    EXPECT_EQ(cluster_->ask(node, {"GET", "key:1999"}), "alone");
    EXPECT_EQ(cluster_->ask(node, {"GET", "older"}), "newest");
    EXPECT_EQ(cluster_->ask(node, {"GET", "deleted"}), "(nil)");
    EXPECT_EQ(cluster_->ask(node, {"GET", "kept"}), "before");
    EXPECT_EQ(cluster_->info(node, "quorum", "divergence"), "merge");
    EXPECT_EQ(cluster_->info(node, "quorum", "orphan_files_to_offer"), "0");
  }
  // Every voter has passed the tombstone now.
  EXPECT_TRUE(eventually([&] {
    return cluster_->info(1, "quorum", "tombstones") == "0" &&
           cluster_->info(2, "quorum", "tombstones") == "0" &&
           cluster_->info(3, "quorum", "tombstones") == "0";
  }));
}

}  // namespace
}  // namespace kvorum::integration
