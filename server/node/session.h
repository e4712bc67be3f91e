// One client as the node sees it: what it selected, subscribed, watched and queued, and its
// replies. The host owns the connection behind it. Belongs to the loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "replication/membership.h"
#include "resp/parser.h"
#include "resp/reply_writer.h"
#include "server/node/consistency.h"
#include "server/node/output_queue.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::server {

class Session;
struct Command;
struct CommandStatistics;

// A command queued by MULTI: its arguments, owned.
struct QueuedCommand {
  const Command* command = nullptr;
  std::vector<std::string> arguments;
};

enum class ReplyMode : uint8_t {
  kOn,
  kOff,
  kSkipNext /* CLIENT REPLY SKIP was just said */,
  kSkip
};

// What a blocked session waits for, and what to answer when it gives up.
struct Blocked {
  int64_t deadline_us = 0;  // monotonic; 0: for ever
  bool unblockable = true;  // CLIENT UNBLOCK may end it
  // Looked at after every commit and tick: true (having written its reply) when the wait is over.
  std::function<bool(Session&)> try_finish;
  // Writes the reply of a wait that timed out.
  std::function<void(Session&)> on_timeout;
};

// Why a session's next command, a read, was told to come again (route.h).
struct ReadWait {
  enum class Index : uint8_t { kNotAsked, kAsked, kConfirmed };

  int64_t since_us = 0;  // monotonic
  // A linearizable read at a follower (read_index.h): the round of requests that it waits for, the
  // session's inputs when it began to, and, confirmed, what has to be applied.
  Index index = Index::kNotAsked;
  uint64_t round = 0, inputs = 0;
  storage::Lsn lsn{0};
};

class Session {
 public:
  explicit Session(uint64_t session_id) : id(session_id) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const uint64_t id;
  // Set by the host at connect.
  std::string address;  // "127.0.0.1:51234", "[::1]:5", "/path/kvorum.sock:0"
  std::string local_address;
  int file_descriptor = -1;
  bool unix_socket = false;
  bool loopback = true;
  uintptr_t host_tag = 0;  // the host's own

  // Kept by the node.
  std::string name, library_name, library_version;
  resp::Protocol protocol = resp::Protocol::kResp2;
  int database = 0;
  bool authenticated = false;
  bool monitor = false;
  bool no_evict = false;
  bool no_touch = false;  // its reads leave the access time alone
  bool capability_redirect = false;
  ReplyMode reply_mode = ReplyMode::kOn;
  int64_t created_us = 0;           // monotonic
  int64_t last_interaction_us = 0;  // monotonic
  const Command* last_command = nullptr;
  CommandStatistics* last_statistics = nullptr;  // the row of last_command
  uint64_t commands_processed = 0;

  // Kept by the host: how often bytes of the client have come into its parser. 0 where the host
  // does not count: then every read asks for an index of its own.
  uint64_t inputs = 0;
  // Kept by the host, for CLIENT LIST.
  size_t query_buffer_bytes = 0, query_buffer_free_bytes = 0, argument_bytes = 0;

  // MULTI.
  bool in_transaction = false;
  bool transaction_broken = false;  // a command failed to queue: EXEC answers EXECABORT
  bool watch_touched = false;       // a watched key changed: EXEC answers nil
  std::vector<QueuedCommand> queued;
  size_t queued_bytes = 0;
  std::vector<std::pair<int, std::string>> watched;  // database, key

  // Pub/sub.
  absl::btree_set<std::string> channels, patterns, shard_channels;
  bool subscribed() const {
    return !channels.empty() || !patterns.empty() || !shard_channels.empty();
  }

  // Replies.
  OutputQueue output;
  storage::Position last_write;  // newest record this session made
  resp::ReplyWriter writer() { return {output.buffer(), protocol}; }

  // A node of the cluster that has proven who it is (REPLCONF HELLO); 0: a client.
  storage::NodeId peer{0};
  storage::InstanceId peer_instance{};
  // CLIENT QUORUM; nullopt: the cluster's.
  std::optional<replication::WriteQuorum> write_quorum;
  // CLIENT CONSISTENCY; nullopt: the option's.
  std::optional<Consistency> consistency;
  // Newest record whose effects this client has seen, through any node: local reads wait for it, or
  // for one of a later term that is committed, which proves that it is in the log or lost. Always
  // the record's own position: positions of one history are ordered.
  storage::Position seen;
  void see(storage::Position position) { seen = std::max(seen, position); }
  std::optional<ReadWait> read_wait;
  // What came with this input or before has an index that is applied.
  uint64_t indexed_inputs = 0;
  // On a follower: commands sent to the leader and not answered yet.
  uint32_t forwarded = 0;
  // On the leader: this session stands for a client of another node (forwarding.h).
  struct RemoteClient* remote = nullptr;

  // Close as soon as everything sealed so far has left (QUIT, protocol error) or at once.
  bool close_after_reply = false;
  bool close_now = false;

  // Set while a command waits; the host executes nothing more for it meanwhile.
  std::unique_ptr<Blocked> blocked;
  bool postponed =
      false;  // its next command was told to come again (CLIENT PAUSE, write backlog, read)

  bool ready = false;  // told to the host and not looked at yet
  bool gated_listed = false;
};

}  // namespace kvorum::server
