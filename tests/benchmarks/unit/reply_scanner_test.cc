#include "tests/benchmarks/reply_scanner.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace kvorum::load {
namespace {

constexpr std::string_view kReplies =
    "+OK\r\n:42\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n-ERR first\r\n-ERR second\r\n";

TEST(ReplyScanner, CountsTheSameHoweverTheBytesAreCut) {
  for (size_t chunk = 1; chunk <= kReplies.size(); ++chunk) {
    ReplyScanner scanner;
    ReplyCounts total;
    for (size_t at = 0; at < kReplies.size(); at += chunk) {
      const ReplyCounts counts = scanner.feed(kReplies.substr(at, chunk));
      total.replies += counts.replies;
      total.errors += counts.errors;
      total.nils += counts.nils;
    }
    EXPECT_FALSE(scanner.malformed());
    EXPECT_EQ(total.replies, 7U) << chunk;
    EXPECT_EQ(total.errors, 2U) << chunk;
    EXPECT_EQ(total.nils, 1U) << chunk;
    EXPECT_EQ(scanner.first_error(), "ERR first");
  }
}

TEST(ReplyScanner, AnUnfinishedReplyIsNotCounted) {
  ReplyScanner scanner;
  EXPECT_EQ(scanner.feed("$3\r\nabc\r").replies, 0U);
  EXPECT_EQ(scanner.feed("\n").replies, 1U);
}

TEST(ReplyScanner, WhatIsNoReplyIsMalformed) {
  for (const std::string_view bytes : {"HTTP/1.1\r\n", "$x\r\n", "$-2\r\n", "+OK\n", "*1\r\n"}) {
    ReplyScanner scanner;
    scanner.feed(bytes);
    EXPECT_TRUE(scanner.malformed()) << bytes;
  }
}

}  // namespace
}  // namespace kvorum::load
