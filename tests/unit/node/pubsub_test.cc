#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

class PubSubCommands : public NodeFixture {
 protected:
  Session& listener(std::vector<std::string> words, const char* protocol = "2") {
    Session& session = connect();
    run(session, {"HELLO", protocol});
    run(session, words);
    return session;
  }
};

TEST_F(PubSubCommands, AMessageReachesEveryListenerInItsProtocol) {
  Session& old = listener({"SUBSCRIBE", "news"});
  Session& modern = listener({"SUBSCRIBE", "news"}, "3");
  EXPECT_EQ(run({"PUBLISH", "news", "a\r\nb"}), ":2\r\n");
  EXPECT_EQ(take(old), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\na\r\nb\r\n");
  EXPECT_EQ(take(modern), ">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\na\r\nb\r\n");
}

TEST_F(PubSubCommands, PatternsSayWhichPatternMatched) {
  Session& session = listener({"PSUBSCRIBE", "n?ws", "x*"});
  EXPECT_EQ(run({"PUBLISH", "news", "1"}), ":1\r\n");
  EXPECT_EQ(take(session), "*4\r\n$8\r\npmessage\r\n$4\r\nn?ws\r\n$4\r\nnews\r\n$1\r\n1\r\n");
}

TEST_F(PubSubCommands, AChannelAndAPatternGiveTwoMessages) {
  Session& session = listener({"SUBSCRIBE", "news"});
  run(session, {"PSUBSCRIBE", "n*"});
  EXPECT_EQ(run({"PUBLISH", "news", "1"}), ":2\r\n");
  EXPECT_EQ(take(session),
            "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\n1\r\n"
            "*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$1\r\n1\r\n");
}

TEST_F(PubSubCommands, SubscribeAnswersOncePerChannel) {
  Session& session = connect();
  EXPECT_EQ(run(session, {"SUBSCRIBE", "a", "b", "a"}),
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
            "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
            "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
  EXPECT_EQ(run(session, {"UNSUBSCRIBE"}),
            "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n"
            "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n");
}

TEST_F(PubSubCommands, WhoUnsubscribedHearsNothing) {
  Session& session = listener({"SUBSCRIBE", "a", "b"});
  run(session, {"UNSUBSCRIBE", "a"});
  EXPECT_EQ(run({"PUBLISH", "a", "1"}), ":0\r\n");
  EXPECT_EQ(run({"PUBLISH", "b", "1"}), ":1\r\n");
  EXPECT_EQ(run({"PUBSUB", "CHANNELS"}), "*1\r\n$1\r\nb\r\n");
}

TEST_F(PubSubCommands, ADisconnectedListenerIsForgotten) {
  Session& session = listener({"SUBSCRIBE", "a"});
  run(session, {"PSUBSCRIBE", "a*"});
  run(session, {"SSUBSCRIBE", "a"});
  node->disconnect(session);
  EXPECT_EQ(run({"PUBLISH", "a", "1"}), ":0\r\n");
  EXPECT_EQ(run({"SPUBLISH", "a", "1"}), ":0\r\n");
  EXPECT_EQ(run({"PUBSUB", "NUMPAT"}), ":0\r\n");
}

TEST_F(PubSubCommands, ShardChannelsAreChannelsOfTheirOwn) {
  Session& session = listener({"SSUBSCRIBE", "a"});
  EXPECT_EQ(run({"PUBLISH", "a", "1"}), ":0\r\n");
  EXPECT_EQ(run({"SPUBLISH", "a", "1"}), ":1\r\n");
  EXPECT_EQ(take(session), "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$1\r\n1\r\n");
  EXPECT_EQ(run({"PUBSUB", "SHARDNUMSUB", "a"}), "*2\r\n$1\r\na\r\n:1\r\n");
  EXPECT_EQ(run({"PUBSUB", "NUMSUB", "a"}), "*2\r\n$1\r\na\r\n:0\r\n");
}

TEST_F(PubSubCommands, AMessageWaitsForWhatItsPublisherWrote) {
  Session& session = listener({"SUBSCRIBE", "news"});
  Session& publisher = connect();
  execute(publisher, {"SET", "key", "1"});
  execute(publisher, {"PUBLISH", "news", "key is set"});
  EXPECT_EQ(take(session), "") << "the record is not on disk";
  settle();
  EXPECT_THAT(take(session), testing::HasSubstr("key is set"));
}

TEST_F(PubSubCommands, AListenerInResp3MayPublishToItself) {
  Session& session = listener({"SUBSCRIBE", "a"}, "3");
  EXPECT_EQ(run(session, {"PUBLISH", "a", "1"}),
            ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n:1\r\n");
}

}  // namespace
}  // namespace kvorum::server
