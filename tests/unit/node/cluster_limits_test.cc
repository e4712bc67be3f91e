// What strangers, and messages that wait, may take: lines of the log, time, memory.
#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "tests/unit/node/cluster_fixture.h"

namespace kvorum::server {
namespace {

using testing::HasSubstr;

class LimitsTest : public NodeFixture {
 protected:
  size_t lines_with(std::string_view text) {
    return static_cast<size_t>(std::count_if(
        host.log_lines.begin(), host.log_lines.end(),
        [&](const std::string& line) { return line.find(text) != std::string::npos; }));
  }
  // On a connection of its own.
  std::string say(const std::vector<std::string>& words) {
    Session& session = connect();
    execute(session, words);
    std::string reply = take(session);
    EXPECT_TRUE(session.close_after_reply);
    node->disconnect(session);
    return reply;
  }
};

TEST_F(LimitsTest, WhoHasShownNoSecretWritesOneLineASecondIntoTheLog) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(say({"REPLCONF", "HELLO", "version " + std::to_string(i)}), HasSubstr("-ERR"));
  }
  EXPECT_EQ(lines_with("closed the connection"), 1u);
  for (int i = 0; i < 100; ++i) {
    const std::string id(32, 'a');
    const std::string version = std::to_string(100 + i);
    say({"REPLCONF", "HELLO", version, "test", "7", id, id, "1", "secret"});
  }
  EXPECT_EQ(lines_with("refused the peer"), 0u);
  advance_ms(1000);
  const std::string id(32, 'a');
  say({"REPLCONF", "HELLO", "99", "test", "7", id, id, "1", "secret"});
  EXPECT_EQ(lines_with("refused the peer"), 1u);
}

// The disk is stuck: nothing of what is written gets committed.
TEST_F(LimitsTest, AMessageThatIsNotCommittedInTimeHoldsUpNoReply) {
  Session& listener = connect();
  run(listener, {"HELLO", "3"});
  run(listener, {"SUBSCRIBE", "channel"});
  Session& other = connect();
  execute(other, {"SET", "key", "value"});
  execute(other, {"PUBLISH", "channel", "message"});
  execute(listener, {"SET", "another key", "value"});
  EXPECT_EQ(take(listener), "");
  advance_ms(options.values().write_timeout_ms + 1);
  node->tick();
  EXPECT_THAT(take(listener), testing::StartsWith("-TIMEOUT"));
}

}  // namespace
}  // namespace kvorum::server
