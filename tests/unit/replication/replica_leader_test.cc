// Leading, rule by rule. Section numbers are of Ongaro's dissertation.
#include <gtest/gtest.h>

#include "tests/unit/replication/lone_replica.h"
#include "tests/unit/replication/replica_group.h"

namespace kvorum::replication {
namespace {

using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::Term;
using State = Progress::State;

constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

// Ships all there is, `records` in each message; how many messages.
size_t ship(LoneReplica& leader, uint16_t id, uint64_t records = 1) {
  size_t messages = 0;
  while (const auto shipment = leader->shipment(NodeId{id})) {
    const Lsn wanted{shipment->first.value() + records - 1};
    leader->append_message(NodeId{id}, *shipment, std::min(wanted, shipment->last));
    ++messages;
  }
  return messages;
}

// --- Commit.

// 3.6.2 and figure 3.7.
TEST(ReplicaLeaderTest, ARecordOfAnOldTermIsNotCommittedByCounting) {
  LoneReplica leader = leader_of(3, {2, 2});
  ASSERT_EQ(leader->log().last(), at(3, 3));
  leader.step(2, LoneReplica::ack(3, at(2, 2)));
  EXPECT_EQ(leader->commit(), Position());
  EXPECT_FALSE(leader->settled());
  leader.step(2, LoneReplica::ack(3, at(3, 3)));
  EXPECT_EQ(leader->commit(), at(3, 3));
  EXPECT_TRUE(leader->settled());
}

TEST(ReplicaLeaderTest, ItsOwnDiskIsOneVoteAmongMany) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  leader->propose(at(1, 2));
  leader.step(2, LoneReplica::ack(1, at(1, 2)));
  EXPECT_EQ(leader->commit(), at(1, 1)) << "on one disk";
  leader.step(3, LoneReplica::ack(1, at(1, 2)));
  EXPECT_EQ(leader->commit(), at(1, 2)) << "before its own";
  EXPECT_EQ(leader->durable(), at(1, 1));
}

TEST(ReplicaLeaderTest, AnAckThatIsRepeatedOrLateCountsOnce) {
  LoneReplica leader = leader_of(5);
  for (int i = 0; i < 3; ++i) leader.step(2, LoneReplica::ack(1, at(1, 1)));
  EXPECT_EQ(leader->commit(), Position());
  leader.step(2, LoneReplica::ack(1, {}));
  EXPECT_EQ(progress(leader, 2).match, at(1, 1));
  leader.step(3, LoneReplica::ack(1, at(1, 1)));
  EXPECT_EQ(leader->commit(), at(1, 1));
}

TEST(ReplicaLeaderTest, AnAckCountsOnlyInItsTerm) {
  LoneReplica leader = leader_of(3, {1});
  leader.step(2, LoneReplica::ack(1, at(2, 2)));
  EXPECT_EQ(leader->commit(), Position());
}

TEST(ReplicaLeaderTest, AnAckOfWhatTheLeaderDoesNotHaveIsIgnored) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, at(1, 9)));
  leader.step(2, LoneReplica::ack(1, at(0, 1)));
  EXPECT_EQ(progress(leader, 2).match, Position());
}

// DESIGN 4.
TEST(ReplicaLeaderTest, AnAckOfAnotherInstanceMovesItsProgressAndCountsNowhere) {
  LoneReplica leader = leader_of(3);
  leader.step(2, instance_of(99), LoneReplica::ack(1, at(1, 1), leader.now_us()));
  EXPECT_EQ(progress(leader, 2).match, at(1, 1));
  EXPECT_EQ(leader->commit(), Position());
  EXPECT_EQ(leader->durable_on(2), Position());
  EXPECT_EQ(leader->reachable_voters(), 1u);
}

TEST(ReplicaLeaderTest, AnotherInstanceInheritsNothing) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  ASSERT_EQ(leader->durable_on(2), at(1, 1));
  leader.step(2, instance_of(99), LoneReplica::ack(1, {}));
  EXPECT_EQ(progress(leader, 2).match, Position());
  EXPECT_EQ(leader->durable_on(2), Position());
}

TEST(ReplicaLeaderTest, ALearnerIsFedAndCountsNowhere) {
  ReplicaStart start = start_of(4);
  start.membership.members[3].voter = false;
  LoneReplica leader(std::move(start));
  leader.win({2});
  EXPECT_TRUE(leader->shipment(NodeId{4}).has_value());
  leader.step(4, LoneReplica::ack(1, at(1, 1), leader.now_us()));
  EXPECT_EQ(progress(leader, 4).match, at(1, 1));
  EXPECT_EQ(leader->commit(), Position());
  EXPECT_EQ(leader->durable_on(2), Position());
  EXPECT_EQ(leader->reads_until_us(), kNever);
}

TEST(ReplicaLeaderTest, DurableOnCountsVotersAndThisOne) {
  LoneReplica leader = leader_of(5);
  leader->propose(at(1, 3));
  leader.step(2, LoneReplica::ack(1, at(1, 3)));
  leader.step(3, LoneReplica::ack(1, at(1, 2)));
  EXPECT_EQ(leader->durable_on(1), at(1, 3));
  EXPECT_EQ(leader->durable_on(2), at(1, 2));
  EXPECT_EQ(leader->durable_on(3), at(1, 1)) << "its own";
  EXPECT_EQ(leader->durable_on(4), Position());
  EXPECT_EQ(leader->durable_on(6), Position());
}

TEST(ReplicaLeaderTest, WhoLostWhatItAcknowledgedIsAskedAgain) {
  LoneReplica leader = leader_of(3);
  leader->propose(at(1, 4));
  ship(leader, 2, 9);
  leader.step(2, LoneReplica::ack(1, at(1, 4), 100));
  ASSERT_EQ(progress(leader, 2).match, at(1, 4));
  Message reject = LoneReplica::ack(1, at(1, 2), 100);
  reject.kind = MessageKind::kReject;
  leader.step(2, reject);
  EXPECT_EQ(progress(leader, 2).match, at(1, 4)) << "older than the ack";
  reject.sent_us = 101;
  leader.step(2, reject);
  EXPECT_EQ(progress(leader, 2).match, Position());
  EXPECT_EQ(progress(leader, 2).next, Lsn{3});
}

// --- Staying in office.

// 6.2.
TEST(ReplicaLeaderTest, ALeaderThatHearsNoMajorityStepsDown) {
  LoneReplica leader = leader_of(5);
  for (int i = 0; i < 20; ++i) {
    leader.pass(50);
    leader.step(2, LoneReplica::ack(1, {}));
    leader.step(3, LoneReplica::ack(1, {}));
  }
  EXPECT_TRUE(leader->leading());
  for (int i = 0; i < 6; ++i) {
    leader.pass(50);
    leader.step(2, LoneReplica::ack(1, {}));
  }
  EXPECT_EQ(leader->role(), Role::kFollower);
  EXPECT_EQ(leader->leader(), NodeId{0});
}

TEST(ReplicaLeaderTest, ALongPauseEndsALeadershipBeforeAnythingElse) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, at(1, 1), leader.now_us()));
  leader.pass(10'000);
  EXPECT_FALSE(leader->leading());
  EXPECT_EQ(leader->reads_until_us(), kNever);
}

// As long as the others may still have been waiting for it.
TEST(ReplicaLeaderTest, ALeaderThatHasSleptShortlyHearsWhatCameMeanwhileFirst) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  const int64_t lease_us = leader->reads_until_us();
  leader.oversleep(590);
  EXPECT_TRUE(leader->leading());
  EXPECT_EQ(leader->reads_until_us(), lease_us) << "no lease gets longer";
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  for (int i = 0; i < 5; ++i) leader.pass(50);
  EXPECT_TRUE(leader->leading());
  leader.pass(100);
  EXPECT_FALSE(leader->leading()) << "silence that it has heard";

  LoneReplica paused = leader_of(3);
  paused.step(2, LoneReplica::ack(1, at(1, 1)));
  paused.oversleep(600);
  EXPECT_FALSE(paused->leading());
}

TEST(ReplicaLeaderTest, ReachableVotersAreThoseHeardOfWithinAnElectionTimeout) {
  LoneReplica leader = leader_of(3);
  EXPECT_EQ(leader->reachable_voters(), 2u) << "itself and who voted";
  leader.pass(200);
  leader.step(3, LoneReplica::ack(1, {}));
  leader.pass(150);
  EXPECT_EQ(leader->reachable_voters(), 2u);
  leader.step(2, LoneReplica::ack(1, {}));
  EXPECT_EQ(leader->reachable_voters(), 3u);
}

// --- Reads: 6.4.

TEST(ReplicaLeaderTest, TheLeaseCountsFromTheSendTimeOfTheHeartbeat) {
  LoneReplica leader = leader_of(3);
  const int64_t sent_us = leader.now_us();
  EXPECT_EQ(leader->reads_until_us(), kNever);
  leader.pass(100);
  leader.step(2, LoneReplica::ack(1, {}, sent_us));
  EXPECT_EQ(leader->reads_until_us(), kNever) << "nothing of its term is committed";
  leader.step(2, LoneReplica::ack(1, at(1, 1), sent_us));
  EXPECT_EQ(leader->reads_until_us(), sent_us + 240'000);
  leader.step(2, LoneReplica::ack(1, at(1, 1), sent_us - 50));
  EXPECT_EQ(leader->reads_until_us(), sent_us + 240'000) << "late";
  leader.step(3, LoneReplica::ack(1, {}, leader.now_us() + 1));
  EXPECT_EQ(leader->reads_until_us(), sent_us + 240'000) << "was never sent";
  leader.step(3, LoneReplica::ack(1, {}, sent_us + 90'000));
  EXPECT_EQ(leader->reads_until_us(), sent_us + 330'000);
}

TEST(ReplicaLeaderTest, TheLeaseNeedsAMajority) {
  LoneReplica leader = leader_of(5);
  const int64_t sent_us = leader.now_us();
  leader.step(2, LoneReplica::ack(1, at(1, 1), sent_us));
  leader.step(3, LoneReplica::ack(1, at(1, 1), sent_us));
  leader.pass(100);
  leader.step(2, LoneReplica::ack(1, at(1, 1), leader.now_us()));
  EXPECT_EQ(leader->reads_until_us(), sent_us + 240'000);
}

TEST(ReplicaLeaderTest, WhoCountsNowhereProlongsNoLease) {
  ReplicaStart start = start_of(4);
  start.membership.members[3].voter = false;
  LoneReplica leader(std::move(start));
  leader.win({2});
  const int64_t sent_us = leader.now_us();
  leader.step(2, LoneReplica::ack(1, at(1, 1), sent_us));
  leader.pass(100);
  leader.step(4, LoneReplica::ack(1, at(1, 1), leader.now_us()));
  leader.step(3, instance_of(99), LoneReplica::ack(1, at(1, 1), leader.now_us()));
  EXPECT_EQ(leader->reads_until_us(), sent_us + 240'000);
}

TEST(ReplicaLeaderTest, AfterTimeoutNowThereIsNoLeaseInThatTerm) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, at(1, 1), leader.now_us()));
  ASSERT_GT(leader->reads_until_us(), leader.now_us());
  ASSERT_TRUE(leader->transfer(NodeId{2}));
  EXPECT_EQ(leader.sent(MessageKind::kTimeoutNow).size(), 1u);
  EXPECT_EQ(leader->reads_until_us(), leader.now_us());
  const int64_t sent_us = leader.now_us() + 5000;
  leader.pass(10);
  leader.step(3, LoneReplica::ack(1, at(1, 1), sent_us));
  EXPECT_EQ(leader->reads_until_us(), sent_us) << "read index";
}

TEST(ReplicaLeaderTest, AVoterAloneNeedsNobodysLeave) {
  LoneReplica alone(start_of(1));
  alone.pass(1);
  alone.lead();
  EXPECT_TRUE(alone->settled());
  EXPECT_GT(alone->reads_until_us(), alone.now_us());
}

TEST(ReplicaLeaderTest, ConfirmingSendsHeartbeatsAtOnce) {
  LoneReplica leader = leader_of(3);
  leader.sent();
  EXPECT_FALSE(leader->has_ready());
  leader->confirm_leadership();
  EXPECT_EQ(leader.sent(MessageKind::kAppend).size(), 2u);
}

// --- Shipping.

TEST(ReplicaLeaderTest, ProbesWithOneMessageUntilTheLogsMatch) {
  LoneReplica leader = leader_of(3, {1, 1, 1});
  EXPECT_EQ(ship(leader, 2), 1u);
  leader->propose(at(2, 9));
  EXPECT_EQ(ship(leader, 2), 0u);
  leader.step(2, LoneReplica::ack(2, at(2, 4)));
  EXPECT_EQ(progress(leader, 2).state, State::kReplicate);
  EXPECT_EQ(ship(leader, 2), 5u);
}

TEST(ReplicaLeaderTest, AProbeWithoutAnAnswerIsSentAgainAfterAHeartbeat) {
  LoneReplica leader = leader_of(3);
  EXPECT_EQ(ship(leader, 2), 1u);
  leader.pass(10);
  EXPECT_EQ(ship(leader, 2), 0u);
  leader.pass(50);
  EXPECT_EQ(ship(leader, 2), 1u);
}

TEST(ReplicaLeaderTest, ARejectionGoesBackByAWholeTerm) {
  LoneReplica leader = leader_of(3, {1, 1, 3, 3, 3});
  Message reject = LoneReplica::ack(4, at(2, 4));
  reject.kind = MessageKind::kReject;
  leader.step(2, reject);
  EXPECT_EQ(progress(leader, 2).next, Lsn{3}) << "our newest record of a term up to 2 is 1.2";
  EXPECT_EQ(leader->shipment(NodeId{2})->previous, at(1, 2));
}

TEST(ReplicaLeaderTest, TheWindowIsBounded) {
  ReplicaStart start = start_of(3);
  start.max_inflight_messages = 3;
  LoneReplica leader(std::move(start));
  leader.win({2});
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  leader->propose(at(1, 10));
  EXPECT_EQ(ship(leader, 2), 3u);
  EXPECT_EQ(progress(leader, 2).inflight, 3u);
  leader.step(2, LoneReplica::ack(1, at(1, 3)));
  EXPECT_EQ(ship(leader, 2), 2u);
  EXPECT_EQ(progress(leader, 3).inflight, 0u) << "the other one is another matter";
}

TEST(ReplicaLeaderTest, ALostLinkGoesBackToWhatIsAcknowledged) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  leader->propose(at(1, 5));
  ship(leader, 2);
  leader->link_lost(NodeId{2});
  EXPECT_EQ(progress(leader, 2).next, Lsn{2});
  EXPECT_EQ(progress(leader, 2).inflight, 0u);
}

TEST(ReplicaLeaderTest, AWindowThatDoesNotMoveForAnElectionTimeoutIsShippedAgain) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  leader->propose(at(1, 2));
  EXPECT_EQ(ship(leader, 2), 1u);
  for (int i = 0; i < 7; ++i) {
    EXPECT_EQ(ship(leader, 2), i < 6 ? 0u : 1u);
    leader.pass(50);
    leader.step(2, LoneReplica::ack(1, at(1, 1)));
  }
}

TEST(ReplicaLeaderTest, WhoIsBehindTheLogsBeginningNeedsASnapshot) {
  LoneReplica leader = leader_of(3);
  leader->propose(at(1, 9));
  leader.persist();
  leader.step(2, LoneReplica::ack(1, at(1, 9)));
  leader->compacted(Lsn{6});
  Message reject = LoneReplica::ack(1, {});
  reject.kind = MessageKind::kReject;
  leader.step(3, reject);
  EXPECT_EQ(progress(leader, 3).state, State::kSnapshot);
  EXPECT_FALSE(leader->shipment(NodeId{3}).has_value());
  leader->link_lost(NodeId{3});
  EXPECT_EQ(progress(leader, 3).state, State::kSnapshot);
  leader->snapshot_done(NodeId{3}, false, {});
  EXPECT_EQ(progress(leader, 3).state, State::kSnapshot) << "there is no other way";
  leader->snapshot_done(NodeId{3}, true, at(1, 7));
  EXPECT_EQ(leader->shipment(NodeId{3})->previous, at(1, 7));
}

TEST(ReplicaLeaderTest, RecordsThatAreGoneMeanASnapshot) {
  LoneReplica leader = leader_of(3);
  leader->need_snapshot(NodeId{3});
  EXPECT_FALSE(leader->shipment(NodeId{3}).has_value());
  leader->snapshot_done(NodeId{3}, false, {});
  EXPECT_EQ(progress(leader, 3).state, State::kProbe);
}

TEST(ReplicaLeaderTest, ACommitIsToldToThoseWhoHaveEverything) {
  LoneReplica leader = leader_of(3);
  ship(leader, 2);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  const auto news = leader.sent(MessageKind::kAppend);
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].to, NodeId{2});
  EXPECT_EQ(news[0].commit, Lsn{1});
  EXPECT_EQ(news[0].sent_us, 0);
}

TEST(ReplicaLeaderTest, AHeartbeatClaimsOnlyWhatMatches) {
  LoneReplica leader = leader_of(5);
  leader->propose(at(1, 5));
  leader.persist();
  for (const uint16_t id : {2, 3}) leader.step(id, LoneReplica::ack(1, at(1, 4)));
  leader.step(4, LoneReplica::ack(1, at(1, 2)));
  ASSERT_EQ(leader->commit(), at(1, 4));
  leader->confirm_leadership();
  for (const Message& heartbeat : leader.sent(MessageKind::kAppend)) {
    const Position match = leader->progress().at(heartbeat.to).match;
    EXPECT_EQ(heartbeat.position, match);
    EXPECT_EQ(heartbeat.commit, std::min(match.lsn, Lsn{4}));
  }
}

// --- Handing over: 3.10.

TEST(ReplicaLeaderTest, TimeoutNowWaitsUntilTheTargetHasEverything) {
  LoneReplica leader = leader_of(3);
  ASSERT_TRUE(leader->transfer(NodeId{2}));
  EXPECT_TRUE(leader.sent(MessageKind::kTimeoutNow).empty());
  EXPECT_TRUE(leader->transferring());
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  EXPECT_EQ(leader.sent(MessageKind::kTimeoutNow).size(), 1u);
}

TEST(ReplicaLeaderTest, ATransferIsGivenUpAfterAnElectionTimeout) {
  LoneReplica leader = leader_of(3);
  leader->transfer(NodeId{2});
  for (int i = 0; i < 3; ++i) {
    leader.pass(100);
    leader.step(3, LoneReplica::ack(1, {}));
  }
  EXPECT_TRUE(leader->leading());
  EXPECT_FALSE(leader->transferring());
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  EXPECT_TRUE(leader.sent(MessageKind::kTimeoutNow).empty());
}

TEST(ReplicaLeaderTest, AHurriedTransferDoesNotWaitForTheTarget) {
  LoneReplica leader = leader_of(3);
  leader->hurry_transfer();
  EXPECT_TRUE(leader.sent(MessageKind::kTimeoutNow).empty()) << "no transfer is under way";
  ASSERT_TRUE(leader->transfer(NodeId{2}));
  EXPECT_FALSE(leader->transfer_announced());
  leader->hurry_transfer();
  EXPECT_TRUE(leader->transfer_announced());
  EXPECT_EQ(leader.sent(MessageKind::kTimeoutNow).size(), 1u);
  leader->hurry_transfer();
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  EXPECT_TRUE(leader.sent(MessageKind::kTimeoutNow).empty()) << "once is enough";
}

TEST(ReplicaLeaderTest, AnAbortedTransferSendsNothing) {
  LoneReplica leader = leader_of(3);
  ASSERT_TRUE(leader->transfer(NodeId{2}));
  leader->abort_transfer();
  EXPECT_FALSE(leader->transferring());
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  EXPECT_TRUE(leader.sent(MessageKind::kTimeoutNow).empty());
  EXPECT_TRUE(leader->leading());
}

TEST(ReplicaLeaderTest, TheMostUpToDateVoterIsChosen) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, {}));
  leader.step(3, LoneReplica::ack(1, at(1, 1)));
  ASSERT_TRUE(leader->transfer(NodeId{0}));
  EXPECT_EQ(leader.sent(MessageKind::kTimeoutNow).at(0).to, NodeId{3});
  EXPECT_FALSE(leader->transfer(NodeId{9}));
  EXPECT_FALSE(leader->transfer(NodeId{1}));
}

TEST(ReplicaLeaderTest, ALostTailEndsTheLeadership) {
  LoneReplica leader = leader_of(3);
  leader->propose(at(1, 3));
  leader.step(2, LoneReplica::ack(1, at(1, 3)));
  leader.step(3, LoneReplica::ack(1, at(1, 3)));
  ASSERT_EQ(leader->commit(), at(1, 3)) << "on the others' disks";
  leader->lost_tail(at(1, 1));
  EXPECT_EQ(leader->role(), Role::kFollower);
  EXPECT_EQ(leader->log().last(), at(1, 1));
  EXPECT_EQ(leader->commit(), at(1, 1));
}

// The other one may have what was lost: a new record in its place needs a new term.
TEST(ReplicaLeaderTest, ATailThatMadeItTheOnlyMemberEndsTheLeadershipToo) {
  LoneReplica leader = leader_of(2);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  ASSERT_TRUE(leader->settled());
  leader->propose(at(1, 2));
  Membership alone = leader->membership();
  alone.members.pop_back();
  leader->propose(at(1, 3), &alone);
  leader->lost_tail(at(1, 1));
  EXPECT_FALSE(leader->leading());
  EXPECT_EQ(leader->membership().members.size(), 2u);
}

TEST(ReplicaLeaderTest, TheOnlyMemberGoesOnAfterALostTail) {
  LoneReplica leader = leader_of(2);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  Membership alone = leader->membership();
  alone.members.pop_back();
  leader->propose(at(1, 2), &alone);
  leader->propose(at(1, 3));
  leader->lost_tail(at(1, 2));
  EXPECT_TRUE(leader->leading());
}

// --- Membership: 4.1 and 4.2.

Membership without(const Membership& membership, std::vector<uint16_t> ids) {
  Membership changed = membership;
  for (const uint16_t id : ids) changed.members[id - 1].voter = false;
  return changed;
}

TEST(ReplicaLeaderTest, AMembershipIsInForceWhenItIsProposed) {
  LoneReplica leader = leader_of(4);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  leader.step(3, LoneReplica::ack(1, at(1, 1)));
  ASSERT_TRUE(leader->settled());
  const Membership smaller = without(leader->membership(), {4});
  leader->propose(at(1, 2), &smaller);
  leader.persist();
  EXPECT_TRUE(leader->ready().membership_changed);
  leader.step(2, LoneReplica::ack(1, at(1, 2)));
  EXPECT_EQ(leader->commit(), at(1, 2)) << "two of three";
}

TEST(ReplicaLeaderTest, ARemovedLeaderStepsDownWhenThatIsCommitted) {
  LoneReplica leader = leader_of(3);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  const Membership smaller = without(leader->membership(), {1});
  leader->propose(at(1, 2), &smaller);
  leader.persist();
  leader.step(2, LoneReplica::ack(1, at(1, 2)));
  EXPECT_TRUE(leader->leading()) << "it does not count itself";
  leader.step(3, LoneReplica::ack(1, at(1, 2)));
  EXPECT_FALSE(leader->leading());
}

TEST(ReplicaLeaderTest, ARemovedLeaderHandsOverToWhoHasMost) {
  LoneReplica leader = leader_of(4);
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  leader.step(3, LoneReplica::ack(1, at(1, 1)));
  Membership smaller = leader->membership();
  smaller.members.erase(smaller.members.begin());
  leader->propose(at(1, 2), &smaller);
  leader->propose(at(1, 3));
  leader.persist();
  leader.step(2, LoneReplica::ack(1, at(1, 2)));
  EXPECT_TRUE(leader.sent(MessageKind::kTimeoutNow).empty()) << "not committed";
  leader.step(4, LoneReplica::ack(1, at(1, 3)));
  EXPECT_FALSE(leader->leading());
  const std::vector<Message> told = leader.sent(MessageKind::kTimeoutNow);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].to, NodeId{4});
}

TEST(ReplicaLeaderDeathTest, AMembershipChangesOneVoterAtATimeInASettledTerm) {
  LoneReplica leader = leader_of(5);
  const Membership one = without(leader->membership(), {5});
  const Membership two = without(leader->membership(), {4, 5});
  Membership rebound = leader->membership();
  rebound.members[4].instance = instance_of(99);
  EXPECT_DEATH(leader->propose(at(1, 2), &one), "before a record of the term is committed");
  leader.step(2, LoneReplica::ack(1, at(1, 1)));
  leader.step(3, LoneReplica::ack(1, at(1, 1)));
  EXPECT_DEATH(leader->propose(at(1, 2), &two), "more than one voter");
  EXPECT_DEATH(leader->propose(at(1, 2), &rebound), "more than one voter");
  leader->propose(at(1, 2), &one);
  EXPECT_DEATH(leader->propose(at(1, 3), &one), "two memberships");
}

}  // namespace
}  // namespace kvorum::replication
