// Clients that send more than a node can execute in an election timeout: it goes on leading.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/cluster_fixture.h"

namespace kvorum::integration {
namespace {

constexpr size_t kConnections = 200;
constexpr size_t kThreads = 2;
constexpr size_t kReadsOfEach = 20'000;
constexpr int kRounds = 3;

// One client's share: what all its connections ask for at once takes seconds.
size_t read_in_pipelines(int port, size_t connections) {
  const std::string request = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", reply = "$5\r\nvalue\r\n";
  std::string requests;
  for (size_t i = 0; i < kReadsOfEach; ++i) requests += request;
  std::vector<std::unique_ptr<RawConnection>> all;
  for (size_t i = 0; i < connections; ++i) all.push_back(std::make_unique<RawConnection>(port));
  size_t answered = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& connection : all) connection->send(requests);
    for (const auto& connection : all) {
      answered += connection->read(kReadsOfEach * reply.size()).size() / reply.size();
    }
  }
  return answered;
}

TEST(ClusterFloodTest, PipelinesOfManyClientsCostALeaderNotItsOffice) {
  ClusterProcess cluster(3, {"--election-timeout-ms", "600"});
  ASSERT_TRUE(cluster.start()) << cluster.logs();
  const int leader = cluster.wait_for_leader();
  ASSERT_EQ(cluster.ask(leader, {"SET", "key", "value"}), "OK");
  const auto term = cluster.info_number(leader, "quorum", "term");
  std::vector<std::thread> threads;
  std::vector<size_t> answered(kThreads);
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back(
        [&, i] { answered[i] = read_in_pipelines(cluster.port(leader), kConnections / kThreads); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const size_t count : answered) {
    EXPECT_EQ(count, kConnections / kThreads * kReadsOfEach * kRounds);
  }
  EXPECT_EQ(cluster.info_number(leader, "quorum", "term"), term) << cluster.logs();
}

}  // namespace
}  // namespace kvorum::integration
