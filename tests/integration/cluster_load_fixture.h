// A cluster under a write load on all of its nodes.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/cluster_fixture.h"
#include "tests/integration/cluster_load.h"

namespace kvorum::integration {

class ClusterLoadFixture : public ClusterFixture {
 protected:
  // REQUIRES of all: ASSERT_NO_FATAL_FAILURE around it.
  void start_load(int writers, const std::vector<int>& nodes = {1, 2, 3}) {
    std::vector<int> ports;
    for (const int node : nodes) ports.push_back(cluster_->port(node));
    load_ = std::make_unique<ClusterLoad>(writers, std::move(ports));
    load_->start();
    expect_progress();
  }

  // Enough answered writes for a round to have seen something.
  void expect_progress() {
    constexpr uint64_t kProgress = 60;
    const uint64_t before = load_->acknowledged();
    ASSERT_TRUE(eventually([&] { return load_->acknowledged() >= before + kProgress; }))
        << load_->errors() << cluster_->logs();
  }

  // Ends the load. REQUIRES: every node runs.
  void expect_nothing_lost() {
    load_->stop();
    for (int i = 1; i <= cluster_->size(); ++i) {
      ASSERT_TRUE(cluster_->wait_in_order(i)) << cluster_->logs();
    }
    ASSERT_NE(cluster_->wait_for_leader(), 0) << cluster_->logs();
    expect_equal_keyspaces();
    for (int i = 1; i <= cluster_->size(); ++i) {
      const std::unique_ptr<Client> client = cluster_->connect(i);
      ASSERT_NE(client, nullptr);
      EXPECT_EQ(load_->check(*client), "") << "on node " << i << cluster_->logs();
    }
    RecordProperty("acknowledged", std::to_string(load_->acknowledged()));
    RecordProperty("errors", load_->errors());
  }

  std::unique_ptr<ClusterLoad> load_;
};

}  // namespace kvorum::integration
