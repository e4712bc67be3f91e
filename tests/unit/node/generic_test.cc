// Commands on keys and databases: what golden replies cannot show. Those are in golden/generic.txt
// and golden/expiry.txt.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "resp/reply_reader.h"
#include "server/node/commands/dump_payload.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

class GenericCommands : public NodeFixture {
 protected:
  resp::Reply ask(const std::vector<std::string>& words) {
    resp::ReplyReader reader;
    reader.feed(run(words));
    resp::Reply reply;
    EXPECT_EQ(reader.next(reply), resp::ReplyReader::Result::kReply);
    return reply;
  }
};

TEST_F(GenericCommands, EveryKindOfChangeIsThereAfterRestart) {
  run({"MSET", "renamed", "1", "copied", "2", "moved", "3", "deleted", "4", "expiring", "5"});
  run({"RENAME", "renamed", "other"});
  run({"COPY", "copied", "copy", "DB", "1"});
  run({"MOVE", "moved", "2"});
  run({"DEL", "deleted"});
  run({"PEXPIRE", "expiring", "7000"});
  run({"SWAPDB", "2", "3"});
  run({"SELECT", "4"});
  run({"SET", "flushed", "6"});
  run({"FLUSHDB"});
  restart();
  EXPECT_EQ(run({"MGET", "other", "copied", "renamed", "moved", "deleted"}),
            "*5\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$-1\r\n$-1\r\n");
  EXPECT_EQ(run({"PTTL", "expiring"}), ":7000\r\n");
  run({"SELECT", "1"});
  EXPECT_EQ(run({"GET", "copy"}), "$1\r\n2\r\n");
  run({"SELECT", "3"});
  EXPECT_EQ(run({"GET", "moved"}), "$1\r\n3\r\n");
  run({"SELECT", "4"});
  EXPECT_EQ(run({"DBSIZE"}), ":0\r\n");
}

TEST_F(GenericCommands, ScanShowsEveryKeyOnce) {
  for (int i = 0; i < 1000; ++i) run({"SET", "key:" + std::to_string(i), "x"});
  std::set<std::string> keys;
  std::string cursor = "0";
  do {
    const resp::Reply reply = ask({"SCAN", cursor, "COUNT", "7"});
    cursor = reply.elements.at(0).text;
    for (const resp::Reply& key : reply.elements.at(1).elements) {
      EXPECT_TRUE(keys.insert(key.text).second) << key.text;
    }
  } while (cursor != "0");
  EXPECT_EQ(keys.size(), 1000u);
  EXPECT_EQ(ask({"KEYS", "key:99?"}).elements.size(), 10u);
}

TEST_F(GenericCommands, WalksDeleteTheExpiredKeysTheyMeet) {
  for (const std::string walk : {"KEYS", "SCAN", "RANDOMKEY"}) {
    run({"SET", "key", "value", "PX", "100"});
    advance_ms(100);
    const uint64_t before = node->statistics().expired_keys;
    if (walk == "KEYS") {
      EXPECT_EQ(run({"KEYS", "*"}), "*0\r\n");
    } else if (walk == "SCAN") {
      EXPECT_EQ(run({"SCAN", "0", "COUNT", "100"}), "*2\r\n$1\r\n0\r\n*0\r\n");
    } else {
      EXPECT_EQ(run({"RANDOMKEY"}), "$-1\r\n");
    }
    EXPECT_EQ(node->statistics().expired_keys, before + 1) << walk;
    EXPECT_EQ(run({"DBSIZE"}), ":0\r\n") << walk;
  }
}

TEST_F(GenericCommands, RandomkeyComesToEveryKey) {
  run({"MSET", "a", "1", "b", "2", "c", "3"});
  std::set<std::string> seen;
  for (int i = 0; i < 10'000 && seen.size() < 3; ++i) seen.insert(ask({"RANDOMKEY"}).text);
  EXPECT_EQ(seen, (std::set<std::string>{"a", "b", "c"}));
}

TEST_F(GenericCommands, ObjectVersionIsTheStampOfTheLastChange) {
  run({"SET", "key", "1"});
  const std::string first = ask({"OBJECT", "VERSION", "key"}).text;
  const std::string now = std::to_string(host.wall_now_us / 1000);
  EXPECT_THAT(first, testing::MatchesRegex(now + "-[0-9]+-1"));
  run({"GET", "key"});
  EXPECT_EQ(ask({"OBJECT", "VERSION", "key"}).text, first);
  run({"EXPIRE", "key", "100"});
  const std::string second = ask({"OBJECT", "VERSION", "key"}).text;
  const auto logic = [&](const std::string& text) {
    return std::stoull(text.substr(now.size() + 1));
  };
  EXPECT_EQ(logic(second), logic(first) + 1);
  advance_ms(5);
  run({"SET", "key", "2"});
  EXPECT_EQ(ask({"OBJECT", "VERSION", "key"}).text,
            std::to_string(host.wall_now_us / 1000) + "-0-1");
  EXPECT_EQ(run({"OBJECT", "VERSION", "missing"}), "$-1\r\n");
}

TEST_F(GenericCommands, LookingAtAKeyIsNotUsingIt) {
  run({"SET", "key", "1"});
  advance_ms(10'000);
  run({"EXISTS", "key"});
  run({"TTL", "key"});
  run({"TYPE", "key"});
  run({"OBJECT", "ENCODING", "key"});
  EXPECT_EQ(run({"OBJECT", "IDLETIME", "key"}), ":10\r\n");
  run({"TOUCH", "key"});
  EXPECT_EQ(run({"OBJECT", "IDLETIME", "key"}), ":0\r\n");
}

TEST_F(GenericCommands, ObjectHelpNamesEverySubcommand) {
  const std::string help = run({"OBJECT", "HELP"});
  for (const Command& row : find_command("object")->subcommands) {
    std::string name(row.name.substr(std::string_view("object|").size()));
    for (char& c : name) c = static_cast<char>(std::toupper(c));
    EXPECT_NE(help.find("+" + name), std::string::npos) << name;
  }
}

TEST_F(GenericCommands, RestoreTakesWhatDumpGave) {
  const std::string value("bin\0ary\r\n", 9);
  run({"SET", "key", value});
  const std::string payload = ask({"DUMP", "key"}).text;
  EXPECT_EQ(run({"RESTORE", "copy", "0", payload}), "+OK\r\n");
  EXPECT_EQ(ask({"GET", "copy"}).text, value);
  EXPECT_EQ(run({"PTTL", "copy"}), ":-1\r\n");
  EXPECT_EQ(run({"RESTORE", "copy", "5000", payload}),
            "-BUSYKEY Target key name already exists.\r\n");
  EXPECT_EQ(run({"RESTORE", "copy", "5000", payload, "REPLACE"}), "+OK\r\n");
  EXPECT_EQ(run({"PTTL", "copy"}), ":5000\r\n");
  const std::string later = std::to_string(host.wall_now_us / 1000 + 9000);
  EXPECT_EQ(run({"RESTORE", "copy", later, payload, "REPLACE", "ABSTTL"}), "+OK\r\n");
  EXPECT_EQ(run({"PTTL", "copy"}), ":9000\r\n");
  EXPECT_EQ(run({"RESTORE", "idle", "0", payload, "IDLETIME", "77"}), "+OK\r\n");
  EXPECT_EQ(run({"OBJECT", "IDLETIME", "idle"}), ":77\r\n");
  EXPECT_EQ(run({"RESTORE", "often", "0", payload, "FREQ", "5"}), "+OK\r\n");
}

TEST_F(GenericCommands, RestoreOfWhatHasExpiredOnlyDeletes) {
  run({"SET", "key", "value"});
  const std::string payload = ask({"DUMP", "key"}).text;
  EXPECT_EQ(run({"RESTORE", "key", "1", payload, "ABSTTL", "REPLACE"}), "+OK\r\n");
  EXPECT_EQ(run({"EXISTS", "key"}), ":0\r\n");
  EXPECT_EQ(run({"RESTORE", "fresh", "1", payload, "ABSTTL"}), "+OK\r\n");
  EXPECT_EQ(run({"EXISTS", "fresh"}), ":0\r\n");
}

TEST_F(GenericCommands, RestoreRefusesUnknownTypes) {
  const std::string payload =
      encode_dump({.type = static_cast<storage::ValueType>(200), .bytes = "x"});
  EXPECT_EQ(run({"RESTORE", "key", "0", payload}), "-ERR Bad data format\r\n");
}

TEST_F(GenericCommands, WaitForFollowersEndsWithItsTimeout) {
  run({"SET", "key", "1"});
  EXPECT_EQ(run({"WAIT", "1", "500"}), "");
  EXPECT_NE(client->blocked, nullptr);
  advance_ms(499);
  node->tick();
  EXPECT_EQ(take(*client), "");
  advance_ms(1);
  node->tick();
  EXPECT_EQ(take(*client), ":0\r\n");
  EXPECT_EQ(client->blocked, nullptr);
}

TEST_F(GenericCommands, WaitWithoutTimeoutEndsByClientUnblock) {
  EXPECT_EQ(run({"WAIT", "1", "0"}), "");
  advance_ms(1'000'000);
  node->tick();
  EXPECT_NE(client->blocked, nullptr);
  node->unblock(*client, true);
  EXPECT_EQ(take(*client), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
}

TEST_F(GenericCommands, WaitaofWaitsForTheSessionsLastWrite) {
  EXPECT_EQ(run({"WAITAOF", "1", "0", "0"}), "*2\r\n:1\r\n:0\r\n");
  execute(*client, {"SET", "key", "1"});
  execute(*client, {"WAITAOF", "1", "0", "0"});
  EXPECT_NE(client->blocked, nullptr);
  settle();
  EXPECT_EQ(client->blocked, nullptr);
  EXPECT_EQ(take(*client), "+OK\r\n*2\r\n:1\r\n:0\r\n");
}

TEST_F(GenericCommands, WaitaofForFollowersReportsAtItsTimeout) {
  EXPECT_EQ(run({"WAITAOF", "0", "1", "100"}), "");
  advance_ms(100);
  node->tick();
  EXPECT_EQ(take(*client), "*2\r\n:1\r\n:0\r\n");
}

TEST_F(GenericCommands, WaitaofChecksItsArguments) {
  EXPECT_EQ(run({"WAITAOF", "2", "0", "0"}),
            "-ERR value is out of range, value must between 0 and 1\r\n");
  EXPECT_EQ(run({"WAITAOF", "0", "-1", "0"}), "-ERR value is out of range, must be positive\r\n");
  EXPECT_EQ(run({"WAITAOF", "0", "0", "-1"}), "-ERR timeout is negative\r\n");
}

TEST_F(GenericCommands, NothingBlocksInsideTransactions) {
  run({"MULTI"});
  run({"WAIT", "1", "0"});
  run({"WAITAOF", "1", "1", "0"});
  EXPECT_EQ(run({"EXEC"}), "*2\r\n:0\r\n*2\r\n:1\r\n:0\r\n");
}

}  // namespace
}  // namespace kvorum::server
