#include "server/shell/command_line.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/text.h"

namespace kvorum::server {
namespace {

absl::StatusOr<CommandLine> read(std::vector<std::string_view> arguments, OptionTable& options) {
  return read_command_line(arguments, options);
}

std::string error_of(std::vector<std::string_view> arguments) {
  OptionTable options;
  return std::string(base::view(read(std::move(arguments), options).status().message()));
}

TEST(CommandLineTest, BothFormsOfAFlagWork) {
  OptionTable options;
  ASSERT_TRUE(read({"--port", "7000", "--fsync=never"}, options).ok());
  EXPECT_EQ(options.values().port, 7000);
  EXPECT_EQ(options.values().fsync, storage::FsyncPolicy::kNever);
}

TEST(CommandLineTest, FlagsWinOverTheFileWhereverTheyStand) {
  const std::string path = testing::TempDir() + "/flags.toml";
  std::ofstream(path) << "[node]\nport = 1\nmaxclients = 5\n";
  OptionTable options;
  const auto command_line = read({"--port", "7000", "--config", path}, options);
  ASSERT_TRUE(command_line.ok());
  EXPECT_EQ(command_line->config_file, path);
  EXPECT_EQ(options.values().port, 7000);
  EXPECT_EQ(options.values().maxclients, 5);
  std::remove(path.c_str());
}

TEST(CommandLineTest, AnUnknownFlagOffersTheNearest) {
  EXPECT_EQ(error_of({"--prot", "7000"}), "unknown option --prot; did you mean --port?");
}

TEST(CommandLineTest, AFlagWithoutItsValueIsAnError) {
  EXPECT_EQ(error_of({"--port"}), "--port needs a value");
}

TEST(CommandLineTest, ABareWordIsAnError) {
  EXPECT_TRUE(error_of({"7000"}).starts_with("unexpected argument '7000'"));
}

TEST(CommandLineTest, ABadValueNamesTheFlag) {
  EXPECT_EQ(error_of({"--port", "x"}), "--port: argument couldn't be parsed into an integer");
}

TEST(CommandLineTest, FlagsOfAListAddUpAndReplaceTheFiles) {
  const std::string path = testing::TempDir() + "/peers.toml";
  std::ofstream(path) << "[cluster]\nid = \"demo\"\npeers = [\"1=old:1\"]\n";
  OptionTable options;
  const auto command_line =
      read({"--config", path, "--peers", "1=a:1", "--peers=2=b:2,3=c:3"}, options);
  ASSERT_TRUE(command_line.ok()) << base::view(command_line.status().message());
  EXPECT_EQ(options.values().peers, (std::vector<std::string>{"1=a:1", "2=b:2", "3=c:3"}));
  std::remove(path.c_str());
}

TEST(CommandLineTest, WhatOptionsSayTogetherIsCheckedAndTheFlagNamed) {
  EXPECT_EQ(error_of({"--id", "4", "--cluster-id", "demo", "--peers", "1=a:1,2=b:2"}),
            "--peers: this node's id, 4, is not among the peers: every node is in its own list");
  EXPECT_EQ(error_of({"--write-quorum", "2"}),
            "--write-quorum: write-quorum 2 can never be reached by 1 node");
}

TEST(CommandLineTest, WhatOptionsSayTogetherIsCheckedAndTheLineNamed) {
  const std::string path = testing::TempDir() + "/cluster.toml";
  std::ofstream(path) << "[cluster]\nid = \"demo\"\npeers = [\n  \"1=a:1\",\n  \"2=b:2\",\n"
                         "  \"2=c:3\",\n]\n";
  EXPECT_EQ(error_of({"--config", path}), path + ":6: two peers have the id 2: b:2 and c:3");
  std::remove(path.c_str());
}

TEST(CommandLineTest, HelpNamesEveryOption) {
  const std::string help = help_text();
  for (const Option& option : OptionTable::options()) {
    EXPECT_NE(help.find(base::concat("--", option.name, " ")), std::string::npos) << option.name;
  }
  OptionTable options;
  EXPECT_EQ(read({"--help"}, options)->action, CommandLine::Action::kHelp);
  EXPECT_EQ(read({"--version"}, options)->action, CommandLine::Action::kVersion);
}

}  // namespace
}  // namespace kvorum::server
