#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_format.h"
#include "server/node/latency.h"
#include "server/node/redaction.h"
#include "server/node/slow_log.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class ServerCommands : public NodeFixture {
 protected:
  void tick() {
    node->refresh_clock();
    node->tick();
    settle();
  }
};

TEST_F(ServerCommands, TimeIsTheHosts) {
  host.wall_now_us = 1'700'000'000'000'042;
  EXPECT_EQ(run({"TIME"}), "*2\r\n$10\r\n1700000000\r\n$2\r\n42\r\n");
}

TEST_F(ServerCommands, RoleIsMasterAtTheCommittedLsn) {
  run({"SET", "key", "1"});
  EXPECT_EQ(run({"ROLE"}), absl::StrFormat("*3\r\n$6\r\nmaster\r\n:%d\r\n*0\r\n",
                                           node->commit_position().lsn.value()));
}

TEST_F(ServerCommands, ReplicaOfAHostIsRefused) {
  EXPECT_THAT(run({"REPLICAOF", "127.0.0.1", "6379"}), StartsWith("-ERR this node is nobody's"));
}

TEST_F(ServerCommands, ReplconfAckGetsNoReply) {
  EXPECT_EQ(run({"REPLCONF", "ACK", "1"}), "");
  EXPECT_EQ(run({"REPLCONF", "VOTE", "1"}),
            "-NOAUTH messages between nodes begin with REPLCONF HELLO\r\n");
  EXPECT_EQ(run({"REPLCONF", "GETACK", "*"}), "");
}

TEST_F(ServerCommands, ShutdownStopsWithoutAReply) {
  Session& session = connect();
  execute(session, {"SHUTDOWN", "NOSAVE"});
  for (int i = 0; i < 10 && host.exit_code < 0; ++i) tick();
  EXPECT_EQ(host.exit_code, 0);
  EXPECT_EQ(take(session), "");
}

TEST_F(ServerCommands, SaveAnswersWhenTheSnapshotIsThere) {
  run({"SET", "key", "value"});
  Session& session = connect();
  execute(session, {"SAVE"});
  EXPECT_EQ(take(session), "");
  std::string reply;
  for (int i = 0; i < 10'000 && reply.empty(); ++i) {
    tick();
    reply = take(session);
  }
  EXPECT_EQ(reply, "+OK\r\n");
  EXPECT_THAT(run({"INFO", "persistence"}), HasSubstr("rdb_saves:1\r\n"));
}

TEST_F(ServerCommands, BgsaveAnswersAtOnce) {
  EXPECT_EQ(run({"BGSAVE"}), "+Background saving started\r\n");
}

TEST_F(ServerCommands, DebugIsOffByDefault) {
  EXPECT_THAT(run({"DEBUG", "DIGEST"}), StartsWith("-ERR DEBUG command not allowed."));
}

TEST_F(ServerCommands, DebugLocalIsForLoopbackClients) {
  set_option("enable-debug-command", "local");
  Session& session = connect();
  EXPECT_THAT(run(session, {"DEBUG", "DIGEST"}), AllOf(StartsWith("+"), SizeIs(43)));
  session.loopback = false;
  EXPECT_THAT(run(session, {"DEBUG", "DIGEST"}), StartsWith("-ERR DEBUG"));
}

TEST_F(ServerCommands, DebugDigestFollowsTheData) {
  set_option("enable-debug-command", "yes");
  const std::string empty = run({"DEBUG", "DIGEST"});
  run({"SET", "key", "value"});
  EXPECT_NE(run({"DEBUG", "DIGEST"}), empty);
  run({"DEL", "key"});
  EXPECT_EQ(run({"DEBUG", "DIGEST"}), empty);
}

TEST_F(ServerCommands, DebugSleepHoldsEveryone) {
  set_option("enable-debug-command", "yes");
  Session& sleeper = connect();
  execute(sleeper, {"DEBUG", "SLEEP", "0.5"});
  EXPECT_EQ(take(sleeper), "");
  Session& other = connect();
  EXPECT_EQ(execute(other, {"PING"}), Execution::kComeAgain);
  advance_ms(501);
  tick();
  EXPECT_EQ(take(sleeper), "+OK\r\n");
  EXPECT_EQ(execute(other, {"PING"}), Execution::kDone);
}

TEST_F(ServerCommands, MemoryUsageGrowsWithTheValue) {
  run({"SET", "small", "x"});
  run({"SET", "large", std::string(100'000, 'x')});
  const std::string small = run({"MEMORY", "USAGE", "small"});
  const std::string large = run({"MEMORY", "USAGE", "large", "SAMPLES", "0"});
  EXPECT_GT(std::stoll(small.substr(1)), 0);
  EXPECT_GT(std::stoll(large.substr(1)), 100'000);
}

TEST_F(ServerCommands, MonitorShowsCommandsAndHidesSecrets) {
  Session& monitor = connect();
  EXPECT_EQ(run(monitor, {"MONITOR"}), "+OK\r\n");
  Session& session = connect();
  run(session, {"SELECT", "2"});
  take(monitor);
  host.wall_now_us = 1'700'000'000'000'042;
  run(session, {"SET", "key", "a\"\r\n\\\x01\xff"});
  EXPECT_EQ(take(monitor),
            "+1700000000.000042 [2 127.0.0.1:50000] \"SET\" \"key\" "
            "\"a\\\"\\r\\n\\\\\\x01\\xff\"\r\n");
  run(session, {"AUTH", "default", "hunter2"});
  EXPECT_THAT(take(monitor), AllOf(HasSubstr("AUTH"), Not(HasSubstr("hunter2"))));
  run(session, {"CONFIG", "GET", "*"});
  EXPECT_EQ(take(monitor), "") << "administration is not shown";
}

TEST_F(ServerCommands, SlowlogKeepsTheNewest) {
  set_option("slowlog-log-slower-than", "0");
  set_option("slowlog-max-len", "2");
  Session& session = connect();
  run(session, {"CLIENT", "SETNAME", "bob"});
  for (const char* key : {"a", "b", "c"}) run(session, {"GET", key});
  ASSERT_THAT(node->slow_log().entries(), SizeIs(2));
  EXPECT_THAT(node->slow_log().entries()[0].arguments, ElementsAre("GET", "c"));
  EXPECT_THAT(run(session, {"SLOWLOG", "GET", "1"}),
              EndsWith("*2\r\n$3\r\nGET\r\n$1\r\nc\r\n$15\r\n127.0.0.1:50000\r\n$3\r\nbob\r\n"));
  EXPECT_EQ(run(session, {"SLOWLOG", "RESET"}), "+OK\r\n");
}

TEST(SlowLogEntries, LongOnesAreTrimmedAndSecretsLeftOut) {
  Options options;
  options.slowlog_log_slower_than_us = 10;
  SlowLog log(options);
  const Session session(1);
  std::vector<std::string_view> arguments(40, "x");
  const std::string longest(200, 'y');
  arguments[0] = "MGET";
  arguments[1] = longest;
  log.record(session, arguments, 9, 100);
  EXPECT_THAT(log.entries(), IsEmpty()) << "not slow";
  log.record(session, arguments, 10, 100);
  const std::vector<std::string>& shown = log.entries()[0].arguments;
  ASSERT_THAT(shown, SizeIs(32));
  EXPECT_EQ(shown[1], std::string(128, 'y') + "... (72 more bytes)");
  EXPECT_EQ(shown[31], "... (9 more arguments)");
  log.record(session, std::vector<std::string_view>{"auth", "hunter2"}, 10, 100);
  EXPECT_THAT(log.entries()[0].arguments, ElementsAre("auth", "(redacted)"));
}

TEST(Redaction, HidesWhateverIsSecret) {
  using Words = std::vector<std::string_view>;
  EXPECT_THAT(redact(Words{"Auth", "bob", "pw"}), ElementsAre("Auth", "(redacted)", "(redacted)"));
  EXPECT_THAT(redact(Words{"HELLO", "3", "auth", "bob", "pw", "SETNAME", "x"}),
              ElementsAre("HELLO", "3", "auth", "(redacted)", "(redacted)", "SETNAME", "x"));
  EXPECT_THAT(redact(Words{"CONFIG", "SET", "timeout", "1", "REQUIREPASS", "pw"}),
              ElementsAre("CONFIG", "SET", "timeout", "1", "REQUIREPASS", "(redacted)"));
  EXPECT_THAT(redact(Words{"SET", "auth", "pw"}), ElementsAre("SET", "auth", "pw"));
}

TEST(LatencyMonitorRule, KeepsTheLongestOfASecond) {
  Options options;
  options.latency_monitor_threshold_ms = 10;
  LatencyMonitor monitor(options);
  monitor.sample("command", 9, 100);
  EXPECT_THAT(monitor.events(), IsEmpty());
  monitor.sample("command", 10, 100);
  monitor.sample("command", 30, 100);
  monitor.sample("command", 20, 101);
  const LatencyMonitor::Event& event = monitor.events().at("command");
  ASSERT_THAT(event.samples, SizeIs(2));
  EXPECT_EQ(event.samples[0].latency_ms, 30);
  EXPECT_EQ(event.samples[1].latency_ms, 20);
  EXPECT_EQ(event.maximum_ms, 30);
  for (int i = 0; i < 1000; ++i) monitor.sample("command", 10, 200 + i);
  EXPECT_THAT(event.samples, SizeIs(LatencyMonitor::kSamples));
}

TEST_F(ServerCommands, LatencyShowsWhatWasSampled) {
  set_option("latency-monitor-threshold", "10");
  node->latency().sample("fsync", 12, 1000);
  node->latency().sample("fsync", 15, 1001);
  EXPECT_EQ(run({"LATENCY", "LATEST"}), "*1\r\n*4\r\n$5\r\nfsync\r\n:1001\r\n:15\r\n:15\r\n");
  EXPECT_EQ(run({"LATENCY", "HISTORY", "fsync"}),
            "*2\r\n*2\r\n:1000\r\n:12\r\n*2\r\n:1001\r\n:15\r\n");
  EXPECT_THAT(run({"LATENCY", "DOCTOR"}), HasSubstr("1. fsync: 2 latency spikes (average 14ms"));
  EXPECT_EQ(run({"LATENCY", "RESET", "fsync", "nothing"}), ":1\r\n");
  EXPECT_EQ(run({"LATENCY", "LATEST"}), "*0\r\n");
}

TEST_F(ServerCommands, LatencyHistogramCountsBelowPowersOfTwo) {
  run({"GET", "key"});
  CommandStatistics& figures = node->statistics().commands[find_command("get")];
  figures.latency.record(3);
  figures.latency.record(100);
  EXPECT_EQ(run({"LATENCY", "HISTOGRAM", "get"}),
            "*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:3\r\n$14\r\nhistogram_usec\r\n*6\r\n"
            ":1\r\n:1\r\n:4\r\n:2\r\n:128\r\n:3\r\n");
}

TEST(LatencyHistogramBuckets, PercentilesAreAtMostAnEighthTooLarge) {
  LatencyHistogram histogram;
  for (int64_t us = 1; us <= 100'000; ++us) histogram.record(us);
  EXPECT_EQ(histogram.total(), 100'000u);
  for (const double percent : {1.0, 50.0, 99.0, 99.9}) {
    const double exact = percent * 1000;
    EXPECT_GE(static_cast<double>(histogram.percentile_us(percent)), exact);
    EXPECT_LE(static_cast<double>(histogram.percentile_us(percent)), exact * 1.125 + 1);
  }
  histogram.record(std::numeric_limits<int64_t>::max());
  histogram.record(-5);
  EXPECT_EQ(histogram.total(), 100'002u);
}

TEST_F(ServerCommands, LolwutNamesBothVersions) {
  EXPECT_THAT(run({"LOLWUT", "VERSION", "5"}), HasSubstr("Redis ver. 7.0.15\n"));
}

}  // namespace
}  // namespace kvorum::server
