#include "server/node/cluster/reply_span.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::server {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

TEST(ReplySpan, EveryKindOfReplyEndsWhereTheNextBegins) {
  for (const std::string reply :
       {"+OK\r\n", "-ERR no\r\n", ":12\r\n", "$-1\r\n", "*-1\r\n", "_\r\n", "$0\r\n\r\n",
        "$4\r\n\r\n+O\r\n", "*0\r\n", "*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
        "%1\r\n+k\r\n*2\r\n:1\r\n:2\r\n", "~1\r\n,1.5\r\n", "=7\r\ntxt:abc\r\n",
        "|1\r\n+a\r\n+b\r\n:3\r\n", "#t\r\n"}) {
    EXPECT_EQ(reply_end(reply + "+next\r\n", 0), reply.size()) << reply;
    EXPECT_EQ(reply_end("+OK\r\n" + reply, 5), 5 + reply.size()) << reply;
  }
}

TEST(ReplySpan, PartOfAReplyHasNoEnd) {
  const std::string reply = "*2\r\n$3\r\nabc\r\n%1\r\n+k\r\n:1\r\n";
  for (size_t bytes = 0; bytes < reply.size(); ++bytes) {
    EXPECT_EQ(reply_end(reply.substr(0, bytes), 0), kNowhere) << bytes;
  }
}

TEST(ReplySpan, WhatIsNoReplyHasNoEnd) {
  EXPECT_EQ(reply_end("$x\r\nabc\r\n", 0), kNowhere);
  EXPECT_EQ(reply_end("*99999999999999999999\r\n", 0), kNowhere);
  EXPECT_EQ(reply_end("*-2\r\n", 0), kNowhere);
  EXPECT_EQ(reply_end("\r\n", 0), kNowhere);
  EXPECT_EQ(reply_end("%9223372036854775807\r\n", 0), kNowhere);
}

}  // namespace
}  // namespace kvorum::server
