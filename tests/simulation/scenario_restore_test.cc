// Nodes that come back with what a backup has: it knows less than was promised.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/simulation/scenario_support.h"

namespace kvorum::simulation {
namespace {

using Files = std::map<std::string, std::string>;

// What BACKUP writes on that machine, to be kept elsewhere.
Files take_backup(Scenario& story, Endpoint id) {
  const std::string directory = "/backup-" + std::to_string(story.simulation().world().now_us());
  EXPECT_EQ(story.client(id).ask({"BACKUP", directory}), "OK");
  Files files;
  storage::SimulatedDisk& disk = story.node(id).disk();
  const auto names = disk.list(directory);
  EXPECT_TRUE(names.ok());
  for (const std::string& name : *names) files[name] = disk.contents(directory + "/" + name);
  return files;
}

// In the place of all that the machine had.
void restore(Scenario& story, Endpoint id, const Files& backup) {
  story.wipe(id);
  for (const auto& [name, contents] : backup) {
    story.node(id).disk().set_contents("data/" + name, contents);
  }
}

bool becomes_voter(Scenario& story, Endpoint id) {
  return story.simulation().run_until(
      [&] { return story.node(id).loaded() && replica_of(story, id).is_voter(); }, 20 * kSecondUs);
}

// Two had an acknowledged record. One is restored from a backup of its own from before, the other
// one is down: the third has not got it, and must not lead by the restored one's vote.
TEST(ScenarioRestoreTest, ANodeRestoredFromABackupHasNoVote) {
  Scenario story(3);
  story.elect();
  story.run_ms(300);
  const Endpoint leader = story.leader(), restored = story.follower(0), behind = story.follower(1);
  const Files backup = take_backup(story, restored);
  story.cut_off(behind);
  EXPECT_EQ(story.client(leader).ask({"SET", "key", "value"}), "OK");
  story.run_ms(200);
  story.power_cut(leader);
  restore(story, restored, backup);
  story.reconnect();
  ASSERT_LT(log_of(story, behind).last().lsn.value(), story.simulation().logs().committed());
  story.start(restored);
  story.run_ms(10'000);
  EXPECT_EQ(story.leader(), 0u) << "elected without an acknowledged record";
  story.start(leader);
  story.wait_for_leader();
  EXPECT_EQ(story.client(story.leader()).ask({"GET", "key"}), "value");
  story.expect_recovery();
}

// The second use of one backup is as good as the first: it is another instance again.
TEST(ScenarioRestoreTest, OneBackupRestoresAnyNodeAsOftenAsItIsNeeded) {
  Scenario story(3);
  story.elect();
  EXPECT_EQ(story.client(story.leader()).ask({"SET", "key", "value"}), "OK");
  const Files backup = take_backup(story, story.leader());
  for (int round = 0; round < 4; ++round) {
    EXPECT_EQ(story.client(story.leader()).ask({"SET", "round", std::to_string(round)}), "OK");
    const Endpoint restored = story.follower(round % 2);
    restore(story, restored, backup);
    story.start(restored);
    ASSERT_TRUE(becomes_voter(story, restored));
    EXPECT_EQ(story.client(restored).ask({"GET", "round"}), std::to_string(round));
  }
  story.expect_recovery();
}

// All files of a directory, as somebody copies them who has not heard of BACKUP.
Files copy_directory(Scenario& story, Endpoint id) {
  Files files;
  storage::SimulatedDisk& disk = story.node(id).disk();
  const auto names = disk.list("data");
  EXPECT_TRUE(names.ok());
  for (const std::string& name : *names) files[name] = disk.contents("data/" + name);
  return files;
}

// Two had an acknowledged record. The directory of one is an old copy of itself, the same instance
// without that record, and with a vote that counts: whoever has seen it started later refuses it.
TEST(ScenarioRestoreTest, AnOldCopyOfADirectoryIsRefusedByWhoHasSeenALaterStart) {
  Scenario story(3);
  story.elect();
  story.run_ms(300);
  const Endpoint copied = story.follower(0), behind = story.follower(1), leader = story.leader();
  story.crash(copied);
  const Files old_copy = copy_directory(story, copied);
  for (int i = 0; i < 2; ++i) {
    story.start(copied);
    story.run_ms(2000);
    story.crash(copied);
  }
  story.start(copied);
  story.run_ms(2000);
  ASSERT_EQ(story.leader(), leader);
  story.cut_off(behind);
  EXPECT_EQ(story.client(leader).ask({"SET", "key", "value"}), "OK");
  story.run_ms(200);
  story.power_cut(leader);
  restore(story, copied, old_copy);
  story.reconnect();
  ASSERT_LT(log_of(story, behind).last().lsn.value(), story.simulation().logs().committed());
  story.start(copied);
  story.run_ms(10'000);
  EXPECT_EQ(story.leader(), 0u) << "elected without an acknowledged record";
  // As the refusal says: an empty directory.
  story.wipe(copied);
  story.start(copied);
  story.start(leader);
  ASSERT_TRUE(becomes_voter(story, copied));
  EXPECT_EQ(story.client(copied).ask({"GET", "key"}), "value");
  story.expect_recovery();
}

// Whatever power cuts leave of the first start, the next one goes on.
TEST(ScenarioRestoreTest, AFirstStartThatLosesThePowerIsBegunAgain) {
  Scenario story(3);
  story.elect();
  EXPECT_EQ(story.client(story.leader()).ask({"SET", "key", "value"}), "OK");
  const Endpoint restored = story.follower();
  restore(story, restored, take_backup(story, story.leader()));
  for (uint64_t calls = 0; calls < 30; ++calls) {
    SimulatedNode& node = story.node(restored);
    node.lose_power_after(calls);
    node.start();
    story.run_ms(50);
    story.crash(restored);
  }
  story.start(restored);
  ASSERT_TRUE(becomes_voter(story, restored));
  EXPECT_EQ(story.client(restored).ask({"GET", "key"}), "value");
  story.expect_recovery();
}

}  // namespace
}  // namespace kvorum::simulation
