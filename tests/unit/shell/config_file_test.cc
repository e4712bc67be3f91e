#include "server/shell/config_file.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "base/text.h"

namespace kvorum::server {
namespace {

std::string error_of(std::string_view text) {
  OptionTable options;
  const absl::Status status = read_config(text, "node.toml", options);
  return std::string(base::view(status.message()));
}

TEST(ConfigFileTest, EverySectionIsRead) {
  OptionTable options;
  const absl::Status status = read_config(
      "[node]\nport = 7000\nbind = [\"127.0.0.1\", \"::1\"]\nprotected-mode = false\n"
      "maxmemory = \"1gb\"\n[wal]\nfsync = \"everysec\"\nsegment-size = 1048576\n"
      "[log]\nlog-level = \"debug\"\n",
      "node.toml", options);
  ASSERT_TRUE(status.ok()) << base::view(status.message());
  EXPECT_EQ(options.values().port, 7000);
  EXPECT_EQ(options.values().bind, (std::vector<std::string>{"127.0.0.1", "::1"}));
  EXPECT_FALSE(options.values().protected_mode);
  EXPECT_EQ(options.values().maxmemory, 1u << 30);
  EXPECT_EQ(options.values().fsync, storage::FsyncPolicy::kEverySecond);
  EXPECT_EQ(options.values().segment_size, 1048576u);
  EXPECT_EQ(options.values().log_level, "debug");
}

TEST(ConfigFileTest, TheClusterSectionHasItsOwnIdAndSecret) {
  OptionTable options;
  const absl::Status status = read_config(
      "[node]\nid = 2\n[cluster]\nid = \"demo\"\nsecret = \"s\"\n"
      "peers = [\"1=127.0.0.1:7000\", \"2=127.0.0.1:7001\"]\nwrite-quorum = 2\n"
      "write-timeout-ms = 100\n",
      "node.toml", options);
  ASSERT_TRUE(status.ok()) << base::view(status.message());
  EXPECT_EQ(options.values().id, 2);
  EXPECT_EQ(options.values().cluster_id, "demo");
  EXPECT_EQ(options.values().cluster_secret, "s");
  EXPECT_EQ(options.values().peers,
            (std::vector<std::string>{"1=127.0.0.1:7000", "2=127.0.0.1:7001"}));
  EXPECT_EQ(options.values().write_quorum, "2");
  EXPECT_EQ(options.values().write_timeout_ms, 100);
  EXPECT_EQ(options.origin(*OptionTable::find("write-quorum")), "node.toml:7");
}

TEST(ConfigFileTest, ANameOfTheCommandLineIsToldItsKeyOfTheFile) {
  EXPECT_EQ(error_of("[cluster]\ncluster-id = \"demo\"\n"),
            "node.toml:2: unknown key 'cluster-id' in [cluster]; did you mean 'id' in [cluster]?");
}

TEST(ConfigFileTest, AnUnknownKeyIsNamedWithItsLineAndTheNearestOne) {
  EXPECT_EQ(error_of("[node]\n\nprot = 7000\n"),
            "node.toml:3: unknown key 'prot' in [node]; did you mean 'port' in [node]?");
}

TEST(ConfigFileTest, AWrongTypeIsNamedWithItsLine) {
  EXPECT_EQ(error_of("[node]\nport = \"seven\"\n"), "node.toml:2: 'port' must be an integer");
  EXPECT_EQ(error_of("[node]\nprotected-mode = 1\n"),
            "node.toml:2: 'protected-mode' must be true or false");
  EXPECT_EQ(error_of("[node]\nbind = [1]\n"), "node.toml:2: 'bind' must be a list of strings");
}

TEST(ConfigFileTest, ABadValueIsNamedWithItsLineAndTheLimits) {
  EXPECT_EQ(error_of("[node]\nport = 70000\n"),
            "node.toml:2: 'port': argument must be between 0 and 65535 inclusive");
}

TEST(ConfigFileTest, AKeyInTheWrongSectionIsToldWhereItBelongs) {
  EXPECT_EQ(error_of("[wal]\nport = 7000\n"),
            "node.toml:2: 'port' belongs in [node], not in [wal]");
}

TEST(ConfigFileTest, AnUnknownSectionListsTheKnownOnes) {
  const std::string error = error_of("[wall]\nfsync = \"always\"\n");
  EXPECT_NE(error.find("node.toml:1: unknown section [wall]"), std::string::npos) << error;
  EXPECT_NE(error.find("[wal]"), std::string::npos) << error;
}

TEST(ConfigFileTest, AKeyOutsideOfSectionsIsRefused) {
  EXPECT_NE(error_of("port = 7000\n").find("node.toml:1: 'port' stands in no section"),
            std::string::npos);
}

TEST(ConfigFileTest, BrokenTomlIsNamedWithItsLine) {
  EXPECT_TRUE(error_of("[node]\nport = \n").starts_with("node.toml:2: "));
}

TEST(ConfigFileTest, AMissingFileIsAnError) {
  OptionTable options;
  const absl::Status status = read_config_file("/nonexistent/node.toml", options);
  EXPECT_NE(base::view(status.message()).find("/nonexistent/node.toml"), std::string_view::npos);
}

TEST(ConfigFileTest, RewritingKeepsCommentsAndReplacesValuesWhereTheyStand) {
  OptionTable options;
  const std::string text = "# mine\n[node]\nport = 1 # old\nbind = [\n  \"::1\",\n]\n\n[wal]\n";
  ASSERT_TRUE(options.set(*OptionTable::find("port"), "7000").ok());
  ASSERT_TRUE(options.set(*OptionTable::find("fsync"), "never").ok());
  ASSERT_TRUE(options.set(*OptionTable::find("slowlog-max-len"), "5").ok());
  EXPECT_EQ(rewrite_config(text, options),
            "# mine\n[node]\nport = 7000\nbind = ['127.0.0.1', '-::1']\n\n[wal]\n"
            "fsync = 'never'\n[observe]\nslowlog-max-len = 5\n");
}

TEST(ConfigFileTest, RewritingKeepsTheIdsOfBothSectionsApart) {
  OptionTable options;
  const std::string text = "[cluster]\nid = \"old\"\n[node]\nid = 1\n";
  ASSERT_TRUE(options.set(*OptionTable::find("cluster-id"), "demo").ok());
  ASSERT_TRUE(options.set(*OptionTable::find("cluster-secret"), "s").ok());
  ASSERT_TRUE(options.set(*OptionTable::find("id"), "7").ok());
  EXPECT_EQ(rewrite_config(text, options),
            "[cluster]\nsecret = 's'\nid = 'demo'\n[node]\nid = 7\n");
}

TEST(ConfigFileTest, WhatIsRewrittenReadsBackAsTheSameOptions) {
  OptionTable options;
  ASSERT_TRUE(options.set(*OptionTable::find("peers"), "1=a:1,2=b:2").ok());
  ASSERT_TRUE(options.set(*OptionTable::find("write-quorum"), "2").ok());
  ASSERT_TRUE(options.set(*OptionTable::find("requirepass"), "a \"quoted\" \\ päss").ok());
  ASSERT_TRUE(options.set(*OptionTable::find("maxmemory"), "12345").ok());
  ASSERT_TRUE(options.set(*OptionTable::find("unix-socket-permissions"), "700").ok());
  ASSERT_TRUE(options.set(*OptionTable::find("protected-mode"), "no").ok());
  OptionTable again;
  const absl::Status status = read_config(rewrite_config("", options), "node.toml", again);
  ASSERT_TRUE(status.ok()) << base::view(status.message());
  for (const Option& option : OptionTable::options()) {
    EXPECT_EQ(options.get(option), again.get(option)) << option.name;
  }
}

TEST(ConfigFileTest, TheFileIsReplacedWhole) {
  const std::string path = testing::TempDir() + "/rewrite.toml";
  std::ofstream(path) << "[node]\nport = 1\n";
  OptionTable options;
  ASSERT_TRUE(options.set(*OptionTable::find("port"), "7001").ok());
  ASSERT_TRUE(rewrite_config_file(path, options).ok());
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "[node]\nport = 7001\n");
  std::remove(path.c_str());
}

}  // namespace
}  // namespace kvorum::server
