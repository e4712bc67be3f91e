// What arrives on a node's port that is not from its cluster, or not what a node would send.
#include <memory>
#include <string>
#include <vector>

#include "base/text.h"
#include "tests/integration/cluster_fixture.h"

namespace kvorum::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kSecret[] = "a long secret of the cluster";
const std::string kNobody(32, '0');
const std::string kInstance(32, '7');

std::string encode(const Arguments& words) {
  std::string bytes = base::concat("*", words.size(), "\r\n");
  for (const std::string& word : words) {
    bytes += base::concat("$", word.size(), "\r\n", word, "\r\n");
  }
  return bytes;
}

struct Identity {
  std::string version = "1", cluster = "test", node = "3", instance = kInstance,
              incarnation = kNobody, boot = "1", secret = kSecret;

  std::string hello() const {
    return encode(
        {"REPLCONF", "HELLO", version, cluster, node, instance, incarnation, boot, secret});
  }
};

// Node 3 is down, so that its place can be claimed.
class ClusterInputTest : public ClusterFixture {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(start_cluster(3, steady_and({"--cluster-secret", kSecret})));
    cluster_->kill(3);
    ASSERT_NE(cluster_->wait_for_leader(), 0) << cluster_->logs();
    leader_ = cluster_->leader();
    term_ = cluster_->info_number(leader_, "quorum", "term");
  }

  // Everything that comes back until the node closes.
  std::string answer_and_close(const std::string& bytes) {
    RawConnection connection(cluster_->port(leader_));
    EXPECT_TRUE(connection.connected());
    connection.send(bytes);
    return connection.read_to_end().value_or("(not closed)");
  }

  // Nobody but the sender has noticed anything.
  void expect_undisturbed() {
    EXPECT_EQ(cluster_->ask(1, {"SET", "key", "value"}), "OK") << cluster_->logs();
    // Another connection's write: only a linearizable read has to show it at once.
    const std::unique_ptr<Client> reader = cluster_->connect(2);
    EXPECT_EQ(reader->ask({"CLIENT", "CONSISTENCY", "linearizable"}), "OK");
    EXPECT_EQ(reader->ask({"GET", "key"}), "value");
    EXPECT_EQ(cluster_->leader(), leader_);
    EXPECT_EQ(cluster_->info_number(leader_, "quorum", "term"), term_);
  }

  // A server with these flags in the place of node 3: both sides say what is wrong.
  void expect_refused(const ServerProcess::Flags& flags, const std::string& words) {
    ServerProcess stranger(flags, cluster_->port(3));
    stranger.launch();
    EXPECT_TRUE(eventually([&] {
      return stranger.log().find(words) != std::string::npos &&
             cluster_->node(1).log().find(words) != std::string::npos;
    })) << stranger.log()
        << cluster_->logs();
    EXPECT_THAT(stranger.ask({"SET", "key", "stranger's"}), StartsWith("-"));
    stranger.stop(SIGKILL);
    expect_undisturbed();
  }

  int leader_ = 0;
  uint64_t term_ = 0;
};

TEST_F(ClusterInputTest, ANodeWithTheWrongSecretIsRefusedAndToldNothing) {
  Identity stranger;
  stranger.secret = "guess";
  EXPECT_EQ(answer_and_close(stranger.hello()), "-NOAUTH wrong cluster secret\r\n");
  stranger.secret = "";
  EXPECT_EQ(answer_and_close(stranger.hello()), "-NOAUTH wrong cluster secret\r\n");
  stranger.secret = std::string(kSecret) + "x";
  EXPECT_EQ(answer_and_close(stranger.hello()), "-NOAUTH wrong cluster secret\r\n");
  expect_undisturbed();
}

TEST_F(ClusterInputTest, AMismatchNamesBothSidesValues) {
  Identity other_cluster;
  other_cluster.cluster = "production";
  EXPECT_THAT(answer_and_close(other_cluster.hello()),
              AllOf(StartsWith("-ERR cluster id"), HasSubstr("test"), HasSubstr("production")));
  Identity other_version;
  other_version.version = "0";
  EXPECT_THAT(answer_and_close(other_version.hello()),
              AllOf(StartsWith("-ERR protocol version"), HasSubstr("1"), HasSubstr("0 there")));
  Identity nobodys;
  nobodys.node = "7";
  EXPECT_THAT(answer_and_close(nobodys.hello()), AllOf(StartsWith("-ERR"), HasSubstr("7")));
  Identity born_elsewhere;
  born_elsewhere.incarnation = std::string(32, 'a');
  EXPECT_THAT(answer_and_close(born_elsewhere.hello()),
              AllOf(StartsWith("-ERR cluster incarnation"), HasSubstr(std::string(32, 'a'))));
  Identity twice;
  twice.node = std::to_string(leader_);
  EXPECT_THAT(answer_and_close(twice.hello()), AllOf(StartsWith("-ERR"), HasSubstr("twice")));
  expect_undisturbed();
}

TEST_F(ClusterInputTest, AServerOfAnotherClusterIsRefusedAndBothSidesLogWhy) {
  expect_refused({"--id", "3", "--cluster-id", "other", "--cluster-secret", kSecret, "--peers",
                  cluster_->peers()},
                 "cluster id");
}

TEST_F(ClusterInputTest, AServerWithAnotherSecretIsRefusedAndBothSidesLogWhy) {
  expect_refused({"--id", "3", "--cluster-id", "test", "--cluster-secret", "wrong", "--peers",
                  cluster_->peers()},
                 "wrong cluster secret");
}

// A configuration that was copied without a change: node 3 is there, and somebody says he is it.
TEST_F(ClusterInputTest, ASecondServerOfOneIdIsRefusedAndTheFirstGoesOn) {
  ASSERT_TRUE(cluster_->start(3)) << cluster_->logs();
  ServerProcess second({"--id", "3", "--cluster-id", "test", "--cluster-secret", kSecret, "--peers",
                        cluster_->peers()},
                       lasting_ports(1).front());
  second.launch();
  const std::string words = "node id 3 is used twice";
  EXPECT_TRUE(eventually([&] {
    return second.log().find(words) != std::string::npos &&
           cluster_->node(1).log().find(words) != std::string::npos &&
           cluster_->node(2).log().find(words) != std::string::npos;
  })) << second.log()
      << cluster_->logs();
  EXPECT_THAT(second.ask({"SET", "key", "of the second"}), StartsWith("-CLUSTERDOWN"));
  EXPECT_THAT(second.ask({"GET", "key"}), StartsWith("-CLUSTERDOWN"));
  // The first one still is who it was: both other nodes are not needed for a majority.
  cluster_->kill(leader_ == 1 ? 2 : 1);
  EXPECT_EQ(cluster_->ask(3, {"SET", "key", "of the first"}), "OK") << cluster_->logs();
  EXPECT_EQ(cluster_->ask(leader_, {"GET", "key"}), "of the first");
  second.stop(SIGKILL);
}

TEST_F(ClusterInputTest, AMessageBeforeHelloIsRefused) {
  for (const Arguments& message :
       {Arguments{"REPLCONF", "VOTE", "99", "99", "99", "0", "0", "0", "0"},
        Arguments{"REPLCONF", "TIMEOUT-NOW", "99", "0"}, Arguments{"REPLCONF", "PART", "1", "x"}}) {
    SCOPED_TRACE(message[1]);
    RawConnection connection(cluster_->port(leader_));
    ASSERT_TRUE(connection.send(encode(message)));
    EXPECT_THAT(connection.read(7), StartsWith("-NOAUTH"));
  }
  expect_undisturbed();
}

TEST_F(ClusterInputTest, GarbageClosesItsConnectionAndNothingElse) {
  const std::string hello = Identity().hello();
  const std::vector<std::string> cases = {
      "*abc\r\n",
      "*3\r\n$8\r\nREPLCONF\r\n$5\r\nHELLO\r\n$-5\r\n",
      encode({"REPLCONF", "HELLO"}),
      encode({"REPLCONF", "HELLO", "1", "test", "3"}),
      encode({"REPLCONF", "HELLO", "x", "test", "3", kInstance, kNobody, "1", kSecret}),
      encode({"REPLCONF", "HELLO", "1", "test", "99999", kInstance, kNobody, "1", kSecret}),
      hello + encode({"REPLCONF", "APPEND", "no", "number"}),
      hello + encode({"REPLCONF", "APPEND", "99", "1", "1", "0", "0", "0", "not a record"}),
      hello + encode({"REPLCONF", "VOTE", "-1", "0", "0", "0", "0", "0", "0", "0"}),
      hello + encode({"REPLCONF", "FORWARD", "1", "1", "1", "0", "2", "0", "0", "99999"}),
      hello + encode({"REPLCONF", "SNAPSHOT", "1"}),
      hello + encode({"REPLCONF", "PART", "1", "not a message"}),
      hello + std::string(1000, '\xff') + "\r\n",
      hello + encode({"SET", "key", "from a peer"}),
  };
  for (const std::string& bytes : cases) {
    SCOPED_TRACE(bytes.substr(0, 200));
    EXPECT_NE(answer_and_close(bytes), "(not closed)");
  }
  expect_undisturbed();
}

// 1 MiB is far above every message, since longer ones travel in parts of 64 KiB.
TEST_F(ClusterInputTest, AnOversizedFrameIsRefusedBeforeItIsRead) {
  const std::string hello = Identity().hello();
  for (const char* frame : {"*8\r\n$8\r\nREPLCONF\r\n$6\r\nAPPEND\r\n$1048577\r\n",
                            "*3\r\n$8\r\nREPLCONF\r\n$4\r\nPART\r\n$99999999999\r\n",
                            "*1000000\r\n$8\r\nREPLCONF\r\n"}) {
    SCOPED_TRACE(frame);
    EXPECT_THAT(answer_and_close(hello + frame), HasSubstr("Protocol error: "));
  }
  // Before HELLO, too.
  EXPECT_NE(answer_and_close("*9\r\n$8\r\nREPLCONF\r\n$5\r\nHELLO\r\n$536870913\r\n"),
            "(not closed)");
  expect_undisturbed();
}

TEST_F(ClusterInputTest, AnErrorLineCarriesNoForeignLines) {
  Identity stranger;
  stranger.cluster = "a\r\n+OK\r\nb";
  const std::string answer = answer_and_close(stranger.hello());
  EXPECT_THAT(answer, StartsWith("-ERR cluster id"));
  EXPECT_EQ(answer.find('\n'), answer.size() - 1);
  EXPECT_THAT(cluster_->node(leader_).log(), Not(HasSubstr("\n+OK")));
}

TEST_F(ClusterInputTest, PeersComeThroughWhereClientsAreRefused) {
  cluster_->kill(1);
  cluster_->kill(2);
  ClusterProcess full(3, steady_and({"--maxclients", "4", "--cluster-secret", kSecret}));
  ASSERT_TRUE(full.start()) << full.logs();
  const int leader = full.leader();
  const int follower = full.a_follower();
  // The connections of the harness itself may still be there for a moment.
  std::vector<std::unique_ptr<Client>> clients;
  EXPECT_TRUE(eventually([&] {
    clients.push_back(full.connect(leader));
    if (clients.back()->ask({"PING"}) != "PONG") clients.pop_back();
    return clients.size() == 4;
  }));
  const std::unique_ptr<Client> refused = full.connect(leader);
  EXPECT_EQ(refused->ask({"PING"}), "-ERR max number of clients reached");
  full.kill(follower);
  full.node(follower).launch();
  EXPECT_TRUE(eventually([&] {
    return clients[0]->ask({"WAIT", "2", "100"}) == "2";
  })) << full.logs();
}

}  // namespace
}  // namespace kvorum::integration
