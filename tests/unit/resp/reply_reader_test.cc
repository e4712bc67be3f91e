#include "resp/reply_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_writer.h"

namespace kvorum::resp {
namespace {

using testing::ElementsAre;
using Type = Reply::Type;

// A reply as one line, so that trees compare as text: "[int 1, bulk abc]".
std::string show(const Reply& reply) {
  const auto list = [&](std::string text) {
    for (const Reply& element : reply.elements) {
      if (text.size() > 1) text += ", ";
      text += show(element);
    }
    return text;
  };
  switch (reply.type) {
    case Type::kSimpleString:
      return "simple " + reply.text;
    case Type::kError:
      return "error " + reply.text;
    case Type::kInteger:
      return "int " + std::to_string(reply.integer);
    case Type::kBulk:
      return "bulk " + reply.text;
    case Type::kNull:
      return "null";
    case Type::kBoolean:
      return reply.integer == 1 ? "true" : "false";
    case Type::kDouble:
      return "double " + std::to_string(reply.real) + " as " + reply.text;
    case Type::kBigNumber:
      return "big " + reply.text;
    case Type::kVerbatim:
      return "verbatim " + std::string(reply.format, 3) + " " + reply.text;
    case Type::kArray:
      return list("[") + "]";
    case Type::kSet:
      return list("~") + "~";
    case Type::kPush:
      return list(">") + "<";
    case Type::kMap:
      return list("{") + "}";
  }
  return "";
}

// The replies in `bytes`, then "error: …" if it came to that; fed in pieces of `piece` bytes.
std::vector<std::string> read(std::string_view bytes, const ReplyLimits& limits = {},
                              size_t piece = SIZE_MAX) {
  ReplyReader reader(limits);
  std::vector<std::string> replies;
  while (!bytes.empty()) {
    reader.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    Reply reply;
    ReplyReader::Result result = reader.next(reply);
    for (; result == ReplyReader::Result::kReply; result = reader.next(reply)) {
      replies.push_back(show(reply));
    }
    if (result == ReplyReader::Result::kError) {
      replies.push_back("error: " + std::string(reader.error()));
      break;
    }
  }
  return replies;
}

TEST(ReplyReader, ReadsResp2) {
  EXPECT_THAT(read("+OK\r\n-ERR no\r\n:-12\r\n$3\r\nabc\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n"),
              ElementsAre("simple OK", "error ERR no", "int -12", "bulk abc", "bulk ", "null",
                          "null", "[]"));
}

TEST(ReplyReader, ReadsResp3) {
  EXPECT_THAT(read("_\r\n#t\r\n#f\r\n,1.5\r\n,-inf\r\n(123456789012345678901\r\n=7\r\ntxt:abc\r\n"
                   "!5\r\nERR x\r\n~1\r\n:1\r\n>1\r\n:1\r\n%1\r\n+k\r\n:1\r\n"),
              ElementsAre("null", "true", "false", "double 1.500000 as 1.5", "double -inf as -inf",
                          "big 123456789012345678901", "verbatim txt abc", "error ERR x", "~int 1~",
                          ">int 1<", "{simple k, int 1}"));
}

TEST(ReplyReader, ReadsNanAsADouble) {
  ReplyReader reader;
  reader.feed(",nan\r\n");
  Reply reply;
  ASSERT_EQ(reader.next(reply), ReplyReader::Result::kReply);
  EXPECT_EQ(reply.type, Type::kDouble);
  EXPECT_TRUE(std::isnan(reply.real));
}

TEST(ReplyReader, AggregatesNest) {
  EXPECT_THAT(read("*3\r\n*2\r\n:1\r\n*0\r\n%1\r\n+k\r\n~1\r\n$1\r\nx\r\n$-1\r\n:9\r\n"),
              ElementsAre("[[int 1, []], {simple k, ~bulk x~}, null]", "int 9"));
}

TEST(ReplyReader, BulkStringsMayHoldAnyBytes) {
  ReplyReader reader;
  reader.feed(std::string_view("$5\r\na\0\r\n$\r\n", 11));
  Reply reply;
  ASSERT_EQ(reader.next(reply), ReplyReader::Result::kReply);
  EXPECT_EQ(reply.text, std::string_view("a\0\r\n$", 5));
}

TEST(ReplyReader, AttributesAreDropped) {
  EXPECT_THAT(
      read("|1\r\n+ttl\r\n:3600\r\n*2\r\n|1\r\n+a\r\n*1\r\n:1\r\n:7\r\n:8\r\n|0\r\n+OK\r\n"),
      ElementsAre("[int 7, int 8]", "simple OK"));
}

TEST(ReplyReader, ReadsWhatTheWriterWrites) {
  for (const Protocol protocol : {Protocol::kResp2, Protocol::kResp3}) {
    std::string out;
    ReplyWriter writer(out, protocol);
    writer.array(7);
    writer.bulk("abc");
    writer.integer(-7);
    writer.null();
    writer.error("ERR a\r\nb");
    writer.map(1);
    writer.simple_string("k");
    writer.real(0.5);
    writer.push(0);
    writer.verbatim("txt", "text");
    const bool three = protocol == Protocol::kResp3;
    EXPECT_THAT(read(out),
                ElementsAre(three ? "[bulk abc, int -7, null, error ERR a  b, {simple k, "
                                    "double 0.500000 as 0.5}, ><, verbatim txt text]"
                                  : "[bulk abc, int -7, null, error ERR a  b, [simple k, "
                                    "bulk 0.5], [], bulk text]"));
  }
}

TEST(ReplyReader, WhatIsNotRespIsAnError) {
  for (const std::string_view bytes :
       {"OK\r\n", "\r\n", ":\r\n", ":1x\r\n", ":9223372036854775808\r\n", "_x\r\n", "#x\r\n",
        "#\r\n", ",\r\n", ",x\r\n", ",1e999\r\n", "(\r\n", "(1x\r\n", "(-\r\n"}) {
    EXPECT_THAT(read(bytes),
                ElementsAre(bytes == "\r\n" ? "error: Protocol error: empty line"
                                            : "error: Protocol error: malformed value"))
        << bytes;
  }
}

TEST(ReplyReader, LengthsMustBeNumbers) {
  for (const std::string_view bytes :
       {"$\r\n", "$x\r\n", "$-2\r\n", "$1x\r\n", "*-2\r\n", "%-1\r\n", "=-1\r\n", "$?\r\n",
        "*?\r\n", "*18446744073709551616\r\n"}) {
    EXPECT_THAT(read(bytes), ElementsAre("error: Protocol error: invalid length")) << bytes;
  }
}

TEST(ReplyReader, LineEndsMustBeWhole) {
  EXPECT_THAT(read("+OK\rx"), ElementsAre("error: Protocol error: CR without LF"));
  EXPECT_THAT(read("$1\r\nabc\r\n"),
              ElementsAre("error: Protocol error: bulk string without line end"));
  EXPECT_THAT(read("=3\r\ntxt\r\n"),
              ElementsAre("error: Protocol error: malformed verbatim string"));
}

TEST(ReplyReader, StaysInError) {
  ReplyReader reader;
  Reply reply;
  reader.feed("x\r\n");
  EXPECT_EQ(reader.next(reply), ReplyReader::Result::kError);
  reader.feed("+OK\r\n");
  EXPECT_EQ(reader.next(reply), ReplyReader::Result::kError);
}

TEST(ReplyReader, LimitsHold) {
  const ReplyLimits limits = {.max_depth = 2,
                              .max_elements = 10,
                              .max_bulk_bytes = 20,
                              .max_line_bytes = 30,
                              .max_reply_bytes = 60};
  EXPECT_THAT(read("*1\r\n*1\r\n:1\r\n", limits), ElementsAre("[[int 1]]"));
  EXPECT_THAT(read("*1\r\n*1\r\n*1\r\n:1\r\n", limits),
              ElementsAre("error: Protocol error: too deeply nested"));
  EXPECT_THAT(read("*11\r\n", limits), ElementsAre("error: Protocol error: too many elements"));
  EXPECT_THAT(read("%6\r\n", limits), ElementsAre("error: Protocol error: too many elements"));
  EXPECT_THAT(read("*9\r\n*2\r\n", limits),
              ElementsAre("error: Protocol error: too many elements"));
  EXPECT_THAT(read("$21\r\n", limits), ElementsAre("error: Protocol error: too large bulk string"));
  EXPECT_THAT(read("+" + std::string(29, 'x') + "\r\n", limits),
              ElementsAre("simple " + std::string(29, 'x')));
  EXPECT_THAT(read("+" + std::string(30, 'x'), limits),
              ElementsAre("error: Protocol error: too long line"));
  const std::string bulk = "$20\r\n" + std::string(20, 'x') + "\r\n";
  EXPECT_THAT(read("*3\r\n" + bulk + bulk + "$0\r\n\r\n", limits),
              ElementsAre("error: Protocol error: too large reply"));
}

TEST(ReplyReader, ARepliesLimitsStartAnewWithTheNext) {
  const ReplyLimits limits = {.max_elements = 2, .max_reply_bytes = 30};
  std::string bytes;
  for (int i = 0; i < 10; ++i) bytes += "*2\r\n:1\r\n$3\r\nabc\r\n";
  EXPECT_EQ(read(bytes, limits), std::vector<std::string>(10, "[int 1, bulk abc]"));
}

TEST(ReplyReader, AnAnnouncedLengthHoldsNothing) {
  ReplyReader reader;
  Reply reply;
  reader.feed("*1000000\r\n$536870912\r\n");
  EXPECT_EQ(reader.next(reply), ReplyReader::Result::kNeedMore);
  EXPECT_LE(reader.buffered_bytes(), 100U);
  reader.feed("abc");
  EXPECT_EQ(reader.next(reply), ReplyReader::Result::kNeedMore);
  EXPECT_EQ(reader.buffered_bytes(), 3U);
}

TEST(ReplyReader, EverySplitReadsAlike) {
  const std::string_view bytes =
      "*3\r\n$3\r\na\r\n\r\n%1\r\n+k\r\n,1.5\r\n=5\r\ntxt:x\r\n|1\r\n+a\r\n:1\r\n-ERR x\r\n:1x\r\n";
  const std::vector<std::string> whole = read(bytes);
  EXPECT_EQ(whole.size(), 3U);
  for (size_t piece = 1; piece < bytes.size(); ++piece) {
    EXPECT_EQ(read(bytes, {}, piece), whole) << piece;
  }
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    ReplyReader reader;
    Reply reply;
    std::vector<std::string> replies;
    for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
      reader.feed(part);
      while (reader.next(reply) == ReplyReader::Result::kReply) replies.push_back(show(reply));
    }
    replies.push_back("error: " + std::string(reader.error()));
    EXPECT_EQ(replies, whole) << cut;
  }
}

TEST(ReplyReader, ALargeBulkStringInSmallPiecesIsRead) {
  const std::string bytes = "$33554432\r\n" + std::string(33554432, 'x') + "\r\n";
  ReplyReader reader;
  Reply reply;
  for (size_t at = 0; at < bytes.size(); at += 16384) {
    ASSERT_EQ(reader.next(reply), ReplyReader::Result::kNeedMore);
    reader.feed(std::string_view(bytes).substr(at, 16384));
  }
  ASSERT_EQ(reader.next(reply), ReplyReader::Result::kReply);
  EXPECT_EQ(reply.text.size(), 33554432U);
}

}  // namespace
}  // namespace kvorum::resp
