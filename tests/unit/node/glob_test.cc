#include "server/node/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::server {
namespace {

TEST(Glob, LiteralTextMatchesItselfOnly) {
  EXPECT_TRUE(glob_matches("user:1", "user:1"));
  EXPECT_FALSE(glob_matches("user:1", "user:12"));
  EXPECT_FALSE(glob_matches("user:12", "user:1"));
  EXPECT_FALSE(glob_matches("user:1", "User:1"));
}

TEST(Glob, StarMatchesAnyRun) {
  EXPECT_TRUE(glob_matches("*", "anything"));
  EXPECT_TRUE(glob_matches("a*", "a"));
  EXPECT_TRUE(glob_matches("a**", "a"));
  EXPECT_TRUE(glob_matches("*a*b*", "xxaxxbxx"));
  EXPECT_TRUE(glob_matches("*ab", "aab"));
  EXPECT_FALSE(glob_matches("*ab", "aba"));
  EXPECT_FALSE(glob_matches("a*b", "a"));
}

TEST(Glob, QuestionMarkMatchesOneCharacter) {
  EXPECT_TRUE(glob_matches("h?llo", "hallo"));
  EXPECT_FALSE(glob_matches("h?llo", "hllo"));
  EXPECT_FALSE(glob_matches("?", "ab"));
}

TEST(Glob, ClassesMatchOneOfTheirCharacters) {
  EXPECT_TRUE(glob_matches("h[ae]llo", "hello"));
  EXPECT_FALSE(glob_matches("h[ae]llo", "hillo"));
  EXPECT_TRUE(glob_matches("[a-c]", "b"));
  EXPECT_TRUE(glob_matches("[c-a]", "b"));
  EXPECT_FALSE(glob_matches("[a-c]", "d"));
  EXPECT_TRUE(glob_matches("[^a]", "b"));
  EXPECT_FALSE(glob_matches("[^a]", "a"));
  EXPECT_TRUE(glob_matches("[\\]]", "]"));
  EXPECT_TRUE(glob_matches("[a-]x", "x"));  // the range from ] to a, and x: the class has no end
  EXPECT_FALSE(glob_matches("[a-]x", "-"));
}

TEST(Glob, ClassWithoutEndIsReadToTheEndOfThePattern) {
  EXPECT_TRUE(glob_matches("[ab", "b"));
  EXPECT_FALSE(glob_matches("[", "["));
  EXPECT_TRUE(glob_matches("[^", "x"));
  EXPECT_FALSE(glob_matches("[]a]", "a"));
}

TEST(Glob, BackslashTakesTheNextCharacterLiterally) {
  EXPECT_TRUE(glob_matches("a\\*", "a*"));
  EXPECT_FALSE(glob_matches("a\\*", "ab"));
  EXPECT_TRUE(glob_matches("a\\", "a\\"));
}

TEST(Glob, EmptyTextMatchesTheEmptyPatternOnly) {
  EXPECT_TRUE(glob_matches("", ""));
  EXPECT_FALSE(glob_matches("*", ""));
  EXPECT_FALSE(glob_matches("", "a"));
}

TEST(Glob, IgnoringCaseFoldsLiteralsAndRangesButNotEscapesInClasses) {
  EXPECT_TRUE(glob_matches("MaxMemory*", "maxmemory-policy", true));
  EXPECT_TRUE(glob_matches("[A-C]", "b", true));
  EXPECT_TRUE(glob_matches("\\A", "a", true));
  EXPECT_FALSE(glob_matches("[\\A]", "a", true));
}

TEST(Glob, BytesAreOrderedAsSignedCharacters) {
  EXPECT_TRUE(glob_matches("[\x80-a]", "A"));
  EXPECT_FALSE(glob_matches("[a-\xff]", "b"));
  EXPECT_TRUE(glob_matches("[a-\xff]", "A"));
}

TEST(Glob, TextMayHoldNulBytes) {
  using namespace std::string_view_literals;
  EXPECT_TRUE(glob_matches("a?b"sv, "a\0b"sv));
  EXPECT_FALSE(glob_matches("a"sv, "a\0"sv));
}

// With backtracking to every star this would take longer than the universe has.
TEST(Glob, ManyStarsTakeNoMoreThanPatternTimesText) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "a*";
  EXPECT_FALSE(glob_matches(pattern + "b", std::string(20'000, 'a')));
}

}  // namespace
}  // namespace kvorum::server
