// What nodes tell each other, as RESP arrays on the client port: REPLCONF HELLO, VOTE, APPEND, ACK
// … docs/replication.md has the table of messages. Pure functions; bytes in, messages out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "replication/membership.h"
#include "replication/message.h"
#include "resp/parser.h"
#include "server/node/cluster/protocol_version.h"
#include "storage/digest.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::server::peer {

// Longer messages travel in parts of this many bytes, which short ones overtake.
inline constexpr size_t kPartBytes = 64 * 1024;
// A message of this many bytes still travels whole: kPartBytes of records with its other fields.
inline constexpr size_t kMaxWholeBytes = kPartBytes + 1024;
// No message is longer, put together: the longest record with its other fields.
inline constexpr size_t kMaxMessageBytes = storage::kMaxRecordPayloadBytes + kPartBytes;

// Says who dials; the dialled node answers with its own, as an array of the same strings. A later
// version may have more fields behind these: they are passed over. Of one that is too old only
// `version` is decoded.
struct Hello {
  uint32_t version = newest_protocol_version();
  std::string cluster_id;
  std::string secret;  // not in the answer
  storage::NodeId node{0};
  storage::InstanceId instance{};
  storage::Incarnation incarnation{};  // zeros: never a member of a cluster
  uint64_t boot = 0;
};

// The birth of a cluster, from its founder to everybody who has said "never a member".
struct Birth {
  storage::Incarnation incarnation{};
  uint64_t hash_seed = 0;
  std::string record;  // the first record of the log, as encoded: the membership
};

// Who the members are, as far as the sender knows that to be committed: so that a node whose log
// does not say so yet finds them, and one that is none of them any more knows.
struct Members {
  storage::Lsn lsn{0};  // in force there
  replication::Membership membership;
};

struct SnapshotChunk {
  storage::Term term{0};  // of the leader that sends it
  storage::Position cut;
  uint64_t total_bytes = 0;
  uint64_t offset = 0;
  bool keyspace_only = false;  // the receiver's keyspace differs: its log stays
  std::string bytes;
};

struct SnapshotAck {
  storage::Term term{0};
  storage::Position cut;
  uint64_t offset = 0;  // everything before it has arrived; total_bytes: verified, durable, loaded
  bool failed = false;
};

// A differing node asks for a snapshot of at least this lsn, for its keyspace alone.
struct SnapshotWanted {
  storage::Lsn at_least{0};
};

// A client's command, from a follower to the leader. `transaction`: EXEC with what MULTI queued.
struct Forward {
  uint64_t client = 0;    // the follower's name for its client on this link, never used twice
  uint64_t sequence = 0;  // 1, 2, 3 … per client
  storage::Term term{0};  // the leadership it is meant for: another one refuses it
  uint8_t database = 0;
  uint8_t protocol = 2;
  uint16_t write_quorum = 0;                       // replication::WriteQuorum::setting()
  std::vector<std::vector<std::string>> commands;  // one, or a transaction's (none: empty EXEC)
  bool transaction = false;
};

// Replies to forwarded commands, from the leader: `bytes` answers everything up to `sequence`.
struct Relay {
  uint64_t client = 0;
  uint64_t sequence = 0;
  storage::Position reflects;  // what the follower must have applied before it reads for the client
  bool refused = false;        // certainly not executed, and nothing after it: may be sent again
  std::string bytes;
};

// A follower's reads wait for the leader's commit position (read_index.h).
struct ReadIndex {
  storage::Term term{0};  // the leadership it is meant for: another one refuses it
  uint64_t sequence = 0;  // names the request, also over a restart of the follower
};

struct ReadIndexAck {
  storage::Term term{0};  // of the request, as is the sequence
  uint64_t sequence = 0;
  storage::Lsn index{0};  // everything answered before the request came is at or before it
  bool refused = false;   // not the leader, or not any more: ask whoever is
};

// The follower's client is gone: forget its session.
struct Gone {
  uint64_t client = 0;
};

struct Published {
  std::string channel, message;
};

// The keyspace's digest at a digest record.
struct DigestReport {
  storage::Lsn lsn{0};
  storage::Digest digest = 0;
};

// The leader's verdict: your keyspace differs from a majority's at this lsn.
struct Differs {
  storage::Lsn lsn{0};
  storage::Digest majority = 0;
};

// Records that their node had to drop and that were never committed, for the leader to merge
// (orphan_merge.h). Without records: how much is to come.
struct Orphans {
  storage::Term term{0};    // the leadership it is meant for: another one passes it over
  uint64_t files_left = 0;  // not yet offered whole; counts only without records
  std::string records;      // whole, as encoded; each was verified
};

struct OrphansAck {
  storage::Term term{0};
  storage::Position last;  // of the records: they are judged, and what was merged is committed
  uint64_t merged = 0;     // records that won
  uint64_t lost = 0;       // newer ones are in their place
  uint64_t kept = 0;       // cannot be merged
  bool refused = false;    // not now: come again
};

// A part of a message longer than kPartBytes: the parts of one link, put together, are the whole
// RESP array.
struct Part {
  bool last = false;
  std::string bytes;
};

using Message =
    std::variant<replication::Message, Hello, Birth, Members, SnapshotChunk, SnapshotAck,
                 SnapshotWanted, Forward, Relay, Gone, ReadIndex, ReadIndexAck, Published,
                 DigestReport, Differs, Orphans, OrphansAck, Part>;

// What of a replication::Message is on the wire: the fields its kind has by replication/message.h,
// and wall_us; `from` and `to` are the link's business.
// An append's records are not in `head`: they follow as `records`, then `tail` ends the array.
[[nodiscard]] std::string encode(const Message& message);
struct EncodedAppend {
  std::string head;  // up to and with the bulk's length line
  std::string tail;  // "\r\n"
};
// REQUIRES: message.kind == kAppend, message.records is empty.
[[nodiscard]] EncodedAppend encode_append(const replication::Message& message,
                                          size_t records_bytes);

// `arguments`: REPLCONF, the word, its fields. The records of an append are decoded with the
// incarnation (each checksum verified) and point into `arguments`. Errors name the word, the field,
// what was expected and what came, made printable and cut; of a HELLO, which holds the secret,
// nothing is quoted.
[[nodiscard]] absl::StatusOr<Message> decode(const storage::Incarnation& incarnation,
                                             resp::Arguments arguments);
// True for a word that is a message between nodes (not LISTENING-PORT, CAPA, GETACK … of Redis).
[[nodiscard]] bool is_peer_word(std::string_view word);

// The answer to a Hello: as encode(hello), without the secret.
[[nodiscard]] std::string encode_hello_answer(const Hello& hello);

// Of a message's bytes that travel in parts: REPLCONF PART … around each piece.
[[nodiscard]] std::string encode_part(std::string_view bytes, bool last);

// Puts the parts of one connection together. Holds one message at a time.
class PartAssembler {
 public:
  PartAssembler();

  // True: the message is whole, arguments() is what decode takes. After an error the connection is
  // of no use any more.
  [[nodiscard]] absl::StatusOr<bool> add(const Part& part);
  // Valid until the next add(). REQUIRES: add() said true.
  resp::Arguments arguments() const { return parser_.arguments(); }
  // Frees the memory of a message that has been dealt with; else the next one reuses it.
  void release() { parser_.release_memory(); }

 private:
  resp::Parser parser_;
};

}  // namespace kvorum::server::peer
