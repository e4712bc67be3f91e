// The checkers are checked: logs and promises made by hand that they have to accept or refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "replication/membership.h"
#include "storage/effect.h"
#include "storage/record.h"
#include "tests/simulation/committed_model.h"
#include "tests/simulation/log_checker.h"
#include "tests/simulation/simulated_network.h"
#include "tests/simulation/state_checkers.h"

namespace kvorum::simulation {
namespace {

using storage::Hlc;
using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::Term;
using testing::HasSubstr;

std::string set_effect(std::string_view key, std::string_view value, int64_t expiry_ms = 0) {
  std::string payload;
  storage::encode_effect({.key = key, .value = value, .expiry_ms = expiry_ms}, payload);
  return payload;
}

class LogCheckerTest : public testing::Test {
 protected:
  LogCheckerTest() : checker(3, verdict) {
    for (uint32_t node = 1; node <= 3; ++node) checker.begin(node, {});
  }

  void append(uint32_t node, uint64_t lsn, uint64_t term, const std::string& payload,
              uint64_t hlc = 0) {
    storage::RecordHeader header{Lsn{lsn},
                                 Term{term},
                                 {Hlc{hlc == 0 ? lsn : hlc}, NodeId{1}},
                                 storage::RecordKind::kEffects};
    std::string bytes;
    storage::encode_record({}, header, payload, bytes);
    checker.append(node, {header, payload, bytes});
  }
  void append_everywhere(uint64_t lsn, uint64_t term, const std::string& payload) {
    for (uint32_t node = 1; node <= 3; ++node) append(node, lsn, term, payload);
  }

  // A membership of these voters, in one node's log.
  void append_voters(uint32_t node, uint64_t lsn, uint64_t term,
                     const std::vector<uint16_t>& voters) {
    replication::Membership membership;
    for (const uint16_t id : voters) membership.members.push_back({NodeId{id}, "", {}, true});
    const std::string payload = replication::encode_membership(membership);
    storage::RecordHeader header{
        Lsn{lsn}, Term{term}, {Hlc{lsn}, NodeId{1}}, storage::RecordKind::kMembership};
    std::string bytes;
    storage::encode_record({}, header, payload, bytes);
    checker.append(node, {header, payload, bytes});
  }
  // Records of this term up to lsn 2, committed.
  void begin_term(uint64_t term) {
    for (uint64_t lsn = 1; lsn <= 2; ++lsn) append_everywhere(lsn, term, {});
    for (uint32_t node = 1; node <= 2; ++node) checker.synced(node, 2);
    checker.commit(1, 2);
  }

  Verdict verdict;
  LogChecker checker;
};

TEST_F(LogCheckerTest, CountsTheVotersOfTheMembershipInForce) {
  begin_term(1);
  append_voters(1, 3, 1, {1, 2});
  append_voters(3, 3, 1, {1, 2});
  checker.synced(1, 3);
  EXPECT_EQ(verdict.text(), "");
  checker.synced(3, 3);
  checker.commit(1, 3);
  EXPECT_THAT(verdict.text(), HasSubstr("commits lsn 3")) << "node 3 is no voter any more";
}

TEST_F(LogCheckerTest, RefusesTwoMembershipsUnderWay) {
  begin_term(1);
  append_voters(1, 3, 1, {1, 2});
  checker.voters(1, 0b110);
  EXPECT_EQ(verdict.text(), "");
  append_voters(1, 4, 1, {1});
  checker.voters(1, 0b010);
  EXPECT_THAT(verdict.text(), HasSubstr("under way at once"));
}

TEST_F(LogCheckerTest, RefusesAMembershipThatChangesTwoVoters) {
  begin_term(1);
  append_voters(1, 3, 1, {1});
  checker.voters(1, 0b010);
  EXPECT_THAT(verdict.text(), HasSubstr("more than one voter"));
}

TEST_F(LogCheckerTest, RefusesAMembershipBeforeTheTermHasCommittedARecord) {
  begin_term(1);
  append(1, 3, 2, {});
  append_voters(1, 4, 2, {1, 2});
  checker.voters(1, 0b110);
  EXPECT_THAT(verdict.text(), HasSubstr("before a record of term 2"));
}

TEST_F(LogCheckerTest, RefusesAMembershipThatIsNotInTheLogAnyMore) {
  begin_term(1);
  append_voters(1, 3, 1, {1, 2});
  checker.truncate(1, 2);
  checker.voters(1, 0b110);
  EXPECT_THAT(verdict.text(), HasSubstr("does not go by the membership"));
}

TEST_F(LogCheckerTest, AcceptsWhatAMajoritySyncedAndEverybodyCommits) {
  append_everywhere(1, 1, set_effect("k", "#1;"));
  for (uint32_t node = 1; node <= 2; ++node) checker.synced(node, 1);
  for (uint32_t node = 1; node <= 3; ++node) checker.commit(node, 1);
  EXPECT_EQ(verdict.text(), "");
  EXPECT_EQ(checker.committed(), 1u);
  const auto copies = checker.copies_of(1);
  ASSERT_EQ(copies.size(), 1u);
  EXPECT_EQ(copies[0].synced_on, 2);
  EXPECT_TRUE(copies[0].committed);
}

// The next leader removes the node that had the record, in a record of the same lsn.
TEST_F(LogCheckerTest, CountsTheVotersOfTheRecordsOwnHistory) {
  append_voters(1, 1, 1, {1, 2, 3});
  append_voters(2, 1, 1, {1, 2, 3});
  append_voters(3, 1, 1, {1, 2, 3});
  for (uint32_t node = 1; node <= 3; ++node) checker.synced(node, 1);
  checker.commit(1, 1);
  append(1, 2, 1, set_effect("k", "#1;"));
  checker.synced(1, 2);
  for (uint32_t node = 2; node <= 3; ++node) {
    append_voters(node, 2, 2, {2, 3});
    checker.synced(node, 2);
  }
  checker.commit(2, 2);
  const auto copies = checker.copies_of(1);
  ASSERT_EQ(copies.size(), 1u);
  EXPECT_EQ(copies[0].synced_on, 1);
}

TEST_F(LogCheckerTest, RefusesACommitThatOneDiskHas) {
  append_everywhere(1, 1, {});
  append_everywhere(2, 1, set_effect("k", "v"));
  checker.synced(1, 2);
  checker.commit(1, 1);
  EXPECT_EQ(verdict.text(), "");  // the cluster's birth
  checker.commit(1, 2);
  EXPECT_THAT(verdict.text(), HasSubstr("which 1 nodes have on disk"));
}

TEST_F(LogCheckerTest, RefusesTwoRecordsOfOnePosition) {
  append(1, 1, 1, set_effect("k", "v"));
  append(2, 1, 1, set_effect("k", "w"));
  EXPECT_THAT(verdict.text(), HasSubstr("log matching"));
}

TEST_F(LogCheckerTest, AcceptsAnotherRecordWhereTheOnlyMembersDiskWasFull) {
  append(1, 1, 1, set_effect("k", "#1;"));
  checker.forget(1, 0);
  checker.truncate(1, 0);
  append(1, 1, 1, set_effect("k", "#2;"));
  EXPECT_EQ(verdict.text(), "");
  EXPECT_TRUE(checker.copies_of(1).empty());
  EXPECT_EQ(checker.copies_of(2).size(), 1u);
}

TEST_F(LogCheckerTest, RefusesToForgetWhatWasOnADisk) {
  append(1, 1, 1, set_effect("k", "v"));
  checker.synced(1, 1);
  checker.forget(1, 0);
  EXPECT_THAT(verdict.text(), HasSubstr("which was on a disk"));
}

TEST_F(LogCheckerTest, RefusesOnePositionAfterDifferentRecords) {
  append(1, 1, 1, set_effect("k", "v"));
  append(2, 1, 2, set_effect("k", "w"));
  append(1, 2, 3, set_effect("k", "x"));
  append(2, 2, 3, set_effect("k", "x"));
  EXPECT_THAT(verdict.text(), HasSubstr("log matching: before lsn 2"));
}

TEST_F(LogCheckerTest, RefusesTwoRecordsCommittedAtOneLsn) {
  append(1, 1, 1, set_effect("k", "v"));
  append(2, 1, 1, set_effect("k", "v"));
  append(3, 1, 2, set_effect("k", "w"));
  for (uint32_t node = 1; node <= 3; ++node) checker.synced(node, 1);
  checker.commit(1, 1);
  EXPECT_EQ(verdict.text(), "");
  checker.commit(3, 1);
  EXPECT_THAT(verdict.text(), HasSubstr("node 3 commits lsn 1 of term 2"));
}

TEST_F(LogCheckerTest, RefusesACommittedRecordCutOff) {
  append_everywhere(1, 1, set_effect("k", "v"));
  for (uint32_t node = 1; node <= 3; ++node) checker.synced(node, 1);
  checker.commit(1, 1);
  checker.truncate(2, 0);
  EXPECT_EQ(verdict.text(), "");  // node 2 does not know that it is committed
  append(2, 1, 1, set_effect("k", "v"));
  checker.commit(2, 1);
  checker.truncate(2, 0);
  EXPECT_EQ(verdict.text(), "");  // it is not on its disk
  checker.truncate(1, 0);
  EXPECT_THAT(verdict.text(), HasSubstr("cuts its log"));
}

TEST_F(LogCheckerTest, RefusesARestartThatHasLostWhatWasSynced) {
  append(1, 1, 1, set_effect("k", "v"));
  append(1, 2, 1, set_effect("k", "w"));
  checker.synced(1, 1);
  checker.ended(1);
  checker.begin(1, {});
  append(1, 1, 1, set_effect("k", "v"));
  checker.recovered(1);
  EXPECT_EQ(verdict.text(), "");  // the second one was not synced
  checker.synced(1, 1);
  checker.ended(1);
  checker.begin(1, {});
  checker.recovered(1);
  EXPECT_THAT(verdict.text(), HasSubstr("had synced its log up to lsn 1"));
}

TEST_F(LogCheckerTest, RefusesAStampThatDoesNotGrow) {
  append(1, 1, 1, set_effect("k", "v"), 10);
  append(1, 2, 1, set_effect("k", "w"), 10);
  EXPECT_THAT(verdict.text(), HasSubstr("stamp"));
}

TEST_F(LogCheckerTest, RefusesKeyspacesThatDifferAtOnePosition) {
  append_everywhere(1, 1, set_effect("k", "v"));
  checker.digest(1, {Term{1}, Lsn{1}}, 7);
  checker.digest(2, {Term{1}, Lsn{1}}, 7);
  EXPECT_EQ(verdict.text(), "");
  checker.digest(3, {Term{1}, Lsn{1}}, 8);
  EXPECT_THAT(verdict.text(), HasSubstr("the keyspaces of nodes 1 and 3 differ"));
}

TEST_F(LogCheckerTest, RefusesASnapshotOfWhatWasNeverCommitted) {
  append_everywhere(1, 1, set_effect("k", "v"));
  checker.begin(2, {Term{1}, Lsn{1}});
  EXPECT_THAT(verdict.text(), HasSubstr("never committed"));
}

TEST(LeaderCheckerTest, RefusesTwoLeadersOfOneTerm) {
  Verdict verdict;
  LeaderChecker checker(verdict);
  EXPECT_TRUE(checker.leads(1, Term{4}));
  EXPECT_FALSE(checker.leads(1, Term{4}));
  checker.leads(2, Term{5});
  EXPECT_EQ(verdict.text(), "");
  checker.leads(2, Term{4});
  EXPECT_THAT(verdict.text(), HasSubstr("term 4 has two leaders"));
}

TEST(HardStateCheckerTest, RefusesAVoteForgottenOverARestart) {
  Verdict verdict;
  HardStateChecker checker(3, verdict);
  checker.now(1, {Term{3}, NodeId{2}}, true);
  checker.now(1, {Term{4}, NodeId{0}}, false);
  checker.recovered(1, {Term{3}, NodeId{2}});
  EXPECT_EQ(verdict.text(), "");  // term 4 was not on disk
  checker.now(1, {Term{5}, NodeId{3}}, true);
  checker.recovered(1, {Term{5}, NodeId{0}});
  EXPECT_THAT(verdict.text(), HasSubstr("voted for 3 in term 5"));
}

TEST(HardStateCheckerTest, RefusesATermThatFalls) {
  Verdict verdict;
  HardStateChecker checker(3, verdict);
  checker.now(2, {Term{3}, NodeId{0}}, false);
  checker.now(2, {Term{2}, NodeId{0}}, false);
  EXPECT_THAT(verdict.text(), HasSubstr("goes back from term 3 to 2"));
}

class CommittedModelTest : public testing::Test {
 protected:
  // The stamp of the n-th record is n seconds.
  void apply(const std::string& payload) {
    ASSERT_EQ(model.apply(Hlc{(model.last() + 1) * 1000 << 16}, payload), "");
  }
  CommittedModel model;
};

TEST_F(CommittedModelTest, AReadMayBeOldButNeverOlderThanTheOneBefore) {
  apply(set_effect("k", "a"));
  apply(set_effect("k", "b"));
  EXPECT_EQ(model.find_read("k", "a", 0, false), 1u);
  EXPECT_EQ(model.find_read("k", "b", 0, false), 2u);
  EXPECT_EQ(model.find_read("k", "a", 2, false), std::nullopt);
  EXPECT_EQ(model.find_read("k", std::nullopt, 0, false), 0u);
  EXPECT_EQ(model.find_read("k", "c", 0, false), std::nullopt);
}

TEST_F(CommittedModelTest, ExpiryIsJudgedByTheLogsClock) {
  apply(set_effect("k", "a", 3000));
  apply({});
  apply({});
  EXPECT_EQ(model.find_read("k", "a", 2, false), 2u);
  EXPECT_EQ(model.find_read("k", "a", 3, false), std::nullopt);
  EXPECT_EQ(model.find_read("k", std::nullopt, 1, false), 3u);
  EXPECT_EQ(model.find_read("k", std::nullopt, 1, true), 1u);
}

TEST_F(CommittedModelTest, TwoKeysReadAtOnceAreOfOneState) {
  apply(set_effect("a", "1") + set_effect("b", "1"));
  apply(set_effect("a", "2") + set_effect("b", "2"));
  EXPECT_EQ(model.find_reads("a", "2", "b", "2", 0), 2u);
  EXPECT_EQ(model.find_reads("a", "1", "b", "2", 0), std::nullopt);
}

TEST(WholeMessageTest, FindsTheEndOfAMessageAndItsWord) {
  const std::string message = "*3\r\n$8\r\nREPLCONF\r\n$4\r\nVOTE\r\n$2\r\n\r\n\r\n";
  std::string_view word;
  EXPECT_EQ(whole_message(message + "*1", word), message.size());
  EXPECT_EQ(word, "VOTE");
  for (size_t size = 0; size < message.size(); ++size) {
    EXPECT_EQ(whole_message(message.substr(0, size), word), 0u);
  }
}

}  // namespace
}  // namespace kvorum::simulation
