// Following, rule by rule. Section numbers are of Ongaro's dissertation.
#include <gtest/gtest.h>

#include "tests/unit/replication/lone_replica.h"
#include "tests/unit/replication/replica_group.h"

namespace kvorum::replication {
namespace {

using storage::HardState;
using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::Term;

// 3.5: the consistency check.
TEST(ReplicaFollowerTest, RecordsAreTakenOnlyAfterTheRecordTheyFollow) {
  LoneReplica follower(start_of(3, {1, 1}));
  follower.step(2, LoneReplica::append(3, at(2, 2), {3}));
  EXPECT_EQ(follower->log().last(), at(1, 2));
  const auto rejections = follower.sent(MessageKind::kReject);
  ASSERT_EQ(rejections.size(), 1u);
  EXPECT_EQ(rejections[0].position, at(1, 2));
}

TEST(ReplicaFollowerTest, ARejectionHintsAtTheNewestRecordThatMayMatch) {
  LoneReplica follower(start_of(3, {1, 1, 4, 4, 4}));
  follower.step(2, LoneReplica::append(5, at(3, 4), {5}));
  EXPECT_EQ(follower.sent(MessageKind::kReject).at(0).position, at(1, 2));
  follower.step(2, LoneReplica::append(5, at(5, 9), {5}));
  EXPECT_EQ(follower.sent(MessageKind::kReject).at(0).position, at(4, 5));
}

TEST(ReplicaFollowerTest, ARejectionNeverHintsBelowTheCommit) {
  ReplicaStart start = start_of(3, {2, 2, 3});
  start.commit = at(2, 2);
  LoneReplica follower(std::move(start));
  follower.step(2, LoneReplica::append(5, at(1, 3), {5}));
  EXPECT_EQ(follower.sent(MessageKind::kReject).at(0).position, at(2, 2));
}

// 3.5.
TEST(ReplicaFollowerTest, AConflictIsCutJustBeforeItself) {
  LoneReplica follower(start_of(3, {1, 1, 2, 2}));
  follower.step(2, LoneReplica::append(3, at(1, 1), {1, 3}));
  const Ready ready = follower->ready();
  EXPECT_EQ(ready.truncate, at(1, 2));
  ASSERT_EQ(ready.append.size(), 1u);
  EXPECT_EQ(ready.append[0].header.lsn, Lsn{3});
  EXPECT_EQ(follower->log().last(), at(3, 3));
  EXPECT_EQ(follower->durable(), at(1, 2));
}

// 3.5: "any entries that are already in the log are skipped": a late append is no truncation.
TEST(ReplicaFollowerTest, ALateAppendCutsNothing) {
  LoneReplica follower(start_of(3, {1, 1, 1}));
  follower.step(2, LoneReplica::append(1, {}, {1}));
  const Ready ready = follower->ready();
  EXPECT_FALSE(ready.truncate.has_value());
  EXPECT_TRUE(ready.append.empty());
  EXPECT_EQ(follower->log().last(), at(1, 3));
}

TEST(ReplicaFollowerTest, RecordsOutOfOrderAreIgnored) {
  const auto with_records = [](std::vector<std::pair<uint64_t, uint64_t>> positions) {
    Message message = LoneReplica::append(3, at(2, 2), {});
    for (const auto& [term, lsn] : positions) {
      storage::RecordView record;
      record.header.term = Term{term};
      record.header.lsn = Lsn{lsn};
      message.records.push_back(record);
    }
    return message;
  };
  LoneReplica follower(start_of(3, {2, 2}));
  follower.step(2, with_records({{3, 4}}));
  follower.step(2, with_records({{3, 3}, {3, 5}}));
  follower.step(2, with_records({{1, 3}}));
  follower.step(2, with_records({{3, 3}, {2, 4}}));
  follower.step(2, with_records({{4, 3}}));
  EXPECT_EQ(follower->log().last(), at(2, 2));
  follower.step(2, with_records({{2, 3}, {3, 4}}));
  EXPECT_EQ(follower->log().last(), at(3, 4));
}

// 3.5: min(leaderCommit, last new entry).
TEST(ReplicaFollowerTest, CommitsNoFurtherThanTheMessageMatches) {
  LoneReplica follower(start_of(3, {1, 1, 1}));
  follower.step(2, LoneReplica::append(2, at(1, 1), {}, 3));
  EXPECT_EQ(follower->commit(), at(1, 1)) << "the rest may not be the leader's";
  follower.step(2, LoneReplica::append(2, at(1, 1), {1}, 1));
  EXPECT_EQ(follower->commit(), at(1, 1));
  follower.step(2, LoneReplica::append(2, at(1, 1), {1}, 3));
  EXPECT_EQ(follower->commit(), at(1, 2));
}

TEST(ReplicaFollowerTest, TheCommitNeverFalls) {
  LoneReplica follower(start_of(3, {1, 1}));
  follower.step(2, LoneReplica::append(1, at(1, 2), {}, 2));
  follower.step(2, LoneReplica::append(1, at(1, 2), {}, 1));
  EXPECT_EQ(follower->commit(), at(1, 2));
}

TEST(ReplicaFollowerDeathTest, ACommittedRecordIsNeverCutOff) {
  ReplicaStart start = start_of(3, {1, 1});
  start.commit = at(1, 2);
  LoneReplica follower(std::move(start));
  EXPECT_DEATH(follower.step(2, LoneReplica::append(2, at(1, 1), {2})), "never cut off");
}

TEST(ReplicaFollowerDeathTest, TwoLeadersInATermAreABrokenInvariant) {
  LoneReplica follower(start_of(3));
  follower.step(2, LoneReplica::append(1, {}));
  EXPECT_DEATH(follower.step(3, LoneReplica::append(1, {})), "two leaders");
}

// DESIGN 4: an ack says "durable here".
TEST(ReplicaFollowerTest, RecordsAreAcknowledgedWhenTheyAreOnDisk) {
  LoneReplica follower(start_of(3));
  follower.step(2, LoneReplica::append(1, {}, {1, 1}));
  Ready ready = follower->ready();
  EXPECT_TRUE(ready.send_now.empty() && ready.send_after_save.empty());
  follower->persisted(at(1, 1), {Term{1}, NodeId{0}});
  ready = follower->ready();
  ASSERT_EQ(ready.send_now.size(), 1u);
  EXPECT_EQ(ready.send_now[0].position, at(1, 1));
  EXPECT_EQ(ready.send_now[0].sent_us, 500);
  follower->persisted(at(1, 1), {Term{1}, NodeId{0}});
  EXPECT_FALSE(follower->has_ready()) << "nothing new is on disk";
}

TEST(ReplicaFollowerTest, AHeartbeatIsAnsweredAtOnceWithWhatIsDurable) {
  LoneReplica follower(start_of(3));
  follower.step(2, LoneReplica::append(1, {}, {1, 1}));
  follower->ready();
  follower.step(2, LoneReplica::append(1, {}));
  const Ready ready = follower->ready();
  ASSERT_EQ(ready.send_after_save.size(), 1u) << "of a term that is not on disk";
  EXPECT_EQ(ready.send_after_save[0].position, Position());
}

TEST(ReplicaFollowerTest, AnAckClaimsNothingThatMayNotBeTheLeaders) {
  LoneReplica follower(start_of(3, {1, 1, 1}));
  follower.step(2, LoneReplica::append(2, at(1, 1)));
  EXPECT_EQ(follower.sent(MessageKind::kAck).at(0).position, at(1, 1));
}

TEST(ReplicaFollowerTest, ANewTermForgetsWhatMatchedTheOldLeader) {
  LoneReplica follower(start_of(3, {1, 1, 1}));
  follower.step(2, LoneReplica::append(1, at(1, 3)));
  follower.sent();
  follower.step(3, LoneReplica::append(2, at(1, 1)));
  EXPECT_EQ(follower.sent(MessageKind::kAck).at(0).position, at(1, 1));
}

TEST(ReplicaFollowerTest, ARepeatedAppendIsAcknowledgedAgain) {
  LoneReplica follower(start_of(3, {1, 1}));
  follower.step(2, LoneReplica::append(1, {}, {1, 1}));
  EXPECT_EQ(follower.sent(MessageKind::kAck).at(0).position, at(1, 2));
}

TEST(ReplicaFollowerTest, TheNewsOfACommitIsNotAnswered) {
  LoneReplica follower(start_of(3, {1, 1}));
  Message news = LoneReplica::append(1, at(1, 2), {}, 2);
  news.sent_us = 0;
  follower.step(2, news);
  EXPECT_EQ(follower->commit(), at(1, 2));
  const Ready ready = follower->ready();
  EXPECT_TRUE(ready.send_now.empty() && ready.send_after_save.empty());
}

// A completion carries position and term, or an old one is mistaken for a new one.
TEST(ReplicaFollowerTest, WhatWasCutOffWhileItWasWrittenIsNotDurable) {
  LoneReplica follower(start_of(3));
  follower.step(2, LoneReplica::append(1, {}, {1, 1}));
  follower->ready();
  follower.step(3, LoneReplica::append(2, {}, {2, 2}));
  follower->ready();
  follower->persisted(at(1, 2), {Term{1}, NodeId{0}});
  EXPECT_EQ(follower->durable(), Position());
  follower->persisted(at(2, 2), {Term{2}, NodeId{0}});
  EXPECT_EQ(follower->durable(), at(2, 2));
}

TEST(ReplicaFollowerTest, AnyBytesOfTheLeaderRestartTheElectionTimer) {
  LoneReplica follower(start_of(3));
  follower.step(2, LoneReplica::append(1, {}));
  for (int i = 0; i < 10; ++i) {
    follower.pass(290);
    follower->heard_from_leader(NodeId{2}, Term{1});
  }
  EXPECT_EQ(follower->role(), Role::kFollower);
  for (int i = 0; i < 10; ++i) {
    follower.pass(290);
    follower->heard_from_leader(NodeId{3}, Term{1});
    follower->heard_from_leader(NodeId{2}, Term{0});
  }
  EXPECT_EQ(follower->role(), Role::kPreCandidate);
}

TEST(ReplicaFollowerTest, WhatTheDiskLostIsAskedForAgain) {
  LoneReplica follower(start_of(3, {1}));
  follower.step(2, LoneReplica::append(1, at(1, 1), {1, 1}));
  follower->ready();
  follower->lost_tail(at(1, 1));
  follower.step(2, LoneReplica::append(1, at(1, 3), {1}));
  EXPECT_EQ(follower.sent(MessageKind::kReject).at(0).position, at(1, 1));
}

TEST(ReplicaFollowerTest, AnInstalledSnapshotBeginsTheLogAnew) {
  LoneReplica follower(start_of(3, {1, 1}));
  follower.step(2, LoneReplica::append(3, at(2, 8), {3}));
  follower.sent();
  Membership membership = follower->membership();
  membership.election_timeout_ms = 900;
  follower->installed(at(2, 8), membership, Lsn{4}, false);
  EXPECT_EQ(follower->log().last(), at(2, 8));
  EXPECT_EQ(follower->log().base(), at(2, 8));
  EXPECT_EQ(follower->commit(), at(2, 8));
  EXPECT_EQ(follower->membership_lsn(), Lsn{4});
  EXPECT_EQ(follower->membership(), membership);
  EXPECT_EQ(follower.sent(MessageKind::kAck).at(0).position, at(2, 8));
  follower.step(2, LoneReplica::append(3, at(2, 8), {3}));
  EXPECT_EQ(follower->log().last(), at(3, 9));
}

TEST(ReplicaFollowerTest, ASnapshotWhoseCutTheLogHasKeepsTheLog) {
  LoneReplica follower(start_of(3, {1, 1, 1}));
  follower->installed(at(1, 2), follower->membership(), Lsn{0}, true);
  EXPECT_EQ(follower->log().last(), at(1, 3));
  EXPECT_EQ(follower->commit(), at(1, 2));
}

TEST(ReplicaFollowerTest, ADamagedLogMayEndBeforeTheCommit) {
  ReplicaStart start = start_of(3, {1, 1});
  start.commit = at(1, 9);
  LoneReplica follower(std::move(start));
  EXPECT_EQ(follower->commit(), at(1, 2));
}

// No vote of that term can have been sent: it would have been saved before.
TEST(ReplicaFollowerTest, ALogOfALaterTermThanTheHardStateEntersThatTerm) {
  ReplicaStart start = start_of(3, {3});
  start.hard_state = {Term{2}, NodeId{2}};
  LoneReplica follower(std::move(start));
  EXPECT_EQ(follower->ready().save, (HardState{Term{3}, NodeId{0}}));
}

// --- Membership: 4.1.

Message append_membership(uint64_t term, Position before, const std::string& payload) {
  Message message = LoneReplica::append(term, before, {term});
  message.records[0].header.kind = storage::RecordKind::kMembership;
  message.records[0].payload = payload;
  return message;
}

TEST(ReplicaFollowerTest, AMembershipIsInForceOnAppendAndRestoredWhenItIsCutOff) {
  LoneReplica follower(start_of(3, {1}));
  const Membership first = follower->membership();
  Membership second = first;
  second.members[2].voter = false;
  const std::string payload = encode_membership(second);
  follower.step(2, append_membership(1, at(1, 1), payload));
  EXPECT_TRUE(follower->ready().membership_changed);
  EXPECT_EQ(follower->membership(), second);
  EXPECT_EQ(follower->membership_lsn(), Lsn{2});
  follower.step(3, LoneReplica::append(2, at(1, 1), {2}));
  EXPECT_TRUE(follower->ready().membership_changed);
  EXPECT_EQ(follower->membership(), first);
  EXPECT_EQ(follower->membership_lsn(), Lsn{0});
}

TEST(ReplicaFollowerTest, TheMembershipBeforeTheRestartIsRestoredToo) {
  ReplicaStart start = start_of(3, {1, 1});
  start.earlier_membership = start.membership;
  start.membership.members[2].voter = false;
  start.membership_lsn = Lsn{2};
  LoneReplica follower(std::move(start));
  follower.step(3, LoneReplica::append(2, at(1, 1), {2}));
  EXPECT_TRUE(follower->membership().is_voter(NodeId{3}));
}

TEST(ReplicaFollowerTest, AMembershipThatCannotBeReadIsIgnored) {
  LoneReplica follower(start_of(3, {1}));
  follower.step(2, append_membership(1, at(1, 1), "nonsense"));
  EXPECT_EQ(follower->log().last(), at(1, 1));
}

// DESIGN 4: a membership record re-admits a wiped node, or shuts another instance out.
TEST(ReplicaFollowerTest, AMembershipThatBindsThisInstanceMakesItAVoter) {
  ReplicaStart start = start_of(3, {1});
  start.instance = instance_of(77);
  start.learner = true;
  LoneReplica wiped(std::move(start));
  EXPECT_FALSE(wiped->is_voter());
  Membership readmitted = wiped->membership();
  readmitted.members[0].instance = instance_of(77);
  const std::string payload = encode_membership(readmitted);
  wiped.step(2, append_membership(1, at(1, 1), payload));
  EXPECT_TRUE(wiped->is_voter());
}

}  // namespace
}  // namespace kvorum::replication
