// How followers hear of a commit: by the append that leaves next, or by a message of its own.
#include <gtest/gtest.h>

#include "tests/unit/replication/lone_replica.h"

namespace kvorum::replication {
namespace {

using storage::Lsn;
using storage::NodeId;

constexpr int64_t kDelayMs = 5;

// Leads three; follower 2 has acknowledged everything, so that it is committed.
class CommitNewsTest : public ::testing::Test {
 protected:
  CommitNewsTest() : leader_(start()) {
    leader_.win({2});
    ship();
    acknowledge();
  }

  static ReplicaStart start() {
    ReplicaStart start = start_of(3);
    start.commit_news_delay_us = kDelayMs * 1000;
    return start;
  }
  Message ship() {
    const auto shipment = leader_->shipment(NodeId{2});
    EXPECT_TRUE(shipment.has_value());
    return leader_->append_message(NodeId{2}, *shipment, shipment->last);
  }
  void acknowledge() { leader_.step(2, LoneReplica::ack(1, leader_->log().last())); }
  std::vector<Message> news() { return leader_.sent(MessageKind::kAppend); }

  LoneReplica leader_;
};

TEST_F(CommitNewsTest, TheyWaitForAMoment) {
  EXPECT_EQ(leader_->commit(), at(1, 1)) << "replies need not wait";
  EXPECT_TRUE(leader_->commit_news_pending());
  EXPECT_TRUE(news().empty());
  leader_.pass(kDelayMs - 1);
  EXPECT_TRUE(news().empty());
  leader_.pass(1);
  const auto sent = news();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].to, NodeId{2});
  EXPECT_EQ(sent[0].commit, Lsn{1});
  EXPECT_FALSE(leader_->commit_news_pending());
  EXPECT_TRUE(news().empty()) << "once";
}

TEST_F(CommitNewsTest, TheNextAppendTakesThemAlong) {
  news();
  leader_->propose(at(1, 2));
  EXPECT_EQ(ship().commit, Lsn{1});
  EXPECT_FALSE(leader_->commit_news_pending()) << "nothing is left to tell";
  leader_.pass(kDelayMs);
  EXPECT_TRUE(news().empty());
}

TEST_F(CommitNewsTest, TheMomentBeginsWithTheOldestCommitThatIsNotTold) {
  news();
  leader_.pass(kDelayMs - 1);
  leader_.step(2, LoneReplica::ack(1, at(1, 1)));  // again
  leader_.pass(1);
  EXPECT_EQ(news().size(), 1u);
}

TEST_F(CommitNewsTest, WhoWaitsForThemHasThemAtOnce) {
  EXPECT_TRUE(news().empty());
  leader_->tell_commit();
  EXPECT_EQ(news().size(), 1u);
}

TEST_F(CommitNewsTest, AHeartbeatTellsThemToo) {
  leader_->confirm_leadership();
  EXPECT_EQ(news().size(), 2u) << "to each follower";
  EXPECT_FALSE(leader_->commit_news_pending());
}

}  // namespace
}  // namespace kvorum::replication
