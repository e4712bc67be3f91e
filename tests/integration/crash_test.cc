// kill -9 under a write load: at every kind of step that the storage takes on disk, and at random
// times. The same data directory goes through all rounds of a test.
//
// KVORUM_TEST_SEED replays a run's random choices; the seed is printed with a failure.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/integration/server_process.h"
#include "tests/integration/write_load.h"

namespace kvorum::integration {
namespace {

constexpr int kConnections = 4;
// Enough for dozens of segments and several snapshots; a fail point that is met ends it early.
constexpr int kOperations = 4000;
// A broken connection is seen a moment before the end of the process.
constexpr int kEndMs = 5000;
constexpr int kRoundsAtRandomTimes = 25;
constexpr uint64_t kLongestLifeMs = 400;
constexpr int kEndless = 100'000'000;

uint64_t seed() {
  const char* given = std::getenv("KVORUM_TEST_SEED");
  if (given != nullptr) return std::strtoull(given, nullptr, 10);
  std::random_device device;
  return device();
}

class CrashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RecordProperty("seed", std::to_string(seed_));
    describe("the first start");
  }

  std::string trace() const {
    return "KVORUM_TEST_SEED=" + std::to_string(seed_) + ", killed last at " + last_kill_;
  }
  void describe(const std::string& kill) { last_kill_ = kill; }

  // What the server holds is judged against what was acknowledged before the last kill. A server
  // that is killed meanwhile has to stand the check at its next start.
  void check_after_restart() {
    const std::string wrong = load_.check(server_.port());
    if (wrong == WriteLoad::kBroken && server_.process().wait(kEndMs)) return;
    ASSERT_EQ(wrong, "") << trace() << "\n" << server_.log();
  }

  // Starts, checks what the round before left, and runs the load into the fail point.
  void round(const std::string& fail_point) {
    SCOPED_TRACE(fail_point);
    if (server_.start({}, fail_point)) {
      ASSERT_NO_FATAL_FAILURE(check_after_restart());
      load_.start(server_.port(), kOperations);
      load_.join();
    }
    ASSERT_FALSE(server_.process().wait(kEndMs) == std::nullopt) << "never met: " << fail_point;
    ASSERT_EQ(server_.exit(), (Exit{-1, SIGKILL})) << server_.log() << server_.error();
    describe(fail_point);
  }

  void rounds_at_random_times(const ServerProcess::Flags& flags, int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(server_.start(flags)) << trace() << "\n" << server_.log() << server_.error();
      ASSERT_NO_FATAL_FAILURE(check_after_restart());
      load_.start(server_.port(), kEndless);
      const int life_ms = static_cast<int>(random_() % kLongestLifeMs);
      ASSERT_FALSE(server_.process().wait(life_ms)) << server_.log() << server_.error();
      EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
      load_.join();
      describe("a random time of round " + std::to_string(i));
    }
  }

  void rounds(const std::vector<std::string>& fail_points) {
    for (const std::string& fail_point : fail_points) {
      ASSERT_NO_FATAL_FAILURE(round(fail_point));
    }
    ASSERT_TRUE(server_.start()) << trace() << "\n" << server_.log() << server_.error();
    ASSERT_NO_FATAL_FAILURE(check_after_restart());
    EXPECT_EQ(server_.stop(SIGTERM), (Exit{0, 0}));
    const Outcome verified = run_program({KVORUM_WAL, "verify", server_.data_directory()});
    EXPECT_EQ(verified.exit, (Exit{0, 0})) << verified.output << verified.error;
  }

  const uint64_t seed_ = seed();
  ServerProcess server_{{"--segment-size", "65536", "--snapshot-wal-size", "262144"}};
  WriteLoad load_{kConnections, seed_};
  std::mt19937_64 random_{seed_};

 private:
  std::string last_kill_;
};

TEST_F(CrashTest, NothingAcknowledgedIsLostWhenKilledAtAWriteOrSyncOfTheLog) {
  rounds({
      "wal.write:after:200=kill",
      "wal.write=kill",
      "wal.write=kill-half",
      "wal.write=kill-after",
      "wal.write:after:1=kill-half",
      "wal.write:after:2=kill-half",
      "wal.write:after:3=kill-half",
      "wal.write:after:17=kill-half",
      "wal.write:after:90=kill-half",
      "wal.write:after:31=kill-after",
      "wal.sync=kill",
      "wal.sync:after:1=kill",
      "wal.sync:after:2=kill-after",
      "wal.sync:after:12=kill",
      "wal.sync:after:77=kill",
      "wal.sync:after:30=kill-after",
      "wal.sync:after:150=kill-after",
  });
}

TEST_F(CrashTest, NothingAcknowledgedIsLostWhenKilledAsSegmentsBeginAndRetire) {
  rounds({
      "wal.create=kill",
      "wal.create=kill-after",
      "wal.create:after:2=kill",
      "wal.create:after:2=kill-after",
      "wal.create:after:5=kill-after",
      "wal.rename=kill",
      "wal.rename=kill-after",
      "wal.rename:after:3=kill",
      "wal.rename:after:3=kill-after",
      "wal.rename:after:6=kill",
      "wal.remove=kill",
      "wal.remove=kill-after",
      "wal.remove:after:2=kill",
      "wal.open:after:1=kill",
      "wal.open:after:4=kill-after",
      "wal.read:after:1=kill",
      "wal.size:after:6=kill",
  });
}

TEST_F(CrashTest, NothingAcknowledgedIsLostWhenKilledWhileASnapshotIsWritten) {
  rounds({
      "snapshot.create=kill",
      "snapshot.create=kill-after",
      "snapshot.write=kill-half",
      "snapshot.write=kill-after",
      "snapshot.write:after:1=kill-half",
      "snapshot.write:after:2=kill",
      "snapshot.write:after:9=kill-half",
      "snapshot.sync=kill",
      "snapshot.sync=kill-after",
      "snapshot.rename=kill",
      "snapshot.rename=kill-after",
      "snapshot.rename:after:1=kill-after",
      "snapshot.remove=kill",
      "snapshot.remove=kill-after",
      "snapshot.remove:after:1=kill",
      "snapshot.remove:after:2=kill-after",
      "snapshot.open=kill",
      "snapshot.read:after:1=kill-after",
  });
}

TEST_F(CrashTest, NothingAcknowledgedIsLostWhenKilledWhileTheDirectoryIsPrepared) {
  rounds({
      "directory.create_directory=kill",
      "directory.create_directory=kill-after",
      "directory.sync_directory=kill",
      "other.lock=kill",
      "other.lock=kill-after",
      "identity.create=kill-after",
      "identity.remove=kill",
      "identity.create=kill-after",
      "identity.remove=kill-after",
      "identity.write=kill-half",
      "identity.write=kill-after",
      "identity.sync=kill",
      "identity.sync=kill-after",
      "identity.rename=kill",
      "identity.rename=kill-after",
      "directory.sync_directory=kill-after",
      "directory.sync_directory:after:1=kill",
      "directory.sync_directory:after:3=kill",
      "directory.sync_directory:after:5=kill-after",
      "directory.list:after:1=kill",
  });
}

TEST_F(CrashTest, ASecondSnapshotOfTheSameCutReplacesTheFirst) {
  ASSERT_TRUE(server_.start()) << server_.error();
  load_.start(server_.port(), 500);
  load_.join();
  for (int i = 0; i < 3; ++i) {
    // One of the load's may be under way.
    EXPECT_TRUE(eventually([this] { return server_.ask({"SAVE"}) == "OK"; }));
  }
  EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
  rounds({});
}

TEST_F(CrashTest, NothingAcknowledgedIsLostWhenKilledAtAnyCallOfAStartOrSoonAfter) {
  std::vector<std::string> fail_points;
  for (int call = 0; call < 60; ++call) {
    fail_points.push_back("any.any:after:" + std::to_string(call) + "=kill");
  }
  rounds(fail_points);
}

TEST_F(CrashTest, NothingAcknowledgedIsLostWhenKilledAtRandomTimes) {
  ASSERT_NO_FATAL_FAILURE(rounds_at_random_times({}, kRoundsAtRandomTimes));
  rounds({});
  EXPECT_GT(load_.answered(), 1000U);
}

// What was written is the kernel's: a process that is killed takes nothing with it.
TEST_F(CrashTest, NothingAcknowledgedIsLostWhenKilledWithoutSyncOnEveryWrite) {
  ASSERT_NO_FATAL_FAILURE(rounds_at_random_times({"--fsync", "everysec"}, 5));
  ASSERT_NO_FATAL_FAILURE(rounds_at_random_times({"--fsync", "never"}, 5));
  rounds({});
}

TEST_F(CrashTest, NothingAcknowledgedIsLostWhenStoppedUnderLoad) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(server_.start()) << server_.log() << server_.error();
    ASSERT_NO_FATAL_FAILURE(check_after_restart());
    const uint64_t before = load_.answered();
    load_.start(server_.port(), kEndless);
    EXPECT_TRUE(eventually([&] { return load_.answered() > before + 500; }));
    EXPECT_EQ(server_.stop(SIGTERM), (Exit{0, 0})) << server_.log();
    load_.join();
    describe("SIGTERM");
  }
  rounds({});
}

}  // namespace
}  // namespace kvorum::integration
