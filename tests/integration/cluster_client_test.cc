// What clients of any node see: forwarding, transactions, write quorums, failover.
#include <string>
#include <vector>

#include "tests/integration/cluster_fixture.h"

namespace kvorum::integration {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ClusterClientTest : public ClusterFixture {
 protected:
  void start(const ClusterProcess::Flags& flags = {}) {
    ASSERT_NO_FATAL_FAILURE(start_cluster(3, steady_and(flags)));
    leader_ = cluster_->leader();
    follower_ = cluster_->a_follower();
    at_leader_ = cluster_->connect(leader_);
    at_follower_ = cluster_->connect(follower_);
    ASSERT_TRUE(at_leader_ != nullptr && at_follower_ != nullptr);
  }
  int other_follower() const { return 6 - leader_ - follower_; }

  int leader_ = 0, follower_ = 0;
  std::unique_ptr<Client> at_leader_, at_follower_;
};

TEST_F(ClusterClientTest, AConnectionToAFollowerSeesItsOwnWritesAtOnce) {
  ASSERT_NO_FATAL_FAILURE(start());
  for (int i = 1; i <= 500; ++i) {
    ASSERT_EQ(at_follower_->ask({"INCR", "counter"}), std::to_string(i));
    ASSERT_EQ(at_follower_->ask({"GET", "counter"}), std::to_string(i));
  }
}

TEST_F(ClusterClientTest, APipelineOfReadsAndWritesThroughAFollowerIsAnsweredInOrder) {
  ASSERT_NO_FATAL_FAILURE(start());
  constexpr int kRounds = 200;
  for (int i = 0; i < kRounds; ++i) {
    at_follower_->append({"SET", "key", std::to_string(i)});
    at_follower_->append({"GET", "key"});
    at_follower_->append({"ECHO", std::to_string(i)});
    at_follower_->append({"APPEND", "key", "!"});
    at_follower_->append({"GETDEL", "key"});
  }
  for (int i = 0; i < kRounds; ++i) {
    const std::string value = std::to_string(i);
    EXPECT_EQ(at_follower_->read()->text, "OK");
    EXPECT_EQ(at_follower_->read()->text, value);
    EXPECT_EQ(at_follower_->read()->text, value);
    EXPECT_EQ(at_follower_->read()->integer, static_cast<long long>(value.size()) + 1);
    EXPECT_EQ(at_follower_->read()->text, value + "!");
  }
}

TEST_F(ClusterClientTest, BrokenProtocolIsAnsweredAfterWhatWasForwarded) {
  ASSERT_NO_FATAL_FAILURE(start());
  RawConnection connection(cluster_->port(follower_));
  ASSERT_TRUE(connection.send("SET a 41\r\nINCR a\r\n*x\r\nSET a 0\r\n"));
  EXPECT_EQ(connection.read_to_end(),
            "+OK\r\n:42\r\n-ERR Protocol error: invalid multibulk length\r\n");
  EXPECT_EQ(at_leader_->ask({"GET", "a"}), "42");
}

TEST_F(ClusterClientTest, ErrorsOfForwardedCommandsAreTheLeaders) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_EQ(at_follower_->ask({"SET", "text", "abc"}), "OK");
  EXPECT_EQ(at_follower_->ask({"INCR", "text"}), at_leader_->ask({"INCR", "text"}));
  EXPECT_THAT(at_follower_->ask({"INCR", "text"}), StartsWith("-ERR value is not an integer"));
  EXPECT_THAT(at_follower_->ask({"SET", "one"}), StartsWith("-ERR wrong number of arguments"));
  EXPECT_EQ(at_follower_->ask({"SELECT", "3"}), "OK");
  EXPECT_EQ(at_follower_->ask({"SET", "in", "three"}), "OK");
  EXPECT_EQ(at_leader_->ask({"GET", "in"}), "(nil)");
  EXPECT_EQ(at_leader_->ask({"SELECT", "3"}), "OK");
  EXPECT_EQ(at_leader_->ask({"GET", "in"}), "three");
}

TEST_F(ClusterClientTest, ATransactionThroughAFollowerIsOneUnit) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_EQ(at_follower_->ask({"MULTI"}), "OK");
  EXPECT_EQ(at_follower_->ask({"SET", "a", "1"}), "QUEUED");
  EXPECT_EQ(at_follower_->ask({"INCR", "a"}), "QUEUED");
  EXPECT_EQ(at_follower_->ask({"GET", "a"}), "QUEUED");
  const std::optional<Reply> reply = at_follower_->command({"EXEC"});
  ASSERT_TRUE(reply && reply->elements.size() == 3u);
  EXPECT_EQ(reply->elements[0].text, "OK");
  EXPECT_EQ(reply->elements[1].integer, 2);
  EXPECT_EQ(reply->elements[2].text, "2");
  EXPECT_EQ(at_leader_->ask({"GET", "a"}), "2");

  EXPECT_EQ(at_follower_->ask({"MULTI"}), "OK");
  EXPECT_THAT(at_follower_->ask({"SET", "wrong"}), StartsWith("-ERR"));
  EXPECT_EQ(at_follower_->ask({"SET", "a", "3"}), "QUEUED");
  EXPECT_THAT(at_follower_->ask({"EXEC"}), StartsWith("-EXECABORT"));
  EXPECT_EQ(at_follower_->ask({"GET", "a"}), "2");
}

TEST_F(ClusterClientTest, WatchThroughAFollowerSeesWritesOfOthers) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_EQ(at_leader_->ask({"SET", "key", "1"}), "OK");
  const auto exchange = [&](bool touched) {
    EXPECT_EQ(at_follower_->ask({"WATCH", "key"}), "OK");
    if (touched) {
      EXPECT_EQ(at_leader_->ask({"SET", "key", "theirs"}), "OK");
    }
    EXPECT_EQ(at_follower_->ask({"MULTI"}), "OK");
    EXPECT_EQ(at_follower_->ask({"SET", "key", "ours"}), "QUEUED");
    return at_follower_->command({"EXEC"});
  };
  std::optional<Reply> reply = exchange(/*touched=*/true);
  ASSERT_TRUE(reply.has_value());
  EXPECT_TRUE(reply->is_nil());
  EXPECT_EQ(at_follower_->ask({"GET", "key"}), "theirs");
  reply = exchange(/*touched=*/false);
  ASSERT_TRUE(reply && reply->elements.size() == 1u);
  EXPECT_EQ(at_leader_->ask({"GET", "key"}), "ours");
}

// The new leader did not see what happened between WATCH and EXEC.
TEST_F(ClusterClientTest, AnExecWhoseWatchWasMadeUnderAnotherLeaderAnswersNil) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_EQ(at_follower_->ask({"SET", "key", "1"}), "OK");
  EXPECT_EQ(at_follower_->ask({"WATCH", "key"}), "OK");
  EXPECT_EQ(at_follower_->ask({"MULTI"}), "OK");
  EXPECT_EQ(at_follower_->ask({"SET", "key", "2"}), "QUEUED");
  cluster_->kill(leader_);
  ASSERT_NE(cluster_->wait_for_leader(), 0) << cluster_->logs();
  const std::optional<Reply> reply = at_follower_->command({"EXEC"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_TRUE(reply->is_nil()) << reply->text;
  EXPECT_EQ(at_follower_->ask({"GET", "key"}), "1");
}

TEST_F(ClusterClientTest, AClientOfAFollowerKeepsItsConnectionThroughAFailover) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_EQ(at_follower_->ask({"CLIENT", "SETNAME", "keeper"}), "OK");
  const std::string id = at_follower_->ask({"CLIENT", "ID"});
  EXPECT_EQ(at_follower_->ask({"SET", "key", "before"}), "OK");
  cluster_->kill(leader_);
  EXPECT_TRUE(ask_until(*at_follower_, {"SET", "key", "after"}, "OK")) << cluster_->logs();
  EXPECT_EQ(at_follower_->ask({"GET", "key"}), "after");
  EXPECT_EQ(at_follower_->ask({"CLIENT", "ID"}), id);
  EXPECT_EQ(at_follower_->ask({"CLIENT", "GETNAME"}), "keeper");
}

TEST_F(ClusterClientTest, WaitCountsFollowersThatHaveItOnDiskOnEveryNode) {
  ASSERT_NO_FATAL_FAILURE(start());
  for (Client* client : {at_leader_.get(), at_follower_.get()}) {
    EXPECT_EQ(client->ask({"SET", "key", "value"}), "OK");
    EXPECT_EQ(client->ask({"WAIT", "2", "10000"}), "2");
    const std::optional<Reply> reply = client->command({"WAITAOF", "1", "2", "10000"});
    ASSERT_TRUE(reply && reply->elements.size() == 2u);
    EXPECT_EQ(reply->elements[0].integer, 1);
    EXPECT_EQ(reply->elements[1].integer, 2);
  }
  cluster_->kill(other_follower());
  EXPECT_EQ(at_leader_->ask({"SET", "key", "value"}), "OK");
  EXPECT_EQ(at_leader_->ask({"WAIT", "2", "200"}), "1");
  EXPECT_EQ(at_follower_->ask({"SET", "key", "value"}), "OK");
  EXPECT_EQ(at_follower_->ask({"WAIT", "2", "200"}), "1");
}

TEST_F(ClusterClientTest, AConnectionChoosesItsWriteQuorum) {
  ASSERT_NO_FATAL_FAILURE(start({"--write-timeout-ms", "300"}));
  for (Client* client : {at_leader_.get(), at_follower_.get()}) {
    for (const char* quorum : {"1", "2", "3", "majority", "all"}) {
      EXPECT_EQ(client->ask({"CLIENT", "QUORUM", quorum}), "OK") << quorum;
      EXPECT_EQ(client->ask({"SET", "key", quorum}), "OK") << quorum;
    }
    EXPECT_THAT(client->ask({"CLIENT", "QUORUM", "some"}), StartsWith("-ERR"));
  }
  cluster_->kill(other_follower());
  // Known to be out of reach before it executes, or found out by waiting.
  for (Client* client : {at_leader_.get(), at_follower_.get()}) {
    EXPECT_EQ(client->ask({"CLIENT", "QUORUM", "all"}), "OK");
    EXPECT_THAT(client->ask({"SET", "key", "all"}),
                AnyOf(StartsWith("-NOREPLICAS"), StartsWith("-TIMEOUT")));
    EXPECT_EQ(client->ask({"CLIENT", "QUORUM", "majority"}), "OK");
    EXPECT_EQ(client->ask({"SET", "key", "majority"}), "OK");
    EXPECT_EQ(client->ask({"GET", "key"}), "majority");
  }
}

// Nobody answers, and nobody has hung up: only time tells.
TEST_F(ClusterClientTest, AWriteThatNoQuorumConfirmsInTimeSaysThatItsOutcomeIsUnknown) {
  ASSERT_NO_FATAL_FAILURE(start({"--write-timeout-ms", "200"}));
  cluster_->node(follower_).send_signal(SIGSTOP);
  cluster_->node(other_follower()).send_signal(SIGSTOP);
  EXPECT_THAT(at_leader_->ask({"SET", "key", "value"}),
              AnyOf(StartsWith("-TIMEOUT"), StartsWith("-NOREPLICAS")));
  cluster_->node(follower_).send_signal(SIGCONT);
  cluster_->node(other_follower()).send_signal(SIGCONT);
  ASSERT_NE(cluster_->wait_for_leader(), 0) << cluster_->logs();
  expect_equal_keyspaces();
}

TEST_F(ClusterClientTest, AReadOnlyFollowerRefusesWritesAndServesReads) {
  ASSERT_NO_FATAL_FAILURE(start({"--follower-writes", "readonly"}));
  EXPECT_EQ(at_leader_->ask({"SET", "key", "value"}), "OK");
  EXPECT_THAT(at_follower_->ask({"SET", "key", "mine"}), StartsWith("-READONLY"));
  EXPECT_TRUE(ask_until(*at_follower_, {"GET", "key"}, "value"));
  EXPECT_EQ(at_follower_->ask({"CONFIG", "SET", "follower-writes", "forward"}), "OK");
  EXPECT_EQ(at_follower_->ask({"SET", "key", "mine"}), "OK");
}

TEST_F(ClusterClientTest, ARedirectingFollowerNamesTheLeaderToClientsThatKnowIt) {
  ASSERT_NO_FATAL_FAILURE(start({"--follower-writes", "redirect"}));
  EXPECT_EQ(at_follower_->ask({"CLIENT", "CAPA", "redirect"}), "OK");
  EXPECT_EQ(at_follower_->ask({"SET", "key", "value"}),
            "-REDIRECT 127.0.0.1:" + std::to_string(cluster_->port(leader_)));
  EXPECT_EQ(at_leader_->ask({"CLIENT", "CAPA", "redirect"}), "OK");
  EXPECT_EQ(at_leader_->ask({"SET", "key", "value"}), "OK");
}

TEST_F(ClusterClientTest, APublishedMessageReachesSubscribersOnEveryNode) {
  ASSERT_NO_FATAL_FAILURE(start());
  std::vector<std::unique_ptr<Client>> subscribers;
  for (int i = 1; i <= 3; ++i) {
    subscribers.push_back(cluster_->connect(i));
    ASSERT_TRUE(subscribers.back()->command({"SUBSCRIBE", "news"}).has_value());
  }
  at_leader_->ask({"PUBLISH", "news", "from the leader"});
  at_follower_->ask({"PUBLISH", "news", "from a follower"});
  for (const auto& subscriber : subscribers) {
    std::vector<std::string> messages;
    for (int i = 0; i < 2; ++i) {
      const std::optional<Reply> reply = subscriber->read();
      ASSERT_TRUE(reply && reply->elements.size() == 3u);
      messages.push_back(reply->elements[2].text);
    }
    EXPECT_THAT(messages, ::testing::UnorderedElementsAre("from the leader", "from a follower"));
  }
}

TEST_F(ClusterClientTest, EveryNodeSaysWhoLeads) {
  ASSERT_NO_FATAL_FAILURE(start());
  const std::optional<Reply> leader = at_leader_->command({"ROLE"});
  ASSERT_TRUE(leader && leader->elements.size() == 3u);
  EXPECT_EQ(leader->elements[0].text, "master");
  EXPECT_EQ(leader->elements[2].elements.size(), 2u);
  const std::optional<Reply> follower = at_follower_->command({"ROLE"});
  ASSERT_TRUE(follower && follower->elements.size() == 5u);
  EXPECT_EQ(follower->elements[0].text, "slave");
  EXPECT_EQ(follower->elements[2].integer, cluster_->port(leader_));
  EXPECT_EQ(follower->elements[3].text, "connected");
  EXPECT_THAT(at_leader_->ask({"INFO", "replication"}), HasSubstr("slave1:ip=127.0.0.1,port="));
}

}  // namespace
}  // namespace kvorum::integration
