// BACKUP, and a start on what it or a restore has made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "server/node/persistence.h"
#include "storage/identity.h"
#include "storage/snapshot_reader.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

using storage::DiskOperation;
using testing::HasSubstr;
using testing::StartsWith;

class BackupTest : public NodeFixture {
 protected:
  // Ticks until the session has an answer.
  std::string answer(Session& session) {
    for (int i = 0; i < 1000; ++i) {
      node->tick();
      settle();
      node->tick();
      if (const std::string reply = take(session); !reply.empty()) return reply;
    }
    return "(none)";
  }
  std::string backup(const std::string& path = "/backup") {
    Session& session = connect();
    execute(session, {"BACKUP", path});
    return answer(session);
  }
  // The node goes on with another data directory.
  void start_on(const std::string& directory) {
    node.reset();
    host.drop_jobs();
    client = nullptr;
    ASSERT_TRUE(options.set(*OptionTable::find("data-dir"), directory).ok());
    open();
  }
  std::string last_line() const { return host.log_lines.back(); }
};

TEST_F(BackupTest, AServerStartsOnABackup) {
  for (int i = 0; i < 1000; ++i) run({"SET", "k" + std::to_string(i), "v"});
  const storage::Digest digest = node->keyspace().digest();
  EXPECT_EQ(backup(), "+OK\r\n");
  run({"FLUSHALL"});
  start_on("/backup");
  EXPECT_EQ(node->keyspace().digest(), digest);
  EXPECT_EQ(run({"SET", "k", "w"}), "+OK\r\n");
  restart();
  EXPECT_EQ(run({"GET", "k"}), "$1\r\nw\r\n");
  EXPECT_EQ(run({"GET", "k999"}), "$1\r\nv\r\n");
}

TEST_F(BackupTest, ABackupIsOfOneMomentThoughWritesGoOn) {
  for (int i = 0; i < 3000; ++i) run({"SET", "k" + std::to_string(i), "old"});
  Session& session = connect();
  execute(session, {"BACKUP", "/backup"});
  while (!node->persistence().figures().backup.in_progress) node->tick();
  settle();
  node->tick();  // the cut
  const storage::Digest digest = node->keyspace().digest();
  for (int i = 0; i < 3000; i += 3) run({"SET", "k" + std::to_string(i), "new"});
  EXPECT_EQ(answer(session), "+OK\r\n");
  start_on("/backup");
  EXPECT_EQ(node->keyspace().digest(), digest);
}

TEST_F(BackupTest, ABackupIsDurableWhenItIsAnswered) {
  run({"SET", "k", "v"});
  std::mt19937_64 random(1);
  for (int i = 0; i < 30; ++i) {
    const std::string path = "/backup" + std::to_string(i);
    EXPECT_EQ(backup(path), "+OK\r\n");
    host.disk.power_cut(random);
    ASSERT_TRUE(storage::read_identity(host.disk, path).ok());
    const auto names = storage::list_snapshots(host.disk, path);
    ASSERT_EQ(names->size(), 1u);
    ASSERT_TRUE(storage::verify_snapshot(host.disk, names->front().path).ok());
    restart();
  }
}

TEST_F(BackupTest, ABackupCutShortIsNoDataDirectory) {
  run({"SET", "k", "v"});
  std::mt19937_64 random(1);
  for (uint64_t last = 0; last < 20; ++last) {
    const std::string path = "/backup" + std::to_string(last);
    uint64_t calls = 0;
    Session& session = connect();
    execute(session, {"BACKUP", path});
    host.disk.set_fault([&](DiskOperation, const std::string& name) {
      const bool ours = name.starts_with(path);
      return ours && calls++ >= last ? absl::InternalError("the power is gone") : absl::OkStatus();
    });
    const std::string reply = answer(session);
    host.disk.set_fault(nullptr);
    host.disk.power_cut(random);
    const auto identity = storage::read_identity(host.disk, path);
    if (reply == "+OK\r\n") {
      EXPECT_TRUE(identity.ok());
    } else {
      EXPECT_THAT(reply, HasSubstr("the power is gone"));
    }
    if (identity.ok()) {
      const auto names = storage::list_snapshots(host.disk, path);
      ASSERT_EQ(names->size(), 1u) << "a directory with an identity is whole";
      EXPECT_TRUE(storage::verify_snapshot(host.disk, names->front().path).ok());
    }
    restart();
  }
}

TEST_F(BackupTest, AFullDiskIsToldAndNothingStays) {
  run({"SET", "k", std::string(200'000, 'x')});
  const uint64_t used = host.disk.used_bytes();
  host.disk.set_capacity(used + 1000);
  EXPECT_THAT(backup(), StartsWith("-ERR /backup/snapshot-"));
  EXPECT_EQ(host.disk.used_bytes(), used);
  EXPECT_TRUE(host.disk.list("/backup")->empty());
  EXPECT_FALSE(node->persistence().figures().backup.last_ok);
  // An empty directory may be used again.
  host.disk.set_capacity(used + 1'000'000);
  EXPECT_EQ(backup(), "+OK\r\n");
  EXPECT_TRUE(node->persistence().figures().backup.last_ok);
}

TEST_F(BackupTest, WhereSomethingIsAlreadyNothingIsTouched) {
  host.disk.set_contents("/backup/holiday.jpg", "x");
  EXPECT_THAT(backup(), StartsWith("-ERR /backup: exists and is not empty"));
  EXPECT_EQ(host.disk.list("/backup")->size(), 1u);
  EXPECT_THAT(backup("backup"), StartsWith("-ERR BACKUP needs an absolute path"));
}

TEST_F(BackupTest, OneAtATimeAndSnapshotsWait) {
  for (int i = 0; i < 2000; ++i) run({"SET", "k" + std::to_string(i), "v"});
  Session& one = connect();
  Session& other = connect();
  execute(one, {"BACKUP", "/one"});
  EXPECT_THAT(run(other, {"BACKUP", "/other"}), StartsWith("-ERR a backup is in progress"));
  EXPECT_THAT(run({"INFO", "persistence"}), HasSubstr("backup_in_progress:1"));
  settle();
  node->tick();
  EXPECT_THAT(run({"BGSAVE"}), StartsWith("+Background saving started"));
  EXPECT_EQ(answer(one), "+OK\r\n");
  while (node->persistence().snapshot_in_progress()) {
    node->tick();
    settle();
  }
  EXPECT_EQ(node->persistence().figures().snapshots_taken, 1u);
  EXPECT_EQ(host.disk.list("/one")->size(), 2u);
  EXPECT_THAT(run({"INFO", "persistence"}), HasSubstr("backups:1"));
}

TEST_F(BackupTest, ABackupWhoseRecordsWereUndoneIsTakenAgain) {
  run({"SET", "k", "kept"});
  set_option("snapshot-interval", "0");
  Session& session = connect();
  execute(session, {"BACKUP", "/backup"});
  settle();
  Session& writer = connect();
  execute(writer, {"SET", "k", std::string(100'000, 'x')});
  node->persistence().step();  // the cut has the write
  // Its record finds no room in the log.
  host.disk.set_fault([](DiskOperation operation, const std::string& path) {
    const bool log = path.find("segment-") != std::string::npos;
    return log && operation == DiskOperation::kWrite ? absl::ResourceExhaustedError("full")
                                                     : absl::OkStatus();
  });
  settle();
  host.disk.set_fault(nullptr);
  EXPECT_EQ(answer(session), "+OK\r\n");
  EXPECT_THAT(host.log_lines,
              testing::Contains("backup /backup: records in it were undone, begun again"));
  start_on("/backup");
  EXPECT_EQ(run({"GET", "k"}), "$4\r\nkept\r\n");
}

TEST_F(BackupTest, EveryStartOfABackupIsAnotherInstance) {
  run({"SET", "k", "v"});
  ASSERT_EQ(backup(), "+OK\r\n");
  EXPECT_EQ(storage::read_identity(host.disk, "/backup")->instance, storage::InstanceId{});
  const std::string identity = host.disk.contents("/backup/identity");
  start_on("/backup");
  const auto first = storage::read_identity(host.disk, "/backup");
  EXPECT_FALSE(first->restored);
  EXPECT_NE(first->instance, storage::InstanceId{});
  restart();
  EXPECT_EQ(storage::read_identity(host.disk, "/backup")->instance, first->instance);
  // A copy of what the backup was, started somewhere else.
  host.disk.set_contents("/copy/identity", identity);
  const auto names = storage::list_snapshots(host.disk, "/backup");
  host.disk.set_contents("/copy/snapshot-0000000000000002.kvs",
                         host.disk.contents(names->front().path));
  start_on("/copy");
  EXPECT_NE(storage::read_identity(host.disk, "/copy")->instance, first->instance);
  EXPECT_EQ(run({"GET", "k"}), "$1\r\nv\r\n");
}

TEST_F(BackupTest, AFirstStartThatIsCutShortIsBegunAgain) {
  run({"SET", "k", "v"});
  ASSERT_EQ(backup(), "+OK\r\n");
  node.reset();
  host.drop_jobs();
  client = nullptr;
  ASSERT_TRUE(options.set(*OptionTable::find("data-dir"), "/backup").ok());
  std::mt19937_64 random(1);
  for (uint64_t last = 3; last < 25; ++last) {
    uint64_t calls = 0;
    host.disk.set_fault([&](DiskOperation, const std::string&) {
      return calls++ >= last ? absl::InternalError("the power is gone") : absl::OkStatus();
    });
    node = std::make_unique<Node>(options, host);
    if (node->start().ok()) settle();
    host.disk.set_fault(nullptr);
    node.reset();
    host.drop_jobs();
    host.disk.power_cut(random);
  }
  open();
  EXPECT_EQ(run({"GET", "k"}), "$1\r\nv\r\n");
}

TEST_F(BackupTest, ABackupWithoutItsSnapshotIsRefused) {
  run({"SET", "k", "v"});
  ASSERT_EQ(backup(), "+OK\r\n");
  node.reset();
  host.drop_jobs();
  const auto names = storage::list_snapshots(host.disk, "/backup");
  ASSERT_TRUE(host.disk.remove(names->front().path).ok());
  ASSERT_TRUE(options.set(*OptionTable::find("data-dir"), "/backup").ok());
  node = std::make_unique<Node>(options, host);
  ASSERT_TRUE(node->start().ok());
  settle();
  EXPECT_EQ(host.exit_code, 1);
  EXPECT_THAT(last_line(), HasSubstr("a restored directory, and its snapshot is missing"));
}

}  // namespace
}  // namespace kvorum::server
