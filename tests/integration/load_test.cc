// Many clients, large and long input, clients that do not read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/server_process.h"

namespace kvorum::integration {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kPing = "*1\r\n$4\r\nPING\r\n";

class LoadTest : public ::testing::Test {
 protected:
  ServerProcess server_{{"--fsync", "never"}};
};

TEST_F(LoadTest, ManyConnectionsAreServedAtOnce) {
  // Both ends count: this process has the clients' files, the server inherits the limit.
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  const size_t wanted = std::min<size_t>(10'000, static_cast<size_t>(files.rlim_cur) - 200);
  ASSERT_TRUE(server_.start({"--maxclients", "10001", "--tcp-backlog", "4096"}));
  std::vector<std::unique_ptr<RawConnection>> clients;
  for (size_t i = 0; i < wanted; ++i) {
    clients.push_back(std::make_unique<RawConnection>(server_.port()));
    ASSERT_TRUE(clients.back()->connected()) << i;
    ASSERT_TRUE(clients.back()->send(kPing)) << i;
  }
  for (const auto& client : clients) ASSERT_EQ(client->read(7), "+PONG\r\n");
  for (const auto& client : clients) ASSERT_TRUE(client->send(kPing));
  for (const auto& client : clients) ASSERT_EQ(client->read(7), "+PONG\r\n");
  EXPECT_EQ(server_.ask({"PING"}), "PONG");
}

TEST_F(LoadTest, APipelineOfAHundredThousandCommandsIsAnsweredInOrder) {
  ASSERT_TRUE(server_.start()) << server_.error();
  const std::unique_ptr<Client> client = server_.connect();
  for (int i = 1; i <= 100'000; ++i) client->append({"INCR", "counter"});
  for (int i = 1; i <= 100'000; ++i) {
    const std::optional<Reply> reply = client->read();
    ASSERT_TRUE(reply.has_value()) << i;
    ASSERT_EQ(reply->integer, i);
  }
}

TEST_F(LoadTest, AValueOf64MebibytesComesBackAndSurvives) {
  // A disk that others use, too, takes its time for as much.
  ASSERT_TRUE(server_.start({"--write-timeout-ms", std::to_string(kPatienceMs)}))
      << server_.error();
  std::string value(64 << 20, '\0');
  for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 2654435761U >> 24);
  EXPECT_EQ(server_.ask({"SET", "large", value}), "OK");
  EXPECT_TRUE(server_.ask({"GET", "large"}) == value);
  EXPECT_EQ(server_.ask({"APPEND", "large", "end"}), std::to_string(value.size() + 3));
  EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
  ASSERT_TRUE(server_.start()) << server_.log() << server_.error();
  EXPECT_TRUE(server_.ask({"GET", "large"}) == value + "end");
}

TEST_F(LoadTest, ASlowReaderIsDisconnectedAtTheOutputLimitAndNobodyElse) {
  ASSERT_TRUE(server_.start({"--max-output-bytes", "8388608"}));
  const std::unique_ptr<Client> other = server_.connect();
  EXPECT_EQ(other->ask({"SET", "value", std::string(100'000, 'x')}), "OK");
  RawConnection slow(server_.port());
  std::string gets;
  for (int i = 0; i < 1000; ++i) gets += "*2\r\n$3\r\nGET\r\n$5\r\nvalue\r\n";
  ASSERT_TRUE(slow.send(gets));
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(other->ask({"PING"}), "PONG");
    return server_.log().find("its unsent output passed the limit of 8388608") != std::string::npos;
  })) << server_.log();
  const std::optional<std::string> rest = slow.read_to_end();
  ASSERT_TRUE(rest.has_value());
  EXPECT_LT(rest->size(), 100'000'000U);
  EXPECT_THAT(other->ask({"INFO", "clients"}), HasSubstr("connected_clients:1"));
}

TEST_F(LoadTest, OthersAreServedWhileOneClientSendsAHugePipeline) {
  ASSERT_TRUE(server_.start()) << server_.error();
  const std::unique_ptr<Client> other = server_.connect();
  RawConnection greedy(server_.port());
  std::string pipeline;
  for (int i = 0; i < 200'000; ++i) pipeline += kPing;
  ASSERT_TRUE(greedy.send(pipeline));
  // Served in turns: this is answered long before the last of the pipeline's.
  EXPECT_EQ(other->ask({"PING"}), "PONG");
  EXPECT_EQ(greedy.read(200'000 * 7).size(), 200'000U * 7);
}

TEST_F(LoadTest, APauseHoldsWritesBackAndLetsReadsThrough) {
  ASSERT_TRUE(server_.start()) << server_.error();
  const std::unique_ptr<Client> control = server_.connect();
  const std::unique_ptr<Client> writer = server_.connect();
  EXPECT_EQ(control->ask({"CLIENT", "PAUSE", "600000", "WRITE"}), "OK");
  RawConnection held(server_.port());
  ASSERT_TRUE(held.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"));
  EXPECT_TRUE(eventually([&] {
    return control->ask({"CLIENT", "LIST"}).find("cmd=set") != std::string::npos ||
           control->ask({"INFO", "clients"}).find("connected_clients:3") != std::string::npos;
  }));
  EXPECT_EQ(writer->ask({"GET", "a"}), "(nil)");
  EXPECT_EQ(control->ask({"PING"}), "PONG");
  EXPECT_EQ(control->ask({"CLIENT", "UNPAUSE"}), "OK");
  EXPECT_EQ(held.read(5), "+OK\r\n");
  EXPECT_EQ(writer->ask({"GET", "a"}), "1");
}

}  // namespace
}  // namespace kvorum::integration
