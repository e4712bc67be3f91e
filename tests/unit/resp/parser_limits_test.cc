// What a client can make the parser hold, and what it costs to take large input in small pieces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "resp/parser.h"
#include "resp/request.h"
#include "tests/unit/resp/parse.h"

namespace kvorum::resp {
namespace {

using testing::ElementsAre;

constexpr size_t kKibibyte = 1024;
constexpr size_t kMebibyte = 1024 * kKibibyte;

std::string error_of(std::string_view bytes, const Limits& limits = {}) {
  return parse(bytes, limits).error;
}

TEST(ParserLimits, AnInlineCommandIsBounded) {
  const std::string longest(64 * kKibibyte, 'x');
  EXPECT_THAT(parse(longest + '\n').commands, ElementsAre(ElementsAre(longest)));
  EXPECT_EQ(error_of(longest), "");
  EXPECT_EQ(error_of(longest + "x\n"), "Protocol error: too big inline request");
  EXPECT_EQ(error_of(longest + "x"), "Protocol error: too big inline request");
}

TEST(ParserLimits, ACountLineIsBounded) {
  const std::string digits(70 * kKibibyte, '1');
  EXPECT_EQ(error_of("*" + digits), "Protocol error: too big mbulk count string");
  EXPECT_EQ(error_of("*" + digits + "\r\n"), "Protocol error: too big mbulk count string");
  EXPECT_EQ(error_of("*1\r\n$" + digits), "Protocol error: too big bulk count string");
  EXPECT_EQ(error_of("*1\r\n" + digits + "\r\n"), "Protocol error: too big bulk count string");
}

TEST(ParserLimits, ArgumentsAreCounted) {
  const Limits limits = {.max_arguments = 20};
  std::string bytes;
  append_request(bytes, std::vector<std::string_view>(20, "a"));
  EXPECT_EQ(parse(bytes, limits).commands.size(), 1U);
  EXPECT_EQ(error_of("*21\r\n", limits), "Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("a b c d e f g h i j k l m n o p q r s t u\r\n", limits),
            "Protocol error: invalid multibulk length");
}

TEST(ParserLimits, FewArgumentsAreCountedToo) {
  EXPECT_EQ(error_of("*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", {.max_arguments = 2}),
            "Protocol error: invalid multibulk length");
}

TEST(ParserLimits, AnArgumentsLengthIsBounded) {
  const Limits limits = {.max_bulk_bytes = 10};
  EXPECT_EQ(parse("*1\r\n$10\r\n0123456789\r\n", limits).commands.size(), 1U);
  EXPECT_EQ(error_of("*1\r\n$11\r\n01234567890\r\n", limits),
            "Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$536870912\r\n"), "");
  EXPECT_EQ(error_of("*1\r\n$536870913\r\n"), "Protocol error: invalid bulk length");
}

TEST(ParserLimits, ACommandsBytesAreBounded) {
  const Limits limits = {.max_query_bytes = 1024};
  const std::string overhead = encode_request({"SET", "k", std::string(100, 'v')});
  const size_t longest = 1024 - (overhead.size() - 100);
  const std::string fits = encode_request({"SET", "k", std::string(longest, 'v')});
  ASSERT_EQ(fits.size(), 1024U);
  EXPECT_EQ(parse(fits, limits).commands.size(), 1U);
  EXPECT_EQ(error_of(encode_request({"SET", "k", std::string(longest + 1, 'v')}), limits),
            "Protocol error: too big query");
}

TEST(ParserLimits, ACommandTooLargeIsRefusedAtTheLengthThatSaysSo) {
  EXPECT_EQ(error_of("*2\r\n$3\r\nGET\r\n$2000\r\n", {.max_query_bytes = 1024}),
            "Protocol error: too big query");
}

TEST(ParserLimits, ACommandBegunBeforeTheLimitFellIsBoundedToo) {
  for (const std::string& begun :
       {"*2\r\n$1900\r\n" + std::string(1900, 'v') + "\r\n$5",
        "*2\r\n$2000\r\n" + std::string(1900, 'v'), std::string(1900, 'x')}) {
    Parser parser;
    put(parser, begun);
    ASSERT_EQ(parser.next(), Parser::Result::kNeedMore);
    parser.set_limits({.max_query_bytes = 1024});
    EXPECT_EQ(parser.next(), Parser::Result::kError);
    EXPECT_EQ(parser.error(), "Protocol error: too big query");
  }
}

TEST(ParserLimits, BeforeAuthTheErrorsSaySo) {
  const Limits& limits = kUnauthenticatedLimits;
  EXPECT_EQ(parse("*10\r\n$16384\r\n" + std::string(16384, 'a') + "\r\n", limits).error, "");
  EXPECT_EQ(error_of("*11\r\n", limits), "Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(error_of("*2147483647\r\n", limits),
            "Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(error_of("*2147483648\r\n", limits), "Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*1\r\n$16385\r\n", limits), "Protocol error: unauthenticated bulk length");
  EXPECT_EQ(error_of("*1\r\n$536870912\r\n", limits),
            "Protocol error: unauthenticated bulk length");
  EXPECT_EQ(error_of("*1\r\n$536870913\r\n", limits), "Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("1 2 3 4 5 6 7 8 9 10 11\r\n", limits),
            "Protocol error: unauthenticated multibulk length");
}

TEST(ParserLimits, BeforeAuthNoInputMakesTheParserHoldMoreThan64KiB) {
  const std::string argument = "$16384\r\n" + std::string(16384, 'a') + "\r\n";
  std::string arguments = "*10\r\n";
  for (int i = 0; i < 10; ++i) arguments += argument;
  for (const std::string& bytes :
       {arguments, std::string(100 * kKibibyte, 'x'), "*" + std::string(100 * kKibibyte, '1')}) {
    Parser parser(kUnauthenticatedLimits);
    Parsed parsed;
    std::string_view rest = bytes;
    while (parsed.error.empty() && !rest.empty()) {
      const std::span<char> room = parser.reserve(16 * kKibibyte);
      ASSERT_FALSE(room.empty());
      const size_t fits = std::min({room.size(), rest.size(), 16 * kKibibyte});
      std::memcpy(room.data(), rest.data(), fits);
      parser.commit(fits);
      rest.remove_prefix(fits);
      take(parser, parsed);
      EXPECT_LE(parser.held_bytes(), 65 * kKibibyte);
    }
    EXPECT_NE(parsed.error, "");
  }
}

TEST(ParserLimits, InputThatIsNotTakenOutIsBounded) {
  Parser parser({.max_query_bytes = 64 * kKibibyte});
  const std::string command = encode_request({"PING"});
  size_t put_in = 0;
  while (true) {
    const std::span<char> room = parser.reserve(16 * kKibibyte);
    if (room.size() < command.size()) break;
    std::memcpy(room.data(), command.data(), command.size());
    parser.commit(command.size());
    ++put_in;
    ASSERT_LE(parser.held_bytes(), 65 * kKibibyte);
  }
  Parsed parsed;
  EXPECT_EQ(take(parser, parsed), Parser::Result::kNeedMore);
  EXPECT_EQ(parsed.commands.size(), put_in);
  EXPECT_FALSE(parser.reserve(1).empty());
}

TEST(ParserLimits, AnAnnouncedCountReservesNothing) {
  Parser parser;
  put(parser, "*1000000\r\n$1\r\na\r\n");
  EXPECT_EQ(parser.next(), Parser::Result::kNeedMore);
  parser.reserve(16 * kKibibyte);
  EXPECT_LE(parser.held_bytes(), 64 * kKibibyte);
}

TEST(ParserLimits, AnAnnouncedLengthReservesAMebibyteAtMost) {
  Parser parser;
  put(parser, "*1\r\n$536870912\r\nabc");
  EXPECT_EQ(parser.next(), Parser::Result::kNeedMore);
  parser.reserve(16 * kKibibyte);
  EXPECT_LE(parser.held_bytes(), kMebibyte + 64 * kKibibyte);
}

TEST(ParserLimits, ALargeBulkIsTakenInSmallPiecesAtLinearCost) {
  constexpr size_t kBulkBytes = 64 * kMebibyte;
  constexpr size_t kPieceBytes = 64 * kKibibyte;
  const std::string bytes = encode_request({"SET", "k", std::string(kBulkBytes, 'v')});
  Parser parser;
  size_t sent = 0;
  size_t growths = 0;
  size_t held = 0;
  Parser::Result result = Parser::Result::kNeedMore;
  while (sent < bytes.size()) {
    ASSERT_EQ(result, Parser::Result::kNeedMore);
    const std::span<char> room = parser.reserve(kPieceBytes);
    const size_t fits = std::min({room.size(), bytes.size() - sent, kPieceBytes});
    std::memcpy(room.data(), bytes.data() + sent, fits);
    parser.commit(fits);
    sent += fits;
    growths += parser.held_bytes() != held ? 1 : 0;
    held = parser.held_bytes();
    EXPECT_LE(held, std::max(2 * sent, kMebibyte + 2 * kPieceBytes));
    result = parser.next();
  }
  ASSERT_EQ(result, Parser::Result::kCommand);
  EXPECT_EQ(parser.arguments()[2].size(), kBulkBytes);
  EXPECT_LE(growths, 12U);                    // doublings: every byte is copied twice or so
  EXPECT_LE(held, bytes.size() + kKibibyte);  // and none was reserved beyond the end
}

TEST(ParserLimits, ManySmallArgumentsAreTakenInSmallPiecesAtLinearCost) {
  std::string bytes;
  append_request(bytes, std::vector<std::string_view>(300000, "argument"));
  Parser parser;
  size_t growths = 0;
  size_t capacity = 0;
  for (size_t at = 0; at < bytes.size(); at += kKibibyte) {
    const std::span<char> room = parser.reserve(kKibibyte);
    const size_t fits = std::min(bytes.size() - at, kKibibyte);
    std::memcpy(room.data(), bytes.data() + at, fits);
    parser.commit(fits);
    growths += at + room.size() != capacity ? 1 : 0;  // the one command begins the buffer
    capacity = at + room.size();
    EXPECT_EQ(parser.next() == Parser::Result::kCommand, at + fits == bytes.size());
  }
  EXPECT_EQ(parser.arguments().size(), 300000U);
  EXPECT_LE(growths, 20U);
}

TEST(ParserLimits, TheBufferShrinksAfterAHugeCommand) {
  Parser parser;
  Parsed parsed;
  put(parser, encode_request({"SET", "k", std::string(4 * kMebibyte, 'v')}));
  EXPECT_EQ(take(parser, parsed), Parser::Result::kNeedMore);
  EXPECT_LE(parser.held_bytes(), 64 * kKibibyte);
}

TEST(ParserLimits, TheBufferShrinksThoughSomeInputIsLeft) {
  Parser parser;
  Parsed parsed;
  put(parser, encode_request({"SET", "k", std::string(4 * kMebibyte, 'v')}) + "PIN");
  EXPECT_EQ(take(parser, parsed), Parser::Result::kNeedMore);
  put(parser, "G\r\n");
  EXPECT_LE(parser.held_bytes(), 64 * kKibibyte);
  take(parser, parsed);
  EXPECT_THAT(parsed.commands.back(), ElementsAre("PING"));
}

TEST(ParserLimits, TheRoomForArgumentsShrinksToo) {
  Parser parser;
  Parsed parsed;
  std::string bytes;
  append_request(bytes, std::vector<std::string_view>(100000, "a"));
  put(parser, bytes);
  EXPECT_EQ(take(parser, parsed), Parser::Result::kNeedMore);
  EXPECT_LE(parser.held_bytes(), 64 * kKibibyte);
}

TEST(ParserLimits, AnIdleParserCanHoldNothing) {
  Parser parser;
  Parsed parsed;
  put(parser, encode_request({"GET", "k"}) + "GET k\r\nPI");
  take(parser, parsed);
  parser.release_memory();
  EXPECT_EQ(parser.buffered_bytes(), 2U);
  put(parser, "NG\r\n");
  take(parser, parsed);
  EXPECT_THAT(parsed.commands.back(), ElementsAre("PING"));
  parser.release_memory();
  EXPECT_EQ(parser.held_bytes(), 0U);
  put(parser, "PING\r\n");
  EXPECT_EQ(parser.next(), Parser::Result::kCommand);
}

}  // namespace
}  // namespace kvorum::resp
