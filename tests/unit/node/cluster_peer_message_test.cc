#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/text.h"
#include "resp/parser.h"
#include "resp/reply_reader.h"
#include "server/node/cluster/peer_fields.h"
#include "server/node/cluster/peer_message.h"

namespace kvorum::server::peer {
namespace {

using replication::MessageKind;
using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::Term;
using testing::HasSubstr;
using testing::StartsWith;

constexpr storage::Incarnation kIncarnation = {0xab, 1, 2,  3,  4,  5,  6,  7,
                                               8,    9, 10, 11, 12, 13, 14, 15};
constexpr storage::InstanceId kInstance = {0xcd, 0xef};

// The bytes of an array of bulk strings, from words with blanks between them.
std::string array(std::string_view words) {
  std::vector<std::string> all;
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    all.emplace_back(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  std::string bytes = base::concat("*", all.size(), "\r\n");
  for (const std::string& word : all) {
    bytes += base::concat("$", word.size(), "\r\n", word, "\r\n");
  }
  return bytes;
}

// The arguments of one message, as a session's parser gives them.
class Parsed {
 public:
  explicit Parsed(std::string_view bytes) {
    const std::span<char> room = parser_.reserve(bytes.size());
    EXPECT_GE(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), bytes.size());
    parser_.commit(bytes.size());
    EXPECT_EQ(parser_.next(), resp::Parser::Result::kCommand);
    EXPECT_EQ(parser_.buffered_bytes(), 0u);
  }
  resp::Arguments arguments() const { return parser_.arguments(); }

 private:
  resp::Parser parser_;
};

std::string error_of(std::vector<std::string_view> words) {
  words.insert(words.begin(), "REPLCONF");
  const absl::StatusOr<Message> message = decode(kIncarnation, words);
  return message.ok() ? "no error" : std::string(message.status().message());
}

replication::Message message_of(MessageKind kind) {
  replication::Message message;
  message.kind = kind;
  message.term = Term{7};
  message.wall_us = 1'700'000'000'000'000;
  return message;
}

replication::Message append_message() {
  replication::Message message = message_of(MessageKind::kAppend);
  message.position = {Term{6}, Lsn{41}};
  message.commit = Lsn{40};
  message.sent_us = -5;
  return message;
}

std::string two_records() {
  std::string bytes;
  storage::RecordHeader header;
  header.lsn = Lsn{42};
  header.term = Term{7};
  storage::encode_record(kIncarnation, header, "", bytes);
  header.lsn = Lsn{43};
  header.kind = storage::RecordKind::kEffects;
  storage::encode_record(kIncarnation, header, "some effects\r\n", bytes);
  return bytes;
}

Hello hello() {
  Hello hello;
  hello.cluster_id = "demo";
  hello.secret = "hunter2";
  hello.node = NodeId{3};
  hello.instance = kInstance;
  hello.incarnation = kIncarnation;
  hello.boot = 9;
  return hello;
}

struct Golden {
  Message message;
  std::string words;
};

std::vector<Golden> replication_messages() {
  replication::Message vote = message_of(MessageKind::kVoteRequest);
  vote.position = {Term{6}, Lsn{41}};
  vote.sent_us = 99;
  vote.pre_vote = vote.everyone = true;
  replication::Message voted = message_of(MessageKind::kVoteReply);
  voted.position = {Term{5}, Lsn{30}};
  voted.sent_us = 99;
  voted.granted = true;
  voted.claim = {Term{6}, Lsn{33}};
  replication::Message ack = message_of(MessageKind::kAck);
  ack.position = {Term{6}, Lsn{41}};
  ack.sent_us = 123;
  replication::Message reject = ack;
  reject.kind = MessageKind::kReject;
  return {
      {vote, "REPLCONF VOTE 7 6 41 99 1 0 1 1700000000000000"},
      {voted, "REPLCONF VOTED 7 5 30 99 0 1 6 33 1700000000000000"},
      {ack, "REPLCONF ACK 7 6 41 123 1700000000000000"},
      {reject, "REPLCONF REJECT 7 6 41 123 1700000000000000"},
      {message_of(MessageKind::kTimeoutNow), "REPLCONF TIMEOUT-NOW 7 1700000000000000"},
  };
}

std::vector<Golden> other_messages() {
  Forward forward{.client = 8,
                  .sequence = 2,
                  .term = Term{7},
                  .database = 15,
                  .protocol = 3,
                  .write_quorum = 65535,
                  .commands = {{"SET", "k", "v"}, {"GET", "k"}},
                  .transaction = true};
  Members members{Lsn{41}, {}};
  members.membership.members.push_back({.id = NodeId{3}, .address = "a:1", .instance = kInstance});
  return {
      {hello(),
       "REPLCONF HELLO 1 demo 3 cdef0000000000000000000000000000 "
       "ab0102030405060708090a0b0c0d0e0f 9 hunter2"},
      {Birth{kIncarnation, 0xfeed, "record"},
       "REPLCONF BIRTH ab0102030405060708090a0b0c0d0e0f 000000000000feed record"},
      {members, "REPLCONF MEMBERS 41 " + replication::encode_membership(members.membership)},
      {SnapshotChunk{Term{7}, {Term{6}, Lsn{41}}, 100, 64, true, "chunk"},
       "REPLCONF SNAPSHOT 7 6 41 100 64 1 chunk"},
      {SnapshotAck{Term{7}, {Term{6}, Lsn{41}}, 69, true}, "REPLCONF SNAPSHOT-ACK 7 6 41 69 1"},
      {SnapshotWanted{Lsn{41}}, "REPLCONF SNAPSHOT-WANTED 41"},
      {forward, "REPLCONF FORWARD 8 2 7 15 3 65535 1 2 3 SET k v 2 GET k"},
      {Relay{8, 2, {Term{7}, Lsn{43}}, false, "+OK"}, "REPLCONF RELAY 8 2 7 43 0 +OK"},
      {Gone{8}, "REPLCONF GONE 8"},
      {ReadIndex{Term{7}, 12}, "REPLCONF READ-INDEX 7 12"},
      {ReadIndexAck{Term{7}, 12, Lsn{43}, false}, "REPLCONF READ-INDEX-ACK 7 12 43 0"},
      {Published{"news", "flash"}, "REPLCONF PUBLISHED news flash"},
      {DigestReport{Lsn{41}, 0xfeed}, "REPLCONF DIGEST 41 000000000000feed"},
      {Differs{Lsn{41}, UINT64_MAX}, "REPLCONF DIFFERS 41 ffffffffffffffff"},
      {OrphansAck{Term{7}, {Term{6}, Lsn{41}}, 3, 2, 1, true},
       "REPLCONF ORPHANS-ACK 7 6 41 3 2 1 1"},
      {Part{true, "piece"}, "REPLCONF PART 1 piece"},
  };
}

std::vector<Golden> golden() {
  std::vector<Golden> all = replication_messages();
  for (Golden& one : other_messages()) all.push_back(std::move(one));
  return all;
}

TEST(PeerMessageTest, EveryMessageHasTheBytesOfTheTable) {
  for (const Golden& one : golden()) EXPECT_EQ(encode(one.message), array(one.words)) << one.words;
}

TEST(PeerMessageTest, EveryMessageReadsBackAsItWas) {
  for (const Golden& one : golden()) {
    const Parsed parsed(array(one.words));
    const absl::StatusOr<Message> message = decode(kIncarnation, parsed.arguments());
    ASSERT_TRUE(message.ok()) << one.words << ": " << message.status();
    EXPECT_EQ(message->index(), one.message.index()) << one.words;
    EXPECT_EQ(encode(*message), encode(one.message)) << one.words;
  }
}

TEST(PeerMessageTest, AnAppendCarriesItsRecordsAsTheyAre) {
  const std::string records = two_records();
  const EncodedAppend append = encode_append(append_message(), records.size());
  EXPECT_EQ(append.head,
            "*9\r\n$8\r\nREPLCONF\r\n$6\r\nAPPEND\r\n$1\r\n7\r\n$1\r\n6\r\n$2\r\n41\r\n" +
                std::string("$2\r\n40\r\n$2\r\n-5\r\n$16\r\n1700000000000000\r\n$86\r\n"));
  EXPECT_EQ(append.tail, "\r\n");
  const Parsed parsed(append.head + records + append.tail);
  const absl::StatusOr<Message> decoded = decode(kIncarnation, parsed.arguments());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto& message = std::get<replication::Message>(*decoded);
  EXPECT_EQ(message.kind, MessageKind::kAppend);
  EXPECT_EQ(message.position, (Position{Term{6}, Lsn{41}}));
  EXPECT_EQ(message.commit, Lsn{40});
  EXPECT_EQ(message.sent_us, -5);
  ASSERT_EQ(message.records.size(), 2u);
  EXPECT_EQ(message.records[0].header.lsn, Lsn{42});
  EXPECT_EQ(message.records[1].payload, "some effects\r\n");
  EXPECT_EQ(message.records[1].bytes.data() + message.records[1].bytes.size(),
            parsed.arguments().back().data() + records.size());  // a view, not a copy
  EXPECT_EQ(encode(*decoded), append.head + records + append.tail);
}

TEST(PeerMessageTest, OrphansTravelAsTheyWereEncodedAndAreVerified) {
  for (const std::string& records : {std::string(), two_records()}) {
    const std::string bytes = encode(Orphans{Term{7}, 2, records});
    const Parsed parsed(bytes);
    const absl::StatusOr<Message> decoded = decode(kIncarnation, parsed.arguments());
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    const auto& orphans = std::get<Orphans>(*decoded);
    EXPECT_EQ(orphans.term, Term{7});
    EXPECT_EQ(orphans.files_left, 2u);
    EXPECT_EQ(orphans.records, records);
  }
  std::string spoilt = two_records();
  spoilt.back() ^= 1;
  const std::string bytes = encode(Orphans{Term{7}, 2, spoilt});
  const Parsed parsed(bytes);
  EXPECT_THAT(std::string(decode(kIncarnation, parsed.arguments()).status().message()),
              HasSubstr("whole records of this cluster"));
}

TEST(PeerMessageTest, AHeartbeatIsAnAppendWithoutRecords) {
  const Parsed parsed(encode(Message{append_message()}));
  const absl::StatusOr<Message> decoded = decode(kIncarnation, parsed.arguments());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(std::get<replication::Message>(*decoded).records.empty());
}

TEST(PeerMessageTest, ARecordOfAnotherClusterOrADamagedOneIsRefused) {
  std::string records = two_records();
  const auto status_of = [&](const storage::Incarnation& incarnation) {
    const EncodedAppend append = encode_append(append_message(), records.size());
    return decode(incarnation, Parsed(append.head + records + append.tail).arguments()).status();
  };
  EXPECT_THAT(std::string(status_of({}).message()), HasSubstr("checksum is wrong at byte 0 of 86"));
  records[storage::kRecordHeaderBytes + 40] ^= 1;
  EXPECT_THAT(std::string(status_of(kIncarnation).message()),
              HasSubstr("checksum is wrong at byte 36 of 86"));
  records = two_records();
  records.pop_back();
  EXPECT_THAT(std::string(status_of(kIncarnation).message()), HasSubstr("a piece of one"));
}

TEST(PeerMessageTest, TheAnswerToHelloHasNoSecret) {
  const std::string answer = encode_hello_answer(hello());
  EXPECT_EQ(answer, array("REPLCONF HELLO 1 demo 3 cdef0000000000000000000000000000 "
                          "ab0102030405060708090a0b0c0d0e0f 9"));
  const absl::StatusOr<Message> decoded = decode({}, Parsed(answer).arguments());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<Hello>(*decoded).secret, "");
  EXPECT_EQ(std::get<Hello>(*decoded).node, NodeId{3});
}

TEST(PeerMessageTest, OfAHelloOfAVersionThatIsTooOldOnlyTheVersionIsRead) {
  const absl::StatusOr<Message> decoded =
      decode({}, Parsed(array("REPLCONF HELLO 0 whatever comes then")).arguments());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<Hello>(*decoded).version, 0u);
}

TEST(PeerMessageTest, WhatALaterVersionAddsToHelloIsPassedOver) {
  const std::string fields =
      " demo 3 cdef0000000000000000000000000000 ab0102030405060708090a0b0c0d0e0f 9 hunter2";
  const uint32_t later = newest_protocol_version() + 1;
  const absl::StatusOr<Message> decoded = decode(
      {},
      Parsed(array("REPLCONF HELLO " + std::to_string(later) + fields + " and more")).arguments());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(std::get<Hello>(*decoded).version, later);
  EXPECT_EQ(std::get<Hello>(*decoded).node, NodeId{3});
  EXPECT_EQ(std::get<Hello>(*decoded).secret, "hunter2");
  EXPECT_EQ(error_of({"HELLO", "1", "demo", "3", std::string(32, '1'), std::string(32, '2'), "9",
                      "hunter2", "more"}),
            "REPLCONF HELLO: fields: expected 7, got 8");
}

TEST(PeerMessageTest, ErrorsSayWhatWasExpectedAndWhatCame) {
  EXPECT_EQ(error_of({}), "expected REPLCONF and a word, got \"REPLCONF\"");
  EXPECT_EQ(error_of({"CAPA"}), "REPLCONF: expected a message between nodes, got \"CAPA\"");
  EXPECT_EQ(error_of({"GONE"}), "REPLCONF GONE: client: expected a field, got nothing");
  EXPECT_EQ(error_of({"gone", "x\r\n"}),
            "REPLCONF GONE: client: expected a number from 0 to 18446744073709551615, got "
            "\"x\\r\\n\"");
  EXPECT_EQ(error_of({"GONE", "1", "2"}), "REPLCONF GONE: fields: expected 1, got 2");
  EXPECT_EQ(error_of({"PART", "2", "x"}), "REPLCONF PART: last: expected 0 or 1, got \"2\"");
  EXPECT_EQ(error_of({"DIGEST", "1", "FEED"}),
            "REPLCONF DIGEST: digest: expected 16 hexadecimal digits, got \"FEED\"");
  EXPECT_EQ(error_of({"FORWARD", "1", "1", "1", "256", "2", "0", "0", "1", "1", "PING"}),
            "REPLCONF FORWARD: database: expected a number from 0 to 255, got \"256\"");
  EXPECT_EQ(error_of({"SNAPSHOT", "1", "1", "1", "10", "8", "0", "abc"}),
            "REPLCONF SNAPSHOT: bytes: expected no more than 10 in all, got 3 from 8");
  const std::string long_word(1000, 'x');
  EXPECT_THAT(error_of({"GONE", long_word}), HasSubstr("x\" ... (1000 bytes)"));
  EXPECT_LT(error_of({"GONE", long_word}).size(), 250u);
}

TEST(PeerMessageTest, AHellosErrorsQuoteNothing) {
  EXPECT_EQ(error_of({"HELLO", "1", "demo", "hunter2"}),
            "REPLCONF HELLO: node id: expected a number from 0 to 65535, got 7 other bytes");
  EXPECT_EQ(error_of({"HELLO", "hunter2"}),
            "REPLCONF HELLO: version: expected a number from 0 to 4294967295, got 7 other bytes");
}

TEST(PeerMessageTest, ACountIsBelievedOnlyAsFarAsFieldsFollow) {
  const std::string huge = "18446744073709551615";
  EXPECT_EQ(error_of({"FORWARD", "1", "1", "1", "0", "2", "0", "1", huge, "1", "PING"}),
            "REPLCONF FORWARD: commands: expected at most 2, got " + huge);
  EXPECT_EQ(error_of({"FORWARD", "1", "1", "1", "0", "2", "0", "0", "1", huge, "PING"}),
            "REPLCONF FORWARD: arguments: expected from 1 to 1, got " + huge);
  EXPECT_EQ(error_of({"FORWARD", "1", "1", "1", "0", "2", "0", "0", "1", "0"}),
            "REPLCONF FORWARD: arguments: expected from 1 to 0, got 0");
  EXPECT_EQ(error_of({"FORWARD", "1", "1", "1", "0", "2", "0", "0", "2", "1", "A", "1", "B"}),
            "REPLCONF FORWARD: commands: expected 1, got 2");
  EXPECT_EQ(error_of({"FORWARD", "1", "1", "1", "0", "2", "0", "1", "0"}), "no error");
}

TEST(PeerMessageTest, FewerOrMoreFieldsThanThereAreIsAnError) {
  for (const Golden& one : golden()) {
    const Parsed parsed(array(one.words));
    std::vector<std::string_view> words(parsed.arguments().begin(), parsed.arguments().end());
    const size_t optional = std::holds_alternative<Hello>(one.message) ? words.size() - 1 : 0;
    for (size_t count = 0; count < words.size(); ++count) {
      if (count == optional && count > 0) continue;
      EXPECT_FALSE(decode(kIncarnation, std::span(words).first(count)).ok()) << one.words;
    }
    words.push_back("more");
    EXPECT_FALSE(decode(kIncarnation, words).ok()) << one.words;
  }
}

TEST(PeerMessageTest, WhateverAFieldIsTheDecoderReturns) {
  std::mt19937_64 random(1);
  const std::string pool[] = {"",
                              "0",
                              "1",
                              "-1",
                              "99999999999999999999",
                              "x",
                              std::string(32, 'a'),
                              std::string(16, '0'),
                              two_records()};
  for (int round = 0; round < 2000; ++round) {
    for (const Golden& one : golden()) {
      const Parsed parsed(array(one.words));
      std::vector<std::string_view> words(parsed.arguments().begin(), parsed.arguments().end());
      words[2 + random() % (words.size() - 2)] = pool[random() % std::size(pool)];
      const absl::StatusOr<Message> message = decode(kIncarnation, words);
      if (message.ok()) {
        EXPECT_EQ(encode(*message).empty(), false);
      }
    }
  }
}

TEST(PeerMessageTest, PeerWordsAreNotThoseOfRedis) {
  for (const Golden& one : golden()) {
    const Parsed parsed(array(one.words));
    EXPECT_TRUE(is_peer_word(parsed.arguments()[1])) << one.words;
  }
  for (const char* word : {"LISTENING-PORT", "IP-ADDRESS", "CAPA", "GETACK", "RDB-ONLY", ""}) {
    EXPECT_FALSE(is_peer_word(word)) << word;
  }
  EXPECT_TRUE(is_peer_word("append"));
}

std::vector<Part> parts_of(const std::string& bytes, size_t size) {
  std::vector<Part> parts;
  for (size_t at = 0; at < bytes.size(); at += size) {
    parts.push_back({at + size >= bytes.size(), bytes.substr(at, size)});
  }
  return parts;
}

TEST(PeerMessageTest, PartsPutTogetherAreTheMessage) {
  const std::string bytes = encode(Message{Published{"news", std::string(1000, 'x')}});
  PartAssembler assembler;
  for (const size_t size : {size_t{1}, size_t{7}, size_t{100}, bytes.size()}) {
    for (const Part& part : parts_of(bytes, size)) {
      const absl::StatusOr<bool> whole = assembler.add(part);
      ASSERT_TRUE(whole.ok()) << whole.status();
      ASSERT_EQ(*whole, part.last);
    }
    const absl::StatusOr<Message> message = decode(kIncarnation, assembler.arguments());
    ASSERT_TRUE(message.ok()) << message.status();
    EXPECT_EQ(encode(*message), bytes);
    if (size == 7) assembler.release();  // the next one comes through all the same
  }
}

TEST(PeerMessageTest, PartsThatEndTooEarlyOrTooLateAreAnError) {
  const std::string bytes = encode(Message{Gone{1}});
  const auto error = [](std::vector<Part> parts) {
    PartAssembler assembler;
    for (const Part& part : parts) {
      if (const auto whole = assembler.add(part); !whole.ok()) {
        return std::string(whole.status().message());
      }
    }
    return std::string("none");
  };
  EXPECT_THAT(error({{true, bytes.substr(0, 20)}}), HasSubstr("expected the end of a message"));
  EXPECT_THAT(error({{false, bytes}}), HasSubstr("expected more parts, got its end"));
  EXPECT_THAT(error({{true, bytes + "*1"}}), StartsWith("REPLCONF PART: expected"));
  EXPECT_THAT(error({{true, bytes + bytes}}), StartsWith("REPLCONF PART: expected"));
  EXPECT_THAT(error({{true, "*x\r\n"}}), HasSubstr("Protocol error"));
  EXPECT_THAT(error({{true, ""}}), HasSubstr("expected the end of a message"));
}

TEST(PeerMessageTest, AnAnnouncedLengthIsNotAllocated) {
  PartAssembler assembler;
  const absl::StatusOr<bool> whole =
      assembler.add({false, "*3\r\n$8\r\nREPLCONF\r\n$5\r\nBIRTH\r\n$2147483648\r\nabc"});
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_FALSE(*whole);
  EXPECT_FALSE(PartAssembler().add({false, "*1\r\n$4294967296\r\n"}).ok());
}

TEST(PeerFieldsTest, HexIsLowerCaseAndOfOneLength) {
  Id id{};
  uint64_t number = 0;
  EXPECT_TRUE(parse_hex("ab0102030405060708090a0b0c0d0e0f", id));
  EXPECT_EQ(id, kIncarnation);
  EXPECT_FALSE(parse_hex("AB0102030405060708090a0b0c0d0e0f", id));
  EXPECT_FALSE(parse_hex("ab", id));
  EXPECT_TRUE(parse_hex("00000000deadbeef", number));
  EXPECT_EQ(number, 0xdeadbeefu);
  EXPECT_FALSE(parse_hex("deadbeef", number));
  EXPECT_FALSE(parse_hex("-000000deadbeef0", number));
}

}  // namespace
}  // namespace kvorum::server::peer
