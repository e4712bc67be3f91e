// A disk that is full, that fails, or that no longer syncs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/integration/server_process.h"
#include "tests/integration/write_load.h"

namespace kvorum::integration {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kConnections = 3;

class DiskFailureTest : public ::testing::Test {
 protected:
  void expect_nothing_lost_and_a_restart() {
    EXPECT_EQ(load_.check(server_.port()), "") << server_.log();
    EXPECT_EQ(server_.stop(SIGTERM), (Exit{0, 0})) << server_.log();
    ASSERT_TRUE(server_.start()) << server_.log() << server_.error();
    EXPECT_EQ(load_.check(server_.port()), "") << server_.log();
    EXPECT_EQ(server_.ask({"SET", "after", "restart"}), "OK");
  }

  void wait_until_writes_are_refused() {
    EXPECT_TRUE(eventually([this] { return load_.refused() > 0; })) << server_.log();
    EXPECT_TRUE(eventually([this] { return load_.answered() > 500; })) << server_.log();
  }

  // Recovered: a write is taken again. The key is gone afterwards, for DBSIZE's sake.
  void wait_until_writes_are_taken() {
    EXPECT_TRUE(eventually([this] {
      return server_.ask({"SET", "room", "1"}) == "OK";
    })) << server_.log();
    EXPECT_EQ(server_.ask({"DEL", "room"}), "1");
  }

  // The process ends by itself, says why, and the next start has what was acknowledged.
  void expect_the_end(const std::string& fail_point, const std::string& message) {
    ASSERT_TRUE(server_.start({}, fail_point)) << server_.log() << server_.error();
    load_.start(server_.port(), 1'000'000);
    const Exit exit = server_.exit();
    load_.join();
    EXPECT_EQ(exit, (Exit{1, 0})) << server_.log();
    EXPECT_THAT(server_.log(), HasSubstr(message));
    EXPECT_THAT(server_.log(),
                HasSubstr("the log cannot be written, nothing more can be promised"));
    EXPECT_GT(load_.answered(), 0U);
    ASSERT_TRUE(server_.start()) << server_.log() << server_.error();
    EXPECT_EQ(load_.check(server_.port()), "") << fail_point << "\n" << server_.log();
    EXPECT_EQ(server_.stop(SIGTERM), (Exit{0, 0}));
  }

  ServerProcess server_{{"--segment-size", "65536"}};
  WriteLoad load_{kConnections, 11};
};

TEST_F(DiskFailureTest, WritesAreRefusedWhileTheDiskIsFullAndTakenWhenThereIsRoom) {
  ASSERT_TRUE(server_.start({}, "wal.write:after:20:times:4=enospc"));
  load_.start(server_.port(), 1'000'000);
  wait_until_writes_are_refused();
  EXPECT_THAT(server_.log(), HasSubstr("disk full: records above lsn"));
  wait_until_writes_are_taken();
  load_.stop();
  load_.join();
  expect_nothing_lost_and_a_restart();
}

TEST_F(DiskFailureTest, ReadsGoOnWhileTheDiskIsFull) {
  ASSERT_TRUE(server_.start({}, "wal.write:after:5:times:always=enospc"));
  const std::unique_ptr<Client> client = server_.connect();
  std::string last = "OK";
  long long kept = 0;
  while ((last = client->ask({"INCR", "counter"})) == std::to_string(kept + 1)) ++kept;
  EXPECT_THAT(last, StartsWith("-MISCONF"));
  EXPECT_EQ(client->ask({"GET", "counter"}), kept == 0 ? "(nil)" : std::to_string(kept));
  EXPECT_THAT(client->ask({"SET", "a", "1"}), StartsWith("-MISCONF"));
  EXPECT_EQ(client->ask({"MULTI"}), "OK");
  EXPECT_THAT(client->ask({"SET", "a", "1"}), StartsWith("-MISCONF"));
  EXPECT_THAT(client->ask({"EXEC"}), StartsWith("-EXECABORT"));
  EXPECT_EQ(client->ask({"EXISTS", "a"}), "0");
  EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
  ASSERT_TRUE(server_.start()) << server_.log() << server_.error();
  EXPECT_EQ(server_.ask({"GET", "counter"}), std::to_string(kept));
}

TEST_F(DiskFailureTest, NothingIsLostWhenEveryKindOfCallMeetsAFullDisk) {
  for (const char* fail_point :
       {"wal.create:after:3:times:2=enospc", "wal.write:after:9=enospc;wal.write:after:11=enospc",
        "wal.rename:after:1=enospc", "snapshot.create:times:2=enospc",
        "snapshot.write:after:1:times:3=enospc", "snapshot.rename=enospc"}) {
    SCOPED_TRACE(fail_point);
    ASSERT_TRUE(server_.start({}, fail_point)) << server_.log() << server_.error();
    load_.start(server_.port(), 3000);
    load_.join();
    wait_until_writes_are_taken();
    EXPECT_EQ(load_.check(server_.port()), "") << server_.log();
    EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
  }
  ASSERT_TRUE(server_.start()) << server_.log() << server_.error();
  EXPECT_EQ(load_.check(server_.port()), "") << server_.log();
}

// On a file system that is really full, where this user may mount one; else on fail points.
TEST_F(DiskFailureTest, AFileSystemThatFillsUpLosesNothing) {
  std::filesystem::create_directory(server_.data_directory());
  const bool mounted =
      ::mount("tmpfs", server_.data_directory().c_str(), "tmpfs", 0, "size=3m") == 0;
  // Born first: somebody else's file may not lie in an empty directory.
  ASSERT_TRUE(server_.start({}, "")) << server_.log() << server_.error();
  EXPECT_EQ(server_.stop(SIGTERM), (Exit{0, 0}));
  const std::string ballast = server_.data_directory() + "/ballast";
  if (mounted) std::ofstream(ballast) << std::string(2'000'000, 'x');
  ASSERT_TRUE(server_.start({}, mounted ? "" : "wal.write:after:30:times:3=enospc"));
  load_.start(server_.port(), 1'000'000);
  wait_until_writes_are_refused();
  if (mounted) std::filesystem::remove(ballast);
  wait_until_writes_are_taken();
  load_.stop();
  load_.join();
  expect_nothing_lost_and_a_restart();
  server_.stop(SIGKILL);
  EXPECT_EQ(::umount2(server_.data_directory().c_str(), MNT_DETACH), mounted ? 0 : -1);
}

TEST_F(DiskFailureTest, AFailedWriteEndsTheProcess) {
  ASSERT_NO_FATAL_FAILURE(expect_the_end("wal.write:after:25=eio", "write of"));
  ASSERT_NO_FATAL_FAILURE(expect_the_end("wal.write:after:3=eio", "write of"));
}

TEST_F(DiskFailureTest, AFailedSyncEndsTheProcess) {
  ASSERT_NO_FATAL_FAILURE(expect_the_end("wal.sync:after:40=eio", "sync of"));
  ASSERT_NO_FATAL_FAILURE(expect_the_end("wal.sync:after:4=eio", "sync of"));
  ASSERT_NO_FATAL_FAILURE(expect_the_end("wal.sync:after:4=enospc", "sync of"));
}

TEST_F(DiskFailureTest, AFailedSnapshotIsReportedAndTheServerGoesOn) {
  ASSERT_TRUE(server_.start({}, "snapshot.sync=eio")) << server_.log();
  EXPECT_EQ(server_.ask({"SET", "a", "1"}), "OK");
  EXPECT_THAT(server_.ask({"SAVE"}), StartsWith("-ERR the snapshot could not be written"));
  EXPECT_THAT(server_.ask({"INFO", "persistence"}), HasSubstr("rdb_last_bgsave_status:err"));
  EXPECT_EQ(server_.ask({"SET", "a", "2"}), "OK");
  EXPECT_EQ(server_.ask({"SAVE"}), "OK");
  EXPECT_THAT(server_.ask({"INFO", "persistence"}), HasSubstr("rdb_last_bgsave_status:ok"));
  EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
  ASSERT_TRUE(server_.start()) << server_.log();
  EXPECT_EQ(server_.ask({"GET", "a"}), "2");
}

TEST_F(DiskFailureTest, AStartThatCannotReadOrWriteSaysWhy) {
  for (const char* fail_point : {"identity.write=enospc", "identity.sync=eio", "wal.create=enospc",
                                 "wal.sync=eio", "directory.list=eio"}) {
    SCOPED_TRACE(fail_point);
    EXPECT_FALSE(server_.start({}, fail_point));
    EXPECT_EQ(server_.exit(), (Exit{1, 0}));
    EXPECT_THAT(server_.log() + server_.error(), HasSubstr("fail point: "));
  }
  ASSERT_TRUE(server_.start()) << server_.log() << server_.error();
}

}  // namespace
}  // namespace kvorum::integration
