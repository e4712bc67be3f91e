#include "server/node/cluster/peer_message.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/peer_fields.h"

namespace kvorum::server::peer {
namespace {

using replication::MessageKind;
using storage::Lsn;
using storage::NodeId;
using storage::Term;

constexpr std::string_view kVote = "VOTE";
constexpr std::string_view kVoted = "VOTED";
constexpr std::string_view kAppend = "APPEND";
constexpr std::string_view kAck = "ACK";
constexpr std::string_view kReject = "REJECT";
constexpr std::string_view kTimeoutNow = "TIMEOUT-NOW";
constexpr std::string_view kHello = "HELLO";
constexpr std::string_view kBirth = "BIRTH";
constexpr std::string_view kMembers = "MEMBERS";
constexpr std::string_view kSnapshot = "SNAPSHOT";
constexpr std::string_view kSnapshotAck = "SNAPSHOT-ACK";
constexpr std::string_view kSnapshotWanted = "SNAPSHOT-WANTED";
constexpr std::string_view kForward = "FORWARD";
constexpr std::string_view kRelay = "RELAY";
constexpr std::string_view kGone = "GONE";
constexpr std::string_view kReadIndex = "READ-INDEX";
constexpr std::string_view kReadIndexAck = "READ-INDEX-ACK";
constexpr std::string_view kPublished = "PUBLISHED";
constexpr std::string_view kDigest = "DIGEST";
constexpr std::string_view kDiffers = "DIFFERS";
constexpr std::string_view kOrphans = "ORPHANS";
constexpr std::string_view kOrphansAck = "ORPHANS-ACK";
constexpr std::string_view kPart = "PART";

// --- Out.

// Up to the length line of the records.
std::string append_head(const replication::Message& message, size_t records_bytes) {
  return FieldWriter(kAppend, 7)
      .number(message.term.value())
      .position(message.position)
      .number(message.commit.value())
      .signed_number(message.sent_us)
      .signed_number(message.wall_us)
      .length(records_bytes)
      .take();
}

std::string encode_ack(std::string_view word, const replication::Message& message) {
  return FieldWriter(word, 5)
      .number(message.term.value())
      .position(message.position)
      .signed_number(message.sent_us)
      .signed_number(message.wall_us)
      .take();
}

std::string encode_message(const replication::Message& message) {
  const uint64_t term = message.term.value();
  switch (message.kind) {
    case MessageKind::kVoteRequest:
      return FieldWriter(kVote, 8)
          .number(term)
          .position(message.position)
          .signed_number(message.sent_us)
          .flag(message.pre_vote)
          .flag(message.transfer)
          .flag(message.everyone)
          .signed_number(message.wall_us)
          .take();
    case MessageKind::kVoteReply:
      return FieldWriter(kVoted, 9)
          .number(term)
          .position(message.position)
          .signed_number(message.sent_us)
          .flag(message.pre_vote)
          .flag(message.granted)
          .position(message.claim)
          .signed_number(message.wall_us)
          .take();
    case MessageKind::kAppend: {
      size_t bytes = 0;
      for (const storage::RecordView& record : message.records) bytes += record.bytes.size();
      std::string out = append_head(message, bytes);
      for (const storage::RecordView& record : message.records) out += record.bytes;
      return out += "\r\n";
    }
    case MessageKind::kAck:
      return encode_ack(kAck, message);
    case MessageKind::kReject:
      return encode_ack(kReject, message);
    case MessageKind::kTimeoutNow:
      return FieldWriter(kTimeoutNow, 2).number(term).signed_number(message.wall_us).take();
  }
  CHECK(false) << "a message of no kind";
  return {};
}

std::string encode_hello(const Hello& hello, bool with_secret) {
  FieldWriter out(kHello, with_secret ? 7 : 6);
  out.number(hello.version)
      .bytes(hello.cluster_id)
      .number(hello.node.value())
      .id(hello.instance)
      .id(hello.incarnation)
      .number(hello.boot);
  if (with_secret) out.bytes(hello.secret);
  return out.take();
}

std::string encode_forward(const Forward& forward) {
  size_t fields = 8 + forward.commands.size();
  for (const auto& command : forward.commands) fields += command.size();
  FieldWriter out(kForward, fields);
  out.number(forward.client)
      .number(forward.sequence)
      .number(forward.term.value())
      .number(forward.database)
      .number(forward.protocol)
      .number(forward.write_quorum)
      .flag(forward.transaction)
      .number(forward.commands.size());
  for (const auto& command : forward.commands) {
    out.number(command.size());
    for (const std::string& argument : command) out.bytes(argument);
  }
  return out.take();
}

struct Encode {
  std::string operator()(const replication::Message& message) const {
    return encode_message(message);
  }
  std::string operator()(const Hello& hello) const { return encode_hello(hello, true); }
  std::string operator()(const Birth& birth) const {
    return FieldWriter(kBirth, 3)
        .id(birth.incarnation)
        .digest(birth.hash_seed)
        .bytes(birth.record)
        .take();
  }
  std::string operator()(const Members& members) const {
    return FieldWriter(kMembers, 2)
        .number(members.lsn.value())
        .bytes(replication::encode_membership(members.membership))
        .take();
  }
  std::string operator()(const SnapshotChunk& chunk) const {
    return FieldWriter(kSnapshot, 7)
        .number(chunk.term.value())
        .position(chunk.cut)
        .number(chunk.total_bytes)
        .number(chunk.offset)
        .flag(chunk.keyspace_only)
        .bytes(chunk.bytes)
        .take();
  }
  std::string operator()(const SnapshotAck& ack) const {
    return FieldWriter(kSnapshotAck, 5)
        .number(ack.term.value())
        .position(ack.cut)
        .number(ack.offset)
        .flag(ack.failed)
        .take();
  }
  std::string operator()(const SnapshotWanted& wanted) const {
    return FieldWriter(kSnapshotWanted, 1).number(wanted.at_least.value()).take();
  }
  std::string operator()(const Forward& forward) const { return encode_forward(forward); }
  std::string operator()(const Relay& relay) const {
    return FieldWriter(kRelay, 6)
        .number(relay.client)
        .number(relay.sequence)
        .position(relay.reflects)
        .flag(relay.refused)
        .bytes(relay.bytes)
        .take();
  }
  std::string operator()(const Gone& gone) const {
    return FieldWriter(kGone, 1).number(gone.client).take();
  }
  std::string operator()(const ReadIndex& request) const {
    return FieldWriter(kReadIndex, 2).number(request.term.value()).number(request.sequence).take();
  }
  std::string operator()(const ReadIndexAck& ack) const {
    return FieldWriter(kReadIndexAck, 4)
        .number(ack.term.value())
        .number(ack.sequence)
        .number(ack.index.value())
        .flag(ack.refused)
        .take();
  }
  std::string operator()(const Published& published) const {
    return FieldWriter(kPublished, 2).bytes(published.channel).bytes(published.message).take();
  }
  std::string operator()(const DigestReport& report) const {
    return FieldWriter(kDigest, 2).number(report.lsn.value()).digest(report.digest).take();
  }
  std::string operator()(const Differs& differs) const {
    return FieldWriter(kDiffers, 2).number(differs.lsn.value()).digest(differs.majority).take();
  }
  std::string operator()(const Orphans& orphans) const {
    return FieldWriter(kOrphans, 3)
        .number(orphans.term.value())
        .number(orphans.files_left)
        .bytes(orphans.records)
        .take();
  }
  std::string operator()(const OrphansAck& ack) const {
    return FieldWriter(kOrphansAck, 7)
        .number(ack.term.value())
        .position(ack.last)
        .number(ack.merged)
        .number(ack.lost)
        .number(ack.kept)
        .flag(ack.refused)
        .take();
  }
  std::string operator()(const Part& part) const { return encode_part(part.bytes, part.last); }
};

// --- In. Each decoder reads its fields; whether they were all there the caller asks the reader.

replication::Message message_of(MessageKind kind, FieldReader& fields) {
  replication::Message message;
  message.kind = kind;
  message.term = fields.named<Term>("term");
  return message;
}

Message decode_vote(FieldReader& fields, const storage::Incarnation&) {
  replication::Message message = message_of(MessageKind::kVoteRequest, fields);
  message.position = fields.position("last position");
  message.sent_us = fields.number<int64_t>("attempt");
  message.pre_vote = fields.flag("pre-vote");
  message.transfer = fields.flag("transfer");
  message.everyone = fields.flag("everyone");
  message.wall_us = fields.number<int64_t>("wall clock");
  return message;
}

Message decode_voted(FieldReader& fields, const storage::Incarnation&) {
  replication::Message message = message_of(MessageKind::kVoteReply, fields);
  message.position = fields.position("last position");
  message.sent_us = fields.number<int64_t>("attempt");
  message.pre_vote = fields.flag("pre-vote");
  message.granted = fields.flag("granted");
  message.claim = fields.position("claim");
  message.wall_us = fields.number<int64_t>("wall clock");
  return message;
}

std::string_view name(storage::RecordError error) {
  switch (error) {
    case storage::RecordError::kTruncated:
      return "a piece of one";
    case storage::RecordError::kChecksum:
      return "one whose checksum is wrong";
    case storage::RecordError::kMalformed:
      return "a malformed one";
    case storage::RecordError::kNone:
      break;
  }
  return "a record";
}

// Whole records, each verified; nothing where there are none or the field is wrong.
std::vector<storage::RecordView> take_records(FieldReader& fields, std::string_view all,
                                              const storage::Incarnation& incarnation) {
  std::vector<storage::RecordView> records;
  for (std::string_view bytes = all; !bytes.empty() && !fields.failed();) {
    storage::RecordView record;
    const size_t at = all.size() - bytes.size();
    const storage::RecordError error = storage::decode_record(incarnation, bytes, record);
    if (error == storage::RecordError::kNone) {
      records.push_back(record);
    } else {
      fields.fail("records", "whole records of this cluster",
                  base::concat(name(error), " at byte ", at, " of ", all.size()));
    }
  }
  return records;
}

Message decode_append(FieldReader& fields, const storage::Incarnation& incarnation) {
  replication::Message message = message_of(MessageKind::kAppend, fields);
  message.position = fields.position("previous position");
  message.commit = fields.named<Lsn>("commit");
  message.sent_us = fields.number<int64_t>("sending clock");
  message.wall_us = fields.number<int64_t>("wall clock");
  message.records = take_records(fields, fields.bytes("records"), incarnation);
  return message;
}

Message decode_ack(FieldReader& fields, const storage::Incarnation&) {
  replication::Message message = message_of(MessageKind::kAck, fields);
  message.position = fields.position("position");
  message.sent_us = fields.number<int64_t>("sending clock");
  message.wall_us = fields.number<int64_t>("wall clock");
  return message;
}

Message decode_reject(FieldReader& fields, const storage::Incarnation& incarnation) {
  Message message = decode_ack(fields, incarnation);
  std::get<replication::Message>(message).kind = MessageKind::kReject;
  return message;
}

Message decode_timeout_now(FieldReader& fields, const storage::Incarnation&) {
  replication::Message message = message_of(MessageKind::kTimeoutNow, fields);
  message.wall_us = fields.number<int64_t>("wall clock");
  return message;
}

Message decode_hello(FieldReader& fields, const storage::Incarnation&) {
  fields.quote_nothing();
  Hello hello;
  hello.version = fields.number<uint32_t>("version");
  const auto pass_over_the_rest = [&fields] {
    while (fields.left() > 0) fields.bytes("field of another version");
  };
  if (!fields.failed() && hello.version < kOldestProtocolVersion) {
    pass_over_the_rest();
    return hello;
  }
  hello.cluster_id = fields.bytes("cluster id");
  hello.node = fields.named<NodeId>("node id");
  hello.instance = fields.id("instance");
  hello.incarnation = fields.id("incarnation");
  hello.boot = fields.number<uint64_t>("boot");
  if (fields.left() > 0) hello.secret = fields.bytes("secret");
  if (hello.version > newest_protocol_version()) pass_over_the_rest();
  if (hello.node == NodeId{0}) fields.fail("node id", "1 or more", "0");
  return hello;
}

Message decode_birth(FieldReader& fields, const storage::Incarnation&) {
  Birth birth;
  birth.incarnation = fields.id("incarnation");
  birth.hash_seed = fields.digest("hash seed");
  birth.record = fields.bytes("record");
  return birth;
}

Message decode_members(FieldReader& fields, const storage::Incarnation&) {
  Members members;
  members.lsn = fields.named<Lsn>("lsn");
  const std::string_view bytes = fields.bytes("membership");
  if (!fields.failed() && !replication::decode_membership(bytes, members.membership)) {
    fields.fail_bytes("membership", "a membership", bytes);
  }
  return members;
}

Message decode_snapshot(FieldReader& fields, const storage::Incarnation&) {
  SnapshotChunk chunk;
  chunk.term = fields.named<Term>("term");
  chunk.cut = fields.position("cut");
  chunk.total_bytes = fields.number<uint64_t>("total bytes");
  chunk.offset = fields.number<uint64_t>("offset");
  chunk.keyspace_only = fields.flag("keyspace only");
  chunk.bytes = fields.bytes("bytes");
  if (chunk.offset > chunk.total_bytes || chunk.bytes.size() > chunk.total_bytes - chunk.offset) {
    fields.fail("bytes", base::concat("no more than ", chunk.total_bytes, " in all"),
                base::concat(chunk.bytes.size(), " from ", chunk.offset));
  }
  return chunk;
}

Message decode_snapshot_ack(FieldReader& fields, const storage::Incarnation&) {
  SnapshotAck ack;
  ack.term = fields.named<Term>("term");
  ack.cut = fields.position("cut");
  ack.offset = fields.number<uint64_t>("offset");
  ack.failed = fields.flag("failed");
  return ack;
}

Message decode_snapshot_wanted(FieldReader& fields, const storage::Incarnation&) {
  return SnapshotWanted{fields.named<Lsn>("at least")};
}

// Each command: how many arguments, then they. A count is believed only as far as fields follow.
void decode_commands(FieldReader& fields, Forward& forward) {
  const auto commands = fields.number<uint64_t>("commands");
  if (fields.failed()) return;
  if (forward.transaction ? commands > fields.left() : commands != 1) {
    const std::string most = std::to_string(fields.left());
    fields.fail("commands", forward.transaction ? "at most " + most : "1", base::concat(commands));
    return;
  }
  forward.commands.reserve(commands);
  for (uint64_t i = 0; i < commands; ++i) {
    const auto arguments = fields.number<uint64_t>("arguments");
    if (fields.failed()) return;
    if (arguments == 0 || arguments > fields.left()) {
      fields.fail("arguments", base::concat("from 1 to ", fields.left()), base::concat(arguments));
      return;
    }
    std::vector<std::string>& command = forward.commands.emplace_back();
    command.reserve(arguments);
    for (uint64_t j = 0; j < arguments; ++j) command.emplace_back(fields.bytes("argument"));
  }
}

Message decode_forward(FieldReader& fields, const storage::Incarnation&) {
  Forward forward;
  forward.client = fields.number<uint64_t>("client");
  forward.sequence = fields.number<uint64_t>("sequence");
  forward.term = fields.named<Term>("term");
  forward.database = fields.number<uint8_t>("database");
  forward.protocol = fields.number<uint8_t>("protocol");
  forward.write_quorum = fields.number<uint16_t>("write quorum");
  forward.transaction = fields.flag("transaction");
  if (!fields.failed() && forward.protocol != 2 && forward.protocol != 3) {
    fields.fail("protocol", "2 or 3", std::to_string(forward.protocol));
  }
  decode_commands(fields, forward);
  return forward;
}

Message decode_relay(FieldReader& fields, const storage::Incarnation&) {
  Relay relay;
  relay.client = fields.number<uint64_t>("client");
  relay.sequence = fields.number<uint64_t>("sequence");
  relay.reflects = fields.position("reflected position");
  relay.refused = fields.flag("refused");
  relay.bytes = fields.bytes("bytes");
  return relay;
}

Message decode_gone(FieldReader& fields, const storage::Incarnation&) {
  return Gone{fields.number<uint64_t>("client")};
}

Message decode_read_index(FieldReader& fields, const storage::Incarnation&) {
  ReadIndex request;
  request.term = fields.named<Term>("term");
  request.sequence = fields.number<uint64_t>("sequence");
  return request;
}

Message decode_read_index_ack(FieldReader& fields, const storage::Incarnation&) {
  ReadIndexAck ack;
  ack.term = fields.named<Term>("term");
  ack.sequence = fields.number<uint64_t>("sequence");
  ack.index = fields.named<Lsn>("index");
  ack.refused = fields.flag("refused");
  return ack;
}

Message decode_published(FieldReader& fields, const storage::Incarnation&) {
  Published published;
  published.channel = fields.bytes("channel");
  published.message = fields.bytes("message");
  return published;
}

Message decode_digest(FieldReader& fields, const storage::Incarnation&) {
  DigestReport report;
  report.lsn = fields.named<Lsn>("lsn");
  report.digest = fields.digest("digest");
  return report;
}

Message decode_differs(FieldReader& fields, const storage::Incarnation&) {
  Differs differs;
  differs.lsn = fields.named<Lsn>("lsn");
  differs.majority = fields.digest("digest");
  return differs;
}

Message decode_orphans(FieldReader& fields, const storage::Incarnation& incarnation) {
  Orphans orphans;
  orphans.term = fields.named<Term>("term");
  orphans.files_left = fields.number<uint64_t>("files left");
  orphans.records = fields.bytes("records");
  take_records(fields, orphans.records, incarnation);
  return orphans;
}

Message decode_orphans_ack(FieldReader& fields, const storage::Incarnation&) {
  OrphansAck ack;
  ack.term = fields.named<Term>("term");
  ack.last = fields.position("last position");
  ack.merged = fields.number<uint64_t>("merged");
  ack.lost = fields.number<uint64_t>("lost");
  ack.kept = fields.number<uint64_t>("kept");
  ack.refused = fields.flag("refused");
  return ack;
}

Message decode_part(FieldReader& fields, const storage::Incarnation&) {
  Part part;
  part.last = fields.flag("last");
  part.bytes = fields.bytes("bytes");
  return part;
}

struct Word {
  std::string_view word;
  Message (*decode)(FieldReader& fields, const storage::Incarnation& incarnation);
};

constexpr Word kWords[] = {
    {kAppend, decode_append},
    {kAck, decode_ack},
    {kPart, decode_part},
    {kForward, decode_forward},
    {kRelay, decode_relay},
    {kPublished, decode_published},
    {kGone, decode_gone},
    {kReadIndex, decode_read_index},
    {kReadIndexAck, decode_read_index_ack},
    {kVote, decode_vote},
    {kVoted, decode_voted},
    {kReject, decode_reject},
    {kTimeoutNow, decode_timeout_now},
    {kHello, decode_hello},
    {kBirth, decode_birth},
    {kMembers, decode_members},
    {kSnapshot, decode_snapshot},
    {kSnapshotAck, decode_snapshot_ack},
    {kSnapshotWanted, decode_snapshot_wanted},
    {kDigest, decode_digest},
    {kDiffers, decode_differs},
    {kOrphans, decode_orphans},
    {kOrphansAck, decode_orphans_ack},
};

const Word* find_word(std::string_view text) {
  for (const Word& word : kWords) {
    if (base::equal_ignoring_case(word.word, text)) return &word;
  }
  return nullptr;
}

}  // namespace

std::string encode(const Message& message) { return std::visit(Encode(), message); }

EncodedAppend encode_append(const replication::Message& message, size_t records_bytes) {
  CHECK(message.kind == MessageKind::kAppend);
  CHECK(message.records.empty());
  return {append_head(message, records_bytes), "\r\n"};
}

absl::StatusOr<Message> decode(const storage::Incarnation& incarnation, resp::Arguments arguments) {
  if (arguments.size() < 2 || !base::equal_ignoring_case(arguments[0], "REPLCONF")) {
    return absl::InvalidArgumentError(
        base::concat("expected REPLCONF and a word, got ",
                     arguments.empty() ? "nothing" : quoted(arguments[0])));
  }
  const Word* word = find_word(arguments[1]);
  if (word == nullptr) {
    return absl::InvalidArgumentError(
        base::concat("REPLCONF: expected a message between nodes, got ", quoted(arguments[1])));
  }
  FieldReader fields(arguments);
  Message message = word->decode(fields, incarnation);
  if (absl::Status status = fields.finish(); !status.ok()) return status;
  return message;
}

bool is_peer_word(std::string_view word) { return find_word(word) != nullptr; }

std::string encode_hello_answer(const Hello& hello) { return encode_hello(hello, false); }

std::string encode_part(std::string_view bytes, bool last) {
  return FieldWriter(kPart, 2).flag(last).bytes(bytes).take();
}

}  // namespace kvorum::server::peer
