#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "resp/parser.h"
#include "server/node/cluster/hello_check.h"
#include "server/node/cluster/peer_link.h"
#include "tests/unit/node/cluster_test_host.h"
#include "tests/unit/node/test_hello.h"

namespace kvorum::server {
namespace {

using peer::Hello;
using storage::NodeId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr NodeId kPeer{2};
constexpr int64_t kMs = 1000;

class PeerLinkTest : public testing::Test {
 protected:
  PeerLinkTest()
      : link(host, {.hello = hello_of(1), .peer = kPeer, .address = "127.0.0.1:7001"},
             {.ready =
                  [this](const Hello& hello) {
                    events.push_back("ready");
                    answered = hello;
                  },
              .refused = [this](std::string_view error) { refusal = error; },
              .lost = [this] { events.push_back("lost"); },
              .room = [this] { events.push_back("room"); }}) {}

  void tick(int64_t after_us = 0) {
    host.monotonic_now_us += after_us;
    link.tick(host.monotonic_now_us);
  }
  // Up to the answer to HELLO.
  void dial() {
    while (link.state_text() == "down") tick(10 * kMs);
    link.connected();
  }
  void answer(const Hello& hello) { link.received(peer::encode_hello_answer(hello)); }
  void come_up() {
    dial();
    answer(hello_of(2));
    ASSERT_TRUE(link.ready());
    sent().clear();
    events.clear();
  }
  std::string& sent() { return host.connections.at(kPeer).bytes; }
  ClusterTestHost::Connection& connection() { return host.connections.at(kPeer); }

  // The words of the messages that were sent; what travelled in parts is put together.
  std::vector<std::string> sent_words() {
    resp::Parser parser;
    const std::span<char> room = parser.reserve(sent().size());
    std::memcpy(room.data(), sent().data(), sent().size());
    parser.commit(sent().size());
    std::vector<std::string> words;
    while (parser.next() == resp::Parser::Result::kCommand) {
      auto message = peer::decode(hello_of(1).incarnation, parser.arguments());
      EXPECT_TRUE(message.ok()) << message.status();
      words.emplace_back(parser.arguments()[1]);
      if (auto* part = std::get_if<peer::Part>(&*message)) {
        EXPECT_LE(part->bytes.size(), peer::kPartBytes);
        auto whole = assembler.add(*part);
        EXPECT_TRUE(whole.ok()) << whole.status();
        if (whole.ok() && *whole) words.emplace_back(assembler.arguments()[1]);
      }
    }
    EXPECT_EQ(parser.buffered_bytes(), 0u);
    return words;
  }

  // The error with which the link refused the answer.
  std::string refused(const Hello& hello) {
    dial();
    answer(hello);
    EXPECT_EQ(link.state_text(), "down");
    EXPECT_TRUE(host.connections.empty());
    return std::string(link.last_error());
  }

  ClusterTestHost host;
  std::vector<std::string> events;
  std::optional<Hello> answered;
  peer::PartAssembler assembler;
  std::string refusal;
  PeerLink link;
};

replication::Message append() {
  replication::Message message;
  message.kind = replication::MessageKind::kAppend;
  return message;
}

std::string record(size_t payload_bytes) {
  std::string bytes;
  storage::RecordHeader header;
  header.lsn = storage::Lsn{1};
  storage::encode_record(hello_of(1).incarnation, header, std::string(payload_bytes, 'x'), bytes);
  return bytes;
}

peer::Published published(size_t bytes) { return {"c", std::string(bytes, 'x')}; }

// --- Coming up.

TEST_F(PeerLinkTest, DialsAndSaysHelloWithTheSecret) {
  EXPECT_EQ(link.state_text(), "down");
  tick();
  EXPECT_EQ(link.state_text(), "connecting");
  EXPECT_EQ(connection().address, "127.0.0.1:7001");
  link.connected();
  EXPECT_EQ(link.state_text(), "handshake");
  EXPECT_EQ(sent(), peer::encode(hello_of(1)));
  EXPECT_THAT(sent(), HasSubstr("hunter2"));
  EXPECT_FALSE(link.ready());
}

TEST_F(PeerLinkTest, IsReadyWhenTheAnswerFitsHoweverItIsCut) {
  dial();
  const std::string bytes = peer::encode_hello_answer(hello_of(2));
  for (const char byte : bytes) {
    EXPECT_FALSE(link.ready());
    link.received({&byte, 1});
  }
  EXPECT_TRUE(link.ready());
  EXPECT_THAT(events, ElementsAre("ready"));
  EXPECT_EQ(answered->instance, hello_of(2).instance);
  EXPECT_EQ(link.state_text(), "up");
  EXPECT_EQ(link.last_error(), "");
}

TEST_F(PeerLinkTest, RefusesWhoeverIsNotTheExpectedNodeAndSaysBothSides) {
  Hello wrong = hello_of(3);
  EXPECT_EQ(refused(wrong), "node id 2 expected, 3 answered");
  wrong = hello_of(2);
  wrong.cluster_id = "pro\nd";
  EXPECT_EQ(refused(wrong), "cluster id \"demo\" here, \"pro\\nd\" there");
  wrong = hello_of(2);
  wrong.version = 0;
  EXPECT_EQ(refused(wrong), "protocol version 1 here, 0 there");
  wrong = hello_of(2);
  wrong.incarnation = {0xbb};
  EXPECT_EQ(refused(wrong),
            "cluster incarnation aa000000000000000000000000000000 here, "
            "bb000000000000000000000000000000 there");
  wrong = hello_of(2);
  wrong.instance = hello_of(1).instance;
  EXPECT_THAT(refused(wrong), HasSubstr("instance 01"));
  EXPECT_THAT(events, IsEmpty());
}

// Whoever is newer goes down to what the other one has.
TEST_F(PeerLinkTest, SpeaksTheLowerOfBothNewestVersions) {
  come_up();
  EXPECT_EQ(link.version(), hello_of(1).version);
  EXPECT_EQ(host.log_lines.back(), "peer 2 (127.0.0.1:7001): connected");
  Hello ours = hello_of(1), theirs = hello_of(2);
  ours.version = 3;
  theirs.version = 2;
  link.set_hello(ours);
  dial();
  answer(theirs);
  ASSERT_TRUE(link.ready());
  EXPECT_EQ(link.version(), 2u);
  EXPECT_EQ(host.log_lines.back(),
            "peer 2 (127.0.0.1:7001): connected, speaking protocol version 2 (3 here, 2 there)");
  theirs.version = 4;
  link.set_hello(ours);
  dial();
  answer(theirs);
  ASSERT_TRUE(link.ready());
  EXPECT_EQ(link.version(), 3u);
}

TEST_F(PeerLinkTest, EitherSideMayBeUnborn) {
  dial();
  Hello unborn = hello_of(2);
  unborn.incarnation = {};
  answer(unborn);
  EXPECT_TRUE(link.ready());

  Hello ours = hello_of(1);
  ours.incarnation = {};
  link.set_hello(ours);
  EXPECT_FALSE(link.ready());
  dial();
  answer(hello_of(2));
  EXPECT_TRUE(link.ready());
}

TEST_F(PeerLinkTest, AnErrorOrNonsenseForAnAnswerIsAFailure) {
  dial();
  link.received("-NOAUTH wrong cluster secret\r\n");
  EXPECT_EQ(link.last_error(), "it refuses: \"NOAUTH wrong cluster secret\"");
  EXPECT_EQ(refusal, "NOAUTH wrong cluster secret");
  dial();
  link.received("+OK\r\n");
  EXPECT_THAT(std::string(link.last_error()), HasSubstr("its answer to HELLO is none"));
  dial();
  link.received("HTTP/1.1 400 Bad Request\r\n");
  EXPECT_THAT(std::string(link.last_error()), HasSubstr("not RESP"));
  dial();
  link.received("*1048577\r\n");
  EXPECT_EQ(link.state_text(), "down");
  dial();
  link.received(peer::encode(peer::Gone{1}));
  EXPECT_THAT(std::string(link.last_error()), HasSubstr("another message"));
}

TEST_F(PeerLinkTest, AfterTheHandshakeAnErrorEndsTheLink) {
  come_up();
  link.received("-ERR records: expected whole records\r\n");
  EXPECT_FALSE(link.ready());
  EXPECT_THAT(std::string(link.last_error()), HasSubstr("expected whole records"));
  EXPECT_THAT(events, ElementsAre("lost"));
  EXPECT_TRUE(host.connections.empty());
}

// --- Time.

TEST_F(PeerLinkTest, GivesUpConnectingAndTheHandshakeAfterASecond) {
  tick();
  tick(999 * kMs);
  EXPECT_EQ(link.state_text(), "connecting");
  tick(1 * kMs);
  EXPECT_EQ(link.state_text(), "down");
  EXPECT_TRUE(host.connections.empty());

  dial();
  tick(999 * kMs);
  EXPECT_EQ(link.state_text(), "handshake");
  tick(1 * kMs);
  EXPECT_EQ(link.state_text(), "down");
  EXPECT_EQ(link.last_error(), "no answer to HELLO");
  EXPECT_THAT(events, IsEmpty());
}

// Milliseconds until the link dials again.
int64_t wait_ms(PeerLink& link, ClusterTestHost& host) {
  const int64_t begin_us = host.monotonic_now_us;
  for (const int dials = host.dials; host.dials == dials;) {
    host.monotonic_now_us += kMs;
    link.tick(host.monotonic_now_us);
  }
  return (host.monotonic_now_us - begin_us) / kMs;
}

TEST_F(PeerLinkTest, DialsLaterEachTimeUpToTwoSeconds) {
  tick();
  for (const int64_t most_ms : {50, 100, 200, 400, 800, 1600, 2000, 2000, 2000}) {
    link.closed("connection refused");
    const int64_t waited_ms = wait_ms(link, host);
    EXPECT_GE(waited_ms, most_ms / 2);
    EXPECT_LE(waited_ms, most_ms + 1);
  }
}

TEST_F(PeerLinkTest, TheDelayIsRandom) {
  std::set<int64_t> waits;
  for (int i = 0; i < 20; ++i) {
    tick();
    for (int failures = 0; failures < 8; ++failures) {
      link.closed("connection refused");
      if (failures == 7)
        waits.insert(wait_ms(link, host));
      else
        wait_ms(link, host);
    }
  }
  EXPECT_GT(waits.size(), 10u);
}

TEST_F(PeerLinkTest, ALinkThatWasUpForASecondIsDialledSoonAgain) {
  tick();
  for (int i = 0; i < 10; ++i) {
    link.closed("connection refused");
    wait_ms(link, host);
  }
  link.connected();
  answer(hello_of(2));
  host.monotonic_now_us += 999 * kMs;
  link.closed("reset");
  EXPECT_GE(wait_ms(link, host), 1000);

  link.connected();
  answer(hello_of(2));
  host.monotonic_now_us += 1000 * kMs;
  link.closed("reset");
  EXPECT_LE(wait_ms(link, host), 51);
}

TEST_F(PeerLinkTest, APeerThatDialsUsIsDialledAtOnce) {
  tick();
  for (int i = 0; i < 10; ++i) {
    link.closed("connection refused");
    wait_ms(link, host);
  }
  link.closed("connection refused");
  EXPECT_TRUE(link.admit(hello_of(2)).ok());
  EXPECT_LE(wait_ms(link, host), 1);
}

TEST_F(PeerLinkTest, TheSameReasonIsLoggedOnce) {
  const auto lines = [&](std::string_view text) {
    return std::count_if(host.log_lines.begin(), host.log_lines.end(),
                         [&](const auto& line) { return line.find(text) != std::string::npos; });
  };
  tick();
  for (int i = 0; i < 5; ++i) {
    link.closed("connection refused");
    wait_ms(link, host);
  }
  EXPECT_EQ(lines("connection refused"), 1);
  link.closed("no route to host");
  wait_ms(link, host);
  EXPECT_EQ(lines("no route to host"), 1);
  link.connected();
  answer(hello_of(2));
  EXPECT_EQ(lines("connected"), 1);
  link.closed("no route to host");
  EXPECT_EQ(lines("peer 2 (127.0.0.1:7001): no route to host"), 2);  // it was up in between
}

TEST_F(PeerLinkTest, ANewIdentityIsSaidInANewConnection) {
  come_up();
  Hello ours = hello_of(1);
  ours.boot = 77;
  link.set_hello(ours);
  EXPECT_THAT(events, ElementsAre("lost"));
  EXPECT_TRUE(host.connections.empty());
  tick();
  link.connected();
  EXPECT_EQ(sent(), peer::encode(ours));
}

TEST_F(PeerLinkTest, ANewIdentityIsNoFailureThatDelays) {
  for (int i = 0; i < 8; ++i) {
    come_up();
    link.set_hello(hello_of(1));
  }
  come_up();
  link.closed("reset");
  EXPECT_LE(wait_ms(link, host), 51);
}

TEST_F(PeerLinkTest, HangsUpWhenItIsDestroyed) {
  {
    PeerLink other(host, {.hello = hello_of(1), .peer = NodeId{3}, .address = "x"}, {});
    other.tick(host.monotonic_now_us);
    EXPECT_TRUE(host.connections.contains(NodeId{3}));
  }
  EXPECT_FALSE(host.connections.contains(NodeId{3}));
}

// --- Sightings.

TEST_F(PeerLinkTest, ABootCounterThatFallsIsRefused) {
  come_up();
  link.closed("reset");
  Hello restored = hello_of(2);
  restored.boot = 4;
  EXPECT_THAT(refused(restored), HasSubstr("has boot counter 4 and had 5"));
  EXPECT_THAT(std::string(link.admit(restored).message()), HasSubstr("restored from a backup"));
  restored.boot = 5;
  EXPECT_TRUE(link.admit(restored).ok());
}

TEST_F(PeerLinkTest, ABootCounterSeenOnTheWayInCountsToo) {
  Hello theirs = hello_of(2);
  theirs.boot = 6;
  EXPECT_TRUE(link.admit(theirs).ok());
  EXPECT_THAT(refused(hello_of(2)), HasSubstr("has boot counter 5 and had 6"));
}

TEST_F(PeerLinkTest, AnotherInstanceMayFollowButNotStandBeside) {
  come_up();
  Hello other = hello_of(2);
  other.instance = {0xee};
  other.boot = 1;
  const absl::Status status = link.admit(other);
  EXPECT_THAT(std::string(status.message()), HasSubstr("node id 2 is used twice"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("02000000000000000000000000000000"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("ee000000000000000000000000000000"));
  EXPECT_TRUE(link.ready());
  link.closed("reset");
  EXPECT_TRUE(link.admit(other).ok());
  Hello old = hello_of(2);
  old.boot = 4;  // remembered across the other instance
  EXPECT_FALSE(link.admit(old).ok());
}

// --- Queues.

TEST_F(PeerLinkTest, WhatFitsIsSentAtOnceAndInOrder) {
  come_up();
  link.send(append());
  link.send_bulk(peer::Gone{1});
  link.send(peer::SnapshotWanted{});
  EXPECT_THAT(sent_words(), ElementsAre("APPEND", "GONE", "SNAPSHOT-WANTED"));
  EXPECT_EQ(link.queued_bytes(), 0u);
}

TEST_F(PeerLinkTest, ShortMessagesOvertakeLongOnes) {
  host.socket_takes_all = false;
  come_up();
  connection().unsent = PeerLink::kHostBytes;
  for (int i = 0; i < 2; ++i) link.send_bulk(peer::Gone{1});
  link.send(append());
  EXPECT_EQ(sent(), "");
  connection().unsent = 0;
  link.sent();
  EXPECT_THAT(sent_words(), ElementsAre("APPEND", "GONE", "GONE"));
}

TEST_F(PeerLinkTest, AShortMessageOvertakesTheRestOfALongOne) {
  host.socket_takes_all = false;
  come_up();
  link.send_bulk(published(200 * 1024));
  link.send(append());
  connection().unsent = 0;
  link.sent();
  EXPECT_THAT(sent_words(), ElementsAre("PART", "PART", "APPEND", "PART", "PART", "PUBLISHED"));
}

TEST_F(PeerLinkTest, TheHostHoldsABoundedNumberOfBytes) {
  host.socket_takes_all = false;
  come_up();
  for (int i = 0; i < 40; ++i) link.send_bulk(published(50 * 1024));
  EXPECT_GE(connection().unsent, PeerLink::kHostBytes);
  EXPECT_LE(connection().unsent, PeerLink::kHostBytes + peer::kMaxWholeBytes);
  size_t rounds = 0;
  for (; link.queued_bytes() > 0 && rounds < 100; ++rounds) {
    connection().unsent = 0;
    link.sent();
    EXPECT_LE(connection().unsent, PeerLink::kHostBytes + peer::kMaxWholeBytes);
  }
  EXPECT_EQ(sent_words().size(), 40u);
}

TEST_F(PeerLinkTest, FullBulkIsToldAndSoIsRoom) {
  host.socket_takes_all = false;
  come_up();
  while (!link.full()) link.send_bulk(published(50 * 1024));
  EXPECT_GT(link.queued_bytes(), PeerLink::kFullBytes);
  EXPECT_THAT(events, IsEmpty());
  while (link.full()) {
    EXPECT_THAT(events, IsEmpty());
    connection().unsent = 0;
    link.sent();
  }
  EXPECT_THAT(events, ElementsAre("room"));
  connection().unsent = 0;
  link.sent();
  EXPECT_THAT(events, ElementsAre("room"));
}

TEST_F(PeerLinkTest, ASocketThatTakesAllLeavesNothingQueued) {
  come_up();
  for (int i = 0; i < 100; ++i) link.send_bulk(published(50 * 1024));
  EXPECT_EQ(link.queued_bytes(), 0u);
  EXPECT_FALSE(link.full());
}

TEST_F(PeerLinkTest, APeerThatReadsNothingIsHungUpAndNothingIsKeptForIt) {
  host.socket_takes_all = false;
  come_up();
  connection().unsent = PeerLink::kHostBytes;
  for (int i = 0; i < 50'000; ++i) link.send(append());
  EXPECT_LE(link.queued_bytes(), PeerLink::kStuckBytes + 1000);
  EXPECT_TRUE(link.ready());  // no event comes from inside send
  tick();
  EXPECT_FALSE(link.ready());
  EXPECT_THAT(events, ElementsAre("lost"));
  EXPECT_EQ(link.queued_bytes(), 0u);
  dial();
  EXPECT_EQ(sent(), peer::encode(hello_of(1)));
}

TEST_F(PeerLinkTest, WhatWasQueuedIsGoneWithTheConnection) {
  host.socket_takes_all = false;
  come_up();
  for (int i = 0; i < 40; ++i) link.send_bulk(published(50 * 1024));
  link.send_bulk(published(200 * 1024));
  host.hang_up(kPeer);
  link.closed("reset");
  EXPECT_EQ(link.queued_bytes(), 0u);
  EXPECT_FALSE(link.full());
  come_up();
  link.sent();
  EXPECT_EQ(sent(), "");
  EXPECT_THAT(events, IsEmpty());  // nobody waits for room any more
}

// --- Appends.

TEST_F(PeerLinkTest, AnAppendsRecordsAreSharedNotCopied) {
  come_up();
  const auto records = std::make_shared<const std::string>(record(60 * 1024));
  link.send_append(append(), records);
  ASSERT_EQ(connection().bodies.size(), 1u);
  EXPECT_EQ(connection().bodies[0], records);
  link.send(append());
  EXPECT_THAT(sent_words(), ElementsAre("APPEND", "APPEND"));
}

TEST_F(PeerLinkTest, SmallAppendsAreOneWrite) {
  host.socket_takes_all = false;
  come_up();
  connection().unsent = PeerLink::kHostBytes;
  for (int i = 0; i < 10; ++i) {
    link.send_append(append(), std::make_shared<const std::string>(record(100)));
  }
  connection().unsent = 0;
  host.writes = 0;
  link.sent();
  EXPECT_EQ(host.writes, 1);
  EXPECT_EQ(sent_words().size(), 10u);
}

TEST_F(PeerLinkTest, AnAppendOfOneLongRecordTravelsInParts) {
  for (const size_t bytes : {size_t{70'000}, size_t{130'000}, size_t{1'000'000}}) {
    host.connections.clear();
    link.closed("again");
    come_up();
    link.send_append(append(), std::make_shared<const std::string>(record(bytes)));
    const std::vector<std::string> words = sent_words();
    EXPECT_EQ(words.back(), "APPEND") << bytes;
    EXPECT_EQ(words.size(), (bytes + 36 + 200) / peer::kPartBytes + 2) << bytes;
    EXPECT_EQ(link.queued_bytes(), 0u);
  }
}

}  // namespace
}  // namespace kvorum::server
