// The judge is judged: histories made by hand that it has to accept or refuse.
#include "tests/support/linearizability.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/random.h"

namespace kvorum::simulation {
namespace {

class History {
 public:
  Operation& add(OperationKind kind, int64_t from, int64_t to) {
    Operation operation;
    operation.kind = kind;
    operation.invoked_us = from;
    operation.completed_us = to;
    operation.outcome = Outcome::kOk;
    operations_.push_back(operation);
    return operations_.back();
  }
  void set(const std::string& value, int64_t from, int64_t to) {
    add(OperationKind::kSet, from, to).value = value;
  }
  void get(const std::optional<std::string>& value, int64_t from, int64_t to) {
    add(OperationKind::kGet, from, to).read[0] = value;
  }
  void increment(int64_t result, int64_t from, int64_t to) {
    add(OperationKind::kIncrement, from, to).number = result;
  }
  void unknown() {
    operations_.back().outcome = Outcome::kUnknown;
    operations_.back().completed_us = Operation::kNever;
  }
  const Operation& misfit() const { return first_misfit(operations_); }
  Linearizable verdict() const { return check_linearizable(operations_); }

 private:
  std::vector<Operation> operations_;
};

TEST(LinearizabilityTest, AcceptsConcurrentOperationsInAnOrderThatFits) {
  History history;
  history.set("a", 0, 100);
  history.set("b", 10, 110);
  history.get("b", 20, 30);
  history.get("a", 40, 50);
  EXPECT_EQ(history.verdict(), Linearizable::kYes);
}

TEST(LinearizabilityTest, RefusesAReadOfWhatWasOverwritten) {
  History history;
  history.set("a", 0, 10);
  history.set("b", 20, 30);
  history.get("a", 40, 50);
  history.get("b", 60, 70);
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
  EXPECT_EQ(history.misfit().completed_us, 50);
}

TEST(LinearizabilityTest, RefusesAReadThatGoesBack) {
  History history;
  history.set("a", 0, 10);
  history.set("b", 20, 100);
  history.get("b", 30, 40);
  history.get("a", 50, 60);
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
}

TEST(LinearizabilityTest, AnUnknownWriteMayTakeEffectLaterOrNever) {
  History history;
  history.set("a", 0, 10);
  history.set("b", 20, 30);
  history.unknown();
  history.get("a", 40, 50);
  history.get("b", 60, 70);
  EXPECT_EQ(history.verdict(), Linearizable::kYes);
  history.get("a", 80, 90);
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
}

TEST(LinearizabilityTest, RefusesAnIncrementExecutedTwice) {
  History history;
  history.increment(1, 0, 10);
  history.increment(2, 20, 30);
  EXPECT_EQ(history.verdict(), Linearizable::kYes);
  history.increment(4, 40, 50);
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
}

TEST(LinearizabilityTest, ALostIncrementIsFound) {
  History history;
  history.increment(1, 0, 10);
  history.increment(1, 20, 30);
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
}

TEST(LinearizabilityTest, AppendTellsTheLengthOfAllThatWasThere) {
  History history;
  history.set("abc", 0, 10);
  Operation& append = history.add(OperationKind::kAppend, 20, 30);
  append.value = "de";
  append.number = 5;
  history.get("abcde", 40, 50);
  EXPECT_EQ(history.verdict(), Linearizable::kYes);
  history.get("abc", 60, 70);
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
}

TEST(LinearizabilityTest, OneOfTwoConcurrentSetIfAbsentWins) {
  History history;
  history.add(OperationKind::kSetIfAbsent, 0, 100).value = "a";
  history.add(OperationKind::kSetIfAbsent, 0, 100).value = "b";
  EXPECT_EQ(history.verdict(), Linearizable::kNo);  // both say no, and nothing was there
  History other;
  Operation& winner = other.add(OperationKind::kSetIfAbsent, 0, 100);
  winner.value = "a";
  winner.flag = true;
  other.add(OperationKind::kSetIfAbsent, 0, 100).value = "b";
  EXPECT_EQ(other.verdict(), Linearizable::kYes);
}

TEST(LinearizabilityTest, ATransactionIsSeenWhole) {
  History history;
  history.add(OperationKind::kSetBoth, 0, 10).value = "a";
  history.add(OperationKind::kSetBoth, 20, 60).value = "b";
  Operation& read = history.add(OperationKind::kGetBoth, 30, 40);
  read.read = {"b", "b"};
  EXPECT_EQ(history.verdict(), Linearizable::kYes);
  history.add(OperationKind::kGetBoth, 50, 55).read = {"b", "a"};
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
}

TEST(LinearizabilityTest, AWatchedKeyMayNotHaveChanged) {
  History history;
  history.set("a", 0, 10);
  Operation& exec = history.add(OperationKind::kCompareAndSet, 40, 50);
  exec.value = "c";
  exec.expected = "a";
  EXPECT_EQ(history.verdict(), Linearizable::kYes);
  history.set("b", 20, 30);
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
}

TEST(LinearizabilityTest, WhatMayExpireIsGoneOnceAndForAll) {
  History history;
  history.add(OperationKind::kSetVolatile, 0, 10).value = "a";
  history.get("a", 20, 30);
  history.get(std::nullopt, 40, 50);
  EXPECT_EQ(history.verdict(), Linearizable::kYes);
  history.get("a", 60, 70);
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
}

TEST(LinearizabilityTest, AKeyWithoutExpiryDoesNotVanish) {
  History history;
  history.set("a", 0, 10);
  history.get(std::nullopt, 20, 30);
  EXPECT_EQ(history.verdict(), Linearizable::kNo);
}

// Whatever was done in some order is accepted: marks of operations and states may not cancel out.
TEST(LinearizabilityTest, WhatWasDoneInSomeOrderIsAccepted) {
  Random random(1);
  for (int number = 0; number < 3000; ++number) {
    History history;
    std::array<std::optional<std::string>, 2> values;
    for (int64_t step = 0; step < 40; ++step) {
      // It took effect at 10 * step.
      const int64_t from = 10 * step - random.between(0, 40),
                    to = 10 * step + random.between(1, 40);
      const auto key = static_cast<size_t>(random.below(2));
      Operation* operation = nullptr;
      if (random.one_in(2)) {
        operation = &history.add(OperationKind::kSet, from, to);
        values[key] = operation->value = std::to_string(step);
      } else {
        operation = &history.add(OperationKind::kGet, from, to);
        operation->read[0] = values[key];
      }
      operation->key = static_cast<int>(key);
    }
    ASSERT_EQ(history.verdict(), Linearizable::kYes) << number;
  }
}

TEST(LinearizabilityTest, ALongTangledHistoryIsJudged) {
  History history;
  for (int i = 0; i < 500; ++i) {
    history.set("v" + std::to_string(i), i * 10, i * 10 + 45);
    if (i % 7 == 3) history.unknown();
    if (i % 7 != 3) history.get("v" + std::to_string(i), i * 10 + 44, i * 10 + 46);
  }
  EXPECT_NE(history.verdict(), Linearizable::kUndecided);
}

}  // namespace
}  // namespace kvorum::simulation
