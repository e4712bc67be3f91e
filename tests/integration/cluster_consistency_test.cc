// What clients read on each level of consistency, from real servers.
#include <signal.h>

#include <string>

#include "tests/integration/cluster_fixture.h"

namespace kvorum::integration {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ClusterConsistencyTest : public ClusterFixture {
 protected:
  void start(const ClusterProcess::Flags& flags = {},
             ClusterProcess::Links links = ClusterProcess::Links::kDirect) {
    ASSERT_NO_FATAL_FAILURE(start_cluster(3, steady_and(flags), links));
    leader_ = cluster_->leader();
    follower_ = cluster_->a_follower();
    other_ = 6 - leader_ - follower_;
    at_leader_ = cluster_->connect(leader_);
    at_follower_ = cluster_->connect(follower_);
    at_other_ = cluster_->connect(other_);
    ASSERT_TRUE(at_leader_ && at_follower_ && at_other_);
  }

  int leader_ = 0, follower_ = 0, other_ = 0;
  std::unique_ptr<Client> at_leader_, at_follower_, at_other_;
};

TEST_F(ClusterConsistencyTest, ALinearizableReadAtAFollowerSeesWhatWasJustAnsweredElsewhere) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_EQ(at_follower_->ask({"CLIENT", "CONSISTENCY", "linearizable"}), "OK");
  for (int i = 0; i < 1000; ++i) {
    Client& writer = i % 2 == 0 ? *at_leader_ : *at_other_;
    ASSERT_EQ(writer.ask({"SET", "key", std::to_string(i)}), "OK");
    ASSERT_EQ(at_follower_->ask({"GET", "key"}), std::to_string(i));
  }
}

TEST_F(ClusterConsistencyTest, APipelineOfLinearizableReadsIsAnsweredInOrder) {
  ASSERT_NO_FATAL_FAILURE(start({"--read-consistency", "linearizable"}));
  constexpr int kKeys = 500;
  for (int i = 0; i < kKeys; ++i) {
    const std::string number = std::to_string(i);
    ASSERT_EQ(at_leader_->ask({"SET", "key" + number, number}), "OK");
  }
  for (int i = 0; i < kKeys; ++i) {
    at_follower_->append({"GET", "key" + std::to_string(i)});
    if (i % 50 != 0) continue;
    at_follower_->append({"INCR", "counter"});
    at_follower_->append({"MGET", "counter", "none"});
  }
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_EQ(at_follower_->read()->text, std::to_string(i));
    if (i % 50 != 0) continue;
    ASSERT_EQ(at_follower_->read()->integer, i / 50 + 1);
    ASSERT_EQ(at_follower_->read()->elements[0].text, std::to_string(i / 50 + 1));
  }
}

TEST_F(ClusterConsistencyTest, ATokenCarriesWhatWasWrittenAndReadToOtherNodes) {
  ASSERT_NO_FATAL_FAILURE(start());
  Client* nodes[] = {at_leader_.get(), at_follower_.get(), at_other_.get()};
  for (int i = 0; i < 300; ++i) {
    Client &writer = *nodes[i % 3], &reader = *nodes[(i + 1) % 3], &third = *nodes[(i + 2) % 3];
    const std::string value = std::to_string(i);
    ASSERT_EQ(writer.ask({"SET", "key", value}), "OK");
    ASSERT_EQ(reader.ask({"CLIENT", "TOKEN", writer.ask({"CLIENT", "TOKEN"})}), "OK");
    ASSERT_EQ(reader.ask({"GET", "key"}), value);
    ASSERT_EQ(third.ask({"CLIENT", "TOKEN", reader.ask({"CLIENT", "TOKEN"})}), "OK");
    ASSERT_EQ(third.ask({"GET", "key"}), value);
  }
  EXPECT_THAT(at_leader_->ask({"CLIENT", "TOKEN", "k1-0-0-0-0"}), StartsWith("-ERR"));
}

TEST_F(ClusterConsistencyTest, EachLevelKeepsItsWordAtACutOffFollower) {
  ASSERT_NO_FATAL_FAILURE(
      start({"--write-timeout-ms", "500"}, ClusterProcess::Links::kThroughNetwork));
  ASSERT_EQ(at_follower_->ask({"SET", "key", "old"}), "OK");
  ASSERT_EQ(at_follower_->ask({"GET", "key"}), "old");
  cluster_->network().isolate(follower_);
  ASSERT_EQ(at_leader_->ask({"SET", "key", "new"}), "OK");
  ASSERT_EQ(at_follower_->ask({"GET", "key"}), "old");  // session: what it has seen is there
  ASSERT_EQ(at_follower_->ask({"CLIENT", "CONSISTENCY", "linearizable"}), "OK");
  EXPECT_THAT(at_follower_->ask({"GET", "key"}), StartsWith("-TRYAGAIN"));
  ASSERT_EQ(at_follower_->ask({"CLIENT", "CONSISTENCY", "session"}), "OK");
  ASSERT_EQ(at_follower_->ask({"CLIENT", "TOKEN", at_leader_->ask({"CLIENT", "TOKEN"})}), "OK");
  EXPECT_THAT(at_follower_->ask({"GET", "key"}),
              AnyOf(StartsWith("-TRYAGAIN"), StartsWith("-CLUSTERDOWN")));
  ASSERT_EQ(at_follower_->ask({"CLIENT", "CONSISTENCY", "prefix"}), "OK");
  EXPECT_EQ(at_follower_->ask({"GET", "key"}), "old");
  cluster_->network().heal();
  ASSERT_EQ(at_follower_->ask({"CLIENT", "CONSISTENCY", "linearizable"}), "OK");
  EXPECT_TRUE(ask_until(*at_follower_, {"GET", "key"}, "new")) << cluster_->logs();
}

TEST_F(ClusterConsistencyTest, ALinearizableReadOutlivesItsLeader) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_EQ(at_follower_->ask({"CLIENT", "CONSISTENCY", "linearizable"}), "OK");
  ASSERT_EQ(at_leader_->ask({"SET", "key", "value"}), "OK");
  cluster_->node(leader_).send_signal(SIGSTOP);
  // Sent to a leader that says nothing any more, and answered by the next one's word.
  EXPECT_EQ(at_follower_->ask({"GET", "key"}), "value");
  ASSERT_TRUE(ask_until(*at_other_, {"SET", "key", "next"}, "OK")) << cluster_->logs();
  EXPECT_EQ(at_follower_->ask({"GET", "key"}), "next");
  cluster_->node(leader_).send_signal(SIGCONT);
  // It leads no more, and must not believe so.
  ASSERT_EQ(at_leader_->ask({"CLIENT", "CONSISTENCY", "linearizable"}), "OK");
  EXPECT_THAT(at_leader_->ask({"GET", "key"}), AnyOf("next", StartsWith("-TRYAGAIN")));
  EXPECT_TRUE(ask_until(*at_leader_, {"GET", "key"}, "next")) << cluster_->logs();
}

TEST_F(ClusterConsistencyTest, TheOptionOfTheFileCanBeChangedWhileTheServerRuns) {
  ASSERT_NO_FATAL_FAILURE(start({"--read-consistency", "prefix"}));
  EXPECT_EQ(at_follower_->command({"CONFIG", "GET", "read-consistency"})->elements[1].text,
            "prefix");
  EXPECT_EQ(at_follower_->ask({"CONFIG", "SET", "read-consistency", "linearizable"}), "OK");
  ASSERT_EQ(at_leader_->ask({"SET", "key", "value"}), "OK");
  EXPECT_EQ(at_follower_->ask({"GET", "key"}), "value");
  EXPECT_THAT(at_follower_->ask({"CONFIG", "SET", "read-consistency", "eventual"}),
              HasSubstr("linearizable, session, prefix"));
}

}  // namespace
}  // namespace kvorum::integration
