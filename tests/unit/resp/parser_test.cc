#include "resp/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "resp/request.h"
#include "tests/unit/resp/parse.h"

namespace kvorum::resp {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string error_of(std::string_view bytes, const Limits& limits = {}) {
  return parse(bytes, limits).error;
}

TEST(Parser, ReadsAnArrayOfBulkStrings) {
  const Parsed parsed = parse("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n");
  EXPECT_THAT(parsed.commands, ElementsAre(ElementsAre("SET", "k", "hello")));
  EXPECT_EQ(parsed.error, "");
}

TEST(Parser, ArgumentsMayHoldAnyBytes) {
  const std::string binary("\0\r\n$3\r\n\xff", 8);
  const std::string bytes = encode_request({"ECHO", binary, ""});
  EXPECT_THAT(parse(bytes).commands, ElementsAre(ElementsAre("ECHO", binary, "")));
}

TEST(Parser, LengthsOfAnyNumberOfDigitsAreRead) {
  for (const size_t bytes : {0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 99999, 100000, 1234567}) {
    const std::string value(bytes, 'v');
    EXPECT_THAT(parse(encode_request({"SET", "k", value})).commands,
                ElementsAre(ElementsAre("SET", "k", value)));
  }
}

TEST(Parser, CountsOfAnyNumberOfDigitsAreRead) {
  for (const size_t count : {1, 7, 8, 9, 10, 99, 100, 1000, 12345}) {
    const std::vector<std::string_view> arguments(count, "a");
    std::string bytes;
    append_request(bytes, arguments);
    const Parsed parsed = parse(bytes);
    ASSERT_EQ(parsed.commands.size(), 1U);
    EXPECT_THAT(parsed.commands[0], Command(count, "a"));
  }
}

TEST(Parser, APipelineGivesItsCommandsInOrder) {
  std::string bytes;
  std::vector<Command> expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "key:" + std::to_string(i);
    bytes += encode_request({"GET", key});
    expected.push_back({"GET", key});
  }
  EXPECT_EQ(parse(bytes).commands, expected);
}

TEST(Parser, InlineCommandsAndArraysMayAlternate) {
  const Parsed parsed = parse("PING\r\n*1\r\n$4\r\nPING\r\nGET a\nSET b \"x y\"\r\n");
  EXPECT_THAT(parsed.commands,
              ElementsAre(ElementsAre("PING"), ElementsAre("PING"), ElementsAre("GET", "a"),
                          ElementsAre("SET", "b", "x y")));
}

TEST(Parser, EmptyCommandsAreSkipped) {
  const Parsed parsed = parse("*0\r\n\r\n\n*-1\r\n*-7\r\n  \t\r\nPING\r\n*0\r\n");
  EXPECT_THAT(parsed.commands, ElementsAre(ElementsAre("PING")));
  EXPECT_EQ(parsed.error, "");
}

TEST(Parser, LikeRedisAnyTwoBytesEndAnArgument) {
  const Parsed parsed = parse("*2\rx$4\rxECHOyz$1\r\naz\n*1\r\n$4\r\nPING\r\n");
  EXPECT_THAT(parsed.commands, ElementsAre(ElementsAre("ECHO", "a"), ElementsAre("PING")));
}

TEST(Parser, AnInlineCommandMayHoldNul) {
  const std::string_view line("ECHO a\0b\r\n", 10);
  EXPECT_THAT(parse(line).commands, ElementsAre(ElementsAre("ECHO", std::string_view("a\0b", 3))));
}

TEST(Parser, AnIncompleteCommandNeedsMore) {
  const std::string bytes = encode_request({"SET", "k", "hello"});
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    const Parsed parsed = parse(std::string_view(bytes).substr(0, cut));
    EXPECT_THAT(parsed.commands, IsEmpty()) << cut;
    EXPECT_EQ(parsed.error, "") << cut;
  }
}

TEST(Parser, CountsThatAreNoStrictIntegersAreErrors) {
  for (const std::string_view count :
       {"", "x", "1x", "1 ", " 1", "+1", "01", "00", "-0", "-", "2147483648", "1048577",
        "9223372036854775807", "9223372036854775808", "99999999999999999999999", "\n1"}) {
    EXPECT_EQ(error_of("*" + std::string(count) + "\r\n"),
              "Protocol error: invalid multibulk length")
        << count;
  }
}

TEST(Parser, LengthsThatAreNoStrictIntegersAreErrors) {
  for (const std::string_view length :
       {"", "x", "1x", "1 ", " 1", "+1", "01", "00", "-0", "-", "-1", "536870913",
        "9223372036854775807", "18446744073709551615", "18446744073709551617", "\n1"}) {
    EXPECT_EQ(error_of("*1\r\n$" + std::string(length) + "\r\n"),
              "Protocol error: invalid bulk length")
        << length;
  }
}

TEST(Parser, ASuperfluousZeroIsAnErrorThoughTheCommandIsWhole) {
  EXPECT_EQ(error_of("*01\r\n$1\r\na\r\n"), "Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*1\r\n$01\r\na\r\n"), "Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$001\r\na\r\n"), "Protocol error: invalid bulk length");
}

TEST(Parser, AnArgumentThatIsNoBulkStringIsAnError) {
  EXPECT_EQ(error_of("*1\r\nfoo\r\n"), "Protocol error: expected '$', got 'f'");
  EXPECT_EQ(error_of("*1\r\n:1\r\n"), "Protocol error: expected '$', got ':'");
  EXPECT_EQ(error_of("*1\r\n\r\n"), "Protocol error: expected '$', got '\r'");
  EXPECT_EQ(error_of("*2\r\n$1\r\na\r\n*1\r\n"), "Protocol error: expected '$', got '*'");
}

TEST(Parser, LikeRedisAWrongArgumentIsNotedAtItsLineEnd) {
  EXPECT_EQ(error_of("*1\r\nfoo"), "");
  EXPECT_EQ(error_of("*1\r\nfoo\r"), "");
}

TEST(Parser, UnbalancedQuotesAreAnError) {
  EXPECT_EQ(error_of("SET k \"abc\r\n"), "Protocol error: unbalanced quotes in request");
}

TEST(Parser, CommandsBeforeAnErrorAreReturned) {
  const Parsed parsed = parse("PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$-1\r\nPING\r\n");
  EXPECT_THAT(parsed.commands, ElementsAre(ElementsAre("PING"), ElementsAre("PING")));
  EXPECT_EQ(parsed.error, "Protocol error: invalid bulk length");
}

TEST(Parser, StaysInErrorWhateverFollows) {
  Parser parser;
  put(parser, "*x\r\n");
  EXPECT_EQ(parser.next(), Parser::Result::kError);
  put(parser, "PING\r\n");
  EXPECT_EQ(parser.next(), Parser::Result::kError);
  EXPECT_EQ(parser.error(), "Protocol error: invalid multibulk length");
  EXPECT_THAT(parser.arguments(), IsEmpty());
}

TEST(Parser, ArgumentsPointIntoTheBuffer) {
  Parser parser;
  const std::string bytes = encode_request({"SET", "k", "hello"});
  const std::span<char> room = parser.reserve(1024);
  std::memcpy(room.data(), bytes.data(), bytes.size());
  parser.commit(bytes.size());
  ASSERT_EQ(parser.next(), Parser::Result::kCommand);
  EXPECT_EQ(parser.arguments()[2].data(), room.data() + bytes.find("hello"));
}

TEST(Parser, CountsTheBytesOfACommandAndOfWhatWaits) {
  Parser parser;
  const std::string first = encode_request({"GET", "k"});
  put(parser, first + "PING\r\nGET");
  EXPECT_EQ(parser.command_bytes(), 0U);
  EXPECT_EQ(parser.buffered_bytes(), first.size() + 9);
  ASSERT_EQ(parser.next(), Parser::Result::kCommand);
  EXPECT_EQ(parser.command_bytes(), first.size());
  EXPECT_EQ(parser.buffered_bytes(), 9U);
  ASSERT_EQ(parser.next(), Parser::Result::kCommand);
  EXPECT_EQ(parser.command_bytes(), 6U);
  EXPECT_EQ(parser.buffered_bytes(), 3U);
  ASSERT_EQ(parser.next(), Parser::Result::kNeedMore);
  EXPECT_EQ(parser.command_bytes(), 0U);
  EXPECT_EQ(parser.buffered_bytes(), 3U);
  EXPECT_THAT(parser.arguments(), IsEmpty());
}

TEST(Parser, NewLimitsHoldFromTheNextCommandOn) {
  Parser parser(kUnauthenticatedLimits);
  const std::string big = encode_request({"SET", "k", std::string(20000, 'v')});
  put(parser, encode_request({"AUTH", "secret"}) + big);
  ASSERT_EQ(parser.next(), Parser::Result::kCommand);
  parser.set_limits({});
  ASSERT_EQ(parser.next(), Parser::Result::kCommand);
  EXPECT_EQ(parser.arguments()[2].size(), 20000U);
  parser.set_limits(kUnauthenticatedLimits);
  put(parser, big);
  EXPECT_EQ(parser.next(), Parser::Result::kError);
}

TEST(Parser, LowerLimitsInTheMiddleOfALineEndIt) {
  Parser parser;
  put(parser, std::string(5000, 'x'));
  ASSERT_EQ(parser.next(), Parser::Result::kNeedMore);
  parser.set_limits({.max_inline_bytes = 100});
  EXPECT_EQ(parser.next(), Parser::Result::kError);
  EXPECT_EQ(parser.error(), "Protocol error: too big inline request");
}

}  // namespace
}  // namespace kvorum::resp
