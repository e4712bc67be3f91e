// The judges are judged: what they are told here they have to accept or refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/chaos/chaos_run.h"
#include "tests/chaos/key_groups.h"
#include "tests/chaos/ledger.h"
#include "tests/chaos/session_checker.h"
#include "tests/chaos/tally.h"

namespace kvorum::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(LedgerTest, AnAcknowledgedWriteThatIsGoneIsFound) {
  Ledger ledger(3, 2);
  EXPECT_EQ(ledger.acknowledged(0, ledger.next_value(0), std::nullopt), "");
  EXPECT_EQ(ledger.read(0, "3.1"), "");
  EXPECT_THAT(ledger.read(0, std::nullopt), HasSubstr("ledger:3:0 is '(nil)'"));
  EXPECT_EQ(ledger.read(1, std::nullopt), "");
}

TEST(LedgerTest, AnAcknowledgedWriteThatWasOverwrittenByAnOlderOneIsFound) {
  Ledger ledger(3, 1);
  const std::string first = ledger.next_value(0);
  EXPECT_EQ(ledger.acknowledged(0, first, std::nullopt), "");
  EXPECT_EQ(ledger.acknowledged(0, ledger.next_value(0), first), "");
  EXPECT_NE(ledger.read(0, first), "");
}

TEST(LedgerTest, AWriteThatReplacesWhatWasLostIsFound) {
  Ledger ledger(3, 1);
  EXPECT_EQ(ledger.acknowledged(0, ledger.next_value(0), std::nullopt), "");
  const std::string second = ledger.next_value(0);
  EXPECT_THAT(ledger.acknowledged(0, second, std::nullopt), HasSubstr("acknowledged was '3.1'"));
}

TEST(LedgerTest, AWriteOfUnknownOutcomeMayBeThereOrNot) {
  Ledger ledger(3, 1);
  const std::string kept = ledger.next_value(0);
  EXPECT_EQ(ledger.acknowledged(0, kept, std::nullopt), "");
  const std::string perhaps = ledger.next_value(0);
  EXPECT_EQ(ledger.read(0, kept), "");
  EXPECT_EQ(ledger.read(0, perhaps), "");
}

TEST(LedgerTest, AWriteThatWasRefusedAndIsThereIsFound) {
  Ledger ledger(3, 1);
  const std::string refused = ledger.next_value(0);
  ledger.refused(0, refused);
  EXPECT_NE(ledger.read(0, refused), "");
}

TEST(SessionCheckerTest, ACounterThatGoesBackIsFound) {
  SessionChecker session;
  EXPECT_EQ(session.read_counter("c", std::nullopt), "");
  EXPECT_EQ(session.wrote_counter("c", 4), "");
  EXPECT_EQ(session.read_counter("c", 4), "");
  EXPECT_EQ(session.read_counter("c", 9), "");
  EXPECT_NE(session.read_counter("c", 8), "");
  EXPECT_NE(session.read_counter("c", std::nullopt), "");
  EXPECT_NE(session.wrote_counter("c", 9), "");
  EXPECT_EQ(session.read_counter("another", 1), "");
}

TEST(SessionCheckerTest, ATextThatIsNotLongerThanItWasIsFound) {
  SessionChecker session;
  EXPECT_EQ(session.read_text("t", "ab"), "");
  EXPECT_EQ(session.read_text("t", "abc"), "");
  EXPECT_NE(session.read_text("t", "ab"), "");
  EXPECT_NE(session.read_text("t", "aXcd"), "");
}

TEST(SessionCheckerTest, AnAppendOfTheConnectionThatCannotBeReadIsFound) {
  SessionChecker session;
  EXPECT_EQ(session.read_text("t", "ab"), "");
  EXPECT_NE(session.wrote_text("t", "cd", 3), "");
  EXPECT_EQ(session.wrote_text("t", "cd", 6), "");
  EXPECT_NE(session.read_text("t", "abXX"), "");
  EXPECT_NE(session.read_text("t", "abXXXXX"), "");
  EXPECT_EQ(session.read_text("t", "abXXcd"), "");
}

TEST(SessionCheckerTest, HalfOfATransactionIsFound) {
  EXPECT_EQ(SessionChecker::read_pair("a", "a"), "");
  EXPECT_EQ(SessionChecker::read_pair(std::nullopt, std::nullopt), "");
  EXPECT_NE(SessionChecker::read_pair("a", "b"), "");
  EXPECT_NE(SessionChecker::read_pair("a", std::nullopt), "");
}

class KeyGroupTest : public ::testing::Test {
 protected:
  static Operation increment(int64_t number, int64_t from_us) {
    Operation operation;
    operation.kind = OperationKind::kIncrement;
    operation.invoked_us = from_us;
    operation.completed_us = from_us + 5;
    operation.outcome = simulation::Outcome::kOk;
    operation.number = number;
    return operation;
  }
};

TEST_F(KeyGroupTest, AHistoryWithALostIncrementIsRefusedAndTold) {
  KeyGroup group(GroupKind::kCounter, 7, /*born_us=*/100);
  group.add(increment(1, 110), 1, 2);
  group.add(increment(2, 120), 1, 2);
  EXPECT_EQ(group.judge(), Linearizable::kYes);
  group.add(increment(2, 130), 4, 3);
  EXPECT_EQ(group.judge(), Linearizable::kNo);
  EXPECT_THAT(group.story(KeyGroup::Detail::kWhole), HasSubstr("counter:7:0"));
  EXPECT_THAT(group.story(KeyGroup::Detail::kWhole),
              HasSubstr("* 30 to 35  client 4 at node 3: INCR -> 2   <- fits nowhere\n"));
}

TEST_F(KeyGroupTest, AShortStoryEndsWithTheReplyThatFitsNowhere) {
  KeyGroup group(GroupKind::kCounter, 7, /*born_us=*/100);
  for (int i = 1; i <= 100; ++i) group.add(increment(i == 50 ? 1 : i, 100 + 10 * i), 0, 1);
  const std::string story = group.story(KeyGroup::Detail::kShort);
  EXPECT_THAT(story, HasSubstr("INCR -> 1   <- fits nowhere\n"));
  EXPECT_THAT(story, HasSubstr("INCR -> 49\n"));
  EXPECT_THAT(story, Not(HasSubstr("INCR -> 2\n")));
  EXPECT_THAT(story, Not(HasSubstr("INCR -> 51\n")));
}

TEST_F(KeyGroupTest, AGroupIsFinishedWhenItHasServedAndNobodyHoldsIt) {
  KeyGroups groups;
  const int64_t much_later_us = 3'600'000'000;
  std::shared_ptr<KeyGroup> first = groups.take(GroupKind::kText, 0, 0);
  EXPECT_EQ(groups.take(GroupKind::kText, 0, 1), first);
  EXPECT_NE(groups.take(GroupKind::kText, 1, 1), first);
  const std::shared_ptr<KeyGroup> second = groups.take(GroupKind::kText, 0, much_later_us);
  EXPECT_NE(second, first);
  EXPECT_NE(second->key(), first->key());
  EXPECT_EQ(groups.take_finished(), nullptr);
  const std::string key = first->key();
  first = nullptr;
  const std::shared_ptr<KeyGroup> finished = groups.take_finished();
  ASSERT_NE(finished, nullptr);
  EXPECT_EQ(finished->key(), key);
  EXPECT_EQ(groups.take_finished(), nullptr);
}

TEST(TallyTest, TheFirstFailuresAreKeptAndEmptyOnesAreNone) {
  Tally tally;
  tally.fail("");
  EXPECT_FALSE(tally.failed());
  tally.fail("something");
  EXPECT_TRUE(tally.failed());
  EXPECT_EQ(tally.failures(), std::vector<std::string>{"something"});
}

class CoverageTest : public ::testing::Test {
 protected:
  static constexpr int64_t kSeconds = 60;

  CoverageTest() {
    figures_.acknowledged_writes = 60 * 20;
    for (auto& answers : figures_.deeds) answers[static_cast<size_t>(Answer::kDone)] = 5;
    figures_.groups_judged = 100;
    figures_.groups_undecided = 10;
    fired_.fill(1);
  }
  std::vector<std::string> missing() const { return what_is_missing(figures_, fired_, kSeconds); }

  Tally::Figures figures_;
  FaultCounts fired_{};
};

TEST_F(CoverageTest, ARunThatMetEverythingPasses) { EXPECT_THAT(missing(), ::testing::IsEmpty()); }

TEST_F(CoverageTest, TooFewAcknowledgedWritesFailARun) {
  --figures_.acknowledged_writes;
  EXPECT_THAT(missing(), ElementsAre("only 1199 writes were acknowledged, not 1200"));
}

TEST_F(CoverageTest, AFaultThatNeverStruckFailsARun) {
  fired_[static_cast<size_t>(Fault::kFullDisk)] = 0;
  EXPECT_THAT(missing(), ElementsAre("this fault never struck: full disk"));
}

TEST_F(CoverageTest, ARunWithoutChangesOfMembersFails) {
  fired_[static_cast<size_t>(Fault::kMemberAdded)] = 0;
  fired_[static_cast<size_t>(Fault::kMemberRemoved)] = 0;
  EXPECT_THAT(missing(), ElementsAre("this fault never struck: member added",
                                     "this fault never struck: member removed"));
}

TEST_F(CoverageTest, AnOperationThatHardlySucceededFailsARun) {
  figures_.deeds[static_cast<size_t>(Deed::kLinearizableRead)] = {4, 1000, 1000};
  EXPECT_THAT(missing(), ElementsAre("only 4 times answered: linearizable read"));
}

TEST_F(CoverageTest, TooManyHistoriesThatCannotBeJudgedFailARun) {
  ++figures_.groups_undecided;
  EXPECT_THAT(missing(), ElementsAre("11 of 100 histories were too tangled to be judged"));
}

TEST(TallyTest, OnlyAcknowledgedWritesEndTheTimeWithoutOne) {
  Tally tally;
  tally.count(Deed::kSet, Answer::kUnknown);
  tally.count(Deed::kLocalRead, Answer::kDone);
  EXPECT_EQ(tally.figures().acknowledged_writes, 0U);
  tally.count(Deed::kSet, Answer::kDone);
  EXPECT_EQ(tally.figures().acknowledged_writes, 1U);
  EXPECT_EQ(tally.figures().of(Answer::kDone), 2U);
}

}  // namespace
}  // namespace kvorum::chaos
