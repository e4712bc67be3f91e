// Who is let in: the accepting half of the handshake.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/node/cluster/hello_check.h"
#include "tests/unit/node/test_hello.h"

namespace kvorum::server {
namespace {

using peer::Hello;
using storage::NodeId;
using testing::HasSubstr;

TEST(HelloCheckTest, AcceptsAKnownNodeOfThisCluster) {
  const std::vector<NodeId> known = {NodeId{1}, NodeId{2}};
  EXPECT_TRUE(peer::check_hello(hello_of(1), hello_of(2), known).ok());
}

TEST(HelloCheckTest, RefusesWithBothSidesValues) {
  const std::vector<NodeId> known = {NodeId{1}, NodeId{2}};
  const auto refusal = [&](auto change) {
    Hello theirs = hello_of(2);
    change(theirs);
    const absl::Status status = peer::check_hello(hello_of(1), theirs, known);
    return status.ok() ? "accepted" : peer::refusal(status);
  };
  EXPECT_EQ(refusal([](Hello& hello) { hello.cluster_id = "prod"; }),
            "ERR cluster id \"demo\" here, \"prod\" there");
  EXPECT_EQ(refusal([](Hello& hello) { hello.version = 0; }),
            "ERR protocol version 1 here, 0 there");
  EXPECT_EQ(refusal([](Hello& hello) { hello.node = NodeId{9}; }),
            "ERR node id one of 1 2 here, 9 there");
  EXPECT_THAT(refusal([](Hello& hello) { hello.node = NodeId{1}; }),
              HasSubstr("ERR node id 1 is used twice: by instance 01"));
  EXPECT_THAT(refusal([](Hello& hello) { hello.incarnation = {0xbb}; }),
              HasSubstr("ERR cluster incarnation aa"));
  EXPECT_THAT(refusal([](Hello& hello) { hello.instance = {}; }), HasSubstr("ERR instance 01"));
  EXPECT_EQ(refusal([](Hello& hello) { hello.incarnation = {}; }), "accepted");
}

TEST(HelloCheckTest, AnEarlierAndALaterBuildAcceptEachOther) {
  const std::vector<NodeId> known = {NodeId{1}, NodeId{2}};
  Hello earlier = hello_of(1), later = hello_of(2);
  later.version = earlier.version + 1;
  EXPECT_TRUE(peer::check_hello(earlier, later, known).ok());
  EXPECT_TRUE(peer::check_answer(earlier, later, NodeId{2}).ok());
  EXPECT_TRUE(peer::check_hello(later, earlier, known).ok());
  EXPECT_TRUE(peer::check_answer(later, earlier, NodeId{1}).ok());
  earlier.version = peer::kOldestProtocolVersion - 1;
  later.version = peer::kOldestProtocolVersion + 1;
  EXPECT_EQ(peer::refusal(peer::check_hello(later, earlier, known)),
            "ERR protocol version 1 to 2 here, 0 there");
  EXPECT_EQ(peer::check_answer(later, earlier, NodeId{1}).message(),
            "protocol version 1 to 2 here, 0 there");
}

TEST(HelloCheckTest, AWrongSecretLearnsNothing) {
  const std::vector<NodeId> known = {NodeId{1}, NodeId{2}};
  for (const char* secret : {"", "hunter", "hunter22", "hunter3", "hunter2hunter2"}) {
    Hello theirs = hello_of(9);
    theirs.cluster_id = "prod";
    theirs.secret = secret;
    const absl::Status status = peer::check_hello(hello_of(1), theirs, known);
    EXPECT_EQ(peer::refusal(status), "NOAUTH wrong cluster secret") << secret;
  }
}

}  // namespace
}  // namespace kvorum::server
