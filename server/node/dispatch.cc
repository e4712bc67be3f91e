// From arguments to a sealed reply: finds the command, refuses what must not run, sends elsewhere
// what is another node's, queues what MULTI collects, runs the rest, and gates the reply on what it
// wrote or saw.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/cluster/forwarding.h"
#include "server/node/monitor.h"
#include "server/node/node.h"
#include "server/node/persistence.h"
#include "server/node/route.h"

namespace kvorum::server {

using storage::Lsn;
using storage::Position;

namespace {

constexpr std::string_view kDiskFull =
    "MISCONF Errors writing to the WAL: No space left on device. Writes are refused until there is "
    "room.";
constexpr std::string_view kExpiredUnlogged =
    "TRYAGAIN An expired key was met, the disk is full, and leadership is being handed over. Ask "
    "again.";

bool arity_fits(const Command& command, size_t count) {
  return command.arity >= 0 ? count == static_cast<size_t>(command.arity)
                            : count >= static_cast<size_t>(-command.arity);
}

// As much of what a client sent as Redis quotes: 128 bytes, and nothing after a zero byte.
std::string_view quotable(std::string_view text, size_t limit = 128) {
  return text.substr(0, std::min(limit, text.find('\0')));
}

std::string unknown_command(resp::Arguments arguments) {
  constexpr size_t kShownBytes = 128;  // of the arguments together
  std::string error = base::concat("ERR unknown command '", quotable(arguments[0]),
                                   "', with args beginning with: ");
  const size_t begin = error.size();
  for (size_t i = 1; i < arguments.size() && error.size() - begin < kShownBytes; ++i) {
    error += base::concat("'", quotable(arguments[i], kShownBytes - (error.size() - begin)), "' ");
  }
  return error;
}

std::string unknown_subcommand(const Command& container, std::string_view name) {
  return base::concat("ERR unknown subcommand '", quotable(name), "'. Try ",
                      base::upper(container.name), " HELP.");
}

// A node shows the cluster's secret instead of a password.
bool is_peer_hello(const Command& command, resp::Arguments arguments) {
  return command.name == "replconf" && arguments.size() >= 2 &&
         base::equal_ignoring_case(arguments[1], "hello");
}

bool allowed_while_subscribed(const Command& command) {
  static constexpr std::string_view kAllowed[] = {"ping",         "subscribe",    "unsubscribe",
                                                  "psubscribe",   "punsubscribe", "ssubscribe",
                                                  "sunsubscribe", "quit",         "reset"};
  return std::find(std::begin(kAllowed), std::end(kAllowed), command.name) != std::end(kAllowed);
}

}  // namespace

const Command* Node::resolve(const Session& session, resp::Arguments arguments,
                             std::string& error) const {
  // A pipeline mostly repeats itself: compare with the last command before hashing.
  const Command* command = session.last_command;
  if (command == nullptr || !base::equal_ignoring_case(command->name, arguments[0])) {
    command = find_command(arguments[0]);
  }
  if (command == nullptr) {
    error = unknown_command(arguments);
    return nullptr;
  }
  if (!command->subcommands.empty() && arguments.size() >= 2) {
    const Command* subcommand = find_subcommand(*command, arguments[1]);
    if (subcommand == nullptr) {
      error = unknown_subcommand(*command, arguments[1]);
      return nullptr;
    }
    command = subcommand;
  }
  if (!arity_fits(*command, arguments.size()) || command->handler == nullptr) {
    error = base::concat("ERR wrong number of arguments for '", command->name, "' command");
  }
  return command;
}

Execution Node::execute(Session& session, resp::Arguments arguments) {
  const Execution execution = execute_now(session, arguments);
  // Whatever became of it, the next command waits for something of its own.
  if (execution == Execution::kDone && session.read_wait) session.read_wait.reset();
  return execution;
}

Execution Node::execute_now(Session& session, resp::Arguments arguments) {
  command_wall_us_ = clock_us_ + wall_offset_us_;
  command_log_us_ = log_clock_.read_us(clock_us_);
  session.last_interaction_us = clock_us_;
  std::string error;
  const Command* command = resolve(session, arguments, error);
  if (error.empty()) find_refusal(session, *command, arguments, error);
  if (!error.empty()) {
    if (session.forwarded != 0) return come_again(session);  // errors have their turn too
    refuse(session, command, error);
    return Execution::kDone;
  }
  if (must_come_again(session, *command)) return come_again(session);
  if (!cluster_->leads() || session.forwarded != 0) {
    const auto elsewhere = send_elsewhere(session, *command, arguments);
    if (elsewhere.has_value()) return *elsewhere;
  }
  if (session.in_transaction && !runs_inside_multi(*command)) {
    queue_in_transaction(session, *command, arguments);
    return Execution::kDone;
  }
  if (command != session.last_command) {
    session.last_command = command;
    session.last_statistics = &statistics_.commands[command];
  }
  current_ = &session;
  dependency_ = Lsn{0};
  made_record_ = {};
  reads_ = false;
  const int64_t begin_us = clock_us_;
  const bool writing = writes(session, *command);  // EXEC forgets what it carried
  CommandContext context{*this, session, *command, arguments, session.writer()};
  call(context);
  finish_command(session, writing, begin_us);
  current_ = nullptr;
  if (!deferred_pushes_.empty()) flush_deferred_pushes(session);
  return Execution::kDone;
}

void Node::find_refusal(const Session& session, const Command& command, resp::Arguments arguments,
                        std::string& error) const {
  using namespace command_flag;
  if (!session.authenticated && !(command.flags & kNoAuth) && !is_peer_hello(command, arguments)) {
    error = "NOAUTH Authentication required.";
    return;
  }
  const Options& options = options_.values();
  const bool leads = cluster_->leads();
  const bool writing = writes(session, command);
  if (leads && options.maxmemory != 0 && used_bytes() > options.maxmemory &&
      has_flag(session, command, kDenyOom)) {
    error = "OOM command not allowed when used memory > 'maxmemory'.";
  } else if (leads && log_.disk_full() && writing) {
    error = kDiskFull;
  } else if (session.protocol == resp::Protocol::kResp2 && session.subscribed() &&
             !allowed_while_subscribed(command)) {
    error = base::concat(
        "ERR Can't execute '", command.name,
        "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        "context");
  } else if (!cluster_->started() && (!(command.flags & kLoading) ||
                                      (command.name == "watch" && options.peers.size() > 1))) {
    error = cluster_->forming() ? base::concat("CLUSTERDOWN The cluster is forming: waiting for ",
                                               cluster_->forming_waits_for())
                                : "LOADING kvorum is loading the dataset in memory";
  } else if (cluster_->removed() && speaks_of_keyspace(command)) {
    error = "CLUSTERDOWN This node is no member of the cluster any more: ask another one";
  } else if (session.in_transaction && (command.flags & kNoMulti)) {
    error = "ERR Command not allowed inside a transaction";
  } else if (leads && writing && !changes_membership(command) && lacks_voters(session)) {
    error = "NOREPLICAS Not enough good replicas to write.";
  }
}

replication::WriteQuorum Node::write_quorum_of(const Session& session) const {
  return session.write_quorum.value_or(cluster_->membership().write_quorum);
}

size_t Node::voters_needed(const Session& session) const {
  return write_quorum_of(session).needed(cluster_->voters());
}

bool Node::lacks_voters(const Session& session) const {
  const size_t needed = voters_needed(session);
  return needed > 1 && needed > cluster_->replica().reachable_voters();
}

bool Node::must_come_again(const Session& session, const Command& command) {
  using namespace command_flag;
  if (session.peer != storage::NodeId{0}) return false;
  if (draining() && command.name != "shutdown") return true;
  const ClientPause::Mode pause = client_pause_.mode(clock_us_);
  if (pause == ClientPause::Mode::kAll) return true;
  if (session.in_transaction && command.name != "exec") return false;  // queued
  const bool changes = has_flag(session, command, kWrite | kMayReplicate);
  const bool transferring = cluster_->leads() && cluster_->replica().transferring();
  if (transferring && !changes) {
    // The lease is given up: rather another leader's answer than none.
    return has_flag(session, command, kReadOnly) &&
           cluster_->replica().reads_until_us() < clock_us_;
  }
  if (!changes) return false;
  if (transferring || shutting_down_ || pause == ClientPause::Mode::kWrite) return true;
  return cluster_->leads() && (cluster_->leaving() ||
                               log_.uncommitted_bytes() > options_.values().max_uncommitted_bytes);
}

Execution Node::come_again(Session& session) {
  if (!session.postponed) {
    session.postponed = true;
    postponed_.push_back(&session);
  }
  return Execution::kComeAgain;
}

void Node::wake(Session& session) {
  if (!session.postponed) return;
  session.postponed = false;
  std::erase(postponed_, &session);
  make_ready(session);
}

std::optional<Execution> Node::send_elsewhere(Session& session, const Command& command,
                                              resp::Arguments arguments) {
  if (!cluster_->started()) return std::nullopt;
  Forwarder& forwarder = forwarding_->forwarder();
  std::string error;
  switch (route_of(*this, session, command)) {
    case Route::kHere:
      return std::nullopt;
    case Route::kLater:
      return come_again(session);
    case Route::kIndexed:
      // Not among those that every commit wakes.
      session.postponed = true;
      return Execution::kComeAgain;
    case Route::kLeader:
      CHECK(session.remote == nullptr) << "never forwarded twice";
      if (!forwarder.has_room(session)) return come_again(session);
      forwarder.take(session, arguments,
                     {.writes = writes(session, command),
                      .waits = waits_for_followers(command),
                      .watches = command.name == "watch",
                      .silent = take_silence(session)});
      return Execution::kDone;
    case Route::kReadOnly:
      error = "READONLY You can't write against a read only replica.";
      break;
    case Route::kRedirect:
      error = base::concat("REDIRECT ", cluster_->leader_address());
      break;
    case Route::kUnreadable:
      error =
          "LOADING This node's keyspace is being replaced by the leader's, and no leader is known";
      break;
    case Route::kBehind:
      error = "TRYAGAIN What the read has to see has not come to this node in time. Ask again.";
      break;
  }
  refuse(session, &command, error);
  return Execution::kDone;
}

void Node::refuse(Session& session, const Command* command, std::string_view error) {
  if (session.in_transaction) session.transaction_broken = true;
  if (command != nullptr) ++statistics_.commands[command].rejected_calls;
  if (command != nullptr && command->name == "exec") {
    // Redis: a refused EXEC is a discarded transaction.
    transactions_.discard(session);
    forwarding_->forwarder().unwatch(session);
    if (error.starts_with("ERR ")) error.remove_prefix(4);
    session.writer().error(base::concat("EXECABORT Transaction discarded because of: ", error));
  } else {
    session.writer().error(error);
  }
  statistics_.count_error(session.output.unsealed());
  apply_reply_mode(session);
  seal_reply(session, {}, OutputKind::kRead);
}

void Node::queue_in_transaction(Session& session, const Command& command,
                                resp::Arguments arguments) {
  for (std::string_view argument : arguments) {
    session.queued_bytes += argument.size() + sizeof(std::string);
  }
  if (session.queued_bytes > kMaxTransactionBytes) {
    session.queued.clear();
    refuse(session, &command, "ERR the transaction is larger than 1 GiB");
    return;
  }
  QueuedCommand queued{&command, {}};
  queued.arguments.assign(arguments.begin(), arguments.end());
  session.queued.push_back(std::move(queued));
  session.writer().simple_string("QUEUED");
  apply_reply_mode(session);
  seal_reply(session, {}, OutputKind::kRead);
}

void Node::call(CommandContext& context) {
  Session& session = context.session;
  const Command& command = context.command;
  const size_t reply_begin = session.output.buffer().size();
  const int64_t begin_us = clock_us_;
  command.handler(context);
  if (command.flags & command_flag::kKeyspaceWide) dependency_ = log_.last().lsn;
  reads_ |= (command.flags & (command_flag::kReadOnly | command_flag::kWrite)) != 0;
  clock_us_ = host_.monotonic_us();
  // After it ran, as Redis shows it: SELECT with its new database, EXEC behind what it carried.
  if (monitors_.anyone() &&
      !(command.flags & (command_flag::kSkipMonitor | command_flag::kAdmin))) {
    monitors_.feed(*this, session, context.arguments);
  }

  const int64_t duration_us = clock_us_ - begin_us;
  CommandStatistics& figures =
      &command == session.last_command ? *session.last_statistics : statistics_.commands[&command];
  ++figures.calls;
  figures.microseconds += static_cast<uint64_t>(duration_us);
  ++session.commands_processed;
  const bool from_peer = session.peer != storage::NodeId{0};  // a message, nobody's command
  if (!from_peer) ++statistics_.commands_processed;
  const std::string& output = session.output.buffer();
  if (output.size() > reply_begin && output[reply_begin] == '-') {
    ++figures.failed_calls;
    statistics_.count_error(std::string_view(output).substr(reply_begin));
  }
  const int64_t slow_us = options_.values().slowlog_log_slower_than_us;
  if (slow_us >= 0 && duration_us >= slow_us && !from_peer &&
      !(command.flags & command_flag::kSkipSlowlog)) {
    slow_log_.record(session, context.arguments, duration_us, command_wall_us_ / 1'000'000);
  }
  figures.latency.record(duration_us);
  if (latency_.slow(duration_us / 1000)) {
    latency_.sample(command.flags & command_flag::kFast ? "fast-command" : "command",
                    duration_us / 1000, command_wall_us_ / 1'000'000);
  }
}

void Node::finish_command(Session& session, bool writing, int64_t begin_us) {
  std::optional<Gate> gate;
  Position record;
  const bool recorded = log_.record_open();
  if (recorded) {
    record = log_.seal();
    dependency_ = record.lsn;  // a read that met an expired key, too
  }
  // The next leader's clock may be a little behind, and show again what no record has deleted.
  if (std::exchange(expired_unlogged_, false) && !recorded && cluster_->voters() > 1) {
    session.output.drop_unsealed();
    session.writer().error(kExpiredUnlogged);
  }
  if (recorded && writing) {
    session.last_write = record;
    session.see(record);
    gate.emplace();
    gate->lsn = record.lsn;
    wait_for_voters(session, *gate);
    if (gate->may_open_before_commit()) newest_early_write_ = record.lsn;
    gate->deadline_us = clock_us_ + options_.values().write_timeout_ms * int64_t{1000};
  } else if (made_record_.lsn != Lsn{0}) {
    session.last_write = made_record_;
    session.see(made_record_);
    gate.emplace();
    gate->lsn = made_record_.lsn;
    gate->deadline_us = clock_us_ + options_.values().write_timeout_ms * int64_t{1000};
  } else if (log_.leading()) {
    gate = read_gate(session, begin_us);
  }
  if (reads_ && !(recorded && writing)) session.see(shown());
  if (!events_.empty()) publish_events(record);
  if (!session.blocked) apply_reply_mode(session);
  const bool wrote = (recorded && writing) || made_record_.lsn != Lsn{0};
  seal_gated(session, gate, wrote ? OutputKind::kWrite : OutputKind::kRead);
}

// The members may change before the gate opens: a majority and all are those of then.
void Node::wait_for_voters(const Session& session, Gate& gate) const {
  const uint16_t setting = write_quorum_of(session).setting();
  gate.all = setting == replication::WriteQuorum::kAll;
  if (gate.all || setting == replication::WriteQuorum::kMajority) return;
  gate.voters = setting;
  gate.committed = setting >= cluster_->voters() / 2 + 1;
}

// What a follower shows is committed; a leader's reply waits for what it has seen, and for the
// certainty that this node led when it looked.
std::optional<Gate> Node::read_gate(const Session& session, int64_t begin_us) {
  Gate gate;
  if (dependency_ > log_.commit().lsn) gate.lsn = dependency_;
  // Nobody can lead without the only voter. A prefix may be an old one.
  if (reads_ && cluster_->voters() > 1 && cluster_->replica().reads_until_us() < begin_us &&
      consistency_of(session) != Consistency::kPrefix) {
    gate.read_us = begin_us;
    cluster_->confirm_leadership();
  }
  if (gate.lsn == Lsn{0} && gate.read_us == INT64_MIN) return std::nullopt;
  gate.deadline_us = clock_us_ + options_.values().write_timeout_ms * int64_t{1000};
  return gate;
}

// The earliest position whose state is what the command that has just run has shown.
Position Node::shown() const {
  if (!log_.leading()) return log_.applied();
  if (dependency_ <= log_.commit().lsn) return log_.commit();
  const auto term = cluster_->replica().log().term_at(dependency_);
  return {term.value_or(log_.last().term), dependency_};  // not proposed yet
}

bool Node::take_silence(Session& session) {
  switch (session.reply_mode) {
    case ReplyMode::kOn:
      return false;
    case ReplyMode::kSkipNext:
      session.reply_mode = ReplyMode::kSkip;
      return false;
    case ReplyMode::kSkip:
      session.reply_mode = ReplyMode::kOn;
      return true;
    case ReplyMode::kOff:
      return true;
  }
  return false;
}

void Node::apply_reply_mode(Session& session) {
  if (take_silence(session)) session.output.drop_unsealed();
}

void Node::seal_reply(Session& session, Position gate, OutputKind kind) {
  std::optional<Gate> waits;
  if (gate.lsn > log_.commit().lsn) {
    // A push, too: what is behind it would wait for ever.
    const int64_t deadline_us = clock_us_ + options_.values().write_timeout_ms * int64_t{1000};
    waits = Gate{.lsn = gate.lsn, .deadline_us = deadline_us};
  }
  seal_gated(session, waits, kind);
}

void Node::seal_gated(Session& session, const std::optional<Gate>& gate, OutputKind kind) {
  session.output.seal(gate, kind);
  if (session.output.gated() && !session.gated_listed) {
    session.gated_listed = true;
    gated_.push_back(&session);
  }
  enforce_output_limit(session);
  if (!session.output.sendable().empty() || session.close_after_reply) make_ready(session);
}

void Node::push(Session& session, std::string_view bytes, Position gate) {
  if (session.close_now) return;
  // Never into the middle of the reply that is being written.
  if (&session == current_ && !session.output.unsealed().empty()) {
    deferred_pushes_.emplace_back(bytes, gate);
    return;
  }
  session.output.buffer().append(bytes);
  seal_reply(session, gate, OutputKind::kPush);
}

void Node::flush_deferred_pushes(Session& session) {
  for (const auto& [bytes, gate] : std::exchange(deferred_pushes_, {})) push(session, bytes, gate);
}

}  // namespace kvorum::server
