// FAILOVER's bookkeeping against a replica that leads three voters.
#include "server/node/cluster/hand_over.h"

#include <gtest/gtest.h>

#include "replication/replica.h"

namespace kvorum::server {
namespace {

using replication::Message;
using replication::MessageKind;
using replication::Replica;
using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::Term;

constexpr int64_t kMillisecond = 1000;

class HandOverTest : public ::testing::Test {
 protected:
  HandOverTest() : replica_(start()) {
    pass(1000);
    reply_to_votes(/*pre_vote=*/true);
    reply_to_votes(/*pre_vote=*/false);
    EXPECT_TRUE(replica_.leading());
    replica_.propose({replica_.term(), Lsn{1}});
    replica_.persisted({replica_.term(), Lsn{1}}, replica_.hard_state());
    for (const uint16_t id : {2, 3}) acknowledge(id, Lsn{0});
    take();
  }

  static replication::ReplicaStart start() {
    replication::ReplicaStart start;
    start.id = NodeId{1};
    start.newborn = true;
    for (const uint16_t id : {1, 2, 3}) start.membership.members.push_back({NodeId{id}, "h:1"});
    return start;
  }

  void pass(int64_t ms) {
    now_us_ += ms * kMillisecond;
    replica_.tick(now_us_, 0);
    take();
  }
  // Counts the TimeoutNow messages.
  void take() {
    while (replica_.has_ready()) {
      const replication::Ready ready = replica_.ready();
      if (ready.save.has_value()) replica_.persisted(replica_.durable(), *ready.save);
      for (const auto* queue : {&ready.send_now, &ready.send_after_save}) {
        for (const Message& message : *queue) {
          if (message.kind == MessageKind::kTimeoutNow) ++told_;
          if (message.kind == MessageKind::kVoteRequest) attempt_us_ = message.sent_us;
        }
      }
    }
  }
  void reply_to_votes(bool pre_vote) {
    Message reply;
    reply.kind = MessageKind::kVoteReply;
    reply.from = NodeId{2};
    reply.term = replica_.term();
    if (pre_vote) reply.term = Term{replica_.term().value() + 1};
    reply.pre_vote = pre_vote;
    reply.granted = true;
    reply.sent_us = attempt_us_;
    replica_.step(reply, {});
    take();
  }
  void acknowledge(uint16_t id, Lsn lsn) {
    Message ack;
    ack.kind = MessageKind::kAck;
    ack.from = NodeId{id};
    ack.term = replica_.term();
    ack.position = {lsn == Lsn{0} ? Term{0} : replica_.term(), lsn};
    ack.sent_us = now_us_;
    replica_.step(ack, {});
    take();
  }
  void tick() {
    hand_over_.tick(replica_, now_us_);
    take();
  }

  int64_t now_us_ = 0, attempt_us_ = 0;
  Replica replica_;
  HandOver hand_over_;
  int told_ = 0;
};

TEST_F(HandOverTest, WaitsForTheTargetAndThenTellsIt) {
  EXPECT_EQ(HandOver::state(replica_), "no-failover");
  ASSERT_TRUE(hand_over_.begin(replica_, {.to = NodeId{2}}, now_us_));
  take();
  EXPECT_EQ(HandOver::state(replica_), "waiting-for-sync");
  acknowledge(3, Lsn{1});
  EXPECT_EQ(told_, 0);
  acknowledge(2, Lsn{1});
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(HandOver::state(replica_), "failover-in-progress");
  replica_.step_down();
  tick();
  EXPECT_FALSE(hand_over_.in_progress());
}

TEST_F(HandOverTest, WhatFailsIsTriedAgainUntilItIsAborted) {
  ASSERT_TRUE(hand_over_.begin(replica_, {.to = NodeId{2}}, now_us_));
  for (int i = 0; i < 20; ++i) {
    pass(50);
    acknowledge(2, Lsn{0});
    tick();
    ASSERT_TRUE(replica_.transferring()) << i;
  }
  hand_over_.abort(replica_);
  EXPECT_FALSE(hand_over_.in_progress());
  EXPECT_FALSE(replica_.transferring());
  EXPECT_EQ(told_, 0);
}

TEST_F(HandOverTest, EndsWhenTheTargetIsSilent) {
  ASSERT_TRUE(hand_over_.begin(replica_, {.to = NodeId{2}}, now_us_));
  for (int i = 0; i < 6; ++i) {
    pass(50);
    acknowledge(3, Lsn{1});
    tick();
  }
  EXPECT_FALSE(hand_over_.in_progress());
  EXPECT_FALSE(replica_.transferring());
}

TEST_F(HandOverTest, EndsWithItsTimeout) {
  ASSERT_TRUE(
      hand_over_.begin(replica_, {.to = NodeId{2}, .timeout_us = 100 * kMillisecond}, now_us_));
  pass(99);
  tick();
  EXPECT_TRUE(hand_over_.in_progress());
  pass(1);
  tick();
  EXPECT_FALSE(hand_over_.in_progress());
  EXPECT_FALSE(replica_.transferring());
  EXPECT_TRUE(replica_.leading());
  EXPECT_EQ(told_, 0);
}

TEST_F(HandOverTest, ForceTellsTheTargetOnceWhenTheTimeIsOver) {
  ASSERT_TRUE(hand_over_.begin(
      replica_, {.to = NodeId{2}, .timeout_us = 100 * kMillisecond, .force = true}, now_us_));
  pass(100);
  tick();
  EXPECT_EQ(told_, 1);
  EXPECT_TRUE(hand_over_.in_progress());
  for (int i = 0; i < 10; ++i) {
    pass(50);
    acknowledge(2, Lsn{0});
    tick();
  }
  EXPECT_EQ(told_, 1);
  EXPECT_FALSE(hand_over_.in_progress()) << "it did not win";
  EXPECT_TRUE(replica_.leading());
}

TEST_F(HandOverTest, WhoIsNotHeardOfIsNoTarget) {
  for (int i = 0; i < 10; ++i) {
    pass(50);
    acknowledge(3, Lsn{1});
  }
  EXPECT_FALSE(hand_over_.begin(replica_, {.to = NodeId{2}}, now_us_));
  EXPECT_FALSE(hand_over_.begin(replica_, {.to = NodeId{9}}, now_us_));
  EXPECT_TRUE(hand_over_.begin(replica_, {}, now_us_)) << "the other one";
  take();
  EXPECT_EQ(told_, 1);
}

}  // namespace
}  // namespace kvorum::server
