#include "server/node/options.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/text.h"

namespace kvorum::server {
namespace {

absl::Status set(OptionTable& table, std::string_view name, std::string_view text) {
  return table.set(*OptionTable::find(name), text);
}

std::string get(const OptionTable& table, std::string_view name) {
  return table.get(*OptionTable::find(name));
}

TEST(OptionsTest, EveryDefaultIsAValueThatSetTakes) {
  OptionTable table;
  for (const Option& option : OptionTable::options()) {
    EXPECT_TRUE(table.set(option, OptionTable::default_value(option)).ok()) << option.name;
    EXPECT_TRUE(table.is_default(option)) << option.name;
  }
}

TEST(OptionsTest, NamesAreUniqueAndDocumented) {
  std::set<std::string_view> names;
  for (const Option& option : OptionTable::options()) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    if (!option.redis_name.empty()) {
      EXPECT_TRUE(names.insert(option.redis_name).second) << option.redis_name;
    }
    EXPECT_TRUE(option.documentation.ends_with('.')) << option.name;
  }
}

TEST(OptionsTest, RedisNamesFindTheSameOption) {
  EXPECT_EQ(OptionTable::find("appendfsync"), OptionTable::find("fsync"));
  EXPECT_EQ(OptionTable::find("MAXMEMORY"), OptionTable::find("maxmemory"));
  EXPECT_EQ(OptionTable::find("no-such-option"), nullptr);
}

TEST(OptionsTest, MemoryTakesRedisUnits) {
  OptionTable table;
  ASSERT_TRUE(set(table, "maxmemory", "64mb").ok());
  EXPECT_EQ(table.values().maxmemory, 64u << 20);
  ASSERT_TRUE(set(table, "maxmemory", "1G").ok());
  EXPECT_EQ(table.values().maxmemory, 1'000'000'000u);
  EXPECT_EQ(get(table, "maxmemory"), "1000000000");
  for (const char* bad : {"", "mb", "12x", "-1", "99999999999999999999", "9999999999gb"}) {
    EXPECT_FALSE(set(table, "maxmemory", bad).ok()) << bad;
  }
  EXPECT_EQ(table.values().maxmemory, 1'000'000'000u);
}

TEST(OptionsTest, NumbersHaveLimits) {
  OptionTable table;
  EXPECT_TRUE(set(table, "port", "65535").ok());
  for (const char* bad : {"65536", "-1", "7000x", "", "seven"}) {
    EXPECT_FALSE(set(table, "port", bad).ok()) << bad;
  }
  EXPECT_EQ(table.values().port, 65535);
}

TEST(OptionsTest, FsyncTakesOurNamesAndRedisNo) {
  OptionTable table;
  EXPECT_TRUE(set(table, "appendfsync", "no").ok());
  EXPECT_EQ(table.values().fsync, storage::FsyncPolicy::kNever);
  EXPECT_EQ(get(table, "fsync"), "never");
  EXPECT_TRUE(set(table, "fsync", "everysec").ok());
  EXPECT_EQ(table.values().fsync, storage::FsyncPolicy::kEverySecond);
  const absl::Status status = set(table, "fsync", "sometimes");
  EXPECT_NE(base::view(status.message()).find("always, everysec, never"), std::string_view::npos);
}

TEST(OptionsTest, KeyspaceEventsAreKeptInTheirCanonicalForm) {
  OptionTable table;
  ASSERT_TRUE(set(table, "notify-keyspace-events", "KEg$lshzxetd").ok());
  EXPECT_EQ(get(table, "notify-keyspace-events"), "AKE");
  EXPECT_FALSE(set(table, "notify-keyspace-events", "Q").ok());
  EXPECT_EQ(get(table, "notify-keyspace-events"), "AKE");
}

TEST(OptionsTest, OctalPermissionsRoundTrip) {
  OptionTable table;
  ASSERT_TRUE(set(table, "unixsocketperm", "770").ok());
  EXPECT_EQ(table.values().unix_socket_permissions, 0770);
  EXPECT_EQ(get(table, "unixsocketperm"), "770");
  EXPECT_FALSE(set(table, "unixsocketperm", "8").ok());
}

TEST(OptionsTest, AQuorumIsAWordOrANumber) {
  OptionTable table;
  for (const char* good : {"1", "7", "majority", "all"}) {
    EXPECT_TRUE(set(table, "write-quorum", good).ok()) << good;
    EXPECT_EQ(get(table, "write-quorum"), good);
  }
  for (const char* bad : {"", "0", "-1", "most", "1x", "Majority "}) {
    EXPECT_FALSE(set(table, "write-quorum", bad).ok()) << bad;
  }
  EXPECT_EQ(get(table, "write-quorum"), "all");
}

TEST(OptionsTest, PeersAreAListWithBlanksOrCommas) {
  OptionTable table;
  ASSERT_TRUE(set(table, "peers", "1=a:1, 2=b:2 3=c:3").ok());
  EXPECT_EQ(table.values().peers, (std::vector<std::string>{"1=a:1", "2=b:2", "3=c:3"}));
}

// In the file both [node] and [cluster] have an `id`; a flag and CONFIG need one name for each.
TEST(OptionsTest, AKeyBelongsToItsSectionAndANameToAll) {
  EXPECT_EQ(OptionTable::find_key("node", "id"), OptionTable::find("id"));
  EXPECT_EQ(OptionTable::find_key("cluster", "id"), OptionTable::find("cluster-id"));
  EXPECT_EQ(OptionTable::find_key("cluster", "secret"), OptionTable::find("cluster-secret"));
  EXPECT_EQ(OptionTable::find_key("cluster", "cluster-id"), nullptr);
  EXPECT_EQ(OptionTable::find("secret"), nullptr);
}

TEST(OptionsTest, AValueKnowsWhereItCameFrom) {
  OptionTable table;
  const Option& peers = *OptionTable::find("peers");
  EXPECT_EQ(table.origin(peers), "the default");
  table.set_origin(peers, {"node.toml:3", "node.toml:4"});
  EXPECT_EQ(table.origin(peers, 0), "node.toml:3");
  EXPECT_EQ(table.origin(peers, 1), "node.toml:4");
  EXPECT_EQ(table.origin(peers, 9), "node.toml:4");
}

TEST(OptionsTest, TheNearestNameIsOffered) {
  EXPECT_EQ(OptionTable::nearest("prot"), "port");
  EXPECT_EQ(OptionTable::nearest("segmentsize"), "segment-size");
  EXPECT_EQ(OptionTable::nearest("requirepas"), "requirepass");
  EXPECT_EQ(OptionTable::nearest("secrets"), "cluster-secret");
}

}  // namespace
}  // namespace kvorum::server
