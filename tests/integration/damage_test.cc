// A log that was cut short or damaged on disk: a start has a prefix of what was written, or refuses
// and names the file; it never serves anything else. kvorum-wal says the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "tests/integration/server_process.h"

namespace kvorum::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int kWrites = 40;

class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start()) << server_.error();
    const std::unique_ptr<Client> client = server_.connect();
    for (int i = 1; i <= kWrites; ++i) {
      ASSERT_EQ(client->ask({"MSET", "a", std::to_string(i), "b", std::to_string(i)}), "OK");
    }
    EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
    std::filesystem::copy(server_.data_directory(), original(), kRecursive);
    segment_ = read_file(segment_path());
    // Without the zeros that the file has grown by ahead of its frames.
    constexpr size_t kSectorBytes = 512;
    segment_.resize((segment_.find_last_not_of('\0') / kSectorBytes + 1) * kSectorBytes);
  }

  static constexpr auto kRecursive = std::filesystem::copy_options::recursive;
  std::string original() const { return server_.root() + "/original"; }
  std::string segment_path() const { return server_.data_directory() + "/segment-0000000001.wal"; }

  void restore_with(const std::string& segment) {
    std::filesystem::remove_all(server_.data_directory());
    std::filesystem::copy(original(), server_.data_directory(), kRecursive);
    std::ofstream(segment_path(), std::ios::binary) << segment;
  }

  // Writes that a start found; nothing if it refused, which has to be well said.
  std::optional<int> writes_found() {
    const Outcome verified = run_program({KVORUM_WAL, "verify", server_.data_directory()});
    if (!server_.start()) {
      EXPECT_EQ(server_.exit(), (Exit{1, 0}));
      const std::string said = server_.log() + server_.error();
      EXPECT_THAT(said, AllOf(HasSubstr(segment_path()), HasSubstr("offset ")));
      EXPECT_EQ(verified.exit, (Exit{1, 0})) << verified.output << said;
      EXPECT_THAT(verified.output + verified.error, HasSubstr(segment_path()));
      return std::nullopt;
    }
    EXPECT_EQ(verified.exit, (Exit{0, 0})) << verified.output << verified.error << server_.log();
    const std::string a = server_.ask({"GET", "a"});
    EXPECT_EQ(server_.ask({"GET", "b"}), a);
    EXPECT_EQ(server_.ask({"SET", "after", "1"}), "OK");
    EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
    return a == "(nil)" ? 0 : std::stoi(a);
  }

  ServerProcess server_;
  std::string segment_;
};

TEST_F(DamageTest, ATruncatedLogIsServedUpToACompleteWrite) {
  std::mt19937_64 random(5);
  int before = kWrites + 1;
  for (size_t size = segment_.size(); size > 2000; size -= std::min(size, 1500 + random() % 1500)) {
    SCOPED_TRACE(size);
    restore_with(segment_.substr(0, size));
    const std::optional<int> found = writes_found();
    ASSERT_TRUE(found.has_value()) << server_.log() << server_.error();
    EXPECT_LE(*found, before);
    before = *found;
  }
  EXPECT_LT(before, 10);
}

TEST_F(DamageTest, AFlippedBitGivesAPrefixOrARefusal) {
  std::mt19937_64 random(6);
  int refused = 0;
  for (int i = 0; i < 25; ++i) {
    const size_t at = random() % segment_.size();
    SCOPED_TRACE(at);
    std::string damaged = segment_;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
    restore_with(damaged);
    const std::optional<int> found = writes_found();
    refused += found.has_value() ? 0 : 1;
    EXPECT_LE(found.value_or(0), kWrites);
  }
  EXPECT_GT(refused, 0);
}

TEST_F(DamageTest, DamageBelowWhatWasSyncedIsRefusedNotCutOff) {
  std::string damaged = segment_;
  damaged[segment_.size() / 3] = static_cast<char>(damaged[segment_.size() / 3] ^ 0x7f);
  restore_with(damaged);
  EXPECT_EQ(writes_found(), std::nullopt);
  EXPECT_EQ(read_file(segment_path()), damaged) << "a refused start changes nothing";
}

TEST_F(DamageTest, AMissingFirstSegmentIsRefused) {
  ASSERT_TRUE(server_.start()) << server_.log();  // begins a second one
  EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
  std::filesystem::remove(segment_path());
  ASSERT_FALSE(server_.start());
  EXPECT_EQ(server_.exit(), (Exit{1, 0}));
  EXPECT_THAT(server_.log() + server_.error(), HasSubstr("older segments are missing"));
}

TEST_F(DamageTest, DumpShowsTheWrites) {
  const Outcome dump = run_program({KVORUM_WAL, "dump", server_.data_directory()});
  EXPECT_EQ(dump.exit, (Exit{0, 0})) << dump.error;
  EXPECT_THAT(dump.output, HasSubstr("set db 0 \"a\" = \"40\""));
}

}  // namespace
}  // namespace kvorum::integration
