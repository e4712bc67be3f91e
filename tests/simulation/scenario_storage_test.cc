// What is concluded from what is on disks: failed syncs, damage, old snapshots, majorities. Each
// scenario is the shortest way to what one planted bug of mutants/ breaks.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/node/persistence.h"
#include "tests/simulation/scenario_support.h"

namespace kvorum::simulation {
namespace {

using storage::Position;

TEST(ScenarioStorageTest, AFailedSyncEndsTheProcess) {
  Scenario story(3);
  story.elect();
  SimulatedNode& leader = story.node(story.leader());
  ScenarioClient client = story.client(leader.id());
  const uint64_t generation = leader.generation();
  leader.fail_next_sync();
  client.ask({"SET", "key", "value"}, 0);
  const auto ended = [&] { return leader.generation() != generation; };
  EXPECT_TRUE(step_until(story, ended, kSecondUs / 2));
  EXPECT_EQ(story.simulation().world().faults.of(Fault::kFailedSync), 1u);
  story.expect_well();
}

// Most of a cluster's disks are gone, and the last one is not there to say which cluster it was.
TEST(ScenarioStorageTest, TwoWipedNodesFormNoClusterOfTheirOwn) {
  Scenario story(3);
  story.elect();
  story.crash(3);
  story.wipe(1);
  story.wipe(2);
  story.start(1);
  story.start(2);
  story.run_ms(10'000);
  for (const Endpoint wiped : {1, 2}) {
    ASSERT_NE(story.node(wiped).node(), nullptr);
    EXPECT_FALSE(story.node(wiped).loaded()) << "node " << wiped << " is a member of a new cluster";
  }
  story.expect_well();
}

// A full disk costs a follower records that it has applied. The leader's log begins behind what is
// left, with a snapshot that is older than what the follower shows.
TEST(ScenarioStorageTest, AFollowerWhoseDiskWasFullTakesASnapshotOfWhatItHasAppliedAlready) {
  Scenario story(3, [](Parameters& parameters) {
    parameters.segment_bytes = 4096;
    parameters.snapshot_wal_bytes = 4096;
  });
  story.elect();
  ScenarioClient client = story.client(story.leader());
  SimulatedNode& behind = story.node(other_than(story.leader()));
  behind.stick_disk(story.simulation().world().now_us() + 3 * kSecondUs);
  const std::string value(3000, 'v');
  for (int i = 0; i < 10; ++i) EXPECT_EQ(client.ask({"SET", "key", value}), "OK");
  const auto snapshot = [&] {
    return story.node(story.leader()).node()->persistence().newest_snapshot();
  };
  story.run_ms(1500);
  ASSERT_NE(snapshot(), nullptr);
  EXPECT_EQ(client.ask({"SET", "key", "newest"}), "OK");
  story.run_ms(100);
  ASSERT_GT(log_of(story, behind.id()).applied().lsn, snapshot()->lsn);
  behind.fill_disk(0);
  story.run_ms(2000);
  ASSERT_LT(log_of(story, behind.id()).last().lsn, snapshot()->lsn);
  behind.free_disk();
  const auto caught_up = [&] {
    return log_of(story, behind.id()).last() == log_of(story, story.leader()).last();
  };
  EXPECT_TRUE(story.simulation().run_until(caught_up, 5 * kSecondUs));
  EXPECT_EQ(client.ask({"GET", "key"}), "newest");
  story.expect_recovery();
}

TEST(ScenarioStorageTest, StampsGrowThoughEveryClockGoesBack) {
  Scenario story(3);
  story.elect();
  EXPECT_EQ(story.client(story.leader()).ask({"SET", "key", "before"}), "OK");
  for (const auto& node : story.simulation().nodes()) {
    node->crash();
    node->clock().jump(story.simulation().world().now_us(), -3600 * kSecondUs);
    node->start();
  }
  story.wait_for_leader();
  EXPECT_EQ(story.client(story.leader()).ask({"SET", "key", "after"}), "OK");
  story.expect_recovery();
}

// It leads in the same millisecond, by its log's clock, in which it wrote its last record.
TEST(ScenarioStorageTest, StampsGrowWhereTheOnlyMemberLeadsAtOnce) {
  Scenario story(3);
  story.elect();
  const Endpoint last = story.leader();
  for (Endpoint id = 1; id <= 3; ++id) {
    if (id == last) continue;
    EXPECT_EQ(story.client(last).ask({"MEMBER", "REMOVE", std::to_string(id)}), "OK");
  }
  EXPECT_EQ(story.client(last).ask({"SET", "key", "before"}), "OK");
  SimulatedNode& node = story.node(last);
  node.crash();
  node.clock().jump(story.simulation().world().now_us(), -3600 * kSecondUs);
  node.start();
  story.wait_for_leader();
  EXPECT_EQ(story.client(last).ask({"SET", "key", "after"}), "OK");
  story.expect_recovery();
}

// The path of the newest segment that a machine has.
std::string newest_segment(SimulatedNode& node) {
  std::string newest;
  const auto names = node.disk().list("data");
  if (!names.ok()) return newest;
  for (const std::string& name : *names) {
    if (name.starts_with("segment-")) newest = std::max(newest, "data/" + name);
  }
  return newest;
}

// Two of three have a record that is acknowledged. One of them is damaged before it, the other one
// is down: the third must not be elected with the damaged one's vote.
TEST(ScenarioStorageTest, DamageInTheMiddleIsNoEnd) {
  Scenario story(3);
  story.elect();
  story.run_ms(300);
  const Endpoint leader = story.leader(), behind = story.follower(1);
  SimulatedNode& damaged = story.node(story.follower(0));
  story.cut_off(behind);
  ScenarioClient client = story.client(leader);
  for (const char* value : {"value-1", "value-2", "value-3", "value-4", "value-5"}) {
    ASSERT_EQ(client.ask({"SET", "key", value}), "OK");
  }
  story.run_ms(200);
  damaged.crash();
  story.power_cut(leader);  // nothing of it is on its way any more
  const std::string path = newest_segment(damaged);
  const size_t at = damaged.disk().contents(path).find("value-2");
  ASSERT_NE(at, std::string::npos);
  damaged.disk().flip_bit(path, at, 0);
  damaged.needs_repair = true;
  story.simulation().node_observer().disk_damaged(damaged);
  story.reconnect();
  damaged.start();
  story.run_ms(5000);
  EXPECT_EQ(story.leader(), 0u) << "elected without an acknowledged record";
  story.start(leader);
  story.wait_for_leader();
  EXPECT_EQ(story.client(damaged.id()).ask({"GET", "key"}), "value-5");
  story.expect_recovery();
}

// Figure 8 of the Raft paper. A leader brings a record of its earlier term to a majority and dies
// before one of its new term follows: a rival with a record of the term between is elected, and
// what the majority has is not committed.
TEST(ScenarioStorageTest, AMajorityOfAnOldTermIsNoCommit) {
  Scenario story(3, [](Parameters& parameters) {
    parameters.segment_bytes = 1 << 20;
    parameters.snapshot_wal_bytes = 64 << 20;
  });
  story.elect();
  story.run_ms(300);
  const Endpoint first = story.leader();
  story.cut_off(first);
  const Position before = log_of(story, first).last();
  // Longer than a block of records: it travels in an append of its own.
  ScenarioClient client = story.client(first);
  client.ask({"SET", "key", std::string(100'000, 'x')}, 0);
  const auto synced = [&] { return log_of(story, first).wal().synced().lsn > before.lsn; };
  ASSERT_TRUE(step_until(story, synced, kSecondUs));
  const Position record = log_of(story, first).last();
  ASSERT_EQ(record.lsn, before.lsn.next());
  story.power_cut(first);

  // The rival leads for as long as it takes to write its own first record.
  ASSERT_TRUE(step_until(
      story, [&] { return story.leader() != 0; }, 10 * kSecondUs));
  const Endpoint rival = story.leader(), third = other_than(first, rival);
  cut_off(story, rival, third);
  story.run_ms(50);
  ASSERT_GT(log_of(story, rival).wal().synced().lsn, before.lsn);
  ASSERT_EQ(log_of(story, third).last(), before);
  story.power_cut(rival);

  story.reconnect();
  story.start(first);
  const storage::NodeId third_id{static_cast<uint16_t>(third)};
  const auto acknowledged = [&] {
    return story.node(first).leads() &&
           replica_of(story, first).progress().at(third_id).match == record;
  };
  ASSERT_TRUE(step_until(story, acknowledged, 10 * kSecondUs));
  EXPECT_LT(log_of(story, first).commit().lsn, record.lsn);
  story.power_cut(first);

  story.start(rival);
  ASSERT_TRUE(step_until(
      story, [&] { return story.leader() == rival; }, 10 * kSecondUs));
  story.run_ms(1000);
  story.expect_recovery();
}

// What the leader could still have under way, on a connection of its own.
void send_snapshot(Scenario& story, Endpoint from, Endpoint to,
                   const server::PublishedSnapshot& snapshot) {
  const storage::Identity& identity = story.node(from).node()->cluster().identity();
  server::peer::Hello hello;
  hello.cluster_id = "simulation";
  hello.secret = "a secret that all of them share";
  hello.node = identity.node;
  hello.instance = identity.instance;
  hello.incarnation = identity.incarnation;
  hello.boot = identity.boot;
  server::peer::SnapshotChunk chunk;
  chunk.term = replica_of(story, from).term();
  chunk.cut = {*replica_of(story, from).log().term_at(snapshot.lsn), snapshot.lsn};
  chunk.bytes = story.node(from).disk().contents(snapshot.path);
  chunk.total_bytes = chunk.bytes.size();
  const auto connected = std::make_shared<bool>(false);
  ConnectionEnd end;
  end.connected = [connected] { *connected = true; };
  end.received = [](const std::string&) {};
  end.closed = [](std::string_view) {};
  const auto connection = network_of(story).dial(from, to, std::move(end));
  ASSERT_TRUE(step_until(
      story, [connected] { return *connected; }, kSecondUs));
  network_of(story).send(connection, Side::kDialler, server::peer::encode(hello));
  network_of(story).send(connection, Side::kDialler, server::peer::encode(chunk));
}

TEST(ScenarioStorageTest, AnOlderSnapshotTakesNobodyBack) {
  Scenario story(3, [](Parameters& parameters) { parameters.snapshot_wal_bytes = 64 << 20; });
  story.elect();
  const Endpoint leader = story.leader();
  SimulatedNode& follower = story.node(story.follower());
  ScenarioClient client = story.client(leader);
  ASSERT_EQ(client.ask({"SET", "key", "old"}), "OK");
  client.ask({"BGSAVE"});
  story.run_ms(1000);
  const server::PublishedSnapshot* snapshot =
      story.node(leader).node()->persistence().newest_snapshot();
  ASSERT_NE(snapshot, nullptr);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(client.ask({"SET", "key", "new"}), "OK");
  story.run_ms(500);
  Position newest = follower.node()->log().applied();
  ASSERT_GT(newest.lsn, snapshot->lsn);
  send_snapshot(story, leader, follower.id(), *snapshot);
  const auto goes_back = [&] {
    const Position now = follower.node()->log().applied();
    newest = std::max(newest, now);
    return now < newest || follower.node()->persistence().newest_snapshot() != nullptr;
  };
  EXPECT_FALSE(step_until(story, goes_back, 2 * kSecondUs));
  story.expect_recovery();
}

}  // namespace
}  // namespace kvorum::simulation
