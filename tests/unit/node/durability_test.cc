// What the node promises: no reply before its record is durable, no read of what may be undone,
// nothing acknowledged lost by a crash, a power cut or a full disk.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "server/node/persistence.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

using testing::HasSubstr;

class DurabilityTest : public NodeFixture {
 protected:
  // More than the log's file has grown ahead.
  static std::string too_much() { return std::string(400'000, 'x'); }
  void make_space_for(uint64_t bytes) { host.disk.set_capacity(host.disk.used_bytes() + bytes); }
  // Until the node has tried the disk again.
  void probe() {
    advance_ms(1100);
    node->tick();
    settle();
  }
  uint64_t last_lsn() { return node->last_position().lsn.value(); }
  // Lets a snapshot that is in progress end.
  void finish_snapshot() {
    while (node->persistence().snapshot_in_progress()) {
      node->tick();
      settle();
    }
  }
};

TEST_F(DurabilityTest, AWriteIsAnsweredOnlyWhenItsRecordIsSynced) {
  Session& session = connect();
  execute(session, {"SET", "k", "v"});
  EXPECT_EQ(take(session), "");
  node->end_turn();
  EXPECT_EQ(take(session), "");
  const uint64_t syncs = host.disk.calls(storage::DiskOperation::kSync);
  ASSERT_TRUE(host.run_one(Lane::kWal));
  EXPECT_GT(host.disk.calls(storage::DiskOperation::kSync), syncs);
  EXPECT_EQ(take(session), "+OK\r\n");
}

TEST_F(DurabilityTest, AReadOfAnUncommittedValueWaitsForIt) {
  Session& writer = connect();
  Session& reader = connect();
  run(writer, {"SET", "old", "1"});
  execute(writer, {"SET", "new", "2"});
  execute(reader, {"GET", "new"});
  EXPECT_EQ(take(reader), "");
  settle();
  EXPECT_EQ(take(reader), "$1\r\n2\r\n");
}

TEST_F(DurabilityTest, AReadOfACommittedValueDoesNotWaitForOthersWrites) {
  Session& writer = connect();
  Session& reader = connect();
  run(writer, {"SET", "old", "1"});
  execute(writer, {"SET", "new", "2"});
  execute(reader, {"GET", "old"});
  EXPECT_EQ(take(reader), "$1\r\n1\r\n");
}

TEST_F(DurabilityTest, ANilWaitsForTheDeleteThatMadeIt) {
  Session& writer = connect();
  Session& reader = connect();
  run(writer, {"SET", "k", "1"});
  execute(writer, {"DEL", "k"});
  execute(reader, {"GET", "k"});
  EXPECT_EQ(take(reader), "");
  settle();
  EXPECT_EQ(take(reader), "$-1\r\n");
}

TEST_F(DurabilityTest, AWriteThatChangesNothingGatesOnWhatItSaw) {
  Session& first = connect();
  Session& second = connect();
  execute(first, {"SETNX", "k", "1"});
  execute(second, {"SETNX", "k", "2"});
  EXPECT_EQ(take(second), "");
  settle();
  EXPECT_EQ(take(first), ":1\r\n");
  EXPECT_EQ(take(second), ":0\r\n");
}

TEST_F(DurabilityTest, AKeyspaceWideReplyWaitsForTheEndOfTheLog) {
  Session& writer = connect();
  Session& reader = connect();
  execute(writer, {"SET", "k", "1"});
  execute(reader, {"DBSIZE"});
  EXPECT_EQ(take(reader), "");
  settle();
  EXPECT_EQ(take(reader), ":1\r\n");
}

TEST_F(DurabilityTest, AMessageLeavesNoEarlierThanThePublishersWrite) {
  Session& publisher = connect();
  Session& listener = connect();
  run(listener, {"SUBSCRIBE", "c"});
  execute(publisher, {"SET", "k", "1"});
  execute(publisher, {"PUBLISH", "c", "k is set"});
  EXPECT_EQ(take(listener), "");
  settle();
  EXPECT_THAT(take(listener), HasSubstr("k is set"));
}

TEST_F(DurabilityTest, ATransactionIsOneRecord) {
  Session& session = connect();
  run(session, {"SET", "a", "1"});
  const uint64_t before = last_lsn();
  run(session, {"MULTI"});
  run(session, {"INCR", "a"});
  run(session, {"SET", "b", "x"});
  run(session, {"DEL", "b"});
  EXPECT_EQ(run(session, {"EXEC"}), "*3\r\n:2\r\n+OK\r\n:1\r\n");
  EXPECT_EQ(last_lsn(), before + 1);
}

TEST_F(DurabilityTest, ACommandThatChangesNothingMakesNoRecord) {
  run({"SET", "a", "1"});
  const uint64_t before = last_lsn();
  run({"SET", "a", "2", "NX"});
  run({"DEL", "absent"});
  run({"INCR", "a", "superfluous"});
  EXPECT_EQ(last_lsn(), before);
}

TEST_F(DurabilityTest, AnExpiredKeyIsDeletedByARecordThatTheReadGatesOn) {
  run({"SET", "k", "v", "PX", "100"});
  const uint64_t before = last_lsn();
  advance_ms(200);
  Session& reader = connect();
  execute(reader, {"GET", "k"});
  EXPECT_EQ(last_lsn(), before + 1);
  EXPECT_EQ(take(reader), "");
  settle();
  EXPECT_EQ(take(reader), "$-1\r\n");
  host.wall_now_us -= 10'000'000;  // the clock steps back: the key stays deleted
  EXPECT_EQ(run(reader, {"EXISTS", "k"}), ":0\r\n");
}

TEST_F(DurabilityTest, KeysExpireWithoutBeingRead) {
  run({"SET", "k", "v", "PX", "100"});
  advance_ms(200);
  node->tick();
  settle();
  EXPECT_EQ(node->keyspace().size(0), 0u);
}

TEST_F(DurabilityTest, EverythingAcknowledgedIsThereAfterTheProcessDied) {
  run({"SET", "a", "1"});
  run({"APPEND", "a", "23"});
  run({"SELECT", "3"});
  run({"SET", "b", "x", "PX", "100000"});
  run({"RENAME", "b", "c"});
  const storage::Digest digest = node->keyspace().digest();
  restart();
  EXPECT_EQ(node->keyspace().digest(), digest);
  EXPECT_EQ(run({"GET", "a"}), "$3\r\n123\r\n");
  EXPECT_EQ(node->keyspace().size(3), 1u);
}

TEST_F(DurabilityTest, EverythingAcknowledgedIsThereAfterPowerCuts) {
  std::mt19937_64 random(7);
  std::map<std::string, std::string> acknowledged;
  for (int round = 0; round < 60; ++round) {
    Session& session = connect();
    for (int i = 0; i < 20; ++i) {
      const std::string key = "k" + std::to_string(random() % 30);
      const std::string value = std::to_string(random());
      if (run(session, {"SET", key, value}) == "+OK\r\n") acknowledged[key] = value;
      if (random() % 17 == 0) {
        node->persistence().start_snapshot().IgnoreError();
        node->tick();
      }
    }
    // Sent and not acknowledged: these may be there or not.
    execute(session, {"SET", "unacknowledged", "x"});
    node->end_turn();
    host.disk.power_cut(random);
    restart();
    for (const auto& [key, value] : acknowledged) {
      const storage::Entry* entry = node->keyspace().find(0, key);
      ASSERT_NE(entry, nullptr) << key << " in round " << round;
      ASSERT_EQ(entry->string(), value) << key << " in round " << round;
    }
  }
}

TEST_F(DurabilityTest, AFullDiskUndoesWhatItCouldNotKeepAndSaysSo) {
  Session& session = connect();
  run(session, {"SET", "k", "kept"});
  const storage::Digest digest = node->keyspace().digest();
  make_space_for(0);
  execute(session, {"SET", "k", too_much()});
  execute(session, {"GET", "k"});
  settle();
  const std::string replies = take(session);
  EXPECT_THAT(replies, testing::StartsWith("-MISCONF "));
  EXPECT_THAT(replies, HasSubstr("\r\n-TRYAGAIN "));
  EXPECT_EQ(node->keyspace().digest(), digest);
}

TEST_F(DurabilityTest, AFullDiskLeavesReadsAndRecoversWhenThereIsRoom) {
  Session& session = connect();
  run(session, {"SET", "k", "kept"});
  make_space_for(0);
  run(session, {"SET", "k", too_much()});
  EXPECT_EQ(run(session, {"GET", "k"}), "$4\r\nkept\r\n");
  EXPECT_THAT(run(session, {"SET", "k", "small"}), testing::StartsWith("-MISCONF "));
  make_space_for(1 << 20);
  probe();
  EXPECT_EQ(run(session, {"SET", "k", "new"}), "+OK\r\n");
  restart();
  EXPECT_EQ(run({"GET", "k"}), "$3\r\nnew\r\n");
}

TEST_F(DurabilityTest, WhatHasExpiredOnAFullDiskStaysExpiredThoughTheClockGoesBack) {
  run({"SET", "k", "v", "PX", "1000"});
  make_space_for(0);
  run({"SET", "other", too_much()});
  advance_ms(1500);
  EXPECT_EQ(run({"GET", "k"}), "$-1\r\n");
  host.wall_now_us -= 3'600'000'000;
  EXPECT_EQ(run({"GET", "k"}), "$-1\r\n");
  EXPECT_EQ(run({"KEYS", "*"}), "*0\r\n");
}

TEST_F(DurabilityTest, AKeyIsNotBornExpiredWhereTheClockHasGoneBackBehindTheLog) {
  run({"SET", "first", "v"});
  host.wall_now_us -= 3'600'000'000;
  for (const bool restarted : {false, true}) {
    if (restarted) restart();
    EXPECT_EQ(run({"SET", "k", "v", "PX", "1000"}), "+OK\r\n");
    EXPECT_EQ(run({"GET", "k"}), "$1\r\nv\r\n");
    EXPECT_EQ(run({"PTTL", "k"}), ":1000\r\n");
    advance_ms(2100);  // at half speed
    EXPECT_EQ(run({"GET", "k"}), "$-1\r\n");
    run({"SET", "k", "v"});
    EXPECT_EQ(run({"EXPIRE", "k", "1"}), ":1\r\n");
    EXPECT_EQ(run({"GETEX", "k", "EX", "1"}), "$1\r\nv\r\n");
    EXPECT_EQ(run({"EXISTS", "k"}), ":1\r\n");
  }
}

TEST_F(DurabilityTest, AFullDiskIsTriedOnceASecondOnly) {
  make_space_for(0);
  run({"SET", "k", too_much()});
  const uint64_t writes = host.disk.calls(storage::DiskOperation::kWrite);
  for (int i = 0; i < 100; ++i) {
    advance_ms(10);
    node->tick();
    settle();
  }
  EXPECT_LE(host.disk.calls(storage::DiskOperation::kWrite), writes + 4);
}

TEST_F(DurabilityTest, ANodeWithAFullDiskCanBeStopped) {
  make_space_for(0);
  run({"SET", "k", too_much()});
  node->shut_down(false, false);
  EXPECT_EQ(host.exit_code, 0);
}

TEST_F(DurabilityTest, WaitaofAnswersWhenTheWriteIsSyncedWhateverThePolicy) {
  set_option("fsync", "never");
  Session& session = connect();
  EXPECT_EQ(run(session, {"SET", "k", "v"}), "+OK\r\n");
  const uint64_t syncs = host.disk.calls(storage::DiskOperation::kSync);
  execute(session, {"WAITAOF", "1", "0", "0"});
  EXPECT_EQ(take(session), "");
  settle();
  node->tick();
  EXPECT_EQ(take(session), "*2\r\n:1\r\n:0\r\n");
  EXPECT_GT(host.disk.calls(storage::DiskOperation::kSync), syncs);
}

TEST_F(DurabilityTest, APushOfAnUndoneRecordIsNeverSent) {
  Session& listener = connect();
  Session& writer = connect();
  set_option("notify-keyspace-events", "KEA");
  run(listener, {"PSUBSCRIBE", "*"});
  make_space_for(0);
  run(writer, {"SET", "k", too_much()});
  EXPECT_EQ(take(listener), "");
}

TEST_F(DurabilityTest, AfterAFailedSyncTheProcessEndsAndNothingIsAnswered) {
  Session& session = connect();
  host.disk.set_fault([](storage::DiskOperation operation, const std::string&) {
    return operation == storage::DiskOperation::kSync ? absl::DataLossError("EIO")
                                                      : absl::OkStatus();
  });
  execute(session, {"SET", "k", "v"});
  node->end_turn();
  host.run_one(Lane::kWal);
  EXPECT_EQ(host.exit_code, 1);
  EXPECT_EQ(take(session), "");
  // Neither written nor synced again, whatever comes.
  const uint64_t writes = host.disk.calls(storage::DiskOperation::kWrite);
  execute(session, {"SET", "k", "w"});
  node->tick();
  settle();
  EXPECT_EQ(host.disk.calls(storage::DiskOperation::kWrite), writes);
  EXPECT_EQ(take(session), "");
}

TEST_F(DurabilityTest, ASnapshotHoldsItsCutAndTheLogTheRest) {
  for (int i = 0; i < 3000; ++i) run({"SET", "k" + std::to_string(i), "old"});
  ASSERT_TRUE(node->persistence().start_snapshot().ok());
  for (int i = 0; i < 3000; i += 3) {
    run({"SET", "k" + std::to_string(i), "new"});
    node->tick();
  }
  finish_snapshot();
  EXPECT_EQ(node->persistence().figures().snapshots_taken, 1u);
  const storage::Digest digest = node->keyspace().digest();
  restart();
  EXPECT_EQ(node->keyspace().digest(), digest);
}

TEST_F(DurabilityTest, ASnapshotInsideATransactionIsCutAfterIt) {
  Session& session = connect();
  run(session, {"MULTI"});
  run(session, {"SET", "a", "1"});
  run(session, {"BGSAVE"});
  run(session, {"SET", "a", "2"});
  run(session, {"EXEC"});
  node->tick();
  finish_snapshot();
  const storage::Digest digest = node->keyspace().digest();
  restart();
  EXPECT_EQ(node->keyspace().digest(), digest);
  EXPECT_EQ(run({"GET", "a"}), "$1\r\n2\r\n");
}

TEST_F(DurabilityTest, ASnapshotWhoseRecordsWereUndoneIsAbandoned) {
  run({"SET", "k", "kept"});
  ASSERT_TRUE(options.set(*OptionTable::find("snapshot-interval"), "0").ok());
  Session& session = connect();
  execute(session, {"SET", "k", too_much()});
  ASSERT_TRUE(node->persistence().start_snapshot().ok());
  make_space_for(0);
  finish_snapshot();
  EXPECT_FALSE(node->persistence().figures().snapshot_last_ok);
  make_space_for(1 << 20);
  restart();
  EXPECT_EQ(run({"GET", "k"}), "$4\r\nkept\r\n");
}

TEST_F(DurabilityTest, ASnapshotAfterAnUndoFitsTheLog) {
  run({"SET", "k", "kept"});
  const uint64_t used = host.disk.used_bytes();
  host.disk.set_capacity(used);
  run({"SET", "k", too_much()});
  host.disk.set_capacity(used + (1 << 20));
  probe();
  ASSERT_TRUE(node->persistence().start_snapshot().ok());
  finish_snapshot();
  EXPECT_TRUE(node->persistence().figures().snapshot_last_ok);
  restart();
  EXPECT_EQ(run({"GET", "k"}), "$4\r\nkept\r\n");
}

TEST_F(DurabilityTest, TwoSnapshotsOfOneCutLeaveOne) {
  run({"SET", "k", "v"});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(node->persistence().start_snapshot().ok());
    finish_snapshot();
  }
  restart();
  EXPECT_EQ(run({"GET", "k"}), "$1\r\nv\r\n");
}

TEST_F(DurabilityTest, AReadAfterAnUncommittedSwapWaitsForIt) {
  run({"SET", "k", "zero"});
  run({"SELECT", "1"});
  run({"SET", "k", "one"});
  Session& other = connect();
  execute(*client, {"SWAPDB", "0", "1"});
  execute(other, {"GET", "k"});
  EXPECT_EQ(take(other), "");
  settle();
  EXPECT_EQ(take(other), "$3\r\none\r\n");
}

TEST_F(DurabilityTest, AKeyspaceWideReplyInsideATransactionWaitsToo) {
  Session& writer = connect();
  Session& reader = connect();
  run(reader, {"MULTI"});
  run(reader, {"DBSIZE"});
  execute(writer, {"SET", "k", "1"});
  execute(reader, {"EXEC"});
  EXPECT_EQ(take(reader), "");
  settle();
  EXPECT_EQ(take(reader), "*1\r\n:1\r\n");
}

TEST_F(DurabilityTest, AMessageAfterAnUndoneWriteIsSentAtOnce) {
  Session& publisher = connect();
  Session& listener = connect();
  run(listener, {"SUBSCRIBE", "c"});
  make_space_for(0);
  run(publisher, {"SET", "k", too_much()});
  execute(publisher, {"PUBLISH", "c", "hello"});
  EXPECT_THAT(take(listener), HasSubstr("hello"));
}

TEST_F(DurabilityTest, ReplyModesHoldForCommandsThatWait) {
  Session& session = connect();
  run(session, {"CLIENT", "REPLY", "SKIP"});
  execute(session, {"WAIT", "1", "50"});
  advance_ms(60);
  node->tick();
  EXPECT_EQ(take(session), "");
  EXPECT_EQ(run(session, {"PING"}), "+PONG\r\n");
}

TEST_F(DurabilityTest, WatchingWhileLoadingIsHarmless) {
  for (int i = 0; i < 100; ++i) run({"SET", "k" + std::to_string(i), "v", "PX", "1000"});
  node.reset();
  host.drop_jobs();
  node = std::make_unique<Node>(options, host);
  ASSERT_TRUE(node->start().ok());
  while (node->keyspace().size(0) == 0) ASSERT_TRUE(host.run_one(Lane::kBackground));
  ASSERT_FALSE(node->loaded());
  advance_ms(2000);
  Session& session = connect();
  execute(session, {"WATCH", "k1"});
  EXPECT_EQ(take(session), "+OK\r\n");
}

TEST_F(DurabilityTest, WhoHasNotGivenThePasswordCannotPileUpAnswers) {
  set_option("requirepass", "secret");
  Session& session = connect();
  for (int i = 0; i < 10'000 && !session.close_now; ++i) execute(session, {"PING"});
  EXPECT_TRUE(session.close_now);
  EXPECT_LT(session.output.size(), 70'000u);
}

TEST_F(DurabilityTest, ATransactionHasALimit) {
  Session& session = connect();
  run(session, {"MULTI"});
  const std::string large(100 << 20, 'x');
  std::string reply;
  for (int i = 0; i < 11; ++i) reply = run(session, {"SET", "k", large});
  EXPECT_EQ(reply, "-ERR the transaction is larger than 1 GiB\r\n");
  EXPECT_TRUE(session.queued.empty());
  EXPECT_THAT(run(session, {"EXEC"}), testing::StartsWith("-EXECABORT "));
}

TEST_F(DurabilityTest, SnapshotsAreTakenByTheLengthOfTheLogAndRetireIt) {
  set_option("snapshot-wal-size", "100000");
  set_option("snapshot-interval", "0");
  for (int i = 0; i < 300; ++i) run({"SET", "k", std::string(1000, 'x')});
  EXPECT_FALSE(node->persistence().snapshot_in_progress());
  advance_ms(1100);
  node->tick();
  finish_snapshot();
  EXPECT_EQ(node->persistence().figures().snapshots_taken, 1u);
}

TEST_F(DurabilityTest, SnapshotsAreTakenByAgeOnlyIfAnythingChanged) {
  set_option("snapshot-interval", "60");
  run({"SET", "k", "v"});
  advance_ms(61'000);
  node->tick();
  finish_snapshot();
  EXPECT_EQ(node->persistence().figures().snapshots_taken, 1u);
  advance_ms(61'000);
  node->tick();
  finish_snapshot();
  EXPECT_EQ(node->persistence().figures().snapshots_taken, 1u);
}

TEST_F(DurabilityTest, ACleanStopSyncsWhatIsQueuedAndExitsWithZero) {
  set_option("fsync", "never");
  Session& session = connect();
  execute(session, {"SET", "k", "v"});
  node->shut_down(false, false);
  for (int i = 0; i < 10 && host.exit_code < 0; ++i) {
    settle();
    node->tick();
  }
  EXPECT_EQ(host.exit_code, 0);
  EXPECT_EQ(take(session), "+OK\r\n");
  std::mt19937_64 random(1);
  host.disk.power_cut(random);
  restart();
  EXPECT_EQ(run({"GET", "k"}), "$1\r\nv\r\n");
}

TEST_F(DurabilityTest, WritesWaitWhileTooMuchIsUncommitted) {
  set_option("max-uncommitted-bytes", "1mb");
  Session& session = connect();
  EXPECT_EQ(execute(session, {"SET", "k", std::string(2'000'000, 'x')}), Execution::kDone);
  EXPECT_EQ(execute(session, {"SET", "k", "y"}), Execution::kComeAgain);
  EXPECT_TRUE(session.postponed);
  settle();
  EXPECT_FALSE(session.postponed);
  EXPECT_EQ(execute(session, {"SET", "k", "y"}), Execution::kDone);
}

TEST_F(DurabilityTest, ALoneNodeWhoseLogHasVanishedRefusesToStart) {
  run({"SET", "k", "v"});
  node.reset();
  host.drop_jobs();
  const auto names = host.disk.list("./data");
  for (const std::string& name : *names) {
    if (name.starts_with("segment-")) {
      ASSERT_TRUE(host.disk.remove("./data/" + name).ok());
    }
  }
  node = std::make_unique<Node>(options, host);
  ASSERT_TRUE(node->start().ok());
  settle();
  EXPECT_FALSE(node->loaded());
  EXPECT_EQ(host.exit_code, 1);
  EXPECT_THAT(host.log_lines,
              testing::Contains(HasSubstr("./data was used before and holds no log")));
}

TEST_F(DurabilityTest, AFirstSegmentThatHasNotBegunIsNoVanishedLog) {
  node.reset();
  host.drop_jobs();
  const std::string segment = "./data/segment-0000000001.wal";
  ASSERT_TRUE(host.disk.remove(segment).ok());
  ASSERT_TRUE(host.disk.open(segment, storage::OpenMode::kCreate).ok());
  open();
  EXPECT_EQ(run({"SET", "k", "v"}), "+OK\r\n");
}

TEST_F(DurabilityTest, StampsNeverGoBackThoughTheClockDoes) {
  run({"SET", "a", "1"});
  const storage::Stamp first = node->keyspace().find(0, "a")->stamp();
  host.wall_now_us -= 3'600'000'000;
  run({"SET", "a", "2"});
  const storage::Stamp second = node->keyspace().find(0, "a")->stamp();
  EXPECT_GT(second, first);
  restart();
  run({"SET", "a", "3"});
  EXPECT_GT(node->keyspace().find(0, "a")->stamp(), second);
}

}  // namespace
}  // namespace kvorum::server
