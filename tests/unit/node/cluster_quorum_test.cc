// What a write waits for, and how a cluster shows itself: CLIENT QUORUM, WAIT, INFO, ROLE.
#include "tests/unit/node/cluster_fixture.h"

namespace kvorum::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class QuorumTest : public ClusterFixture {
 protected:
  void start_three(const std::vector<std::pair<std::string, std::string>>& settings = {}) {
    start(3, settings);
    ASSERT_TRUE(wait_for([&] { return settled(); }));
  }
};

TEST_F(QuorumTest, AConnectionsQuorumIsJudgedAgainstTheMembership) {
  start_three();
  TestClient& client = connect(*leader());
  for (const char* good : {"1", "3", "MAJORITY", "all"}) {
    EXPECT_EQ(ask(client, {"CLIENT", "QUORUM", good}), "+OK\r\n") << good;
  }
  for (const char* bad : {"0", "4", "some", "-1"}) {
    EXPECT_THAT(ask(client, {"CLIENT", "QUORUM", bad}), StartsWith("-ERR")) << bad;
  }
}

TEST_F(QuorumTest, TooFewReachableVotersRefuseAWriteBeforeItExecutes) {
  start_three();
  TestClient& client = connect(*leader());
  ask(client, {"CLIENT", "QUORUM", "all"});
  EXPECT_EQ(ask(client, {"SET", "a", "1"}), "+OK\r\n");
  kill(follower());
  run_ms(1000);
  EXPECT_EQ(ask(client, {"SET", "a", "2"}), "-NOREPLICAS Not enough good replicas to write.\r\n");
  EXPECT_EQ(ask(client, {"GET", "a"}), "$1\r\n1\r\n");
  ask(client, {"CLIENT", "QUORUM", "majority"});
  EXPECT_EQ(ask(client, {"SET", "a", "2"}), "+OK\r\n");
}

TEST_F(QuorumTest, AQuorumThatDoesNotComeInTimeLeavesTheOutcomeUnknown) {
  start_three({{"write-timeout-ms", "500"}});
  Member& slow = follower();
  slow.disk_stuck = true;
  TestClient& client = connect(*leader());
  TestClient& remote = connect(slow);
  ask(client, {"CLIENT", "QUORUM", "all"});
  ask(remote, {"CLIENT", "QUORUM", "all"});
  EXPECT_THAT(ask(client, {"SET", "a", "1"}), AllOf(StartsWith("-TIMEOUT"), HasSubstr("unknown")));
  EXPECT_THAT(ask(remote, {"SET", "a", "2"}), AllOf(StartsWith("-TIMEOUT"), HasSubstr("unknown")));
  EXPECT_EQ(ask(connect(*leader()), {"GET", "a"}), "$1\r\n2\r\n") << "a majority has it";
}

TEST_F(QuorumTest, ASmallQuorumIsAnsweredBeforeTheCommitAndAReadIsNot) {
  start_three();
  for (Member* member : alive()) member->disk_stuck = member != leader();
  TestClient& client = connect(*leader());
  ask(client, {"CLIENT", "QUORUM", "1"});
  EXPECT_EQ(ask(client, {"SET", "a", "1"}), "+OK\r\n");
  client.send({"GET", "a"});
  run_ms(100);
  EXPECT_EQ(client.take(), "");
  for (Member* member : alive()) member->disk_stuck = false;
  ASSERT_TRUE(wait_for([&] { return !client.output().empty(); }));
  EXPECT_EQ(client.take(), "$1\r\n1\r\n");
}

TEST_F(QuorumTest, WritesWaitWhileLeadershipIsHandedOver) {
  start_three();
  Member& slow = follower();
  Member* old = leader();
  TestClient& client = connect(*old);
  slow.disk_stuck = true;
  EXPECT_EQ(ask(client, {"SET", "a", "1"}), "+OK\r\n");
  ASSERT_TRUE(old->node->cluster().transfer(slow.id));  // which has to catch up first
  client.send({"GET", "a"});
  client.send({"SET", "a", "2"});
  run_ms(50);
  EXPECT_EQ(client.take(), "$1\r\n1\r\n");
  EXPECT_EQ(client.unexecuted(), 1u);
  ASSERT_TRUE(wait_for([&] { return !client.output().empty(); }));
  EXPECT_EQ(client.take(), "+OK\r\n");
  EXPECT_EQ(ask(client, {"GET", "a"}), "$1\r\n2\r\n");
}

TEST_F(QuorumTest, WhatIsWrittenInTheTurnOfAHandOverGoesWithIt) {
  start_three();
  Member* old = leader();
  const storage::NodeId next = follower().id;
  const storage::Term term = old->node->cluster().term();
  TestClient& client = connect(*old);
  client.send({"SET", "a", "1"});
  ASSERT_TRUE(client.pump());  // executed, and the turn goes on
  ASSERT_TRUE(old->node->cluster().transfer(next));
  ASSERT_TRUE(wait_for([&] { return !client.output().empty(); }));
  EXPECT_EQ(client.take(), "+OK\r\n");
  ASSERT_NE(leader(), nullptr);
  EXPECT_EQ(leader()->id, next);
  EXPECT_EQ(leader()->node->cluster().term().value(), term.value() + 1) << "the first one has won";
}

TEST_F(QuorumTest, WaitCountsFollowersThatHaveItOnDisk) {
  start_three();
  Member& slow = follower();
  TestClient& client = connect(*leader());
  slow.disk_stuck = true;
  ask(client, {"SET", "a", "1"});
  EXPECT_EQ(ask(client, {"WAIT", "1", "0"}), ":1\r\n");
  EXPECT_EQ(ask(client, {"WAIT", "2", "100"}), ":1\r\n");
  client.send({"WAIT", "2", "0"});
  run_ms(50);
  EXPECT_EQ(client.take(), "");
  slow.disk_stuck = false;
  ASSERT_TRUE(wait_for([&] { return !client.output().empty(); }));
  EXPECT_EQ(client.take(), ":2\r\n");
}

TEST_F(QuorumTest, InfoShowsTheLeaderItsFollowers) {
  start_three();
  ask(connect(*leader()), {"SET", "a", "1"});
  run_ms(200);
  const std::string lsn = std::to_string(leader()->node->commit_position().lsn.value());
  EXPECT_THAT(ask(connect(*leader()), {"INFO", "replication"}),
              AllOf(HasSubstr("# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"),
                    HasSubstr("slave0:ip=127.0.0.1,port=700"),
                    HasSubstr(",state=online,offset=" + lsn + ",lag=0\r\n"),
                    HasSubstr("\r\nmaster_failover_state:no-failover\r\n"),
                    HasSubstr("\r\nmaster_repl_offset:" + lsn + "\r\n")));
  EXPECT_THAT(ask(connect(*leader()), {"INFO", "quorum"}),
              AllOf(HasSubstr("\r\nnode_role:leader\r\n"), HasSubstr("\r\nvoters:3\r\n"),
                    HasSubstr("\r\nreachable_voters:3\r\n"),
                    HasSubstr("\r\nwrite_quorum:majority\r\nwrite_quorum_voters:2\r\n"),
                    HasSubstr("\r\nacknowledged_writes_survive_failover:yes\r\n"),
                    HasSubstr(",state=online,durable_lsn=" + lsn + ",lag_records=0,lag_bytes=0,"),
                    Not(HasSubstr("\r\nslave")), Not(HasSubstr("\r\nrole:"))));
}

TEST_F(QuorumTest, InfoShowsAFollowerItsLeader) {
  start_three();
  ask(connect(*leader()), {"SET", "a", "1"});
  run_ms(200);
  const std::string lsn = std::to_string(leader()->node->commit_position().lsn.value());
  const std::string port = std::to_string(7000 + leader()->id.value());
  EXPECT_THAT(
      ask(connect(follower()), {"INFO", "replication"}),
      AllOf(
          HasSubstr("# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:" + port +
                    "\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:0\r\n"
                    "master_sync_in_progress:0\r\nslave_read_repl_offset:" +
                    lsn + "\r\nslave_repl_offset:" + lsn + "\r\nslave_priority:100\r\n"),
          HasSubstr("\r\nconnected_slaves:0\r\nmaster_failover_state:")));
  EXPECT_EQ(ask(connect(follower()), {"ROLE"}), "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:" + port +
                                                    "\r\n$9\r\nconnected\r\n:" + lsn + "\r\n");
  EXPECT_THAT(
      ask(connect(*leader()), {"ROLE"}),
      StartsWith("*3\r\n$6\r\nmaster\r\n:" + lsn + "\r\n*2\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n700"));
  EXPECT_THAT(ask(connect(follower()), {"HELLO"}), HasSubstr("role\r\n$7\r\nreplica\r\n"));
}

TEST_F(QuorumTest, AnAsynchronousClusterSaysSo) {
  start_three({{"write-quorum", "1"}});
  EXPECT_THAT(ask(connect(*leader()), {"INFO", "quorum"}),
              AllOf(HasSubstr("\r\nwrite_quorum:1\r\nwrite_quorum_voters:1\r\n"),
                    HasSubstr("\r\nacknowledged_writes_survive_failover:no\r\n")));
}

TEST_F(QuorumTest, AnIsolatedLeaderAnswersNoReadBeyondItsLease) {
  start_three();
  Member* old = leader();
  TestClient& client = connect(*old);
  ask(client, {"SET", "a", "1"});
  isolate(*old);
  run_ms(270);  // the lease is 240 ms, check-quorum 300
  client.send({"GET", "a"});
  run_ms(5);
  EXPECT_EQ(client.take(), "");
  ASSERT_TRUE(wait_for([&] { return leader() != nullptr && leader() != old; }));
  EXPECT_EQ(ask(connect(*leader()), {"SET", "a", "2"}), "+OK\r\n");
  EXPECT_THAT(client.take(), StartsWith("-TRYAGAIN"));
  EXPECT_FALSE(old->node->cluster().leads());
}

}  // namespace
}  // namespace kvorum::server
