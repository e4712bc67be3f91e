// Elections, rule by rule. Section numbers are of Ongaro's dissertation.
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/replication/lone_replica.h"
#include "tests/unit/replication/replica_group.h"

namespace kvorum::replication {
namespace {

using storage::HardState;
using storage::NodeId;
using storage::Position;
using storage::Term;

bool granted(LoneReplica& voter) {
  const auto replies = voter.sent(MessageKind::kVoteReply);
  return replies.size() == 1 && replies[0].granted;
}

Message pre(Message message) {
  message.pre_vote = true;
  return message;
}

// 3.3 and 3.8.
TEST(ReplicaElectionTest, AHigherTermIsSavedBeforeItIsAnswered) {
  LoneReplica replica(start_of(3));
  replica.step(2, LoneReplica::append(4, {}));
  const Ready ready = replica->ready();
  EXPECT_EQ(ready.save, (HardState{Term{4}, NodeId{0}}));
  EXPECT_TRUE(ready.send_now.empty());
  EXPECT_EQ(ready.send_after_save.size(), 1u);
}

// 3.4 and 3.8.
TEST(ReplicaElectionTest, AVoteIsSavedBeforeItIsSent) {
  LoneReplica voter(start_of(3));
  voter.step(2, LoneReplica::vote_request(1, {}));
  const Ready ready = voter->ready();
  EXPECT_EQ(ready.save, (HardState{Term{1}, NodeId{2}}));
  EXPECT_TRUE(ready.send_now.empty());
  ASSERT_EQ(ready.send_after_save.size(), 1u);
  EXPECT_TRUE(ready.send_after_save[0].granted);
}

// 3.4.
TEST(ReplicaElectionTest, OneVotePerTerm) {
  LoneReplica voter(start_of(3));
  voter.step(2, LoneReplica::vote_request(1, {}));
  EXPECT_TRUE(granted(voter));
  voter.step(3, LoneReplica::vote_request(1, {}));
  EXPECT_FALSE(granted(voter));
  voter.step(2, LoneReplica::vote_request(1, {}));
  EXPECT_TRUE(granted(voter)) << "the same vote again";
  voter.step(3, LoneReplica::vote_request(2, {}));
  EXPECT_TRUE(granted(voter)) << "another term";
}

// 3.4: also over a restart.
TEST(ReplicaElectionTest, ASavedVoteIsRemembered) {
  ReplicaStart start = start_of(3);
  start.hard_state = {Term{1}, NodeId{2}};
  LoneReplica voter(std::move(start));
  voter.step(3, LoneReplica::vote_request(1, {}));
  EXPECT_FALSE(granted(voter));
}

// Its timer runs while it listens: what came meanwhile has not been looked at.
TEST(ReplicaElectionTest, WhoHasSleptTakesThatForNobodysSilence) {
  LoneReplica replica(start_of(3));
  replica.step(2, LoneReplica::append(1, {}));
  replica.sent();
  replica.oversleep(10'000);
  EXPECT_TRUE(replica.sent(MessageKind::kVoteRequest).empty()) << "it has not asked";
  replica.step(3, pre(LoneReplica::vote_request(2, at(1, 9))));
  EXPECT_FALSE(granted(replica)) << "it sticks to the leader of before";
  for (int i = 0; i < 12; ++i) replica.pass(50);
  EXPECT_FALSE(replica.sent(MessageKind::kVoteRequest).empty()) << "silence that it has heard";
}

// 3.6.1: the later last term wins, then the longer log.
TEST(ReplicaElectionTest, NoVoteForALogThatIsBehind) {
  const std::vector<std::pair<Position, bool>> cases = {
      {at(3, 3), true}, {at(3, 4), true}, {at(4, 1), true}, {at(3, 2), false}, {at(2, 9), false}};
  for (const auto& [last, expected] : cases) {
    LoneReplica voter(start_of(3, {1, 3, 3}));
    voter.step(2, LoneReplica::vote_request(5, last));
    EXPECT_EQ(granted(voter), expected) << last.term << "." << last.lsn;
  }
}

// 3.8: a candidate's vote for itself is a vote.
TEST(ReplicaElectionTest, TheOwnVoteCountsOnlyWhenItIsSaved) {
  LoneReplica candidate(start_of(3));
  candidate.pass(600);
  const int64_t attempt = candidate->ready().send_now.at(0).sent_us;
  candidate.step(2, pre(LoneReplica::vote(Term{1}, attempt)));
  ASSERT_EQ(candidate->role(), Role::kCandidate);
  const int64_t real_attempt = candidate->ready().send_after_save.at(0).sent_us;
  candidate.step(2, LoneReplica::vote(Term{1}, real_attempt));
  EXPECT_FALSE(candidate->leading());
  candidate->persisted({}, {Term{1}, NodeId{1}});
  EXPECT_TRUE(candidate->leading());
}

// 9.6.
TEST(ReplicaElectionTest, APreVoteChangesNeitherTermNorVote) {
  LoneReplica voter(start_of(3));
  voter.step(2, pre(LoneReplica::vote_request(7, {})));
  EXPECT_EQ(voter->hard_state(), HardState());
  EXPECT_TRUE(granted(voter));
}

TEST(ReplicaElectionTest, ACandidateThatNobodyAnswersKeepsItsTerm) {
  LoneReplica candidate(start_of(3));
  for (int i = 0; i < 10; ++i) candidate.pass(600);
  EXPECT_EQ(candidate->role(), Role::kPreCandidate);
  EXPECT_EQ(candidate->term(), Term{0});
}

// 4.2.3 and 6.4.1.
TEST(ReplicaElectionTest, AFollowerWithALeaderIgnoresCandidates) {
  LoneReplica voter(start_of(3));
  voter.step(2, LoneReplica::append(1, {}));
  voter.sent();
  voter.pass(299);
  for (const bool pre_vote : {true, false}) {
    Message request = LoneReplica::vote_request(9, at(8, 8));
    request.pre_vote = pre_vote;
    voter.step(3, request);
    EXPECT_TRUE(voter.sent().empty());
    EXPECT_EQ(voter->term(), Term{1});
  }
  voter.pass(1);
  voter.step(3, LoneReplica::vote_request(9, at(8, 8)));
  EXPECT_TRUE(granted(voter));
}

// 6.4.1: the lease of the old leader does not end with its term.
TEST(ReplicaElectionTest, AHigherTermDoesNotEndTheLeaderOfAnOldOne) {
  LoneReplica voter(start_of(3));
  voter.step(2, LoneReplica::append(1, {}));
  voter.step(3, LoneReplica::ack(5, {}));
  ASSERT_EQ(voter->term(), Term{5});
  voter.sent();
  voter.step(3, LoneReplica::vote_request(6, {}));
  EXPECT_TRUE(voter.sent().empty());
}

TEST(ReplicaElectionTest, ALeaderWithAQuorumIgnoresCandidates) {
  LoneReplica leader(start_of(3));
  leader.win({2});
  leader.step(3, LoneReplica::vote_request(9, at(8, 8)));
  EXPECT_TRUE(leader->leading());
  EXPECT_EQ(leader->term(), Term{1});
}

// 3.10.
TEST(ReplicaElectionTest, ATransferIsNotHeldUpByStickiness) {
  LoneReplica voter(start_of(3));
  voter.step(2, LoneReplica::append(1, {}));
  voter.sent();
  Message request = LoneReplica::vote_request(2, {});
  request.transfer = true;
  voter.step(3, request);
  EXPECT_TRUE(granted(voter));
}

// DESIGN 3: the node may have acknowledged a heartbeat before it stopped.
TEST(ReplicaElectionTest, NoVoteForOneElectionTimeoutAfterAStart) {
  for (const bool pre_vote : {true, false}) {
    for (const bool transfer : {true, false}) {
      ReplicaStart start = start_of(3);
      start.newborn = false;
      LoneReplica voter(std::move(start));
      Message request = LoneReplica::vote_request(2, {});
      request.pre_vote = pre_vote;
      request.transfer = transfer;
      voter.pass(299);
      voter.step(2, request);
      EXPECT_FALSE(granted(voter));
      voter.pass(1);
      request.term = Term{3};
      voter.step(2, request);
      EXPECT_TRUE(granted(voter));
    }
  }
}

TEST(ReplicaElectionTest, ItsOwnCandidacyWaitsToo) {
  ReplicaStart start = start_of(3);
  start.newborn = false;
  start.hard_state.term = Term{1};
  LoneReplica target(std::move(start));
  target.step(2, LoneReplica::append(1, {}));
  Message now;
  now.kind = MessageKind::kTimeoutNow;
  now.term = Term{1};
  target.step(2, now);
  EXPECT_EQ(target->role(), Role::kFollower);
  target.pass(300);
  target.step(2, LoneReplica::append(1, {}));
  target.step(2, now);
  EXPECT_EQ(target->role(), Role::kCandidate);
}

// 3.4.
TEST(ReplicaElectionTest, AVoterIsCountedOnce) {
  LoneReplica candidate(start_of(5));
  candidate.campaign({2, 3});
  ASSERT_EQ(candidate->role(), Role::kCandidate);
  for (int i = 0; i < 3; ++i) {
    candidate.step(2, LoneReplica::vote(Term{1}, candidate.attempt()));
  }
  EXPECT_FALSE(candidate->leading());
  candidate.step(3, LoneReplica::vote(Term{1}, candidate.attempt()));
  EXPECT_TRUE(candidate->leading());
}

TEST(ReplicaElectionTest, AVoteOfAnotherTermDoesNotCount) {
  LoneReplica candidate(start_of(3, {3}));
  candidate.campaign({2});
  ASSERT_EQ(candidate->term(), Term{4});
  candidate.step(2, LoneReplica::vote(Term{3}, candidate.attempt()));
  EXPECT_FALSE(candidate->leading());
}

// A pre-vote does not raise the term, so that only the attempt tells an old answer.
TEST(ReplicaElectionTest, AnAnswerToAnEarlierAttemptDoesNotCount) {
  LoneReplica candidate(start_of(3));
  candidate.pass(600);
  const int64_t first = candidate.sent().at(0).sent_us;
  candidate.pass(600);
  const int64_t second = candidate.sent().at(0).sent_us;
  candidate.step(2, pre(LoneReplica::vote(Term{1}, first)));
  EXPECT_EQ(candidate->role(), Role::kPreCandidate);
  candidate.step(2, pre(LoneReplica::vote(Term{1}, second)));
  EXPECT_EQ(candidate->role(), Role::kCandidate);
}

// DESIGN 4: a wiped node's votes are nobody's.
TEST(ReplicaElectionTest, AVoteOfAnotherInstanceDoesNotCount) {
  LoneReplica candidate(start_of(3));
  candidate.campaign({2});
  candidate.step(2, instance_of(99), LoneReplica::vote(Term{1}, candidate.attempt()));
  EXPECT_FALSE(candidate->leading());
}

TEST(ReplicaElectionTest, AVoteOfWhoIsNoVoterDoesNotCount) {
  ReplicaStart start = start_of(4);
  start.membership.members[3].voter = false;
  LoneReplica candidate(std::move(start));
  candidate.campaign({2});
  candidate.step(4, LoneReplica::vote(Term{1}, candidate.attempt()));
  candidate.step(9, LoneReplica::vote(Term{1}, candidate.attempt()));
  EXPECT_FALSE(candidate->leading());
}

// 4.2.2, figure 4.6. Nobody else may have the record that removes it, and then nobody else can win.
TEST(ReplicaElectionTest, WhoseRemovalIsNotCommittedCampaignsAndCountsItselfInNoMajority) {
  ReplicaStart start = start_of(3, {1, 1});
  start.commit = at(1, 1);
  start.earlier_membership = start.membership;
  start.earlier_membership_lsn = storage::Lsn{1};
  start.membership.members.erase(start.membership.members.begin());
  start.membership_lsn = storage::Lsn{2};
  LoneReplica removed(start);
  removed.campaign({2, 3});
  removed.persist();
  removed.step(2, LoneReplica::vote(Term{2}, removed.attempt()));
  EXPECT_FALSE(removed->leading()) << "one of two";
  removed.step(3, LoneReplica::vote(Term{2}, removed.attempt()));
  EXPECT_TRUE(removed->leading());
  start.commit = at(1, 2);
  LoneReplica gone(start);
  for (int i = 0; i < 5; ++i) gone.pass(600);
  EXPECT_EQ(gone->role(), Role::kFollower);
}

TEST(ReplicaElectionTest, AnotherInstanceNeitherVotesNorCampaigns) {
  ReplicaStart start = start_of(3);
  start.instance = instance_of(77);
  LoneReplica wiped(std::move(start));
  EXPECT_FALSE(wiped->is_voter());
  wiped.step(2, LoneReplica::vote_request(1, {}));
  EXPECT_FALSE(granted(wiped));
  for (int i = 0; i < 5; ++i) wiped.pass(600);
  EXPECT_EQ(wiped->role(), Role::kFollower);
}

// 9.3 of the dissertation: spread over [T, 2T).
TEST(ReplicaElectionTest, TimeoutsAreRandomWithinTheirBounds) {
  std::set<int64_t> timeouts;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    ReplicaStart start = start_of(3);
    start.seed = seed;
    LoneReplica replica(std::move(start));
    int64_t waited = 0;
    for (; replica->role() == Role::kFollower && waited < 700; ++waited) replica.pass(1);
    timeouts.insert(waited);
  }
  EXPECT_GE(*timeouts.begin(), 300);
  EXPECT_LE(*timeouts.rbegin(), 600);
  EXPECT_GT(timeouts.size(), 25u);
}

// --- Doubtful nodes: DESIGN 5.

LoneReplica doubtful(Position claim, bool unknown = false) {
  ReplicaStart start = start_of(3, {1});
  start.claim = claim;
  start.claim_unknown = unknown;
  return LoneReplica(std::move(start));
}

TEST(ReplicaDoubtTest, VotesOnlyForALogThatReachesItsClaim) {
  LoneReplica voter = doubtful(at(1, 5));
  voter.step(2, LoneReplica::vote_request(2, at(1, 4)));
  const auto replies = voter.sent(MessageKind::kVoteReply);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_FALSE(replies[0].granted);
  EXPECT_EQ(replies[0].claim, at(1, 5)) << "the only reason";
  voter.step(3, LoneReplica::vote_request(2, at(1, 5)));
  EXPECT_TRUE(granted(voter));
}

TEST(ReplicaDoubtTest, ARefusalForAnotherReasonTellsNoClaim) {
  LoneReplica voter = doubtful(at(1, 5));
  voter.step(2, LoneReplica::vote_request(2, {}));
  EXPECT_EQ(voter.sent(MessageKind::kVoteReply).at(0).claim, Position());
}

TEST(ReplicaDoubtTest, DoesNotVoteForItselfEither) {
  LoneReplica candidate = doubtful(at(1, 5));
  candidate.campaign({2, 3});
  ASSERT_EQ(candidate->role(), Role::kCandidate);
  candidate.step(2, LoneReplica::vote(Term{2}, candidate.attempt()));
  EXPECT_FALSE(candidate->leading());
  candidate.step(3, LoneReplica::vote(Term{2}, candidate.attempt()));
  EXPECT_TRUE(candidate->leading());
}

TEST(ReplicaDoubtTest, TheWordThatAllHaveAnsweredHoldsForTheAttemptThatItAnswered) {
  LoneReplica voter = doubtful(at(1, 5), true);
  Message request = LoneReplica::vote_request(2, at(1, 1));
  request.everyone = true;
  voter.step(2, request);
  EXPECT_FALSE(granted(voter)) << "asked this node nothing since it started";
  voter.step(2, pre(LoneReplica::vote_request(3, at(1, 1))));
  voter.sent();
  request.term = Term{3};
  voter.step(2, request);
  EXPECT_TRUE(granted(voter));
}

Message doubted(int64_t attempt, Position last) {
  Message answer = pre(LoneReplica::vote(Term{1}, attempt));
  answer.granted = false;
  answer.position = last;
  answer.claim = at(1, 9);
  return answer;
}

TEST(ReplicaDoubtTest, EveryVoterMustHaveAnsweredAndNoneMayHaveMore) {
  for (const Position last_of_third : {at(1, 1), at(1, 2)}) {
    LoneReplica candidate(start_of(3, {1}));
    candidate.pass(600);
    const int64_t attempt = candidate.sent().at(0).sent_us;
    candidate.step(2, doubted(attempt, at(1, 1)));
    EXPECT_EQ(candidate->role(), Role::kPreCandidate) << "the third has not answered";
    candidate.step(3, doubted(attempt, last_of_third));
    const bool elects = last_of_third == at(1, 1);
    EXPECT_EQ(candidate->role(), elects ? Role::kCandidate : Role::kPreCandidate);
    const auto requests = candidate.sent(MessageKind::kVoteRequest);
    for (const Message& request : requests) EXPECT_TRUE(request.everyone);
  }
}

TEST(ReplicaDoubtTest, ARefusalForAnotherReasonIsNotOverruled) {
  LoneReplica candidate(start_of(3, {1}));
  candidate.pass(600);
  const int64_t attempt = candidate.sent().at(0).sent_us;
  candidate.step(2, doubted(attempt, at(1, 1)));
  Message refusal = doubted(attempt, at(1, 1));
  refusal.claim = {};
  candidate.step(3, refusal);
  EXPECT_EQ(candidate->role(), Role::kPreCandidate);
}

TEST(ReplicaDoubtTest, EndsWhenTheLogReachesTheClaimOnDisk) {
  LoneReplica follower = doubtful(at(1, 3));
  follower.step(2, LoneReplica::append(1, at(1, 1), {1, 1}));
  EXPECT_TRUE(follower->doubtful()) << "not on disk yet";
  follower.persist();
  EXPECT_FALSE(follower->doubtful());
}

TEST(ReplicaDoubtTest, AnUnknownClaimEndsAtACommitOfTheLeadersTerm) {
  LoneReplica follower = doubtful({}, true);
  follower.step(2, LoneReplica::append(2, at(1, 1), {1, 2}, 1));
  follower.persist();
  follower.sent();
  EXPECT_TRUE(follower->doubtful()) << "the leader has committed nothing of its own";
  follower.step(2, LoneReplica::append(2, at(2, 3), {}, 3));
  EXPECT_FALSE(follower->doubtful());
}

TEST(ReplicaDoubtTest, ADoubtfulNodeAloneElectsItself) {
  ReplicaStart start = start_of(1, {1});
  start.claim = at(1, 5);
  LoneReplica alone(std::move(start));
  alone.pass(1);
  alone.lead();
  EXPECT_TRUE(alone->leading());
}

// --- Handing over: 3.10.

TEST(ReplicaElectionTest, OnlyItsLeaderOfItsTermMakesAFollowerCampaign) {
  LoneReplica follower(start_of(3, {2}));
  follower.step(2, LoneReplica::append(2, {}));
  follower.sent();
  Message now;
  now.kind = MessageKind::kTimeoutNow;
  now.term = Term{1};
  follower.step(2, now);
  EXPECT_EQ(follower->role(), Role::kFollower) << "of an old term";
  now.term = Term{2};
  follower.step(3, now);
  EXPECT_EQ(follower->role(), Role::kFollower) << "not its leader";
  follower.step(2, now);
  EXPECT_EQ(follower->role(), Role::kCandidate) << "without a pre-vote";
  EXPECT_TRUE(follower.sent(MessageKind::kVoteRequest).at(0).transfer);
}

TEST(ReplicaElectionTest, WhoMayNotCampaignVotesAllTheSame) {
  LoneReplica replica(start_of(3));
  replica->set_may_campaign(false);
  for (int i = 0; i < 5; ++i) replica.pass(600);
  EXPECT_EQ(replica->role(), Role::kFollower);
  replica.step(2, LoneReplica::vote_request(1, {}));
  EXPECT_TRUE(granted(replica));
}

TEST(ReplicaElectionTest, ALostTailEndsACandidacyThatStoodOnIt) {
  LoneReplica candidate(start_of(3, {1, 1}));
  candidate.campaign({2});
  candidate->lost_tail(at(1, 1));
  candidate.step(2, LoneReplica::vote(Term{2}, candidate.attempt()));
  EXPECT_FALSE(candidate->leading());
}

// A node of a later term is heard by the leader that it does not follow.
TEST(ReplicaElectionTest, AnAppendOfAnOldTermIsAnsweredWithTheNewOne) {
  LoneReplica replica(start_of(3, {5}));
  replica.step(2, LoneReplica::append(4, {}));
  const auto rejections = replica.sent(MessageKind::kReject);
  ASSERT_EQ(rejections.size(), 1u);
  EXPECT_EQ(rejections[0].term, Term{5});
}

}  // namespace
}  // namespace kvorum::replication
