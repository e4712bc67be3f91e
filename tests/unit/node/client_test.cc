#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/node/client_pause.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ClientCommands : public NodeFixture {};

TEST_F(ClientCommands, IdsRiseWithEachConnection) {
  Session& first = connect();
  Session& second = connect();
  EXPECT_LT(first.id, second.id);
  EXPECT_EQ(run(second, {"CLIENT", "ID"}), ":" + std::to_string(second.id) + "\r\n");
}

TEST_F(ClientCommands, InfoTellsWhatTheClientDid) {
  Session& session = connect();
  session.address = "127.0.0.1:50001";
  session.local_address = "127.0.0.1:7000";
  run(session, {"CLIENT", "SETNAME", "bob"});
  run(session, {"CLIENT", "SETINFO", "LIB-NAME", "redis-py"});
  run(session, {"CLIENT", "SETINFO", "lib-ver", "5.0"});
  run(session, {"SELECT", "3"});
  advance_ms(5000);
  const std::string line = run(session, {"CLIENT", "INFO"});
  EXPECT_THAT(line, HasSubstr(" addr=127.0.0.1:50001 laddr=127.0.0.1:7000 "));
  EXPECT_THAT(line, HasSubstr(" name=bob age=5 idle=0 flags=N db=3 sub=0 psub=0 ssub=0 multi=-1 "));
  EXPECT_THAT(line, HasSubstr(" cmd=client|info user=default redir=-1 resp=2"));
  EXPECT_THAT(line, HasSubstr(" lib-name=redis-py lib-ver=5.0\n"));
}

TEST_F(ClientCommands, FlagsShowSubscriptionTransactionAndMonitor) {
  Session& session = connect();
  run(session, {"HELLO", "3"});
  run(session, {"SUBSCRIBE", "a"});
  run(session, {"MONITOR"});
  run(session, {"CLIENT", "NO-EVICT", "ON"});
  run(session, {"MULTI"});
  const std::string id = std::to_string(session.id);
  EXPECT_THAT(run({"CLIENT", "LIST", "ID", id}), HasSubstr(" flags=OPxe "));
}

TEST_F(ClientCommands, ListShowsEveryoneOrThoseAskedFor) {
  Session& listener = connect();
  run(listener, {"SUBSCRIBE", "a"});
  Session& other = connect();
  const std::string listener_id = "id=" + std::to_string(listener.id) + " ";
  const std::string other_id = "id=" + std::to_string(other.id) + " ";
  const std::string all = run({"CLIENT", "LIST"});
  EXPECT_THAT(all, HasSubstr(listener_id));
  EXPECT_THAT(all, HasSubstr(other_id));
  const std::string pubsub = run({"CLIENT", "LIST", "TYPE", "pubsub"});
  EXPECT_THAT(pubsub, HasSubstr(listener_id));
  EXPECT_THAT(pubsub, Not(HasSubstr(other_id)));
  const std::string by_id = run({"CLIENT", "LIST", "ID", std::to_string(other.id), "99999"});
  EXPECT_THAT(by_id, HasSubstr(other_id));
  EXPECT_THAT(by_id, Not(HasSubstr(listener_id)));
}

TEST_F(ClientCommands, KillByAddressAnswersOk) {
  Session& victim = connect();
  victim.address = "10.0.0.1:1";
  EXPECT_EQ(run({"CLIENT", "KILL", "10.0.0.1:1"}), "+OK\r\n");
  EXPECT_TRUE(victim.close_now);
  EXPECT_EQ(run({"CLIENT", "KILL", "10.0.0.1:1"}), "-ERR No such client\r\n");
}

TEST_F(ClientCommands, KillNeedsEveryFilterToMatch) {
  Session& victim = connect();
  victim.address = "10.0.0.1:1";
  const std::string id = std::to_string(victim.id);
  EXPECT_EQ(run({"CLIENT", "KILL", "ID", id, "ADDR", "10.0.0.1:2"}), ":0\r\n");
  EXPECT_EQ(run({"CLIENT", "KILL", "ID", id, "TYPE", "pubsub"}), ":0\r\n");
  EXPECT_FALSE(victim.close_now);
  EXPECT_EQ(run({"CLIENT", "KILL", "ID", id, "ADDR", "10.0.0.1:1", "TYPE", "normal"}), ":1\r\n");
  EXPECT_TRUE(victim.close_now);
}

TEST_F(ClientCommands, KillSparesItsCallerUnlessToldNotTo) {
  Session& caller = connect();
  Session& other = connect();
  EXPECT_EQ(run(caller, {"CLIENT", "KILL", "TYPE", "normal"}), ":1\r\n");
  EXPECT_TRUE(other.close_now);
  EXPECT_FALSE(caller.close_after_reply);
  EXPECT_EQ(run(caller, {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"}), ":1\r\n");
  EXPECT_TRUE(caller.close_after_reply);
}

TEST_F(ClientCommands, ReplySkipHidesOneReply) {
  EXPECT_EQ(run({"CLIENT", "REPLY", "SKIP"}), "");
  EXPECT_EQ(run({"PING"}), "");
  EXPECT_EQ(run({"PING"}), "+PONG\r\n");
}

TEST_F(ClientCommands, ReplyOffHidesAllUntilOn) {
  EXPECT_EQ(run({"CLIENT", "REPLY", "OFF"}), "");
  EXPECT_EQ(run({"SET", "key", "value"}), "");
  EXPECT_EQ(run({"CLIENT", "REPLY", "SKIP"}), "");
  EXPECT_EQ(run({"PING"}), "");
  EXPECT_EQ(run({"CLIENT", "REPLY", "ON"}), "+OK\r\n");
  EXPECT_EQ(run({"GET", "key"}), "$5\r\nvalue\r\n");
}

TEST_F(ClientCommands, SetInfoKnowsTwoAttributes) {
  EXPECT_EQ(run({"CLIENT", "SETINFO", "COLOUR", "red"}), "-ERR Unrecognized option 'COLOUR'\r\n");
  EXPECT_EQ(run({"CLIENT", "SETINFO", "LIB-NAME", "a b"}),
            "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");
}

TEST_F(ClientCommands, CapabilitiesAreRemembered) {
  Session& session = connect();
  EXPECT_EQ(run(session, {"CLIENT", "CAPA", "redirect", "future"}), "+OK\r\n");
  EXPECT_TRUE(session.capability_redirect);
}

TEST_F(ClientCommands, NoTouchLeavesTheAccessTimeAlone) {
  Session& reader = connect();
  run({"SET", "key", "value"});
  run(reader, {"CLIENT", "NO-TOUCH", "ON"});
  advance_ms(10'000);
  run(reader, {"GET", "key"});
  EXPECT_EQ(run({"OBJECT", "IDLETIME", "key"}), ":10\r\n");
  run(reader, {"CLIENT", "NO-TOUCH", "OFF"});
  run(reader, {"GET", "key"});
  EXPECT_EQ(run({"OBJECT", "IDLETIME", "key"}), ":0\r\n");
}

TEST_F(ClientCommands, UnblockEndsAWait) {
  Session& waiter = connect();
  execute(waiter, {"WAIT", "1", "0"});
  const std::string id = std::to_string(waiter.id);
  EXPECT_EQ(run({"CLIENT", "UNBLOCK", id, "ERROR"}), ":1\r\n");
  EXPECT_EQ(take(waiter), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  EXPECT_EQ(run({"CLIENT", "UNBLOCK", id}), ":0\r\n");
}

TEST_F(ClientCommands, TrackingIsRefused) {
  EXPECT_THAT(run({"CLIENT", "TRACKING", "ON"}), StartsWith("-ERR client-side caching"));
}

TEST_F(ClientCommands, PauseAllHoldsEveryCommand) {
  EXPECT_EQ(run({"CLIENT", "PAUSE", "1000"}), "+OK\r\n");
  Session& session = connect();
  EXPECT_EQ(execute(session, {"PING"}), Execution::kComeAgain);
  advance_ms(1001);
  EXPECT_EQ(execute(session, {"PING"}), Execution::kDone);
}

TEST_F(ClientCommands, PauseWriteLetsReadsThroughUntilUnpause) {
  EXPECT_EQ(run({"CLIENT", "PAUSE", "1000", "WRITE"}), "+OK\r\n");
  Session& session = connect();
  EXPECT_EQ(run(session, {"GET", "key"}), "$-1\r\n");
  EXPECT_EQ(execute(session, {"SET", "key", "1"}), Execution::kComeAgain);
  EXPECT_EQ(execute(session, {"PUBLISH", "news", "1"}), Execution::kComeAgain);
  EXPECT_EQ(run({"CLIENT", "UNPAUSE"}), "+OK\r\n");
  EXPECT_EQ(run(session, {"SET", "key", "1"}), "+OK\r\n");
}

TEST(ClientPauseRule, APauseInForceOnlyGetsLongerAndStricter) {
  using Mode = ClientPause::Mode;
  ClientPause pause;
  pause.pause(Mode::kAll, 0, 100);
  pause.pause(Mode::kWrite, 50, 80);
  EXPECT_EQ(pause.mode(99), Mode::kAll);
  EXPECT_EQ(pause.mode(100), Mode::kNone);
  pause.pause(Mode::kWrite, 200, 300);
  EXPECT_EQ(pause.mode(250), Mode::kWrite) << "the pause that is over does not count";
  pause.pause(Mode::kAll, 250, 260);
  EXPECT_EQ(pause.mode(290), Mode::kAll);
}

TEST_F(ClientCommands, QuorumOfALoneNodeIsOne) {
  for (const char* good : {"1", "majority", "ALL"}) {
    EXPECT_EQ(run({"CLIENT", "QUORUM", good}), "+OK\r\n") << good;
    EXPECT_EQ(run({"SET", "key", "value"}), "+OK\r\n") << good;
  }
  EXPECT_EQ(run({"CLIENT", "QUORUM", "2"}), "-ERR the cluster has 1 voters\r\n");
  EXPECT_EQ(run({"CLIENT", "QUORUM", "few"}),
            "-ERR the quorum must be a number from 1, MAJORITY or ALL\r\n");
}

}  // namespace
}  // namespace kvorum::server
