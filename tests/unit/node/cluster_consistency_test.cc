// What reads promise on each level, at leaders and followers: CLIENT CONSISTENCY, CLIENT TOKEN.
#include "server/node/session_token.h"
#include "tests/unit/node/cluster_fixture.h"

namespace kvorum::server {
namespace {

using storage::Lsn;
using storage::Position;
using storage::Term;
using testing::HasSubstr;
using testing::StartsWith;

class ConsistencyTest : public ClusterFixture {
 protected:
  void start_cluster(uint16_t nodes,
                     const std::vector<std::pair<std::string, std::string>>& settings = {}) {
    start(nodes, settings);
    ASSERT_TRUE(wait_for([&] { return settled(); }));
    leads_ = leader();
    asked_ = &follower();
    EXPECT_EQ(ask(connect(*leads_), {"SET", "k", "old"}), "+OK\r\n");
    ASSERT_TRUE(
        wait_for([&] { return asked_->node->log().applied() == leads_->node->log().last(); }));
  }
  // What the leader says does not come to the follower that is asked.
  void hold() { held.push_back({leads_->id, asked_->id}); }
  TestClient& connect_with(Member& member, const std::string& level) {
    TestClient& client = connect(member);
    EXPECT_EQ(ask(client, {"CLIENT", "CONSISTENCY", level}), "+OK\r\n");
    return client;
  }
  std::string token_of(TestClient& client) {
    const std::string reply = ask(client, {"CLIENT", "TOKEN"});
    const size_t begin = reply.find("\r\n") + 2;
    return reply.substr(begin, reply.size() - begin - 2);
  }
  // What the client has heard after so much time.
  std::string after_ms(TestClient& client, int64_t ms) {
    run_ms(ms);
    return client.take();
  }
  uint64_t requests() { return asked_->node->cluster().read_index().requests(); }

  Member* leads_ = nullptr;
  Member* asked_ = nullptr;
};

TEST_F(ConsistencyTest, OnlyALinearizableReadWaitsForWhatOthersWereAnswered) {
  start_cluster(3);
  TestClient& prefix = connect_with(*asked_, "PREFIX");
  TestClient& session = connect_with(*asked_, "session");
  TestClient& linearizable = connect_with(*asked_, "Linearizable");
  hold();
  EXPECT_EQ(ask(connect(*leads_), {"SET", "k", "new"}), "+OK\r\n");
  EXPECT_EQ(ask(prefix, {"GET", "k"}), "$3\r\nold\r\n");
  EXPECT_EQ(ask(session, {"GET", "k"}), "$3\r\nold\r\n");
  linearizable.send({"GET", "k"});
  EXPECT_EQ(after_ms(linearizable, 100), "");
  heal();
  EXPECT_EQ(after_ms(linearizable, 50), "$3\r\nnew\r\n");
}

TEST_F(ConsistencyTest, ATransactionOfReadsAndAReadOfTheWholeKeyspaceAreLinearizableToo) {
  start_cluster(3);
  TestClient& transaction = connect_with(*asked_, "linearizable");
  TestClient& scan = connect_with(*asked_, "linearizable");
  hold();
  EXPECT_EQ(ask(connect(*leads_), {"SET", "k2", "new"}), "+OK\r\n");
  ask(transaction, {"MULTI"});
  ask(transaction, {"GET", "k2"});
  transaction.send({"EXEC"});
  scan.send({"DBSIZE"});
  EXPECT_EQ(after_ms(transaction, 100), "");
  EXPECT_EQ(scan.take(), "");
  heal();
  EXPECT_EQ(after_ms(transaction, 50), "*1\r\n$3\r\nnew\r\n");
  EXPECT_EQ(scan.take(), ":2\r\n");
}

TEST_F(ConsistencyTest, OneRequestServesEveryReadThatWaits) {
  start_cluster(3);
  std::vector<TestClient*> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(&connect_with(*asked_, "linearizable"));
  for (TestClient* client : clients) client->send({"GET", "k"});
  run_ms(20);
  for (TestClient* client : clients) EXPECT_EQ(client->take(), "$3\r\nold\r\n");
  EXPECT_EQ(requests(), 1u);
}

TEST_F(ConsistencyTest, APipelineAsksOnceAndWhatComesAfterItAsksAgain) {
  start_cluster(3);
  TestClient& client = connect_with(*asked_, "linearizable");
  client.session().inputs = 7;
  for (int i = 0; i < 20; ++i) client.send({"GET", "k"});
  run_ms(20);
  EXPECT_EQ(requests(), 1u);
  EXPECT_EQ(client.take().size(), 20 * std::string("$3\r\nold\r\n").size());
  hold();
  EXPECT_EQ(ask(connect(*leads_), {"SET", "k", "new"}), "+OK\r\n");
  client.session().inputs = 8;
  client.send({"GET", "k"});
  EXPECT_EQ(after_ms(client, 50), "");
  EXPECT_EQ(requests(), 2u);
}

TEST_F(ConsistencyTest, ARequestUnderWayServesNoReadThatCameLater) {
  start_cluster(3);
  TestClient& first = connect_with(*asked_, "linearizable");
  TestClient& second = connect_with(*asked_, "linearizable");
  hold();
  first.send({"GET", "k"});
  run_ms(20);
  second.send({"GET", "k"});
  run_ms(20);
  EXPECT_EQ(requests(), 1u);  // one at a time
  heal();
  run_ms(20);
  EXPECT_EQ(first.take(), "$3\r\nold\r\n");
  EXPECT_EQ(second.take(), "$3\r\nold\r\n");
  EXPECT_EQ(requests(), 2u);
}

TEST_F(ConsistencyTest, WithoutALeaderALinearizableReadGivesUpAndAPrefixIsAnswered) {
  start_cluster(3, {{"write-timeout-ms", "700"}});
  TestClient& prefix = connect_with(*asked_, "prefix");
  TestClient& linearizable = connect_with(*asked_, "linearizable");
  isolate(*asked_);
  linearizable.send({"GET", "k"});
  EXPECT_EQ(after_ms(linearizable, 650), "");
  EXPECT_EQ(ask(prefix, {"GET", "k"}), "$3\r\nold\r\n");
  EXPECT_THAT(after_ms(linearizable, 150), StartsWith("-TRYAGAIN"));
}

TEST_F(ConsistencyTest, AReadThatWaitsAsksTheNextLeader) {
  start_cluster(3);
  TestClient& client = connect_with(*asked_, "linearizable");
  hold();
  EXPECT_EQ(ask(connect(*leads_), {"SET", "k", "new"}), "+OK\r\n");
  client.send({"GET", "k"});
  run_ms(20);
  kill(*leads_);
  held.clear();
  ASSERT_TRUE(wait_for([&] { return !client.output().empty(); }));
  EXPECT_EQ(client.take(), "$3\r\nnew\r\n");
}

TEST_F(ConsistencyTest, ALeaderThatCannotConfirmItsLeadershipTellsNoIndex) {
  start_cluster(5, {{"write-timeout-ms", "1000"}});
  TestClient& client = connect_with(*asked_, "linearizable");
  for (Member* member : everyone()) {
    if (member == leads_ || member == asked_) continue;
    separate(leads_->id, member->id);
    separate(asked_->id, member->id);
  }
  run_ms(265);  // the lease is 240 ms, check-quorum 300
  ASSERT_TRUE(leads_->node->cluster().leads());
  client.send({"GET", "k"});
  EXPECT_EQ(after_ms(client, 25), "");
  ASSERT_TRUE(leads_->node->cluster().leads());
  EXPECT_EQ(requests(), 1u);
  ASSERT_TRUE(wait_for([&] { return !client.output().empty(); }));
  EXPECT_THAT(client.take(), StartsWith("-TRYAGAIN"));
}

TEST_F(ConsistencyTest, OnlyAPrefixIsAnsweredByALeaderWithoutALease) {
  start_cluster(3);
  TestClient& session = connect(*leads_);
  TestClient& prefix = connect_with(*leads_, "prefix");
  isolate(*leads_);
  run_ms(270);
  session.send({"GET", "k"});
  prefix.send({"GET", "k"});
  run_ms(5);
  EXPECT_EQ(prefix.take(), "$3\r\nold\r\n");
  EXPECT_EQ(session.take(), "");
}

TEST_F(ConsistencyTest, ALinearizableReadSeesWhatASmallQuorumWasAnswered) {
  start_cluster(3);
  TestClient& writer = connect(*leads_);
  TestClient& client = connect_with(*asked_, "linearizable");
  ask(writer, {"CLIENT", "QUORUM", "1"});
  for (Member* member : alive()) member->disk_stuck = member != leads_;
  EXPECT_EQ(ask(writer, {"SET", "k", "new"}), "+OK\r\n");
  client.send({"GET", "k"});
  EXPECT_EQ(after_ms(client, 100), "");
  for (Member* member : alive()) member->disk_stuck = false;
  EXPECT_EQ(after_ms(client, 100), "$3\r\nnew\r\n");
}

TEST_F(ConsistencyTest, ATokenBringsWhatAConnectionHasSeenToAnotherNode) {
  start_cluster(3);
  TestClient& writer = connect(*leads_);
  TestClient& reader = connect(*leads_);
  hold();
  EXPECT_EQ(ask(writer, {"SET", "k", "new"}), "+OK\r\n");
  EXPECT_EQ(ask(reader, {"GET", "k"}), "$3\r\nnew\r\n");
  for (TestClient* from : {&writer, &reader}) {
    TestClient& to = connect(*asked_);
    EXPECT_EQ(ask(to, {"CLIENT", "TOKEN", token_of(*from)}), "+OK\r\n");
    to.send({"GET", "k"});
    EXPECT_EQ(after_ms(to, 50), "");
  }
  TestClient& prefix = connect_with(*asked_, "prefix");
  EXPECT_EQ(ask(prefix, {"CLIENT", "TOKEN", token_of(writer)}), "+OK\r\n");
  EXPECT_EQ(ask(prefix, {"GET", "k"}), "$3\r\nold\r\n");
  heal();
  run_ms(50);
  for (const auto& client : asked_->clients) {
    if (client.get() == &prefix) continue;
    EXPECT_EQ(client->take(), "$3\r\nnew\r\n");
  }
}

TEST_F(ConsistencyTest, AReadAtAFollowerCountsAsSeen) {
  start_cluster(3);
  TestClient& reader = connect(*asked_);
  const Position before = reader.session().seen;
  EXPECT_EQ(before, Position());
  EXPECT_EQ(ask(reader, {"GET", "k"}), "$3\r\nold\r\n");
  EXPECT_EQ(decode_token(leads_->node->cluster().identity().incarnation, token_of(reader)).value(),
            asked_->node->log().applied());
}

TEST_F(ConsistencyTest, ATokenIsGivenOnlyForWhatIsCommitted) {
  start_cluster(3, {{"write-timeout-ms", "500"}});
  TestClient& writer = connect(*leads_);
  ask(writer, {"CLIENT", "QUORUM", "1"});
  for (Member* member : alive()) member->disk_stuck = member != leads_;
  EXPECT_EQ(ask(writer, {"SET", "k", "new"}), "+OK\r\n");
  EXPECT_THAT(ask(writer, {"CLIENT", "TOKEN"}), StartsWith("-TRYAGAIN"));
  writer.send({"CLIENT", "TOKEN"});
  EXPECT_EQ(after_ms(writer, 50), "");
  for (Member* member : alive()) member->disk_stuck = false;
  EXPECT_THAT(after_ms(writer, 100), HasSubstr("\r\nk1-"));
}

TEST_F(ConsistencyTest, AReadThatATokenKeepsWaitingGivesUp) {
  start_cluster(3, {{"write-timeout-ms", "700"}});
  TestClient& client = connect(*asked_);
  hold();
  TestClient& writer = connect(*leads_);
  EXPECT_EQ(ask(writer, {"SET", "k", "new"}), "+OK\r\n");
  EXPECT_EQ(ask(client, {"CLIENT", "TOKEN", token_of(writer)}), "+OK\r\n");
  isolate(*asked_);
  run_ms(1500);
  ASSERT_EQ(asked_->node->cluster().leader(), NodeId{0});
  client.send({"GET", "k"});
  EXPECT_EQ(after_ms(client, 650), "");
  EXPECT_THAT(after_ms(client, 150), StartsWith("-TRYAGAIN"));
}

TEST_F(ConsistencyTest, TokensThatCannotBeOursAreRefused) {
  start_cluster(3);
  TestClient& client = connect(*asked_);
  const Lsn committed = asked_->node->commit_position().lsn;
  const auto incarnation = leads_->node->cluster().identity().incarnation;
  EXPECT_EQ(ask(client, {"CLIENT", "TOKEN", "garbage"}),
            "-ERR this is no token that CLIENT TOKEN has given\r\n");
  EXPECT_EQ(ask(client, {"CLIENT", "TOKEN", encode_token({}, {Term{1}, Lsn{1}})}),
            "-ERR the token is of another cluster\r\n");
  EXPECT_EQ(ask(client, {"CLIENT", "TOKEN", encode_token(incarnation, {Term{99}, committed})}),
            "-ERR the token is of another history of this cluster\r\n");
  EXPECT_THAT(ask(client, {"CLIENT", "TOKEN", "a", "b"}), StartsWith("-ERR"));
  EXPECT_EQ(client.session().seen, Position());
}

TEST_F(ConsistencyTest, APrefixWaitsForNothingNotEvenOwnWrites) {
  start_cluster(3);
  TestClient& client = connect_with(*asked_, "prefix");
  client.session().see(leads_->node->log().next());
  client.send({"GET", "k"});
  client.pump();
  EXPECT_EQ(client.take(), "$3\r\nold\r\n");
}

TEST_F(ConsistencyTest, TheOptionIsTheDefaultAndResetGoesBackToIt) {
  start_cluster(3, {{"read-consistency", "prefix"}});
  TestClient& client = connect(*asked_);
  client.session().see(leads_->node->log().next());
  EXPECT_EQ(ask(client, {"GET", "k"}), "$3\r\nold\r\n");
  EXPECT_EQ(ask(client, {"CLIENT", "CONSISTENCY", "session"}), "+OK\r\n");
  client.send({"GET", "k"});
  EXPECT_EQ(after_ms(client, 50), "");
  client.send({"RESET"});
  client.send({"GET", "k"});
  ask(connect(*leads_), {"SET", "k", "new"});
  EXPECT_EQ(after_ms(client, 50), "$3\r\nnew\r\n+RESET\r\n$3\r\nnew\r\n");
  client.session().see(leads_->node->log().next());
  EXPECT_EQ(ask(client, {"GET", "k"}, 20), "$3\r\nnew\r\n");
  set(*asked_, "read-consistency", "session");
  client.send({"GET", "k"});
  EXPECT_EQ(after_ms(client, 50), "");
}

// Whoever asks a follower under "linearizable" asks the leader no less, whatever the default there.
TEST_F(ConsistencyTest, AForwardedReadIsNoPrefix) {
  start_cluster(3, {{"read-consistency", "prefix"}});
  TestClient& client = connect(*asked_);
  leads_->disk_stuck = true;
  client.send({"SET", "k", "new"});
  client.send({"GET", "k"});
  EXPECT_EQ(after_ms(client, 100), "+OK\r\n$3\r\nnew\r\n");
}

TEST_F(ConsistencyTest, LevelsAndTokensAreNotForTransactions) {
  start_cluster(3);
  TestClient& client = connect(*asked_);
  ask(client, {"MULTI"});
  EXPECT_THAT(ask(client, {"CLIENT", "CONSISTENCY", "prefix"}), StartsWith("-ERR"));
  EXPECT_THAT(ask(client, {"CLIENT", "TOKEN"}), StartsWith("-ERR"));
  EXPECT_THAT(ask(client, {"EXEC"}), StartsWith("-EXECABORT"));
  EXPECT_EQ(ask(client, {"CLIENT", "CONSISTENCY", "strong"}),
            "-ERR the consistency must be LINEARIZABLE, SESSION or PREFIX\r\n");
}

}  // namespace
}  // namespace kvorum::server
