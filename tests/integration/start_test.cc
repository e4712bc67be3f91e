// What a start refuses, and how a server stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/integration/server_process.h"

namespace kvorum::integration {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

class StartTest : public ::testing::Test {
 protected:
  // A start that must fail: exit code 1, and these words on standard error.
  void expect_refusal(const std::vector<std::string>& arguments,
                      const ::testing::Matcher<std::string>& words) {
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.exit, (Exit{1, 0})) << outcome.output << outcome.error;
    EXPECT_THAT(outcome.error, words);
    EXPECT_EQ(outcome.error.substr(0, 15), "kvorum-server: ");
  }

  void write_file(const std::string& name, const std::string& text) const {
    std::ofstream(name, std::ios::binary) << text;
  }

  ServerProcess server_;
};

TEST_F(StartTest, UnknownAndBadFlagsAreRefusedWithTheNearestOption) {
  expect_refusal(server_.arguments({"--prot", "7000"}),
                 AllOf(HasSubstr("--prot"), HasSubstr("did you mean --port?")));
  expect_refusal(server_.arguments({"--port", "eighty"}), HasSubstr("--port"));
  expect_refusal(server_.arguments({"--port", "70000"}), HasSubstr("--port"));
  expect_refusal(server_.arguments({"--fsync", "sometimes"}), HasSubstr("--fsync"));
  expect_refusal(server_.arguments({"--maxclients"}), HasSubstr("--maxclients needs a value"));
  expect_refusal(server_.arguments({"stray"}), HasSubstr("unexpected argument 'stray'"));
}

TEST_F(StartTest, ABadConfigurationFileIsRefusedWithFileLineAndTheNearestKey) {
  const std::string file = server_.root() + "/node.toml";
  const auto arguments = server_.arguments({"--config", file});
  write_file(file, "[node]\n\nprot = 7000\n");
  expect_refusal(arguments, AllOf(HasSubstr(file + ":3: "), HasSubstr("'port'")));
  write_file(file, "[node]\nport = \"x\"\n");
  expect_refusal(arguments, AllOf(HasSubstr(file + ":2: "), HasSubstr("'port'")));
  write_file(file, "[wal]\nfsync = \"perhaps\"\n");
  expect_refusal(arguments, AllOf(HasSubstr(file + ":2: "), HasSubstr("always")));
  write_file(file, "[node\n");
  expect_refusal(arguments, HasSubstr(file + ":1: "));
  std::filesystem::remove(file);
  expect_refusal(arguments, AllOf(HasSubstr("cannot read"), HasSubstr(file)));
}

TEST_F(StartTest, FlagsWinOverTheConfigurationFile) {
  const std::string file = server_.root() + "/node.toml";
  write_file(file, "[node]\nport = 1\nmaxclients = 123\ntimeout = 77\n");
  ASSERT_TRUE(server_.start({"--config", file, "--timeout", "78"})) << server_.error();
  const std::unique_ptr<Client> client = server_.connect();
  EXPECT_EQ(client->command({"CONFIG", "GET", "maxclients"})->elements.at(1).text, "123");
  EXPECT_EQ(client->command({"CONFIG", "GET", "timeout"})->elements.at(1).text, "78");
}

TEST_F(StartTest, ADataDirectoryServesOneProcess) {
  ASSERT_TRUE(server_.start()) << server_.error();
  auto arguments = server_.arguments({"--port", std::to_string(free_port())});
  expect_refusal(arguments,
                 HasSubstr("another process holds the data directory " + server_.data_directory()));
  EXPECT_EQ(server_.ask({"SET", "a", "1"}), "OK");
  EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
  ASSERT_TRUE(server_.start()) << server_.error();  // the lock died with its holder
  EXPECT_EQ(server_.ask({"GET", "a"}), "1");
}

TEST_F(StartTest, AnOccupiedPortIsNamed) {
  ASSERT_TRUE(server_.start()) << server_.error();
  const auto arguments = server_.arguments({"--data-dir", server_.root() + "/other"});
  expect_refusal(arguments,
                 AllOf(HasSubstr("cannot listen on 127.0.0.1:" + std::to_string(server_.port())),
                       HasSubstr("address already in use")));
}

TEST_F(StartTest, TheDataDirectoryOfAnotherNodeIsRefused) {
  ASSERT_TRUE(server_.start({"--id", "3"})) << server_.error();
  EXPECT_EQ(server_.stop(SIGTERM), (Exit{0, 0}));
  expect_refusal(server_.arguments({"--id", "4"}), HasSubstr("belongs to node 3, this is node 4"));
  EXPECT_TRUE(server_.start({"--id", "3"})) << server_.error();
}

TEST_F(StartTest, ADataDirectoryOfANewerVersionIsRefused) {
  ASSERT_TRUE(server_.start()) << server_.error();
  EXPECT_EQ(server_.stop(SIGTERM), (Exit{0, 0}));
  const std::string file = server_.data_directory() + "/identity";
  std::string text = read_file(file);
  const size_t format = text.find("format 1");
  ASSERT_NE(format, std::string::npos);
  write_file(file, text.replace(format, 8, "format 9"));
  expect_refusal(server_.arguments(),
                 AllOf(HasSubstr(file), HasSubstr("written by a newer version (format 9")));
}

TEST_F(StartTest, ADamagedIdentityIsRefused) {
  ASSERT_TRUE(server_.start()) << server_.error();
  EXPECT_EQ(server_.stop(SIGTERM), (Exit{0, 0}));
  const std::string file = server_.data_directory() + "/identity";
  const std::string text = read_file(file);
  for (size_t at = 0; at < text.size(); at += 23) {
    std::string damaged = text;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    write_file(file, damaged);
    expect_refusal(server_.arguments(), HasSubstr(file));
  }
  write_file(file, text);
  EXPECT_TRUE(server_.start()) << server_.error();
}

TEST_F(StartTest, SomebodyElsesDirectoryIsLeftAlone) {
  std::filesystem::create_directory(server_.data_directory());
  write_file(server_.data_directory() + "/letters", "dear");
  expect_refusal(server_.arguments(), HasSubstr("not a kvorum data directory"));
  const auto begin = std::filesystem::directory_iterator(server_.data_directory());
  EXPECT_EQ(std::distance(begin, std::filesystem::directory_iterator()), 1);
}

TEST_F(StartTest, ADataDirectoryThatCannotBeMadeIsNamed) {
  write_file(server_.data_directory(), "a file in its place");
  expect_refusal(server_.arguments(), HasSubstr(server_.data_directory()));
  expect_refusal(server_.arguments({"--data-dir", server_.data_directory() + "/below"}),
                 HasSubstr(server_.data_directory()));
  expect_refusal(server_.arguments({"--data-dir", "/proc/no-such-directory"}),
                 HasSubstr("/proc/no-such-directory"));
}

TEST_F(StartTest, AFailPointThatIsNoneIsRefused) {
  EXPECT_FALSE(server_.start({}, "wal.wriet=kill"));
  EXPECT_EQ(server_.exit(), (Exit{1, 0}));
  EXPECT_THAT(server_.error(), HasSubstr("not a fail point: \"wal.wriet=kill\""));
}

TEST_F(StartTest, SigtermAnswersWhatIsUnderWayAndExitsCleanly) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ASSERT_TRUE(server_.start()) << server_.error();
    const std::unique_ptr<Client> client = server_.connect();
    EXPECT_EQ(client->ask({"SET", "kept", std::to_string(signal)}), "OK");
    EXPECT_EQ(server_.stop(signal), (Exit{0, 0})) << server_.log() << server_.error();
    EXPECT_EQ(client->ask({"PING"}), "(closed)");
    EXPECT_THAT(server_.log(), HasSubstr("stopping"));
    const Outcome verified = run_program({KVORUM_WAL, "verify", server_.data_directory()});
    EXPECT_EQ(verified.exit, (Exit{0, 0})) << verified.error;
    EXPECT_THAT(verified.output, HasSubstr("cleanly stopped"));
    ASSERT_TRUE(server_.start()) << server_.error();
    EXPECT_EQ(server_.ask({"GET", "kept"}), std::to_string(signal));
    EXPECT_EQ(server_.ask({"SHUTDOWN"}), "(closed)");
    EXPECT_EQ(server_.exit(), (Exit{0, 0}));
  }
}

TEST_F(StartTest, AUnixSocketHasItsPermissionsAndGoesWithTheServer) {
  const std::string path = server_.root() + "/socket";
  ASSERT_TRUE(server_.start({"--unix-socket", path, "--unix-socket-permissions", "700"}));
  struct stat found;
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_TRUE(S_ISSOCK(found.st_mode));
  EXPECT_EQ(found.st_mode & 0777, 0700U);
  EXPECT_EQ(Client::connect(path)->ask({"SET", "a", "1"}), "OK");
  EXPECT_EQ(server_.stop(SIGKILL), (Exit{-1, SIGKILL}));
  EXPECT_TRUE(std::filesystem::exists(path));
  ASSERT_TRUE(server_.start({"--unix-socket", path}))
      << "a dead server's socket: " << server_.error();
  EXPECT_EQ(Client::connect(path)->ask({"GET", "a"}), "1");
  EXPECT_EQ(server_.stop(SIGTERM), (Exit{0, 0}));
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace kvorum::integration
