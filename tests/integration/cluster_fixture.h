// What the tests of a cluster share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>

#include "tests/integration/cluster_process.h"

namespace kvorum::integration {

// For tests in which the leader has to stay while everybody is up: longer than a busy machine lets
// a node wait.
inline const ClusterProcess::Flags kSteady = {"--election-timeout-ms", "1000"};
constexpr int kSteadyElectionMs = 1000;

inline ClusterProcess::Flags steady_and(const ClusterProcess::Flags& more) {
  ClusterProcess::Flags flags = kSteady;
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

class ClusterFixture : public ::testing::Test {
 protected:
  // Started in each test: REQUIRES: ASSERT_NO_FATAL_FAILURE around it.
  void start_cluster(int nodes, const ClusterProcess::Flags& flags = {},
                     ClusterProcess::Links links = ClusterProcess::Links::kDirect) {
    cluster_ = std::make_unique<ClusterProcess>(nodes, flags, links);
    ASSERT_TRUE(cluster_->start()) << cluster_->logs();
  }

  void expect_equal_keyspaces() {
    std::string difference;
    EXPECT_TRUE(cluster_->wait_until_equal(difference)) << difference << cluster_->logs();
  }

  // The same command until the answer is the one that is wanted: while a leader is being elected,
  // commands are refused.
  bool ask_until(Client& client, const Arguments& arguments, const std::string& wanted) {
    return eventually([&] { return client.ask(arguments) == wanted; });
  }

  // Hands leadership over until this node leads.
  void make_leader(int number) {
    const std::string port = std::to_string(cluster_->port(number));
    ASSERT_TRUE(eventually([&] {
      const int leads = cluster_->wait_for_leader();
      if (leads == number) return true;
      if (leads != 0) cluster_->ask(leads, {"FAILOVER", "TO", "127.0.0.1", port});
      return false;
    })) << "node "
        << number << " never leads" << cluster_->logs();
  }

  std::unique_ptr<ClusterProcess> cluster_;
};

}  // namespace kvorum::integration
