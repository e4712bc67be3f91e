#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

using testing::Contains;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kDenied =
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
constexpr std::string_view kNoAuth = "-NOAUTH Authentication required.\r\n";

class ConnectionCommands : public NodeFixture {
 protected:
  // A client of a server with a password.
  Session& stranger() {
    set_option("requirepass", "secret");
    return connect();
  }
};

TEST_F(ConnectionCommands, WithoutThePasswordNothingElseIsAnswered) {
  Session& session = stranger();
  EXPECT_EQ(run(session, {"PING"}), kNoAuth);
  EXPECT_EQ(run(session, {"AUTH", "secret"}), kOk);
  EXPECT_EQ(run(session, {"PING"}), "+PONG\r\n");
}

TEST_F(ConnectionCommands, AuthTakesTheDefaultUser) {
  Session& session = stranger();
  EXPECT_EQ(run(session, {"AUTH", "somebody", "secret"}), kDenied);
  EXPECT_EQ(run(session, {"PING"}), kNoAuth);
  EXPECT_EQ(run(session, {"AUTH", "default", "secret"}), kOk);
}

TEST_F(ConnectionCommands, OnlyTheWholePasswordIsRight) {
  Session& session = stranger();
  for (const char* wrong : {"", "secre", "secretsecret", "Secret", "secreT"}) {
    EXPECT_EQ(run(session, {"AUTH", wrong}), kDenied) << wrong;
  }
}

TEST_F(ConnectionCommands, AFailedAuthLeavesAnAuthenticatedClientWhatItIs) {
  Session& session = stranger();
  run(session, {"AUTH", "secret"});
  EXPECT_EQ(run(session, {"AUTH", "wrong"}), kDenied);
  EXPECT_EQ(run(session, {"PING"}), "+PONG\r\n");
}

TEST_F(ConnectionCommands, FailuresAreLoggedOnceASecondWithoutThePassword) {
  Session& session = stranger();
  const size_t before = host.log_lines.size();
  for (int i = 0; i < 50; ++i) run(session, {"AUTH", "hunter2"});
  ASSERT_EQ(host.log_lines.size(), before + 1);
  EXPECT_THAT(host.log_lines.back(), HasSubstr(session.address));
  advance_ms(1001);
  run(session, {"AUTH", "hunter2"});
  EXPECT_EQ(host.log_lines.size(), before + 2);
  EXPECT_THAT(host.log_lines, Not(Contains(HasSubstr("hunter2"))));
  EXPECT_EQ(node->statistics().denied_authentication, 51u);
}

TEST_F(ConnectionCommands, HelloAuthenticatesNamesAndSwitches) {
  Session& session = stranger();
  EXPECT_THAT(run(session, {"HELLO", "3"}), StartsWith("-NOAUTH HELLO must be called"));
  EXPECT_EQ(run(session, {"HELLO", "3", "AUTH", "default", "wrong"}), kDenied);
  EXPECT_EQ(session.protocol, resp::Protocol::kResp2);
  const std::string reply =
      run(session, {"HELLO", "3", "AUTH", "default", "secret", "SETNAME", "bob"});
  EXPECT_THAT(reply, StartsWith("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"));
  EXPECT_THAT(reply, HasSubstr("$5\r\nproto\r\n:3\r\n"));
  EXPECT_THAT(reply, HasSubstr("$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"));
  EXPECT_EQ(run(session, {"CLIENT", "GETNAME"}), "$3\r\nbob\r\n");
}

TEST_F(ConnectionCommands, HelloWithoutVersionKeepsTheProtocol) {
  Session& session = connect();
  EXPECT_THAT(run(session, {"HELLO"}), StartsWith("*14\r\n"));
  run(session, {"HELLO", "3"});
  EXPECT_THAT(run(session, {"HELLO"}), StartsWith("%7\r\n"));
}

TEST_F(ConnectionCommands, QuitClosesAfterItsReply) {
  Session& session = connect();
  EXPECT_EQ(run(session, {"QUIT"}), kOk);
  EXPECT_TRUE(session.close_after_reply);
}

TEST_F(ConnectionCommands, ResetForgetsEverything) {
  Session& session = connect();
  run(session, {"HELLO", "3", "SETNAME", "bob"});
  run(session, {"SELECT", "2"});
  run(session, {"SUBSCRIBE", "news"});
  run(session, {"MONITOR"});
  run(session, {"WATCH", "key"});
  run(session, {"MULTI"});
  EXPECT_THAT(run(session, {"RESET"}), EndsWith("+RESET\r\n"));
  EXPECT_EQ(session.database, 0);
  EXPECT_EQ(session.protocol, resp::Protocol::kResp2);
  EXPECT_TRUE(session.name.empty());
  EXPECT_FALSE(session.subscribed());
  EXPECT_FALSE(session.monitor);
  EXPECT_FALSE(session.in_transaction);
  EXPECT_TRUE(session.watched.empty());
  EXPECT_FALSE(node->monitors().anyone());
  EXPECT_EQ(run({"PUBLISH", "news", "x"}), ":0\r\n");
}

TEST_F(ConnectionCommands, ResetAsksForThePasswordAgain) {
  Session& session = stranger();
  run(session, {"AUTH", "secret"});
  run(session, {"RESET"});
  EXPECT_EQ(run(session, {"PING"}), kNoAuth);
}

}  // namespace
}  // namespace kvorum::server
