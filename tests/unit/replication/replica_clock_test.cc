// Whose clocks may depose a leader, and from when on it may use its own.
#include <gtest/gtest.h>

#include "tests/unit/replication/lone_replica.h"

namespace kvorum::replication {
namespace {

using storage::NodeId;
using storage::Term;

// A settled leader of `voters`, one of whose drift limit is 500 ms.
ReplicaStart start_with_limit(uint16_t voters) {
  ReplicaStart start = start_of(voters);
  start.membership.max_clock_drift_ms = 500;
  return start;
}

void elect(LoneReplica& replica, uint16_t voters) {
  replica.pass(2000);
  for (const bool pre_vote : {true, false}) {
    for (const Message& request : replica.sent(MessageKind::kVoteRequest)) {
      if (request.pre_vote != pre_vote) continue;
      Message reply;
      reply.kind = MessageKind::kVoteReply;
      reply.term = request.term;
      reply.pre_vote = pre_vote;
      reply.granted = true;
      reply.sent_us = request.sent_us;
      replica.step(request.to.value(), reply);
    }
  }
  replica.persist();
  ASSERT_TRUE(replica->leading()) << voters;
}

Message clock_ack(LoneReplica& replica, int64_t ahead_ms) {
  Message ack = LoneReplica::ack(0, {}, replica.now_us());
  ack.term = replica->term();
  ack.wall_us = replica.now_us() + ahead_ms * 1000;
  return ack;
}

TEST(ReplicaClockTest, NoMinorityOfVotersDeposesALeaderWhateverItsClocksSay) {
  for (const uint16_t voters : {2, 3, 4, 5, 6, 7}) {
    for (const int64_t wrong_ms : {-3'600'000, -501, 501, 900, 3'600'000}) {
      LoneReplica replica(start_with_limit(voters));
      elect(replica, voters);
      // The leader itself is right: of the others as many as are no majority may be wrong.
      const uint16_t wrong = voters / 2;
      for (uint16_t id = 2; id <= voters; ++id) {
        replica.step(id, clock_ack(replica, id <= 1 + wrong ? wrong_ms : 0));
      }
      replica.pass(1);
      EXPECT_TRUE(replica->leading()) << voters << " voters, " << wrong_ms << " ms";
    }
  }
}

TEST(ReplicaClockTest, LearnersAndOtherDirectoriesOfVotersAreNotAsked) {
  ReplicaStart start = start_with_limit(3);
  for (const uint16_t id : {4, 5, 6}) {
    start.membership.members.push_back({NodeId{id}, "n", instance_of(id), false});
  }
  LoneReplica replica(std::move(start));
  elect(replica, 3);
  replica.step(2, clock_ack(replica, 0));
  for (const uint16_t id : {4, 5, 6}) replica.step(id, clock_ack(replica, 900));
  replica.step(3, instance_of(33), clock_ack(replica, 900));
  replica.pass(1);
  EXPECT_TRUE(replica->leading());
}

TEST(ReplicaClockTest, WhatTheWayOfAMessageMayExplainIsNoDifference) {
  LoneReplica replica(start_with_limit(3));
  elect(replica, 3);
  // 400 ms to the follower and none back: half of that is taken for difference, beside the 350 ms
  // that are, and within the limit.
  for (const uint16_t id : {2, 3}) {
    Message ack = clock_ack(replica, 350);
    ack.sent_us = replica.now_us() - 400'000;
    replica.step(id, ack);
    EXPECT_GT(replica->progress().at(NodeId{id}).clock_ahead_us, 500'000);
  }
  EXPECT_EQ(replica->clock_drift_us(), 0);
  for (const uint16_t id : {2, 3}) replica.step(id, clock_ack(replica, 750));
  EXPECT_NE(replica->clock_drift_us(), 0);
}

TEST(ReplicaClockTest, ANewLeadersClockIsJudgedWhenEnoughOthersAreKnown) {
  LoneReplica replica(start_with_limit(3));
  elect(replica, 3);
  EXPECT_FALSE(replica->clock_judged());
  replica.step(2, clock_ack(replica, 0));
  EXPECT_FALSE(replica->clock_judged()) << "one cannot contradict it";
  replica.step(3, clock_ack(replica, 0));
  EXPECT_TRUE(replica->clock_judged());
}

TEST(ReplicaClockTest, WhoIsAloneOrHasWaitedForAnElectionTimeoutUsesItsClock) {
  for (const uint16_t voters : {1, 2}) {
    LoneReplica replica(start_with_limit(voters));
    elect(replica, voters);
    EXPECT_TRUE(replica->clock_judged()) << voters << ": nobody can contradict it";
  }
  LoneReplica replica(start_with_limit(3));
  elect(replica, 3);
  const int64_t timeout_ms = replica->membership().election_timeout_ms;
  for (int64_t ms = 0; ms < timeout_ms; ms += 10) {
    EXPECT_FALSE(replica->clock_judged()) << ms;
    replica.step(2, clock_ack(replica, 0));
    replica.pass(10);
  }
  EXPECT_TRUE(replica->clock_judged()) << "the third one is away";
}

TEST(ReplicaClockTest, LeadershipIsHandedToOneWhoseClockAgrees) {
  LoneReplica replica(start_with_limit(3));
  elect(replica, 3);
  replica.step(2, clock_ack(replica, 900));
  replica.step(3, clock_ack(replica, 0));
  replica.sent();
  ASSERT_TRUE(replica->transfer(NodeId{0}));
  const auto sent = replica.sent(MessageKind::kTimeoutNow);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent.front().to, NodeId{3});
}

Message ack_with_clock(LoneReplica& leader, int64_t ahead_ms) {
  Message ack = LoneReplica::ack(1, {}, leader.now_us());
  ack.wall_us = leader.now_us() + ahead_ms * 1000;
  return ack;
}

TEST(ReplicaClockTest, AClockFarFromAMajoritysEndsTheLeadership) {
  LoneReplica leader = leader_of(3);
  leader.step(2, ack_with_clock(leader, 800));
  leader.pass(10);
  EXPECT_TRUE(leader->leading()) << "one of three says so";
  leader.step(3, ack_with_clock(leader, 900));
  EXPECT_NE(leader->clock_drift_us(), 0);
  leader.pass(10);
  EXPECT_FALSE(leader->leading());
  EXPECT_NE(leader->clock_drift_us(), 0);
  for (int i = 0; i < 4; ++i) leader.pass(600);
  EXPECT_EQ(leader->role(), Role::kFollower) << "does not campaign";
  Message heartbeat = LoneReplica::append(2, {});
  heartbeat.wall_us = leader.now_us();
  leader.step(2, heartbeat);
  EXPECT_EQ(leader->clock_drift_us(), 0) << "agrees with a leader's again";
}

TEST(ReplicaClockTest, AClockThatWasMendedLeadsAgainThoughThereIsNoLeaderToCompareItWith) {
  LoneReplica leader = leader_of(3);
  leader.step(2, ack_with_clock(leader, 800));
  leader.step(3, ack_with_clock(leader, 900));
  leader.pass(10);
  ASSERT_NE(leader->clock_drift_us(), 0);
  Message request;
  request.kind = MessageKind::kVoteRequest;
  request.pre_vote = true;
  request.term = Term{leader->term().value() + 1};
  request.wall_us = leader.now_us() + 800'000;
  leader.step(2, request);
  EXPECT_NE(leader->clock_drift_us(), 0) << "that one's is still far from it";
  request.wall_us = leader.now_us();
  leader.step(2, request);
  EXPECT_EQ(leader->clock_drift_us(), 0);
}

TEST(ReplicaClockTest, ClocksThatDisagreeWithEachOtherProveNothing) {
  LoneReplica leader = leader_of(3);
  leader.step(2, ack_with_clock(leader, 800));
  leader.step(3, ack_with_clock(leader, -800));
  leader.pass(10);
  EXPECT_TRUE(leader->leading());
  EXPECT_EQ(leader->clock_drift_us(), 0);
}

TEST(ReplicaClockTest, HalfTheRoundTripIsAllowedFor) {
  LoneReplica leader = leader_of(3);
  const int64_t sent_us = leader.now_us();
  leader.pass(200);
  Message ack = LoneReplica::ack(1, {}, sent_us);
  ack.wall_us = sent_us + 100'000;
  leader.step(2, ack);
  EXPECT_EQ(progress(leader, 2).clock_ahead_us, 0);
}

}  // namespace
}  // namespace kvorum::replication
