// What clients send that they should not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "tests/integration/server_process.h"

namespace kvorum::integration {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class InputTest : public ::testing::Test {
 protected:
  // Everything that comes back until the server closes.
  std::string answer_and_close(const std::string& bytes) {
    RawConnection connection(server_.port());
    EXPECT_TRUE(connection.connected());
    connection.send(bytes);
    return connection.read_to_end().value_or("(not closed)");
  }

  void expect_serving() { EXPECT_EQ(server_.ask({"PING"}), "PONG") << server_.log(); }

  ServerProcess server_;
};

TEST_F(InputTest, MalformedInputIsAnsweredWithAnErrorAndTheConnectionClosed) {
  ASSERT_TRUE(server_.start()) << server_.error();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"*abc\r\n", "invalid multibulk length"},
      {"*99999999999999999999\r\n", "invalid multibulk length"},
      {"*1048577\r\n", "invalid multibulk length"},
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*1\r\n:1\r\n", "expected '$', got ':'"},
      {"*1\r\n$abc\r\n", "invalid bulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999999999999\r\n", "invalid bulk length"},
      {"SET a \"unbalanced\r\n", "unbalanced quotes"},
      {"*" + std::string(70'000, '1'), "too big mbulk count string"},
      {"*1\r\n$" + std::string(70'000, '1'), "too big bulk count string"},
      {std::string(70'000, 'a'), "too big inline request"},
  };
  for (const auto& [input, error] : cases) {
    SCOPED_TRACE(input.substr(0, 40));
    const std::string answer = answer_and_close(input);
    EXPECT_THAT(answer, StartsWith("-ERR Protocol error: "));
    EXPECT_THAT(answer, HasSubstr(error));
  }
  expect_serving();
}

TEST_F(InputTest, CommandsBeforeMalformedInputAreAnswered) {
  ASSERT_TRUE(server_.start()) << server_.error();
  EXPECT_EQ(answer_and_close("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*1\r\n!\r\n"),
            "+OK\r\n-ERR Protocol error: expected '$', got '!'\r\n");
  EXPECT_EQ(server_.ask({"GET", "a"}), "1");
}

TEST_F(InputTest, HttpIsCutOffAndLoggedOnce) {
  ASSERT_TRUE(server_.start()) << server_.error();
  EXPECT_THAT(answer_and_close("POST / HTTP/1.1\r\nSET a 1\r\n"), Not(HasSubstr("OK")));
  EXPECT_THAT(answer_and_close("GET / HTTP/1.1\r\nHost: localhost\r\nSET a 1\r\n"),
              Not(HasSubstr("OK")));
  EXPECT_EQ(server_.ask({"GET", "a"}), "(nil)");
  const std::string log = server_.log();
  const size_t first = log.find("possible security attack");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("possible security attack", first + 1), std::string::npos);
}

TEST_F(InputTest, NothingAClientSendsReachesTheLogRaw) {
  ASSERT_TRUE(server_.start({"--requirepass", "secret", "--log-level", "debug"}));
  answer_and_close("*1\r\n\x1b[2J\r\n");
  answer_and_close("AUTH wrong\x1b[2J\r\n*1\r\n!\r\n");
  RawConnection(server_.port()).send("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n");
  const std::unique_ptr<Client> client = server_.connect();
  EXPECT_EQ(client->ask({"AUTH", "secret"}), "OK");
  EXPECT_THAT(server_.log(), AllOf(Not(HasSubstr("\x1b[2J")), Not(HasSubstr("secret"))));
}

TEST_F(InputTest, BeforeAuthLittleIsTaken) {
  ASSERT_TRUE(server_.start({"--requirepass", "secret"}));
  EXPECT_THAT(answer_and_close("*11\r\n"), HasSubstr("unauthenticated multibulk length"));
  EXPECT_THAT(answer_and_close("*2\r\n$4\r\nAUTH\r\n$16385\r\n"),
              HasSubstr("unauthenticated bulk length"));
  const std::unique_ptr<Client> client = server_.connect();
  EXPECT_EQ(client->ask({"GET", "a"}), "-NOAUTH Authentication required.");
  EXPECT_THAT(client->ask({"AUTH", "wrong"}), StartsWith("-WRONGPASS"));
  EXPECT_THAT(client->ask({"AUTH", std::string(16'384, 'x')}), StartsWith("-WRONGPASS"));
  EXPECT_EQ(client->ask({"AUTH", "secret"}), "OK");
  EXPECT_EQ(client->ask({"SET", "a", std::string(100'000, 'x')}), "OK");
  Arguments many = {"DEL"};
  many.resize(500, "key");
  EXPECT_EQ(client->ask(many), "0");
}

TEST_F(InputTest, MoreThanMaxclientsAreRefusedAndRoomIsUsedAgain) {
  ASSERT_TRUE(server_.start({"--maxclients", "3"}));
  // Connections that were closed a moment ago may still count.
  std::vector<std::unique_ptr<Client>> clients;
  ASSERT_TRUE(eventually([&] {
    clients.clear();
    for (int i = 0; i < 3; ++i) {
      clients.push_back(server_.connect());
      if (clients.back()->ask({"PING"}) != "PONG") return false;
    }
    return true;
  }));
  EXPECT_EQ(answer_and_close(""), "-ERR max number of clients reached\r\n");
  clients.pop_back();
  EXPECT_TRUE(eventually([&] { return server_.ask({"PING"}) == "PONG"; }));
  EXPECT_EQ(clients[0]->ask({"PING"}), "PONG");
}

TEST_F(InputTest, AnIdleClientIsDisconnectedAndABusyOneIsNot) {
  ASSERT_TRUE(server_.start({"--timeout", "2"}));
  const std::unique_ptr<Client> busy = server_.connect();
  const std::unique_ptr<Client> subscriber = server_.connect();
  subscriber->command({"SUBSCRIBE", "news"});
  RawConnection idle(server_.port());
  bool closed = false;
  EXPECT_TRUE(eventually([&] {
    if (busy->ask({"PING"}) != "PONG") return true;
    closed = busy->ask({"INFO", "clients"}).find("connected_clients:2") != std::string::npos;
    return closed;
  }));
  EXPECT_TRUE(closed) << "the busy client was disconnected";
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_EQ(busy->ask({"PUBLISH", "news", "hello"}), "1");
}

}  // namespace
}  // namespace kvorum::integration
