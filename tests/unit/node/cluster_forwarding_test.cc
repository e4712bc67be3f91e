// Any node can be asked: commands through a node that does not lead.
#include "server/node/cluster/forwarding.h"
#include "tests/unit/node/cluster_fixture.h"

namespace kvorum::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ForwardingTest : public ClusterFixture {
 protected:
  void start_three(const std::vector<std::pair<std::string, std::string>>& settings = {}) {
    start(3, settings);
    ASSERT_TRUE(wait_for([&] { return settled(); }));
  }
  // The session on which the follower's messages come to the leader.
  Session& inbound(Member& at, Member& from) { return *connections.at({from.id, at.id}).session; }
  peer::Forward forward(Member& to, uint64_t sequence, std::vector<std::string> words) {
    peer::Forward message;
    message.client = 4711;
    message.sequence = sequence;
    message.term = to.node->cluster().term();
    message.commands = {std::move(words)};
    return message;
  }
};

TEST_F(ForwardingTest, AFollowerForwardsWritesAndSeesThem) {
  start_three();
  TestClient& client = connect(follower());
  EXPECT_EQ(ask(client, {"SET", "key", "value"}), "+OK\r\n");
  EXPECT_EQ(ask(client, {"GET", "key"}), "$5\r\nvalue\r\n");
  EXPECT_EQ(ask(connect(*leader()), {"GET", "key"}), "$5\r\nvalue\r\n");
}

TEST_F(ForwardingTest, AReadWithNothingUnderWayRunsHere) {
  start_three();
  TestClient& client = connect(follower());
  ask(client, {"SET", "key", "value"});
  ASSERT_TRUE(wait_for([&] { return client.session().seen <= follower().node->log().applied(); }));
  client.send({"GET", "key"});
  client.pump();
  EXPECT_EQ(client.take(), "$5\r\nvalue\r\n");
}

TEST_F(ForwardingTest, AReadWaitsUntilThisNodeHasAppliedWhatTheClientHasSeen) {
  start_three();
  Member& asked = follower();
  TestClient& client = connect(asked);
  ask(client, {"SET", "key", "old"});
  // As if a reply had come that reflects the next record, which has not arrived here.
  client.session().see(leader()->node->log().next());
  client.send({"GET", "key"});
  client.send({"DBSIZE"});
  client.pump();
  EXPECT_EQ(client.take(), "");
  EXPECT_EQ(client.session().forwarded, 0u);
  ask(connect(*leader()), {"SET", "key", "new"});
  ASSERT_TRUE(wait_for([&] { return client.output().ends_with(":1\r\n"); }, 200));
  EXPECT_EQ(client.take(), "$3\r\nnew\r\n:1\r\n");
}

TEST_F(ForwardingTest, AReadThatWaitsForARecordThatNeverComesGoesToTheLeader) {
  start_three();
  Member& asked = follower();
  TestClient& client = connect(asked);
  ask(client, {"SET", "key", "value"});
  client.session().see({leader()->node->cluster().term(), storage::Lsn{1'000'000}});
  client.send({"GET", "key"});
  run_ms(100);
  EXPECT_EQ(client.take(), "");
  ASSERT_TRUE(wait_for([&] { return !client.output().empty(); }, 1000));
  EXPECT_EQ(client.take(), "$5\r\nvalue\r\n");
}

TEST_F(ForwardingTest, APipelineOfForwardedAndLocalCommandsKeepsItsOrder) {
  start_three();
  TestClient& client = connect(follower());
  client.send({"SET", "a", "1"});
  client.send({"GET", "a"});
  client.send({"PING"});
  client.send({"INCR", "a"});
  client.send({"NOSUCHCOMMAND"});
  client.send({"DBSIZE"});
  client.send({"SELECT", "1"});
  client.send({"GET", "a"});
  client.send({"SET", "a", "other"});
  client.send({"GET", "a"});
  client.send({"ECHO", "end"});
  ASSERT_TRUE(wait_for([&] { return client.output().ends_with("end\r\n"); }));
  EXPECT_EQ(client.take(),
            "+OK\r\n$1\r\n1\r\n+PONG\r\n:2\r\n"
            "-ERR unknown command 'NOSUCHCOMMAND', with args beginning with: \r\n"
            ":1\r\n+OK\r\n$-1\r\n+OK\r\n$5\r\nother\r\n$3\r\nend\r\n");
}

TEST_F(ForwardingTest, ALongPipelineArrivesWholeAndInOrder) {
  start_three();
  TestClient& client = connect(follower());
  std::string expected;
  for (int i = 1; i <= 3000; ++i) {
    client.send({"INCR", "counter"});
    expected += base::concat(":", i, "\r\n");
  }
  client.pump();
  EXPECT_EQ(client.session().forwarded, Forwarder::kMaxCommands);  // the rest stays with the host
  EXPECT_EQ(client.unexecuted(), 3000 - Forwarder::kMaxCommands);
  ASSERT_TRUE(wait_for([&] { return client.output().size() >= expected.size(); }));
  EXPECT_EQ(client.take(), expected);
}

TEST_F(ForwardingTest, ATransactionTravelsAsOneUnit) {
  start_three();
  TestClient& client = connect(follower());
  client.send({"MULTI"});
  client.send({"SET", "a", "1"});
  client.send({"INCR", "a"});
  client.send({"GET", "a"});
  client.send({"EXEC"});
  ASSERT_TRUE(wait_for([&] { return client.output().find("*3") != std::string::npos; }));
  EXPECT_EQ(client.take(),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:2\r\n$1\r\n2\r\n");
}

TEST_F(ForwardingTest, ATransactionHandsNoLeadershipOver) {
  start_three();
  Member* const first = leader();
  TestClient& client = connect(*first);
  ask(client, {"MULTI"});
  ask(client, {"SET", "a", "1"});
  ask(client, {"FAILOVER"});
  EXPECT_EQ(ask(client, {"EXEC"}),
            "*2\r\n+OK\r\n-ERR Command not allowed inside a transaction\r\n");
  EXPECT_EQ(leader(), first);
  EXPECT_FALSE(first->node->cluster().handing_over());
}

TEST_F(ForwardingTest, ATransactionThatOnlyReadsRunsHere) {
  start_three();
  TestClient& client = connect(follower());
  client.send({"MULTI"});
  client.send({"GET", "a"});
  client.send({"EXEC"});
  client.pump();
  EXPECT_EQ(client.take(), "+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n");
}

TEST_F(ForwardingTest, AChangeOfAWatchedKeyAnswersNil) {
  start_three();
  TestClient& client = connect(follower());
  TestClient& other = connect(*leader());
  EXPECT_EQ(ask(client, {"WATCH", "a"}), "+OK\r\n");
  ask(other, {"SET", "a", "theirs"});
  ask(client, {"MULTI"});
  ask(client, {"SET", "a", "mine"});
  EXPECT_EQ(ask(client, {"EXEC"}), "*-1\r\n");
  EXPECT_EQ(ask(other, {"GET", "a"}), "$6\r\ntheirs\r\n");
}

TEST_F(ForwardingTest, AnUntouchedWatchLetsExecRunOnce) {
  start_three();
  TestClient& client = connect(follower());
  ask(client, {"WATCH", "a"});
  ask(client, {"MULTI"});
  ask(client, {"INCR", "a"});
  EXPECT_EQ(ask(client, {"EXEC"}), "*1\r\n:1\r\n");
  // What was watched is forgotten.
  ask(connect(*leader()), {"SET", "a", "10"});
  ask(client, {"MULTI"});
  ask(client, {"INCR", "a"});
  EXPECT_EQ(ask(client, {"EXEC"}), "*1\r\n:11\r\n");
}

TEST_F(ForwardingTest, UnwatchAndDiscardForgetWhatTheLeaderWatches) {
  start_three();
  for (const char* forget : {"UNWATCH", "DISCARD"}) {
    TestClient& client = connect(follower());
    ask(client, {"WATCH", "a"});
    if (forget == std::string_view("DISCARD")) ask(client, {"MULTI"});
    EXPECT_EQ(ask(client, {forget}), "+OK\r\n");
    ask(connect(*leader()), {"SET", "a", "1"});
    ask(client, {"MULTI"});
    ask(client, {"INCR", "a"});
    EXPECT_EQ(ask(client, {"EXEC"}), "*1\r\n:2\r\n") << forget;
  }
}

TEST_F(ForwardingTest, ExecUnderAnotherLeaderThanTheWatchAnswersNil) {
  start_three();
  Member* old = leader();
  std::vector<TestClient*> clients;
  for (Member* member : alive()) {
    if (member == old) continue;
    clients.push_back(&connect(*member));
    EXPECT_EQ(ask(*clients.back(), {"WATCH", "a"}), "+OK\r\n");
    ask(*clients.back(), {"MULTI"});
    ask(*clients.back(), {"SET", "a", "mine"});
  }
  kill(*old);
  ASSERT_TRUE(wait_for([&] { return leader() != nullptr; }));
  run_ms(200);
  // One of the two is at the new leader, one at a follower.
  for (TestClient* client : clients) EXPECT_EQ(ask(*client, {"EXEC"}), "*-1\r\n");
  EXPECT_EQ(ask(connect(*leader()), {"EXISTS", "a"}), ":0\r\n");
}

TEST_F(ForwardingTest, WaitIsAnsweredByTheLeader) {
  start_three();
  TestClient& client = connect(follower());
  ask(client, {"SET", "a", "1"});
  EXPECT_EQ(ask(client, {"WAIT", "2", "0"}), ":2\r\n");
  EXPECT_EQ(ask(client, {"WAITAOF", "1", "2", "0"}), "*2\r\n:1\r\n:2\r\n");
  EXPECT_EQ(ask(client, {"WAIT", "3", "100"}), ":2\r\n");
  EXPECT_EQ(ask(client, {"PING"}), "+PONG\r\n");
}

TEST_F(ForwardingTest, AReadOnlyFollowerRefusesWrites) {
  start_three({{"follower-writes", "readonly"}});
  TestClient& client = connect(follower());
  EXPECT_EQ(ask(client, {"SET", "a", "1"}),
            "-READONLY You can't write against a read only replica.\r\n");
  ask(client, {"MULTI"});
  EXPECT_THAT(ask(client, {"SET", "a", "1"}), StartsWith("-READONLY"));
  EXPECT_THAT(ask(client, {"EXEC"}), StartsWith("-EXECABORT"));
  EXPECT_EQ(ask(client, {"GET", "a"}), "$-1\r\n");
}

TEST_F(ForwardingTest, OnlyClientsThatUnderstandItAreRedirected) {
  start_three({{"follower-writes", "redirect"}});
  TestClient& plain = connect(follower());
  EXPECT_EQ(ask(plain, {"SET", "a", "1"}), "+OK\r\n");
  TestClient& capable = connect(follower());
  ask(capable, {"CLIENT", "CAPA", "redirect"});
  EXPECT_EQ(ask(capable, {"SET", "a", "2"}),
            base::concat("-REDIRECT 127.0.0.1:", 7000 + leader()->id.value(), "\r\n"));
}

TEST_F(ForwardingTest, ALostLeaderLeavesTheOutcomeOfAWriteUnknown) {
  start_three();
  Member& asked = follower();
  Member* old = leader();
  TestClient& client = connect(asked);
  held.push_back({old->id, asked.id});  // no answer comes back
  client.send({"GET", "a"});
  client.send({"SET", "a", "1"});
  client.send({"GET", "a"});
  client.send({"SET", "a", "2"});
  client.send({"GET", "a"});
  client.pump();
  run_ms(10);
  kill(*old);
  held.clear();
  ASSERT_TRUE(wait_for([&] { return client.output().find("outcome") != std::string::npos; }));
  ASSERT_TRUE(wait_for([&] { return leader() != nullptr; }));
  run_ms(500);
  const std::string output = client.take();
  // The first GET ran here. The one between the writes must not run after the second.
  EXPECT_THAT(output, StartsWith("$-1\r\n-TIMEOUT The leader was lost; the outcome of the command "
                                 "is unknown.\r\n-TRYAGAIN"));
  EXPECT_THAT(output, testing::AnyOf(testing::EndsWith("unknown.\r\n$1\r\n2\r\n"),
                                     testing::EndsWith("unknown.\r\n$1\r\n1\r\n"),
                                     testing::EndsWith("unknown.\r\n$-1\r\n")));
  EXPECT_EQ(ask(client, {"SET", "b", "1"}), "+OK\r\n");  // it kept its connection
}

TEST_F(ForwardingTest, WhatWasNotSentWaitsForTheNextLeader) {
  start_three();
  Member* old = leader();
  std::vector<TestClient*> clients;
  for (Member* member : alive()) {
    if (member != old) clients.push_back(&connect(*member));
  }
  kill(*old);
  for (TestClient* client : clients) client->send({"INCR", "counter"});
  for (TestClient* client : clients) {
    ASSERT_TRUE(wait_for([&] { return !client->output().empty(); }));
  }
  // One was executed where it was sent, by a leader of its own; the other one was forwarded.
  EXPECT_EQ(clients[0]->take().size() + clients[1]->take().size(), 8u);
  EXPECT_EQ(ask(connect(*leader()), {"GET", "counter"}), "$1\r\n2\r\n");
}

TEST_F(ForwardingTest, ARefusedCommandIsSentAgainAndExecutedOnce) {
  start_three();
  Member* old = leader();
  std::vector<Member*> others = alive();
  std::erase(others, old);
  TestClient& client = connect(*others[0]);
  held.push_back({others[0]->id, old->id});
  client.send({"INCR", "counter"});
  client.pump();
  run_ms(10);
  EXPECT_EQ(client.session().forwarded, 1u);
  ASSERT_TRUE(old->node->cluster().transfer(others[1]->id));
  ASSERT_TRUE(wait_for([&] { return others[1]->node->cluster().leads(); }));
  held.clear();
  ASSERT_TRUE(wait_for([&] { return !client.output().empty(); }));
  EXPECT_EQ(client.take(), ":1\r\n");
  EXPECT_EQ(ask(connect(*others[1]), {"GET", "counter"}), "$1\r\n1\r\n");
}

// TIMEOUT-NOW overtakes replies: the word that WATCH was executed may come after the office.
TEST_F(ForwardingTest, AWatchThatIsAnsweredWhenThisNodeLeadsEndsInNil) {
  start_three();
  Member* old = leader();
  std::vector<Member*> others = alive();
  std::erase(others, old);
  Member* asked = others[0];
  TestClient& client = connect(*asked);
  held.push_back({old->id, asked->id});
  client.send({"WATCH", "a"});
  run_ms(10);
  ASSERT_TRUE(old->node->cluster().transfer(others[1]->id));
  ASSERT_TRUE(wait_for([&] { return others[1]->node->cluster().leads(); }));
  EXPECT_EQ(ask(connect(*others[1]), {"SET", "a", "theirs"}), "+OK\r\n");
  ASSERT_TRUE(others[1]->node->cluster().transfer(asked->id));
  ASSERT_TRUE(wait_for([&] { return asked->node->cluster().leads(); }));
  EXPECT_EQ(client.take(), "");
  held.clear();
  ASSERT_TRUE(wait_for([&] { return !client.output().empty(); }));
  EXPECT_EQ(client.take(), "+OK\r\n");
  EXPECT_EQ(ask(client, {"MULTI"}), "+OK\r\n");
  EXPECT_EQ(ask(client, {"SET", "a", "mine"}), "+QUEUED\r\n");
  EXPECT_EQ(ask(client, {"EXEC"}), "*-1\r\n");
  EXPECT_EQ(ask(client, {"GET", "a"}), "$6\r\ntheirs\r\n");
}

TEST_F(ForwardingTest, ARepeatedCommandIsNotExecutedTwice) {
  start_three();
  Member& at = *leader();
  Session& link = inbound(at, follower());
  at.node->forwarding().receive(link, forward(at, 1, {"INCR", "counter"}));
  at.node->forwarding().receive(link, forward(at, 1, {"INCR", "counter"}));
  at.node->forwarding().receive(link, forward(at, 2, {"INCR", "counter"}));
  run_ms(50);
  EXPECT_EQ(ask(connect(at), {"GET", "counter"}), "$-1\r\n") << "the first was still waiting";
}

TEST_F(ForwardingTest, AGapEndsWhatTheLeaderTakesOfAClient) {
  start_three();
  Member& at = *leader();
  Session& link = inbound(at, follower());
  at.node->forwarding().receive(link, forward(at, 1, {"INCR", "counter"}));
  run_ms(10);
  at.node->forwarding().receive(link, forward(at, 3, {"INCR", "counter"}));
  at.node->forwarding().receive(link, forward(at, 2, {"INCR", "counter"}));
  run_ms(10);
  EXPECT_EQ(ask(connect(at), {"GET", "counter"}), "$1\r\n1\r\n");
}

TEST_F(ForwardingTest, ACommandMeantForAnotherLeadershipIsRefused) {
  start_three();
  Member& at = *leader();
  for (const int64_t difference : {-1, 1}) {
    peer::Forward message = forward(at, 1, {"SET", "a", "1"});
    message.client += static_cast<uint64_t>(difference);
    message.term = storage::Term{message.term.value() + static_cast<uint64_t>(difference)};
    at.node->forwarding().receive(inbound(at, follower()), message);
  }
  peer::Forward message = forward(at, 2, {"SET", "a", "1"});  // and one that begins in the middle
  at.node->forwarding().receive(inbound(at, follower()), message);
  run_ms(50);
  EXPECT_EQ(ask(connect(at), {"EXISTS", "a"}), ":0\r\n");
  EXPECT_EQ(at.node->forwarding().remote_sessions().size(), 0u);
}

TEST_F(ForwardingTest, AFollowerNeverForwardsOnForAnother) {
  start_three();
  std::vector<Member*> others = alive();
  std::erase(others, leader());
  Member& at = *others[0];
  at.node->forwarding().receive(inbound(at, *others[1]), forward(at, 1, {"SET", "a", "1"}));
  run_ms(100);
  EXPECT_EQ(ask(connect(*leader()), {"EXISTS", "a"}), ":0\r\n");
}

TEST_F(ForwardingTest, TheLeaderForgetsAClientThatIsGone) {
  start_three();
  Member& asked = follower();
  TestClient& client = connect(asked);
  ask(client, {"SET", "a", "1"});
  const RemoteSessions& remote = leader()->node->forwarding().remote_sessions();
  EXPECT_EQ(remote.size(), 1u);
  client.send({"WAIT", "9", "0"});  // blocks at the leader
  run_ms(20);
  asked.node->disconnect(client.session());
  asked.clients.clear();
  run_ms(20);
  EXPECT_EQ(remote.size(), 0u);
}

TEST_F(ForwardingTest, ClientReplyHoldsForForwardedCommandsToo) {
  start_three();
  TestClient& client = connect(follower());
  client.send({"CLIENT", "REPLY", "SKIP"});
  client.send({"SET", "a", "1"});
  client.send({"INCR", "a"});
  client.send({"CLIENT", "REPLY", "OFF"});
  client.send({"INCR", "a"});
  client.send({"CLIENT", "REPLY", "ON"});
  client.send({"INCR", "a"});
  ASSERT_TRUE(wait_for([&] { return client.output().ends_with(":4\r\n"); }));
  EXPECT_EQ(client.take(), ":2\r\n+OK\r\n:4\r\n");
}

TEST_F(ForwardingTest, WithoutALeaderAWriteIsCertainlyNotExecuted) {
  start_three({{"write-timeout-ms", "500"}});
  Member& asked = follower();
  TestClient& client = connect(asked);
  for (Member* member : alive()) {
    if (member != &asked) kill(*member);
  }
  run_ms(1000);
  EXPECT_EQ(ask(client, {"SET", "a", "1"}), "-CLUSTERDOWN The cluster has no leader\r\n");
  EXPECT_EQ(ask(client, {"GET", "a"}), "$-1\r\n");  // a consistent prefix can still be read
}

TEST_F(ForwardingTest, AMessageReachesSubscribersOfEveryNode) {
  start_three();
  std::vector<TestClient*> listeners;
  for (Member* member : alive()) {
    listeners.push_back(&connect(*member));
    ask(*listeners.back(), {"SUBSCRIBE", "news"});
    ask(*listeners.back(), {"SSUBSCRIBE", "shard"});
  }
  ask(connect(follower()), {"PUBLISH", "news", "hello"});
  run_ms(100);
  ask(connect(*leader()), {"SPUBLISH", "shard", "there"});
  run_ms(200);
  for (TestClient* listener : listeners) {
    EXPECT_EQ(listener->take(),
              "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n"
              "*3\r\n$8\r\nsmessage\r\n$5\r\nshard\r\n$5\r\nthere\r\n");
  }
}

}  // namespace
}  // namespace kvorum::server
