#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ConfigCommands : public NodeFixture {};

TEST_F(ConfigCommands, AnOptionIsFoundUnderBothItsNames) {
  EXPECT_EQ(run({"CONFIG", "GET", "fsync"}), "*2\r\n$5\r\nfsync\r\n$6\r\nalways\r\n");
  EXPECT_EQ(run({"CONFIG", "GET", "APPENDFSYNC"}), "*2\r\n$11\r\nAPPENDFSYNC\r\n$6\r\nalways\r\n");
  EXPECT_EQ(run({"CONFIG", "SET", "appendfsync", "no"}), "+OK\r\n");
  EXPECT_EQ(run({"CONFIG", "GET", "appendfsync"}), "*2\r\n$11\r\nappendfsync\r\n$2\r\nno\r\n");
  EXPECT_EQ(run({"CONFIG", "GET", "fsync"}), "*2\r\n$5\r\nfsync\r\n$5\r\nnever\r\n");
}

TEST_F(ConfigCommands, SeveralPatternsGiveEachNameOnce) {
  EXPECT_EQ(run({"CONFIG", "GET", "slowlog-*", "*-max-len", "timeout"}),
            "*6\r\n$23\r\nslowlog-log-slower-than\r\n$5\r\n10000\r\n$15\r\nslowlog-max-len\r\n"
            "$3\r\n128\r\n$7\r\ntimeout\r\n$1\r\n0\r\n");
}

TEST_F(ConfigCommands, WhatClientsAskForIsAnswered) {
  EXPECT_EQ(run({"CONFIG", "GET", "appendonly"}), "*2\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n");
  EXPECT_EQ(run({"CONFIG", "GET", "save"}), "*2\r\n$4\r\nsave\r\n$6\r\n3600 1\r\n");
  EXPECT_THAT(run({"CONFIG", "GET", "client-output-buffer-limit"}),
              HasSubstr("normal 0 0 0 slave 0 0 0 pubsub 33554432 0 0"));
}

TEST_F(ConfigCommands, SetIsAllOrNothing) {
  EXPECT_EQ(run({"CONFIG", "SET", "timeout", "10", "maxmemory", "1mb", "maxclients", "0"}),
            "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument must be "
            "between 1 and 1000000 inclusive\r\n");
  EXPECT_EQ(options.values().timeout_s, 0);
  EXPECT_EQ(options.values().maxmemory, 0u);
  EXPECT_EQ(host.option_changes, 0);
  EXPECT_EQ(run({"CONFIG", "SET", "timeout", "10", "maxmemory", "1mb"}), "+OK\r\n");
  EXPECT_EQ(options.values().timeout_s, 10);
  EXPECT_EQ(options.values().maxmemory, 1u << 20);
  EXPECT_EQ(host.option_changes, 1);
}

TEST_F(ConfigCommands, TheTwoNamesOfAnOptionAreOneParameter) {
  EXPECT_THAT(run({"CONFIG", "SET", "fsync", "always", "appendfsync", "everysec"}),
              HasSubstr("'appendfsync') - duplicate parameter"));
}

TEST_F(ConfigCommands, WhatCannotBeOtherwiseMayBeSetToWhatItIs) {
  EXPECT_EQ(run({"CONFIG", "SET", "appendonly", "yes"}), "+OK\r\n");
  EXPECT_EQ(run({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"}),
            "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - can't set "
            "immutable config\r\n");
  EXPECT_THAT(run({"CONFIG", "SET", "port", "1"}), HasSubstr("can't set immutable config"));
}

TEST_F(ConfigCommands, AnErrorStaysOneLine) {
  const std::string reply = run({"CONFIG", "SET", "a\r\n+OK\r\nb", "1"});
  EXPECT_THAT(reply, StartsWith("-ERR Unknown option"));
  EXPECT_EQ(reply.find('\n'), reply.size() - 1);
}

TEST_F(ConfigCommands, OfTheClusterOnlyWhatTheLogDoesNotHoldChangesWhileRunning) {
  EXPECT_EQ(run({"CONFIG", "SET", "write-timeout-ms", "250", "follower-writes", "readonly"}),
            "+OK\r\n");
  EXPECT_EQ(options.values().write_timeout_ms, 250);
  EXPECT_EQ(options.values().follower_writes, "readonly");
  for (const char* name : {"cluster-id", "cluster-secret", "peers", "write-quorum", "heartbeat-ms",
                           "election-timeout-ms", "max-clock-drift-ms"}) {
    EXPECT_THAT(run({"CONFIG", "SET", name, "1"}), HasSubstr("can't set immutable config"));
  }
  EXPECT_EQ(run({"CONFIG", "GET", "write-quorum"}),
            "*2\r\n$12\r\nwrite-quorum\r\n$8\r\nmajority\r\n");
}

TEST_F(ConfigCommands, RewriteIsTheHostsBusiness) {
  EXPECT_EQ(run({"CONFIG", "REWRITE"}), "+OK\r\n");
  host.rewrite_result = absl::FailedPreconditionError("none");
  EXPECT_EQ(run({"CONFIG", "REWRITE"}), "-ERR The server is running without a config file\r\n");
  host.rewrite_result = absl::PermissionDeniedError("read-only");
  EXPECT_EQ(run({"CONFIG", "REWRITE"}), "-ERR Rewriting config file: read-only\r\n");
}

TEST_F(ConfigCommands, ResetStatZeroesWhatInfoCounts) {
  run({"GET", "key"});
  EXPECT_THAT(run({"INFO", "stats"}), HasSubstr("keyspace_misses:1\r\n"));
  EXPECT_THAT(run({"INFO", "commandstats"}), HasSubstr("cmdstat_get:calls=1,"));
  EXPECT_EQ(run({"CONFIG", "RESETSTAT"}), "+OK\r\n");
  EXPECT_THAT(run({"INFO", "stats"}), HasSubstr("keyspace_misses:0\r\n"));
  EXPECT_THAT(run({"INFO", "commandstats"}), Not(HasSubstr("cmdstat_get:")));
}

}  // namespace
}  // namespace kvorum::server
