// What keep-for and keep-bytes keep of the log, for a restore to any moment.
#include <gtest/gtest.h>

#include <string>

#include "server/node/persistence.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

class RetentionTest : public NodeFixture {};

TEST_F(RetentionTest, KeepsALogFromItsBeginningUntilASnapshotIsOldEnough) {
  set_option("keep-for", "3600");
  set_option("snapshot-interval", "0");
  set_option("segment-size", "1mb");
  restart();
  const auto snapshot = [this] {
    ASSERT_TRUE(node->persistence().start_snapshot().ok());
    while (node->persistence().snapshot_in_progress()) {
      node->tick();
      settle();
    }
    settle();
  };
  const auto fill = [this](int megabytes) {
    for (int i = 0; i < megabytes; ++i) run({"SET", "k", std::string(1 << 20, 'x')});
  };
  fill(5);
  advance_ms(7'200'000);  // the log is older than what is to be kept
  fill(5);
  snapshot();
  // Half an hour ago can only be had with the log before the first snapshot.
  EXPECT_EQ(node->log().wal().oldest_lsn(), storage::Lsn{1});
  advance_ms(3'700'000);
  fill(5);
  snapshot();
  EXPECT_GT(node->log().wal().oldest_lsn(), storage::Lsn{1}) << "the first one is old enough now";
}

}  // namespace
}  // namespace kvorum::server
