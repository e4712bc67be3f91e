#include "server/node/cluster_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"

namespace kvorum::server {
namespace {

using storage::NodeId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Options three_nodes() {
  Options options;
  options.id = 1;
  options.port = 7000;
  options.cluster_id = "demo";
  options.peers = {"1=127.0.0.1:7000", "2=127.0.0.1:7001", "3=127.0.0.1:7002"};
  return options;
}

// "option/element: text", or empty.
std::string problem_of(const Options& options) {
  const std::optional<ClusterProblem> problem = check_cluster_options(options);
  if (!problem) return {};
  return base::concat(problem->option, "/", problem->element, ": ", problem->text);
}

TEST(PeerAddressTest, NamesAndBothKindsOfNumericAddressesAreTaken) {
  EXPECT_EQ(parse_peer("1=127.0.0.1:7000").value(), (PeerAddress{NodeId{1}, "127.0.0.1:7000"}));
  EXPECT_EQ(parse_peer("65535=[::1]:1").value(), (PeerAddress{NodeId{65535}, "[::1]:1"}));
  EXPECT_EQ(parse_peer("7=db-7.example:65535").value(),
            (PeerAddress{NodeId{7}, "db-7.example:65535"}));
}

TEST(PeerAddressTest, WhatIsMalformedIsRefused) {
  for (const char* bad : {"", "1", "=", "1=", "127.0.0.1:7000", "0=a:1", "65536=a:1", "x=a:1",
                          "-1=a:1", "1=a", "1=a:", "1=a:0", "1=a:65536", "1=a:x", "1=:7000",
                          "1=::1:7000", "1=[]:7000", "1=a b:7000", "1=a\n:7000"}) {
    EXPECT_FALSE(parse_peer(bad).ok()) << bad;
  }
  EXPECT_FALSE(parse_peer("1=" + std::string(254, 'a') + ":1").ok());
}

TEST(PeerAddressTest, PeersComeInTheOrderOfTheirIds) {
  const std::vector<std::string> texts = {"3=a:3", "1=a:1", "2=a:2"};
  EXPECT_THAT(parse_peers(texts).value(),
              ElementsAre(PeerAddress{NodeId{1}, "a:1"}, PeerAddress{NodeId{2}, "a:2"},
                          PeerAddress{NodeId{3}, "a:3"}));
  EXPECT_FALSE(parse_peers(std::vector<std::string>{"1=a:1", "1=a:2"}).ok());
}

TEST(PeerAddressTest, AnAddressIsSplitWithoutItsBrackets) {
  EXPECT_EQ(split_address("[::1]:7000")->host, "::1");
  EXPECT_EQ(split_address("[::1]:7000")->port, 7000);
  EXPECT_EQ(split_address("localhost:1")->host, "localhost");
  EXPECT_FALSE(split_address("localhost").has_value());
}

TEST(ClusterOptionsTest, ANodeAloneNeedsNoneOfThem) {
  EXPECT_EQ(problem_of(Options()), "");
  Options alone;
  alone.peers = {"1=127.0.0.1:6379"};
  EXPECT_EQ(problem_of(alone), "");
  EXPECT_THAT(cluster_warnings(Options()), IsEmpty());
}

TEST(ClusterOptionsTest, AnyNumberOfNodesIsTaken) {
  for (const int nodes : {1, 2, 3, 5, 7, 64}) {
    Options options = three_nodes();
    options.peers.clear();
    for (int i = 1; i <= nodes; ++i) options.peers.push_back(base::concat(i, "=host:", 7000 + i));
    EXPECT_EQ(problem_of(options), "") << nodes;
  }
}

TEST(ClusterOptionsTest, TheElementAtFaultIsNamed) {
  Options options = three_nodes();
  options.peers[1] = "2:127.0.0.1:7001";
  EXPECT_EQ(problem_of(options),
            "peers/1: peer '2:127.0.0.1:7001': there is no '='; a peer is written id=host:port");
}

TEST(ClusterOptionsTest, TwoPeersWithOneIdOrOneAddressAreRefused) {
  Options options = three_nodes();
  options.peers[2] = "2=127.0.0.1:7002";
  EXPECT_EQ(problem_of(options),
            "peers/2: two peers have the id 2: 127.0.0.1:7001 and 127.0.0.1:7002");
  options.peers[2] = "3=127.0.0.1:7001";
  EXPECT_EQ(problem_of(options), "peers/2: two peers have the address 127.0.0.1:7001: 2 and 3");
}

TEST(ClusterOptionsTest, ANodeThatIsNotInItsOwnListIsRefused) {
  Options options = three_nodes();
  options.id = 4;
  EXPECT_THAT(problem_of(options), HasSubstr("this node's id, 4, is not among the peers"));
}

TEST(ClusterOptionsTest, SeveralPeersNeedAClusterId) {
  Options options = three_nodes();
  options.cluster_id.clear();
  EXPECT_THAT(problem_of(options), HasSubstr("peers/0: 3 peers need a cluster id"));
}

TEST(ClusterOptionsTest, AnIdOrSecretThatDoesNotFitAMessageIsRefused) {
  Options options = three_nodes();
  options.cluster_id = "two words";
  EXPECT_THAT(problem_of(options), HasSubstr("cluster-id/0: "));
  options.cluster_id = std::string(65, 'x');
  EXPECT_THAT(problem_of(options), HasSubstr("cluster-id/0: "));
  options = three_nodes();
  options.cluster_secret = std::string(257, 'x');
  EXPECT_THAT(problem_of(options), HasSubstr("cluster-secret/0: "));
}

TEST(ClusterOptionsTest, AHeartbeatMustFitThreeTimesIntoTheElectionTimeout) {
  Options options = three_nodes();
  options.heartbeat_ms = 100;
  EXPECT_EQ(problem_of(options),
            "heartbeat-ms/0: heartbeat-ms (100) must be less than a third of election-timeout-ms "
            "(300)");
  options.heartbeat_ms = 99;
  EXPECT_EQ(problem_of(options), "");
}

TEST(ClusterOptionsTest, AQuorumThatCannotBeReachedIsRefused) {
  Options options = three_nodes();
  for (const char* fits : {"1", "2", "3", "majority", "all"}) {
    options.write_quorum = fits;
    EXPECT_EQ(problem_of(options), "") << fits;
  }
  options.write_quorum = "4";
  EXPECT_EQ(problem_of(options), "write-quorum/0: write-quorum 4 can never be reached by 3 nodes");
  Options alone;
  alone.write_quorum = "2";
  EXPECT_EQ(problem_of(alone), "write-quorum/0: write-quorum 2 can never be reached by 1 node");
}

TEST(ClusterOptionsTest, AnotherPortThanThePeersUseIsOnlyAWarning) {
  Options options = three_nodes();
  EXPECT_THAT(cluster_warnings(options), IsEmpty());
  options.port = 7009;
  EXPECT_EQ(problem_of(options), "");
  EXPECT_THAT(cluster_warnings(options),
              ElementsAre(HasSubstr("listens on port 7009, its peers reach it on port 7000")));
}

TEST(ClusterOptionsTest, AMergeOfWhatIsNeverDroppedIsAWarning) {
  Options options = three_nodes();
  options.divergence = "merge";
  EXPECT_THAT(cluster_warnings(options), ElementsAre(HasSubstr("nothing is merged")));
  options.write_quorum = "1";
  EXPECT_THAT(cluster_warnings(options), IsEmpty());
}

TEST(ClusterOptionsTest, ANetworkWithoutASecretIsAWarning) {
  Options options = three_nodes();
  options.peers[2] = "3=10.0.0.3:7002";
  EXPECT_THAT(cluster_warnings(options), ElementsAre(HasSubstr("the cluster has no secret")));
  options.cluster_secret = "s";
  EXPECT_THAT(cluster_warnings(options), IsEmpty());
}

}  // namespace
}  // namespace kvorum::server
