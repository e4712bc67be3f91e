// The node: keyspace, log, sessions and commands on one loop, without I/O of its own. The host
// (host.h) brings commands in, runs the blocking work, and sends what the gates let out.
// Everything belongs to the loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "resp/parser.h"
#include "server/node/client_pause.h"
#include "server/node/command.h"
#include "server/node/host.h"
#include "server/node/latency.h"
#include "server/node/log_clock.h"
#include "server/node/monitor.h"
#include "server/node/options.h"
#include "server/node/pubsub.h"
#include "server/node/record_log.h"
#include "server/node/session.h"
#include "server/node/slow_log.h"
#include "server/node/statistics.h"
#include "server/node/transactions.h"
#include "storage/effect.h"
#include "storage/entry.h"
#include "storage/keyspace.h"

namespace kvorum::server {

class Cluster;
class Forwarding;
class Persistence;

enum class Execution : uint8_t {
  kDone,       // reply written, or none due
  kComeAgain,  // not executed: call again with the same command once the session is ready
};

class Node {
 public:
  // `options` and `host` outlive the node.
  Node(OptionTable& options, Host& host);
  ~Node();

  // Opens the data directory and begins to load it; commands answer -LOADING until loaded().
  absl::Status start();
  bool loaded() const;
  // SIGTERM and SHUTDOWN: takes no more commands, syncs what is queued, then Host::stopped.
  // With `snapshot` one is written first; if that fails, calls the whole thing off unless `force`.
  void shut_down(bool snapshot, bool force);
  bool shutting_down() const { return shutting_down_; }
  // SHUTDOWN ABORT: false if nothing was under way that can still be stopped.
  bool abort_shut_down();

  // --- Sessions.
  // `session.loopback` and the addresses are for the host to set before the first execute().
  Session& connect();
  void disconnect(Session& session);
  // Executes one command; the arguments need only live through the call.
  // REQUIRES: !session.blocked && !session.close_after_reply.
  Execution execute(Session& session, resp::Arguments arguments);
  // The client broke the protocol ("Protocol error: …"): answers and closes. kComeAgain: what came
  // before has to be answered first.
  Execution protocol_error(Session& session, std::string_view message);

  // --- Peers: what the host reports of the connections it dialled (Host::dial).
  void peer_connected(storage::NodeId peer);
  void peer_received(storage::NodeId peer, std::string_view bytes);
  void peer_sent(storage::NodeId peer);  // some of what was unsent has gone
  void peer_closed(storage::NodeId peer, std::string_view reason);

  // --- Time.
  // Reads the clocks: once when a batch of input has arrived, before it is executed.
  void refresh_clock();
  // Once per turn of the loop, after all input: ships and writes everything queued (group commit).
  void end_turn();
  // At least every 100 ms, and at once again while it returns true (loading, a snapshot's next
  // slice, reclaiming memory, many keys expiring).
  bool tick();
  // Something waits for a tick: Host::soon_us().
  bool tick_wanted() const;

  // --- For command handlers.
  OptionTable& options() { return options_; }
  // A value of the option table changed: the node and the host look again.
  void options_changed();
  Host& host() { return host_; }
  storage::Keyspace& keyspace() { return *keyspace_; }
  // A data directory was opened, which fixes the seed of its hashes. REQUIRES: nothing loaded yet.
  void reset_keyspace(uint64_t hash_seed);
  // The wall clock, the same throughout a command or transaction.
  int64_t now_ms() const { return command_wall_us_ / 1000; }
  int64_t now_us() const { return command_wall_us_; }
  int64_t monotonic_us() const { return clock_us_; }
  // The log's clock, the same throughout a command: what a leader stamps records with and judges
  // expiry by.
  int64_t log_ms() const { return command_log_us_ / 1000; }
  // What "so many seconds from now" counts from: a key is never born expired.
  int64_t expiry_base_ms() const { return std::max(now_ms(), log_ms()); }

  enum class Lookup : uint8_t {
    kRead,   // GET-like: counts and notifies a miss, counts a hit, touches the access time
    kPeek,   // OBJECT- or WATCH-like: none of these
    kWrite,  // before a change: touches, counts nothing
  };
  // The entry, or null if absent or expired; an expired key is deleted first, by a record that the
  // reply then gates on. The reply is made to depend on what was seen. Valid until the key changes.
  const storage::Entry* lookup(CommandContext& context, std::string_view key, Lookup mode) {
    return lookup_in(context.session.database, key, mode);
  }
  const storage::Entry* lookup_in(int database, std::string_view key, Lookup mode);
  // A leader judges by the log's clock, which never goes back, a follower by the stamp of the last
  // record it has applied: so it shows what the leader has shown (docs/consistency.md).
  bool expired(const storage::Entry& entry) const {
    return entry.expiry_ms() != 0 && entry.expiry_ms() <= expiry_clock_ms();
  }
  int64_t expiry_clock_ms() const {
    if (log_.leading()) return log_ms();
    return static_cast<int64_t>(storage::HybridLogicalClock::wall_ms(log_.applied_hlc()));
  }

  // Applies the effect now and adds it to the record of the command or transaction being executed.
  void change(const storage::Effect& effect);
  // A record of its own for effects that a deposed leader had stamped so, and that win over what is
  // there (orphan_merge.h). REQUIRES: this node leads, no record is open.
  void merge(storage::Stamp stamp, std::string_view effects);
  // The same for the record that lets tombstones go.
  void forget_tombstones(storage::Hlc horizon);
  // CLIENT CONSISTENCY's, or the option's.
  Consistency consistency_of(const Session& session) const {
    return session.consistency.value_or(default_consistency_);
  }

  // Keyspace notification: `event_class` is Redis' letter ('g', '$', 'x' …). Published when the
  // command ends, gated on its record.
  void notify(char event_class, std::string_view event, std::string_view key, int database);

  // The running command has made this record besides effects (a membership): its reply waits until
  // it is committed.
  void made_record(storage::Position record) { made_record_ = record; }
  // The reply of the running command tells of this record.
  void depend_on(storage::Lsn lsn) { dependency_ = std::max(dependency_, lsn); }

  // The session waits, after the running command, for `blocked`; the handler writes no reply.
  // REQUIRES: !executing_transaction().
  void block(Session& session, std::unique_ptr<Blocked> blocked);
  // Ends a wait as if it had timed out, or with -UNBLOCKED.
  void unblock(Session& session, bool with_error);

  // Runs one command of a transaction, or one that stands alone: the handler, figures, slow log.
  void call(CommandContext& context);

  // Tells the host there is something to do for the session.
  void make_ready(Session& session);
  // Ends what a handler or a finished wait appended to the session's output.
  void seal_reply(Session& session, storage::Position gate, OutputKind kind);
  // One whole message to another session (pub/sub, MONITOR); sent when the gate opens.
  void push(Session& session, std::string_view bytes, storage::Position gate);

  // --- Registries and figures, for CLIENT, PUBSUB, CONFIG and INFO.
  using Sessions = absl::btree_map<uint64_t, std::unique_ptr<Session>>;
  const Sessions& sessions() const { return sessions_; }  // by id
  PubSub& pubsub() { return pubsub_; }
  SlowLog& slow_log() { return slow_log_; }
  LatencyMonitor& latency() { return latency_; }
  ClientPause& client_pause() { return client_pause_; }
  Monitors& monitors() { return monitors_; }
  Persistence& persistence() { return *persistence_; }
  Statistics& statistics() { return statistics_; }
  Transactions& transactions() { return transactions_; }
  RecordLog& log() { return log_; }
  Cluster& cluster() { return *cluster_; }
  Forwarding& forwarding() { return *forwarding_; }
  // Another keyspace takes the place of this one, whole (a snapshot was installed).
  void replace_keyspace(std::unique_ptr<storage::Keyspace> keyspace);
  // Commit, durable positions or the lease have moved: lets out what may leave.
  void open_gates();
  // Everything after `kept` is certainly gone from the log: its replies become errors.
  void drop_gates_above(storage::Lsn kept, bool disk_full);
  // The session was told to come again: now it may.
  void wake(Session& session);
  // Sessions that were told to come again may look whether they can go on.
  void wake_sessions() {
    if (!postponed_.empty()) wake_postponed();
  }
  // A snapshot took the place of the log: nobody here knows what became of what is waited for.
  void fail_gates();
  // This node leads no more: reads that wait for its leadership are refused, what WATCH saw is
  // void.
  void leadership_lost();
  bool executing_transaction() const { return in_exec_; }
  void set_executing_transaction(bool executing) { in_exec_ = executing; }
  size_t blocked_sessions() const { return blocked_.size(); }
  storage::Position last_position() const { return log_.last(); }
  storage::Position commit_position() const { return log_.commit(); }
  // Of this leadership: the newest write whose quorum is below a majority, so that it is answered
  // before it is committed; 0: none.
  storage::Lsn newest_early_write() const { return newest_early_write_; }
  size_t uncommitted_bytes() const { return log_.uncommitted_bytes(); }
  size_t used_bytes() const { return keyspace_->memory_bytes() + log_.uncommitted_bytes(); }
  const std::string& run_id() const { return run_id_; }                  // 40 hex, new at each boot
  const std::string& replication_id() const { return replication_id_; }  // 40 hex, of the data
  void set_replication_id(std::string id) { replication_id_ = std::move(id); }
  int64_t started_us() const { return started_us_; }  // monotonic

 private:
  struct Event {
    char event_class;
    std::string event, key;
    int database;
  };

  // dispatch.cc
  Execution execute_now(Session& session, resp::Arguments arguments);
  // The row of the command, or null; `error` says what is wrong with it or its number of arguments.
  const Command* resolve(const Session& session, resp::Arguments arguments,
                         std::string& error) const;
  // Stays empty if the command may run, as far as this node can tell.
  void find_refusal(const Session& session, const Command& command, resp::Arguments arguments,
                    std::string& error) const;
  replication::WriteQuorum write_quorum_of(const Session& session) const;
  size_t voters_needed(const Session& session) const;
  bool lacks_voters(const Session& session) const;
  bool must_come_again(const Session& session, const Command& command);
  Execution come_again(Session& session);
  // On a node that does not lead, or for a session with commands at a leader: what becomes of the
  // command; nullopt: it runs here.
  std::optional<Execution> send_elsewhere(Session& session, const Command& command,
                                          resp::Arguments arguments);
  void refuse(Session& session, const Command* command, std::string_view error);
  void queue_in_transaction(Session& session, const Command& command, resp::Arguments arguments);
  // CLIENT REPLY: whether the reply of the command that comes next is dropped.
  bool take_silence(Session& session);
  void apply_reply_mode(Session& session);
  void finish_command(Session& session, bool writing, int64_t begin_us);
  std::optional<Gate> read_gate(const Session& session, int64_t begin_us);
  void wait_for_voters(const Session& session, Gate& gate) const;
  storage::Position shown() const;
  void seal_gated(Session& session, const std::optional<Gate>& gate, OutputKind kind);
  void publish_events(storage::Position gate);
  void flush_deferred_pushes(Session& session);

  // node.cc
  void on_tail_lost(storage::Position kept, const absl::Status& reason);
  void on_fatal(const absl::Status& reason);
  void expire_gates();
  bool draining() const;
  bool handed_over();
  bool expire_some();
  void expire_now(int database, const storage::Entry& entry);
  void check_blocked();
  void wake_postponed();
  void sample_rates();
  void advance_shut_down();
  void enforce_output_limit(Session& session);

  OptionTable& options_;
  Host& host_;
  std::unique_ptr<storage::Keyspace> keyspace_;
  RecordLog log_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<Forwarding> forwarding_;
  std::unique_ptr<Persistence> persistence_;
  Statistics statistics_;
  Transactions transactions_;
  PubSub pubsub_;
  SlowLog slow_log_;
  LatencyMonitor latency_;
  ClientPause client_pause_;
  Monitors monitors_;

  Sessions sessions_;
  uint64_t next_session_id_ = 1;
  std::vector<Session*> gated_;  // have marks waiting for a commit
  std::vector<Session*> blocked_;
  std::vector<Session*> postponed_;
  Session* current_ = nullptr;  // whose command is running
  storage::Lsn dependency_{0};  // newest uncommitted record the running command has seen
  storage::Position made_record_;
  bool reads_ = false;  // the running command's reply speaks of the keyspace
  // It has met an expired key that no record deletes.
  bool expired_unlogged_ = false;
  bool in_exec_ = false;
  storage::Lsn newest_early_write_{0};
  Consistency default_consistency_;
  std::vector<Event> events_;
  std::vector<std::pair<std::string, storage::Position>> deferred_pushes_;  // to current_

  std::string run_id_, replication_id_;
  int64_t started_us_ = 0;
  int64_t clock_us_ = 0;        // monotonic, read when input arrived or a command ended
  int64_t wall_offset_us_ = 0;  // wall - monotonic, at the last refresh
  int64_t command_wall_us_ = 0;
  LogClock log_clock_;
  int64_t command_log_us_ = 0;
  int64_t last_sample_us_ = 0, last_probe_us_ = 0, shut_down_us_ = 0, led_us_ = 0;
  uint32_t notify_flags_ = 0;
  bool shutting_down_ = false;
  bool shut_down_snapshot_ = false, shut_down_force_ = false, closing_log_ = false;
};

}  // namespace kvorum::server
