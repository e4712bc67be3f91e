#include "base/named_type.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <sstream>
#include <type_traits>
#include <unordered_set>

namespace kvorum::base {
namespace {

using Apple = NamedType<struct AppleTag, std::uint64_t>;
using Pear = NamedType<struct PearTag, std::uint64_t>;
using Small = NamedType<struct SmallTag, std::uint8_t>;

// The point of the type is what does not compile.
static_assert(!std::is_convertible_v<Apple, Pear>);
static_assert(!std::is_constructible_v<Apple, Pear>);
static_assert(!std::is_convertible_v<std::uint64_t, Apple>);
static_assert(!std::is_convertible_v<Apple, std::uint64_t>);
static_assert(!std::equality_comparable_with<Apple, Pear>);
static_assert(!std::equality_comparable_with<Apple, std::uint64_t>);

static_assert(sizeof(Apple) == sizeof(std::uint64_t));
static_assert(sizeof(Small) == 1);
static_assert(std::is_trivially_copyable_v<Apple>);

static_assert(Apple() == Apple{0});
static_assert(Apple{7}.value() == 7);
static_assert(Apple{7}.next() == Apple{8});
static_assert(Apple{7}.previous() == Apple{6});
static_assert(Apple{7} < Apple{8} && Apple{8} >= Apple{8} && Apple{1} != Apple{2});
static_assert(Small::max().value() == 255 && Small::min().value() == 0);

TEST(NamedTypeTest, IncrementChangesTheValueAndReturnsTheRightOne) {
  Apple apple{1};
  EXPECT_EQ(++apple, Apple{2});
  EXPECT_EQ(apple++, Apple{2});
  EXPECT_EQ(apple, Apple{3});
}

TEST(NamedTypeTest, StreamPrintsTheNumberEvenForBytes) {
  std::ostringstream out;
  out << Apple{12} << ' ' << Small{65};
  EXPECT_EQ(out.str(), "12 65");
}

TEST(NamedTypeTest, HashesAndOrdersAsAKey) {
  const std::unordered_set<Apple> apples = {Apple{1}, Apple{2}, Apple{1}};
  EXPECT_EQ(apples.size(), 2u);
  const std::map<Apple, int> ordered = {{Apple{2}, 20}, {Apple{1}, 10}};
  EXPECT_EQ(ordered.begin()->second, 10);
}

TEST(NamedTypeDeathTest, ACounterNeverWraps) {
  Small last = Small::max();
  EXPECT_DEATH(++last, "a counter never wraps");
  EXPECT_DEATH(static_cast<void>(Small::min().previous()), "a counter never wraps");
}

}  // namespace
}  // namespace kvorum::base
