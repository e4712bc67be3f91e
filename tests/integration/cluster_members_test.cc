// Nodes join and leave a cluster of real servers, while clients write.
#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/cluster_load.h"

namespace kvorum::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Far longer than an election timeout: whoever were disturbed would have campaigned.
constexpr int kQuietMs = 1500;
constexpr uint64_t kWrites = 2000;
constexpr char kNoMember[] = "no member of the cluster any more";

class ClusterMembersTest : public ClusterFixture {
 protected:
  // A change is refused while another one is under way, such as a promotion.
  void change(int number, const Arguments& arguments) {
    std::string answer;
    ASSERT_TRUE(eventually([&] {
      answer = cluster_->ask(number, arguments);
      return answer == "OK";
    })) << answer
        << cluster_->logs();
  }
  void add(int through, int added, const std::string& wish = "") {
    Arguments arguments = {"MEMBER", "ADD", std::to_string(added), cluster_->address(added)};
    if (!wish.empty()) arguments.push_back(wish);
    change(through, arguments);
  }
  void remove(int through, int removed) {
    change(through, {"MEMBER", "REMOVE", std::to_string(removed)});
  }
  bool wait_for_voters(int number, uint64_t voters) {
    return eventually([&] {
      return cluster_->info_number(number, "quorum", "voters") == voters &&
             cluster_->info(number, "quorum", "node_role") != "learner";
    });
  }
  bool wait_until_told(int removed) {
    return eventually([&] {
      return cluster_->ask(removed, {"GET", "key"}).find(kNoMember) != std::string::npos;
    });
  }
  void let_write(const ClusterLoad& load, uint64_t writes) {
    const uint64_t begin = load.acknowledged();
    ASSERT_TRUE(eventually([&] { return load.acknowledged() >= begin + writes; }))
        << load.errors() << cluster_->logs();
  }
};

TEST_F(ClusterMembersTest, ThreeBecomeFiveAndThreeAgainUnderLoad) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  ClusterLoad load(6, {cluster_->port(1), cluster_->port(2), cluster_->port(3)});
  load.start();
  ASSERT_NO_FATAL_FAILURE(let_write(load, kWrites));
  const int early = cluster_->add({2}), late = cluster_->add({1, 2, 3});
  cluster_->node(early).launch();
  ASSERT_NO_FATAL_FAILURE(add(1, early));
  ASSERT_NO_FATAL_FAILURE(add(2, late));
  cluster_->node(late).launch();
  ASSERT_TRUE(wait_for_voters(early, 5) && wait_for_voters(late, 5)) << cluster_->logs();
  ASSERT_NO_FATAL_FAILURE(let_write(load, kWrites));

  // The leader, through itself, and one of the first three, through another node.
  for (const bool the_leader : {true, false}) {
    const int leads = cluster_->wait_for_leader();
    ASSERT_NE(leads, 0) << cluster_->logs();
    int gone = leads;
    if (!the_leader) {
      for (gone = 1; gone == leads || !cluster_->runs(gone);) ++gone;
    }
    ASSERT_NO_FATAL_FAILURE(remove(leads, gone));
    ASSERT_TRUE(wait_until_told(gone)) << cluster_->logs();
    EXPECT_EQ(cluster_->node(gone).stop(SIGTERM), (Exit{0, 0}));
    ASSERT_NO_FATAL_FAILURE(let_write(load, kWrites));
  }
  load.stop();
  EXPECT_EQ(load.errors().find("TIMEOUT"), std::string::npos) << load.errors() << cluster_->logs();
  expect_equal_keyspaces();
  const auto check_all = [&] {
    for (int i = 1; i <= cluster_->size(); ++i) {
      if (!cluster_->runs(i)) continue;
      EXPECT_EQ(cluster_->info_number(i, "quorum", "voters"), 3u);
      EXPECT_EQ(load.check(*cluster_->connect(i)), "") << i;
    }
  };
  check_all();

  // Their files say three other nodes, or some of five.
  std::vector<int> members;
  for (int i = 1; i <= cluster_->size(); ++i) {
    if (cluster_->runs(i)) members.push_back(i);
  }
  for (const int member : members) cluster_->kill(member);
  for (const int member : members) cluster_->node(member).launch();
  ASSERT_NE(cluster_->wait_for_leader(), 0) << cluster_->logs();
  for (const int member : members) ASSERT_TRUE(cluster_->wait_in_order(member));
  expect_equal_keyspaces();
  check_all();
}

TEST_F(ClusterMembersTest, ALearnerForGoodAnswersReadsAndStaysOne) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  EXPECT_EQ(cluster_->ask(1, {"SET", "key", "value"}), "OK");
  const int learner = cluster_->add({1, 2, 3});
  ASSERT_NO_FATAL_FAILURE(add(3, learner, "LEARNER"));
  ASSERT_TRUE(cluster_->start(learner)) << cluster_->logs();
  expect_equal_keyspaces();
  EXPECT_EQ(cluster_->ask(learner, {"GET", "key"}), "value");
  EXPECT_FALSE(eventually(
      [&] { return cluster_->info(learner, "quorum", "node_role") != "learner"; }, kQuietMs));
  EXPECT_EQ(cluster_->info_number(cluster_->leader(), "replication", "connected_slaves"), 3u);
  ASSERT_NO_FATAL_FAILURE(change(learner, {"MEMBER", "PROMOTE", std::to_string(learner)}));
  EXPECT_TRUE(wait_for_voters(learner, 4)) << cluster_->logs();
}

TEST_F(ClusterMembersTest, ARemovedNodeThatComesBackDisturbsNobody) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  const int gone = cluster_->a_follower();
  cluster_->kill(gone);
  const int leads = cluster_->wait_for_leader();
  ASSERT_NO_FATAL_FAILURE(remove(leads, gone));
  const uint64_t term = cluster_->info_number(leads, "quorum", "term");
  cluster_->node(gone).launch();
  ASSERT_TRUE(wait_until_told(gone)) << cluster_->logs();
  EXPECT_THAT(cluster_->node(gone).log(), HasSubstr("no member of its cluster any more"));
  EXPECT_FALSE(
      eventually([&] { return cluster_->info_number(leads, "quorum", "term") != term; }, kQuietMs));
  EXPECT_EQ(cluster_->ask(leads, {"SET", "key", "value"}), "OK");
  // With another directory it is let in again.
  cluster_->kill(gone);
  cluster_->node(gone).wipe();
  cluster_->node(gone).launch();
  EXPECT_TRUE(eventually([&] {
    return cluster_->node(gone).log().find("MEMBER ADD " + std::to_string(gone)) !=
           std::string::npos;
  })) << cluster_->logs();
  EXPECT_THAT(cluster_->ask(gone, {"GET", "key"}), StartsWith("-CLUSTERDOWN"));
  ASSERT_NO_FATAL_FAILURE(add(leads, gone));
  EXPECT_TRUE(wait_for_voters(gone, 3)) << cluster_->logs();
  EXPECT_EQ(cluster_->ask(gone, {"GET", "key"}), "value");
}

}  // namespace
}  // namespace kvorum::integration
