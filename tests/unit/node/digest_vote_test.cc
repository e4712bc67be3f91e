#include "server/node/cluster/digest_vote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvorum::server {
namespace {

using storage::Lsn;
using storage::NodeId;
using testing::ElementsAre;

const std::vector<NodeId> kVoters = {NodeId{1}, NodeId{2}, NodeId{3}};

TEST(DigestVoteTest, NothingIsSaidWhileAllAgree) {
  DigestVote vote;
  vote.begin(Lsn{7});
  for (const NodeId node : kVoters) {
    vote.report(node, {Lsn{7}, 1});
    EXPECT_FALSE(vote.verdict(kVoters).has_value());
  }
}

TEST(DigestVoteTest, AMajorityNamesWhoDiffers) {
  DigestVote vote;
  vote.begin(Lsn{7});
  vote.report(NodeId{1}, {Lsn{7}, 1});
  vote.report(NodeId{2}, {Lsn{7}, 2});
  EXPECT_FALSE(vote.verdict(kVoters).has_value());
  vote.report(NodeId{3}, {Lsn{7}, 1});
  const auto verdict = vote.verdict(kVoters);
  ASSERT_TRUE(verdict.has_value());
  EXPECT_EQ(verdict->majority, storage::Digest{1});
  EXPECT_THAT(verdict->differing, ElementsAre(NodeId{2}));
  EXPECT_FALSE(verdict->split);
  EXPECT_FALSE(vote.verdict(kVoters).has_value()) << "one verdict for each round";
}

TEST(DigestVoteTest, ALearnerThatDiffersIsNamedThoughItHasNoVote) {
  DigestVote vote;
  vote.begin(Lsn{7});
  for (const NodeId node : kVoters) vote.report(node, {Lsn{7}, 1});
  vote.report(NodeId{4}, {Lsn{7}, 9});
  const auto verdict = vote.verdict(kVoters);
  ASSERT_TRUE(verdict.has_value());
  EXPECT_THAT(verdict->differing, ElementsAre(NodeId{4}));
}

TEST(DigestVoteTest, WithoutAMajorityNobodyIsNamed) {
  DigestVote vote;
  vote.begin(Lsn{7});
  vote.report(NodeId{1}, {Lsn{7}, 1});
  vote.report(NodeId{2}, {Lsn{7}, 2});
  vote.report(NodeId{3}, {Lsn{7}, 3});
  const auto verdict = vote.verdict(kVoters);
  ASSERT_TRUE(verdict.has_value());
  EXPECT_TRUE(verdict->split);
  EXPECT_TRUE(verdict->differing.empty());
}

TEST(DigestVoteTest, ReportsOfAnotherRoundDoNotCount) {
  DigestVote vote;
  vote.begin(Lsn{7});
  vote.report(NodeId{1}, {Lsn{7}, 1});
  vote.report(NodeId{2}, {Lsn{7}, 1});
  vote.report(NodeId{3}, {Lsn{6}, 5});
  EXPECT_FALSE(vote.verdict(kVoters).has_value());
}

}  // namespace
}  // namespace kvorum::server
