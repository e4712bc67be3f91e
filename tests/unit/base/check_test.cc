#include "base/check.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kvorum::base {
namespace {

enum class Colour : std::uint8_t { kRed = 3, kBlue = 4 };

struct Opaque {
  bool operator==(const Opaque&) const { return false; }
};

TEST(CheckTest, HoldingChecksDoNothing) {
  CHECK(true) << "never built";
  CHECK_EQ(1, 1);
  CHECK_NE(1, 2);
  CHECK_LT(1, 2);
  CHECK_LE(2, 2);
  CHECK_GT(2, 1);
  CHECK_GE(2, 2);
}

TEST(CheckTest, OperandsAreEvaluatedOnce) {
  int evaluations = 0;
  auto once = [&evaluations] { return ++evaluations; };
  CHECK(once() == 1);
  CHECK_EQ(once(), 2);
  CHECK_GT(10, once());
  EXPECT_EQ(evaluations, 3);
}

TEST(CheckTest, TheTextAfterAHoldingCheckIsNotEvaluated) {
  int evaluations = 0;
  auto text = [&evaluations] { return std::to_string(++evaluations); };
  CHECK(true) << text();
  CHECK_EQ(1, 1) << text();
  EXPECT_EQ(evaluations, 0);
}

TEST(CheckTest, AnElseBindsToTheIfAroundTheMacro) {
  bool reached = false;
  if (reached)
    CHECK(true);
  else
    reached = true;
  EXPECT_TRUE(reached);

  reached = false;
  if (reached)
    CHECK_EQ(1, 1);
  else
    reached = true;
  EXPECT_TRUE(reached);
}

TEST(CheckTest, IntegersOfDifferentSignCompareByValue) {
  const std::vector<int> three = {1, 2, 3};
  CHECK_EQ(three.size(), 3);
  CHECK_LT(-1, three.size());
}

TEST(CheckTest, ChecksWorkInConstantExpressions) {
  constexpr auto kTwice = [](int number) {
    CHECK(number > 0);
    CHECK_LT(number, 100) << "too large";
    return 2 * number;
  };
  static_assert(kTwice(21) == 42);
}

TEST(CheckDeathTest, AFailureNamesFileLineExpressionAndText) {
  EXPECT_DEATH(CHECK(1 + 1 == 3) << "sum of " << 2,
               "^tests/unit/base/check_test.cc:[0-9]+: CHECK failed: 1 \\+ 1 == 3 sum of 2");
}

TEST(CheckDeathTest, EachComparisonFailsWhenItDoesNotHold) {
  const int one = 1;
  EXPECT_DEATH(CHECK_EQ(one, 2), "one == 2 \\(1 vs\\. 2\\)");
  EXPECT_DEATH(CHECK_NE(one, 1), "one != 1 \\(1 vs\\. 1\\)");
  EXPECT_DEATH(CHECK_LT(one, 1), "one < 1 \\(1 vs\\. 1\\)");
  EXPECT_DEATH(CHECK_LE(one, 0), "one <= 0 \\(1 vs\\. 0\\)");
  EXPECT_DEATH(CHECK_GT(one, 1), "one > 1 \\(1 vs\\. 1\\)");
  EXPECT_DEATH(CHECK_GE(one, 2) << "and more", "one >= 2 \\(1 vs\\. 2\\) and more");
}

TEST(CheckDeathTest, AFailurePrintsWhateverCanBePrinted) {
  EXPECT_DEATH(CHECK_EQ(std::string("left"), "right"), "\\(left vs\\. right\\)");
  EXPECT_DEATH(CHECK_EQ(true, false), "\\(true vs\\. false\\)");
  EXPECT_DEATH(CHECK_EQ(Colour::kRed, Colour::kBlue), "\\(3 vs\\. 4\\)");
  EXPECT_DEATH(CHECK_EQ(std::uint8_t{65}, std::uint8_t{66}), "\\(65 vs\\. 66\\)");
  EXPECT_DEATH(CHECK_EQ(Opaque(), Opaque()), "\\(\\(\\?\\) vs\\. \\(\\?\\)\\)");
  EXPECT_DEATH(CHECK_NE(std::unique_ptr<int>(), nullptr), "vs\\. nullptr\\)");
}

}  // namespace
}  // namespace kvorum::base
