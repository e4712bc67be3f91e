// Merging in clusters that answer below a majority: what a deposed leader had to drop is judged by
// its last-writer-wins stamp (docs/replication.md, Merging).
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "storage/tombstones.h"
#include "tests/simulation/scenario.h"

namespace kvorum::simulation {
namespace {

void asynchronous(Parameters& parameters) {
  parameters.write_quorum = "1";
  parameters.divergence = "merge";
}

class ScenarioMergeTest : public ::testing::Test {
 protected:
  explicit ScenarioMergeTest(const std::function<void(Parameters&)>& adjust = asynchronous)
      : story_(3, adjust) {}

  // A leader is there; `before` was written and is everywhere.
  void begin(std::initializer_list<std::initializer_list<std::string_view>> before = {}) {
    story_.elect();
    old_ = story_.leader();
    ScenarioClient client = story_.client(old_);
    for (const auto& command : before) ASSERT_EQ(client.ask(command), "OK");
    story_.run_ms(200);
  }
  // The leader is cut off and still answers these; then the others elect a new one.
  void write_alone(std::initializer_list<std::initializer_list<std::string_view>> commands) {
    ScenarioClient client = story_.client(old_);
    story_.cut_off(old_);
    for (const auto& command : commands) ASSERT_EQ(client.ask(command).front() == '-', false);
    story_.run_ms(1500);
    new_ = story_.leader();
    ASSERT_NE(new_, 0u);
    ASSERT_NE(new_, old_);
  }
  std::string at_new(std::initializer_list<std::string_view> command) {
    return story_.client(new_).ask(command);
  }
  // The old leader is back, and everything that it had to drop is judged.
  void reunite() {
    story_.reconnect();
    ASSERT_TRUE(
        story_.simulation().run_until([this] { return dropped("offered-") > 0; }, 20'000'000));
    story_.run_ms(500);
    EXPECT_EQ(dropped("orphaned-"), 0);
  }
  int dropped(std::string_view prefix) {
    const auto names = story_.node(old_).disk().list("data");
    return static_cast<int>(
        std::count_if(names->begin(), names->end(),
                      [&](const std::string& name) { return name.starts_with(prefix); }));
  }
  size_t tombstones(Endpoint id) { return story_.node(id).node()->keyspace().tombstones()->size(); }
  // What every node shows once all is applied.
  void expect_everywhere(std::string_view key, const std::string& value) {
    for (Endpoint id = 1; id <= 3; ++id) {
      EXPECT_EQ(story_.client(id).ask({"GET", key}), value) << key << " at node " << id;
    }
  }

  Scenario story_;
  Endpoint old_ = 0, new_ = 0;
};

TEST_F(ScenarioMergeTest, WhatWasAnsweredAndDroppedIsMerged) {
  begin({{"SET", "both", "before"}});
  write_alone({{"SET", "new", "written"}, {"SET", "both", "newer"}, {"DEL", "none"}});
  reunite();
  expect_everywhere("new", "written");
  expect_everywhere("both", "newer");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, AnOlderWriteLosesToWhatTheNewLeaderHas) {
  begin({{"SET", "key", "before"}});
  write_alone({{"SET", "key", "older"}});
  ASSERT_EQ(at_new({"SET", "key", "newest"}), "OK");
  reunite();
  expect_everywhere("key", "newest");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, ADeletedKeyIsNotResurrected) {
  begin({{"SET", "key", "before"}});
  write_alone({{"SET", "key", "older"}});
  ASSERT_EQ(at_new({"DEL", "key"}), "1");
  // Nobody forgets before the one that is away has come back.
  story_.run_ms(5000);
  reunite();
  expect_everywhere("key", "nil");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, ADeletionIsMergedToo) {
  begin({{"SET", "key", "before"}});
  write_alone({{"DEL", "key"}});
  reunite();
  expect_everywhere("key", "nil");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, TheLastOfSeveralWritesOfOneKeyWins) {
  begin();
  write_alone({{"SET", "key", "1"}, {"SET", "key", "2"}, {"SET", "key", "3"}});
  reunite();
  expect_everywhere("key", "3");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, ATransactionWinsOrLosesWhole) {
  begin({{"SET", "a", "before"}, {"SET", "b", "before"}});
  write_alone({{"MSET", "a", "older", "b", "older"}});
  ASSERT_EQ(at_new({"SET", "a", "newest"}), "OK");
  reunite();
  expect_everywhere("a", "newest");
  expect_everywhere("b", "before");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, AChangeOfPartOfAValueIsKeptInTheFileOnly) {
  begin({{"SET", "key", "before"}});
  write_alone({{"APPEND", "key", " and after"}});
  reunite();
  expect_everywhere("key", "before");
  story_.expect_recovery();
}

// Its client had removed it itself.
TEST_F(ScenarioMergeTest, WhatLaterOrphansChangeThatStayInTheFileStaysThereToo) {
  begin({{"SET", "flushed", "before"}, {"SET", "expires", "before"}});
  write_alone({{"SET", "flushed", "newer"},
               {"FLUSHDB"},
               {"MSET", "expires", "newer", "with", "it"},
               {"EXPIRE", "expires", "1000"},
               {"SET", "after", "written"}});
  reunite();
  expect_everywhere("flushed", "before");
  expect_everywhere("expires", "before");
  expect_everywhere("with", "nil");
  expect_everywhere("after", "written");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, WhatWasMergedLosesToANewerOrphanOfAnotherNode) {
  begin();
  write_alone({{"SET", "key", "first"}});
  reunite();
  expect_everywhere("key", "first");
  old_ = story_.leader();
  write_alone({{"SET", "key", "second"}});
  reunite();
  expect_everywhere("key", "second");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, TombstonesOutliveTheNewLeadersRestart) {
  begin({{"SET", "key", "before"}});
  write_alone({{"SET", "key", "older"}});
  ASSERT_EQ(at_new({"DEL", "key"}), "1");
  ASSERT_EQ(at_new({"SAVE"}), "OK");
  story_.crash(new_);
  story_.start(new_);
  story_.wait_for_leader();
  reunite();
  expect_everywhere("key", "nil");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, TombstonesGoWhenEveryVoterHasPassedThem) {
  begin({{"SET", "key", "before"}});
  const Endpoint away = story_.follower();
  story_.crash(away);
  ASSERT_EQ(story_.client(old_).ask({"DEL", "key"}), "1");
  story_.run_ms(5000);
  EXPECT_EQ(tombstones(old_), 1u);
  story_.start(away);
  story_.run_ms(5000);
  for (Endpoint id = 1; id <= 3; ++id) EXPECT_EQ(tombstones(id), 0u) << "node " << id;
  story_.expect_recovery();
}

// It is there and has nothing to offer, but what it has on disk ends before the mark.
TEST_F(ScenarioMergeTest, TombstonesStayWhileAVotersDiskIsStuck) {
  begin({{"SET", "key", "before"}});
  SimulatedNode& behind = story_.node(story_.follower());
  behind.stick_disk(story_.simulation().world().now_us() + 4'000'000);
  ASSERT_EQ(story_.client(old_).ask({"DEL", "key"}), "1");
  story_.run_ms(3000);
  EXPECT_EQ(tombstones(old_), 1u);
  story_.run_ms(5000);
  EXPECT_EQ(tombstones(old_), 0u);
  story_.expect_recovery();
}

// What is offered may have to wait; what is forgotten meanwhile would beat it.
TEST_F(ScenarioMergeTest, TombstonesStayWhileAnOrphanHasToWait) {
  begin({{"SET", "other", "before"}});
  write_alone({{"SET", "key", "written"}});
  ASSERT_EQ(at_new({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  ASSERT_EQ(at_new({"DEL", "other"}), "1");
  story_.reconnect();
  story_.run_ms(5000);
  EXPECT_EQ(dropped("orphaned-"), 1);
  EXPECT_EQ(tombstones(new_), 1u);
  ASSERT_EQ(at_new({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  reunite();
  expect_everywhere("key", "written");
  story_.expect_recovery();
}

// Whoever deletes to make room needs them gone.
TEST_F(ScenarioMergeTest, TombstonesGoThoughThereIsNoRoom) {
  begin({{"SET", "key", "before"}});
  ASSERT_EQ(story_.client(old_).ask({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  ASSERT_EQ(story_.client(old_).ask({"DEL", "key"}), "1");
  story_.run_ms(3000);
  EXPECT_EQ(tombstones(old_), 0u);
  ASSERT_EQ(story_.client(old_).ask({"CONFIG", "SET", "maxmemory", "0"}), "OK");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, AnOrphanIsOfferedAgainAfterARestart) {
  begin();
  write_alone({{"SET", "key", "written"}});
  // Dropped, saved, and down before it is judged: the new leader takes no writes for a moment.
  ASSERT_EQ(at_new({"CLIENT", "PAUSE", "3000", "WRITE"}), "OK");
  story_.reconnect();
  ASSERT_TRUE(
      story_.simulation().run_until([this] { return dropped("orphaned-") > 0; }, 20'000'000));
  story_.crash(old_);
  story_.run_ms(3000);
  story_.start(old_);
  ASSERT_TRUE(
      story_.simulation().run_until([this] { return dropped("offered-") > 0; }, 20'000'000));
  story_.run_ms(500);
  expect_everywhere("key", "written");
  story_.expect_recovery();
}

TEST_F(ScenarioMergeTest, AReplacedWriteIsOfUnknownOutcome) {
  begin();
  ScenarioClient client = story_.client(old_);
  ASSERT_EQ(client.ask({"CLIENT", "QUORUM", "majority"}), "OK");
  story_.cut_off(old_);
  EXPECT_EQ(client.ask({"SET", "key", "cut off"}, 200), "silence");
  story_.run_ms(1000);
  story_.reconnect();
  const std::string answer = client.ask({"PING"}, 5000);
  EXPECT_TRUE(answer.starts_with("-TIMEOUT")) << answer;
  story_.run_ms(1000);
  expect_everywhere("key", "cut off");
}

class ScenarioNoMergeTest : public ScenarioMergeTest {
 protected:
  ScenarioNoMergeTest()
      : ScenarioMergeTest([](Parameters& parameters) { parameters.write_quorum = "1"; }) {}
};

TEST_F(ScenarioNoMergeTest, WithoutTheOptionOrphansAreOnlySaved) {
  begin();
  write_alone({{"SET", "key", "written"}});
  story_.reconnect();
  ASSERT_TRUE(
      story_.simulation().run_until([this] { return dropped("orphaned-") > 0; }, 20'000'000));
  story_.run_ms(3000);
  EXPECT_EQ(dropped("offered-"), 0);
  expect_everywhere("key", "nil");
  EXPECT_EQ(story_.node(story_.leader()).node()->keyspace().tombstones(), nullptr);
  story_.expect_recovery();
}

class ScenarioMajorityMergeTest : public ScenarioMergeTest {
 protected:
  ScenarioMajorityMergeTest()
      : ScenarioMergeTest([](Parameters& parameters) { parameters.divergence = "merge"; }) {}
};

TEST_F(ScenarioMajorityMergeTest, WhereAMajorityAnswersNothingIsMerged) {
  begin();
  ScenarioClient client = story_.client(old_);
  ASSERT_EQ(client.ask({"CLIENT", "QUORUM", "1"}), "OK");
  story_.cut_off(old_);
  EXPECT_EQ(client.ask({"SET", "key", "early"}), "OK");
  story_.run_ms(1500);
  story_.reconnect();
  ASSERT_TRUE(
      story_.simulation().run_until([this] { return dropped("orphaned-") > 0; }, 20'000'000));
  story_.run_ms(3000);
  EXPECT_EQ(dropped("offered-"), 0);
  new_ = story_.leader();
  expect_everywhere("key", "nil");
}

// A fourth voter makes a quorum of two one below the majority.
class ScenarioGrowingMergeTest : public ScenarioMergeTest {
 protected:
  ScenarioGrowingMergeTest()
      : ScenarioMergeTest([](Parameters& parameters) {
          parameters.write_quorum = "2";
          parameters.divergence = "merge";
          parameters.spares = 1;
        }) {}
};

TEST_F(ScenarioGrowingMergeTest, AClusterThatBeginsToMergeForgetsItsTombstonesToo) {
  begin({{"SET", "key", "before"}});
  ASSERT_EQ(story_.node(old_).node()->keyspace().tombstones(), nullptr);
  story_.start(4);
  ASSERT_EQ(story_.client(old_).ask({"MEMBER", "ADD", "4", "node-4:7000"}), "OK");
  ASSERT_TRUE(story_.simulation().run_until(
      [this] { return story_.node(old_).node()->keyspace().tombstones() != nullptr; }, 20'000'000));
  ASSERT_EQ(story_.client(old_).ask({"DEL", "key"}), "1");
  story_.run_ms(5000);
  for (Endpoint id = 1; id <= 4; ++id) EXPECT_EQ(tombstones(id), 0u) << "node " << id;
  story_.expect_recovery();
}

}  // namespace
}  // namespace kvorum::simulation
