// Backups and point-in-time restores of real servers, one alone and three together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/wait.h"

namespace kvorum::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kKeys = 200;

std::string key(int i) { return base::concat("key", i); }

Outcome kvorum_wal(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), KVORUM_WAL);
  return run_program(arguments);
}

// Every file of a directory, with its contents.
std::map<std::string, std::string> contents(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    files[file.path().filename()] = read_file(file.path());
  }
  return files;
}

// Unix time of the server in ms. It has passed when this returns: what is written from now on has a
// later one.
uint64_t a_moment(const ServerProcess& server) {
  const auto now = [&server] {
    const std::unique_ptr<Client> client = server.connect();
    const auto time = client->command({"TIME"});
    const auto part = [&time](size_t i) {
      return base::parse_integer<uint64_t>(time->elements.at(i).text).value();
    };
    return part(0) * 1000 + part(1) / 1000;
  };
  const uint64_t moment = now();
  EXPECT_TRUE(eventually([&] { return now() > moment; }));
  return moment;
}

void write_keys(const ServerProcess& server, int from, int to) {
  const std::unique_ptr<Client> client = server.connect();
  for (int i = from; i < to; ++i) ASSERT_EQ(client->ask({"SET", key(i), std::to_string(i)}), "OK");
}

void delete_half(const ServerProcess& server) {
  const std::unique_ptr<Client> client = server.connect();
  for (int i = 0; i < kKeys; i += 2) ASSERT_EQ(client->ask({"DEL", key(i)}), "1");
}

void expect_all_keys(const ServerProcess& server) {
  const std::unique_ptr<Client> client = server.connect();
  ASSERT_NE(client, nullptr);
  for (int i = 0; i < kKeys; ++i) EXPECT_EQ(client->ask({"GET", key(i)}), std::to_string(i));
}

class RestoreTest : public ::testing::Test {
 protected:
  ServerProcess server_;
  ServerProcess restored_;
};

TEST_F(RestoreTest, KeysDeletedByMistakeAreThereJustBefore) {
  ASSERT_TRUE(server_.start({"--keep-bytes", "1gb"})) << server_.error();
  write_keys(server_, 0, kKeys / 2);
  ASSERT_EQ(server_.ask({"SAVE"}), "OK");
  write_keys(server_, kKeys / 2, kKeys);
  const uint64_t before = a_moment(server_);
  delete_half(server_);
  // A snapshot after the mistake is no help, and no harm.
  ASSERT_EQ(server_.ask({"SAVE"}), "OK");
  EXPECT_EQ(server_.ask({"DBSIZE"}), std::to_string(kKeys / 2));
  ASSERT_EQ(server_.stop(SIGTERM), (Exit{0, 0}));

  const auto files = contents(server_.data_directory());
  const Outcome outcome =
      kvorum_wal({"restore", "--from", server_.data_directory(), "--to", restored_.data_directory(),
                  "--until", std::to_string(before)});
  EXPECT_EQ(outcome.exit, (Exit{0, 0})) << outcome.error;
  EXPECT_THAT(outcome.output, HasSubstr(base::concat(": ", kKeys, " keys, from the snapshot of")));
  EXPECT_EQ(contents(server_.data_directory()), files) << "what is restored from stays as it is";

  ASSERT_TRUE(restored_.start()) << restored_.error() << restored_.log();
  expect_all_keys(restored_);
  EXPECT_EQ(restored_.ask({"SET", "later", "1"}), "OK");
  restored_.stop(SIGKILL);
  ASSERT_TRUE(restored_.start()) << restored_.error() << restored_.log();
  expect_all_keys(restored_);
  EXPECT_EQ(restored_.ask({"GET", "later"}), "1");
  EXPECT_EQ(restored_.ask({"DBSIZE"}), std::to_string(kKeys + 1));
}

TEST_F(RestoreTest, ALogFromItsBeginningNeedsNoSnapshotAndNoStoppedServer) {
  ASSERT_TRUE(server_.start()) << server_.error();
  write_keys(server_, 0, kKeys);
  const uint64_t before = a_moment(server_);
  ASSERT_EQ(server_.ask({"FLUSHALL"}), "OK");
  const Outcome outcome =
      kvorum_wal({"--json", "restore", "--from", server_.data_directory(), "--to",
                  restored_.data_directory(), "--until", std::to_string(before)});
  EXPECT_EQ(outcome.exit, (Exit{0, 0})) << outcome.error;
  EXPECT_THAT(outcome.output, HasSubstr(base::concat("\"keys\":", kKeys)));
  EXPECT_THAT(outcome.output, HasSubstr("\"snapshot_lsn\":0,"));
  ASSERT_TRUE(restored_.start()) << restored_.error() << restored_.log();
  expect_all_keys(restored_);
  EXPECT_EQ(server_.ask({"DBSIZE"}), "0");
}

TEST_F(RestoreTest, ABackupIsWholeThoughWritesGoOn) {
  ASSERT_TRUE(server_.start()) << server_.error();
  write_keys(server_, 0, kKeys);
  // Two keys change together: in a backup they are equal.
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> rounds = 0;
  std::thread writer([&] {
    const std::unique_ptr<Client> client = server_.connect();
    while (!stop) {
      const std::string value = std::to_string(++rounds);
      client->ask({"MSET", "one", value, "other", value});
    }
  });
  ASSERT_TRUE(eventually([&] { return rounds > 100; }));
  const uint64_t answered = rounds - 1;
  const std::string backup = server_.root() + "/backup";
  EXPECT_EQ(server_.ask({"BACKUP", backup}), "OK");
  stop = true;
  writer.join();
  EXPECT_THAT(server_.ask({"BACKUP", backup}), HasSubstr("-ERR " + backup + ": exists"));
  EXPECT_THAT(server_.ask({"BACKUP", "backup"}), HasSubstr("-ERR BACKUP needs an absolute path"));
  EXPECT_EQ(kvorum_wal({"verify", backup}).exit, (Exit{0, 0}));

  std::filesystem::copy(backup, restored_.data_directory());
  ASSERT_TRUE(restored_.start({"--id", "7"})) << restored_.error() << restored_.log();
  expect_all_keys(restored_);
  const std::string one = restored_.ask({"GET", "one"});
  EXPECT_EQ(restored_.ask({"GET", "other"}), one);
  EXPECT_GE(base::parse_integer<uint64_t>(one).value_or(0), answered);
}

TEST_F(RestoreTest, ABackupWithoutItsEndIsTakenForNothing) {
  ASSERT_TRUE(server_.start()) << server_.error();
  write_keys(server_, 0, 10);
  const std::string backup = server_.root() + "/backup";
  ASSERT_EQ(server_.ask({"BACKUP", backup}), "OK");
  // The identity is written last.
  std::filesystem::remove(backup + "/identity");
  std::filesystem::copy(backup, restored_.data_directory());
  EXPECT_FALSE(restored_.start());
  EXPECT_THAT(restored_.error(), HasSubstr("not a kvorum data directory"));
  EXPECT_EQ(kvorum_wal({"restore", "--from", backup, "--to", server_.root() + "/new"}).exit,
            (Exit{2, 0}));
  EXPECT_FALSE(std::filesystem::exists(server_.root() + "/new"));
}

class RestoreClusterTest : public ClusterFixture {
 protected:
  void stop_all(int signal) {
    for (int i = 1; i <= cluster_->size(); ++i) {
      if (cluster_->runs(i)) cluster_->node(i).stop(signal);
    }
  }
  void expect_voters(const std::string& voters) {
    EXPECT_TRUE(eventually([&] {
      const int leader = cluster_->leader();
      return leader != 0 && cluster_->info(leader, "quorum", "voters") == voters;
    })) << cluster_->logs();
  }
  std::string directory(int node) { return cluster_->node(node).data_directory(); }
};

TEST_F(RestoreClusterTest, AWholeClusterGoesBackToAPoint) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  write_keys(cluster_->node(1), 0, kKeys);
  const uint64_t before = a_moment(cluster_->node(1));
  delete_half(cluster_->node(3));
  expect_equal_keyspaces();
  stop_all(SIGKILL);
  const Outcome diff = kvorum_wal({"diff", directory(1), directory(3)});
  EXPECT_EQ(diff.exit, (Exit{0, 0})) << diff.output << diff.error;
  EXPECT_THAT(diff.output, HasSubstr("\ncommitted records: no difference\n"));

  const std::string kept = cluster_->node(2).root() + "/kept";
  std::filesystem::rename(directory(2), kept);
  for (int i = 1; i <= 3; ++i) cluster_->node(i).wipe();
  // What node 2 had is restored on node 3.
  const Outcome outcome = kvorum_wal(
      {"restore", "--from", kept, "--to", directory(3), "--until", std::to_string(before)});
  ASSERT_EQ(outcome.exit, (Exit{0, 0})) << outcome.error;
  ASSERT_TRUE(cluster_->start()) << cluster_->logs();
  expect_voters("3");
  expect_equal_keyspaces();
  for (int i = 1; i <= 3; ++i) expect_all_keys(cluster_->node(i));

  // It is a cluster as any other: the founder may go.
  cluster_->kill(3);
  ASSERT_NE(cluster_->wait_for_leader(), 0) << cluster_->logs();
  expect_all_keys(cluster_->node(1));
  ASSERT_TRUE(cluster_->start(3)) << cluster_->logs();
  expect_equal_keyspaces();
}

TEST_F(RestoreClusterTest, ARestoredDirectoryFoundsNothingBesideALivingCluster) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  write_keys(cluster_->node(1), 0, kKeys);
  const std::string backup = cluster_->node(1).root() + "/backup";
  ASSERT_EQ(cluster_->ask(1, {"BACKUP", backup}), "OK");
  cluster_->kill(1);
  cluster_->node(1).wipe();
  ASSERT_EQ(kvorum_wal({"restore", "--from", backup, "--to", directory(1)}).exit, (Exit{0, 0}));
  cluster_->node(1).launch();
  ASSERT_TRUE(eventually([&] {
    return cluster_->ask(1, {"SET", "a", "1"}).starts_with("-CLUSTERDOWN The cluster is forming");
  })) << cluster_->logs();
  ASSERT_TRUE(eventually([&] {
    return cluster_->node(2).log().find("cluster incarnation") != std::string::npos;
  })) << cluster_->logs();
  ASSERT_NE(cluster_->wait_for_leader(), 0) << cluster_->logs();
  EXPECT_THAT(cluster_->node(1).log(), Not(HasSubstr("the cluster is born")));
  // With an empty directory it is let in.
  cluster_->kill(1);
  cluster_->node(1).wipe();
  ASSERT_TRUE(cluster_->start(1)) << cluster_->logs();
  expect_equal_keyspaces();
}

TEST_F(RestoreClusterTest, OneNodeIsRestoredFromABackupAndLearnsTheRest) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  write_keys(cluster_->node(1), 0, kKeys / 2);
  const int leader = cluster_->leader();
  const int lost = 1 + leader % 3;
  const int other = 6 - leader - lost;
  const std::string backup = cluster_->node(other).root() + "/backup";
  ASSERT_TRUE(cluster_->wait_in_order(other));
  expect_equal_keyspaces();
  ASSERT_EQ(cluster_->ask(other, {"BACKUP", backup}), "OK");
  write_keys(cluster_->node(leader), kKeys / 2, kKeys);
  // The second time, too, it promises nothing that it has forgotten: each start of a copy of the
  // backup is an instance of its own.
  for (int round = 0; round < 2; ++round) {
    cluster_->kill(lost);
    cluster_->node(lost).wipe();
    std::filesystem::copy(backup, directory(lost));
    ASSERT_TRUE(cluster_->start(lost)) << cluster_->logs();
    ASSERT_TRUE(eventually([&] {
      return cluster_->node(lost).log().find("loaded: 101 keys") != std::string::npos;
    })) << cluster_->logs();
    expect_voters("3");
    expect_equal_keyspaces();
    expect_all_keys(cluster_->node(lost));
  }
}

TEST_F(RestoreClusterTest, AnOldCopyOfANodesDirectoryComesBackAsALearner) {
  ASSERT_NO_FATAL_FAILURE(start_cluster(3, kSteady));
  write_keys(cluster_->node(1), 0, kKeys / 2);
  const int leader = cluster_->leader();
  const int lost = 1 + leader % 3;
  expect_equal_keyspaces();
  cluster_->node(lost).stop(SIGTERM);
  const std::string copy = cluster_->node(lost).root() + "/copy";
  std::filesystem::rename(directory(lost), copy);
  write_keys(cluster_->node(leader), kKeys / 2, kKeys);
  const Outcome outcome =
      kvorum_wal({"restore", "--from", copy, "--to", directory(lost), "--rejoin"});
  ASSERT_EQ(outcome.exit, (Exit{0, 0})) << outcome.error;
  ASSERT_TRUE(cluster_->start(lost)) << cluster_->logs();
  expect_voters("3");
  expect_equal_keyspaces();
  expect_all_keys(cluster_->node(lost));
}

}  // namespace
}  // namespace kvorum::integration
