#include "resp/inline_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::resp {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

// Nothing if the quotes are unbalanced.
std::optional<std::vector<std::string>> split(std::string line) {
  std::vector<std::string_view> arguments;
  if (split_inline(line, 1000, arguments) != InlineResult::kSplit) return std::nullopt;
  return std::vector<std::string>(arguments.begin(), arguments.end());
}

TEST(InlineArguments, BlanksSeparate) {
  EXPECT_THAT(split("SET key value"), Optional(ElementsAre("SET", "key", "value")));
  EXPECT_THAT(split("  SET \t key\r \v\f value \n"), Optional(ElementsAre("SET", "key", "value")));
  EXPECT_THAT(split(""), Optional(IsEmpty()));
  EXPECT_THAT(split(" \t "), Optional(IsEmpty()));
}

TEST(InlineArguments, LikeRedisVerticalTabAndFormFeedEndNoArgument) {
  EXPECT_THAT(split("a\vb\fc"), Optional(ElementsAre("a\vb\fc")));
}

TEST(InlineArguments, DoubleQuotesKnowEscapes) {
  EXPECT_THAT(split(R"("a b" "\n\r\t\b\a" "\"\\\q")"),
              Optional(ElementsAre("a b", "\n\r\t\b\a", "\"\\q")));
  EXPECT_THAT(split(R"("\x41\xff\x0a")"), Optional(ElementsAre("A\xff\n")));
  EXPECT_THAT(split(R"("\x00")"), Optional(ElementsAre(std::string(1, '\0'))));
}

TEST(InlineArguments, WhatIsNoHexByteIsALetterX) {
  EXPECT_THAT(split(R"("\xg1" "\x4" "\x")"), Optional(ElementsAre("xg1", "x4", "x")));
}

TEST(InlineArguments, SingleQuotesKnowTheQuoteOnly) {
  EXPECT_THAT(split(R"('a b' 'it\'s' '\n\x41\\ ')"),
              Optional(ElementsAre("a b", "it's", R"(\n\x41\\ )")));
}

TEST(InlineArguments, BackslashesOutsideQuotesAreOrdinary) {
  EXPECT_THAT(split(R"(a\nb \x41)"), Optional(ElementsAre(R"(a\nb)", R"(\x41)")));
}

TEST(InlineArguments, EmptyQuotesAreAnArgument) {
  EXPECT_THAT(split(R"(SET "" '')"), Optional(ElementsAre("SET", "", "")));
}

TEST(InlineArguments, AQuoteMayBeginInTheMiddle) {
  EXPECT_THAT(split(R"(a"b c" d'e f')"), Optional(ElementsAre("ab c", "de f")));
}

TEST(InlineArguments, QuotesMustBeClosedAndFollowedByABlank) {
  for (const char* line : {"\"a", "'a", "\"", "'", "\"a\\\"", "'a\\'", "\"a\\", "\"a\"b", "'a'b",
                           "\"a\"\"b\"", "'a''b'", "a \"b\"'c'"}) {
    EXPECT_EQ(split(line), std::nullopt) << line;
  }
  EXPECT_THAT(split("\"a\"\vb"), Optional(ElementsAre("a", "b")));
}

TEST(InlineArguments, ArgumentsAreCounted) {
  std::string line = "a b c";
  std::vector<std::string_view> arguments;
  EXPECT_EQ(split_inline(line, 2, arguments), InlineResult::kTooManyArguments);
  arguments.clear();
  EXPECT_EQ(split_inline(line, 3, arguments), InlineResult::kSplit);
}

}  // namespace
}  // namespace kvorum::resp
