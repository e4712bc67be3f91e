// String commands: what golden replies cannot show. Those are in golden/string.txt.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

using StringCommands = NodeFixture;

TEST_F(StringCommands, EveryKindOfChangeIsThereAfterRestart) {
  run({"SET", "plain", std::string("a\0b", 3)});
  run({"SET", "counter", "41"});
  run({"INCR", "counter"});
  run({"INCRBYFLOAT", "float", "1.5"});
  run({"APPEND", "text", "Hello"});
  run({"APPEND", "text", " World"});
  run({"SETRANGE", "text", "6", "there"});
  run({"SET", "expiring", "x", "PX", "5000"});
  run({"SET", "taken", "x"});
  run({"GETDEL", "taken"});
  restart();
  EXPECT_EQ(run({"GET", "plain"}), std::string("$3\r\na\0b\r\n", 9));
  EXPECT_EQ(run({"GET", "counter"}), "$2\r\n42\r\n");
  EXPECT_EQ(run({"GET", "float"}), "$3\r\n1.5\r\n");
  EXPECT_EQ(run({"GET", "text"}), "$11\r\nHello there\r\n");
  EXPECT_EQ(run({"OBJECT", "ENCODING", "text"}), "$3\r\nraw\r\n");
  EXPECT_EQ(run({"PTTL", "expiring"}), ":5000\r\n");
  EXPECT_EQ(run({"EXISTS", "taken"}), ":0\r\n");
}

TEST_F(StringCommands, MsetIsOneRecord) {
  const uint64_t before = node->last_position().lsn.value();
  run({"MSET", "a", "1", "b", "2", "c", "3"});
  EXPECT_EQ(node->last_position().lsn.value(), before + 1);
  run({"MSETNX", "d", "1", "e", "2"});
  EXPECT_EQ(node->last_position().lsn.value(), before + 2);
}

TEST_F(StringCommands, WhatChangesNothingMakesNoRecord) {
  run({"SET", "key", "value"});
  const auto before = node->last_position();
  run({"SET", "key", "other", "NX"});
  run({"SETNX", "key", "other"});
  run({"MSETNX", "key", "other", "fresh", "x"});
  run({"SETRANGE", "key", "3", ""});
  run({"GETEX", "key", "PERSIST"});
  run({"INCR", "key"});
  EXPECT_EQ(node->last_position(), before);
}

TEST_F(StringCommands, SmallChangeToLargeValueMakesSmallRecord) {
  run({"SET", "key", std::string(1'000'000, 'x')});
  execute(*client, {"APPEND", "key", "tail"});
  execute(*client, {"SETRANGE", "key", "500000", "middle"});
  EXPECT_LT(node->uncommitted_bytes(), 4096u);
  settle();
  EXPECT_EQ(take(*client), ":1000004\r\n:1000004\r\n");
}

TEST_F(StringCommands, ValueIsGoneInTheMillisecondItExpires) {
  run({"SET", "key", "value", "PX", "100"});
  advance_ms(99);
  EXPECT_EQ(run({"GET", "key"}), "$5\r\nvalue\r\n");
  advance_ms(1);
  EXPECT_EQ(run({"GET", "key"}), "$-1\r\n");
  EXPECT_EQ(node->statistics().expired_keys, 1u);
}

TEST_F(StringCommands, ExpiredValueIsNeitherKeptNorExtended) {
  run({"SET", "a", "1", "PX", "100"});
  run({"SET", "b", "1", "PX", "100"});
  run({"SET", "c", "1", "PX", "100"});
  advance_ms(100);
  EXPECT_EQ(run({"INCR", "a"}), ":1\r\n");
  EXPECT_EQ(run({"APPEND", "b", "x"}), ":1\r\n");
  EXPECT_EQ(run({"SET", "c", "2", "KEEPTTL"}), "+OK\r\n");
  EXPECT_EQ(run({"TTL", "c"}), ":-1\r\n");
}

TEST_F(StringCommands, LongestStringIsAnOption) {
  set_option("proto-max-bulk-len", "1048576");
  run({"SET", "key", std::string(1'048'575, 'x')});
  EXPECT_EQ(run({"APPEND", "key", "y"}), ":1048576\r\n");
  const std::string error = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
  EXPECT_EQ(run({"APPEND", "key", "z"}), error);
  EXPECT_EQ(run({"SETRANGE", "other", "1048576", "z"}), error);
  EXPECT_EQ(run({"SETRANGE", "key", "1048575", "z"}), ":1048576\r\n");
}

TEST_F(StringCommands, LcsTableIsLimitedByTheLongestString) {
  set_option("proto-max-bulk-len", "1048576");
  run({"SET", "a", std::string(511, 'x')});
  run({"SET", "b", std::string(511, 'x')});
  EXPECT_EQ(run({"LCS", "a", "b", "LEN"}), ":511\r\n");  // 512 * 512 cells of four bytes
  run({"APPEND", "b", "x"});
  EXPECT_EQ(run({"LCS", "a", "b", "LEN"}),
            "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n");
}

TEST_F(StringCommands, HitsAndMissesAreCounted) {
  run({"SET", "key", "value"});
  run({"GET", "key"});
  run({"GET", "missing"});
  run({"MGET", "key", "missing", "key"});
  run({"EXISTS", "key"});
  run({"TTL", "missing"});
  run({"INCR", "counter"});
  EXPECT_EQ(node->statistics().keyspace_hits, 4u);
  EXPECT_EQ(node->statistics().keyspace_misses, 3u);
}

}  // namespace
}  // namespace kvorum::server
