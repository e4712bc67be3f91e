// From arguments to a sealed reply: finds the command, refuses what must not run, queues what MULTI
// collects, runs the rest, and gates the reply on what it wrote or saw.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "server/node/monitor.h"
#include "server/node/node.h"
#include "server/node/persistence.h"

namespace kvorum::server {

using storage::Lsn;
using storage::Position;

namespace {

constexpr std::string_view kDiskFull =
    "MISCONF Errors writing to the WAL: No space left on device. Writes are refused until there is "
    "room.";

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

bool allowed_while_subscribed(const Command& command) {
  static constexpr std::string_view kAllowed[] = {"ping",         "subscribe",    "unsubscribe",
                                                  "psubscribe",   "punsubscribe", "ssubscribe",
                                                  "sunsubscribe", "quit",         "reset"};
  return std::find(std::begin(kAllowed), std::end(kAllowed), command.name) != std::end(kAllowed);
}

bool runs_inside_multi(const Command& command) {
  static constexpr std::string_view kRuns[] = {"exec",  "discard", "multi",
                                               "watch", "quit",    "reset"};
  return std::find(std::begin(kRuns), std::end(kRuns), command.name) != std::end(kRuns);
}

// EXEC counts as what it carries.
bool has_flag(const Session& session, const Command& command, uint32_t flag) {
  if (command.flags & flag) return true;
  if (command.name != "exec") return false;
  return std::any_of(session.queued.begin(), session.queued.end(),
                     [&](const QueuedCommand& each) { return each.command->flags & flag; });
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
  command_wall_us_ = clock_us_ + wall_offset_us_;
  session.last_interaction_us = clock_us_;
  std::string error;
  const Command* command = resolve(session, arguments, error);
  if (!error.empty()) {
    refuse(session, command, error);
    return Execution::kDone;
  }
  if (refused(session, *command)) return Execution::kDone;
  if (must_come_again(session, *command)) return Execution::kComeAgain;
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
  CommandContext context{*this, session, *command, arguments, session.writer()};
  call(context);
  finish_command(session);
  current_ = nullptr;
  if (!deferred_pushes_.empty()) flush_deferred_pushes(session);
  return Execution::kDone;
}

bool Node::refused(Session& session, const Command& command) {
  using namespace command_flag;
  const auto refuse_with = [&](std::string_view text) {
    refuse(session, &command, text);
    return true;
  };
  if (!session.authenticated && !(command.flags & kNoAuth)) {
    return refuse_with("NOAUTH Authentication required.");
  }
  const Options& options = options_.values();
  if (options.maxmemory != 0 && has_flag(session, command, kDenyOom) &&
      used_bytes() > options.maxmemory) {
    return refuse_with("OOM command not allowed when used memory > 'maxmemory'.");
  }
  if (log_.disk_full() && has_flag(session, command, kWrite)) return refuse_with(kDiskFull);
  if (session.protocol == resp::Protocol::kResp2 && session.subscribed() &&
      !allowed_while_subscribed(command)) {
    return refuse_with(base::concat(
        "ERR Can't execute '", command.name,
        "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        "context"));
  }
  if (!log_.started() && !(command.flags & kLoading)) {
    return refuse_with("LOADING kvorum is loading the dataset in memory");
  }
  if (shutting_down_ && has_flag(session, command, kWrite)) {
    return refuse_with("ERR server is shutting down");
  }
  if (session.in_transaction && (command.flags & kNoMulti)) {
    return refuse_with("ERR Command not allowed inside a transaction");
  }
  return false;
}

bool Node::must_come_again(Session& session, const Command& command) {
  using namespace command_flag;
  const bool queues = session.in_transaction && command.name != "exec";
  const bool writes = has_flag(session, command, kWrite | kMayReplicate) && !queues;
  const ClientPause::Mode pause = client_pause_.mode(clock_us_);
  const bool paused =
      pause == ClientPause::Mode::kAll || (pause == ClientPause::Mode::kWrite && writes);
  const bool backlog = writes && log_.uncommitted_bytes() > options_.values().max_uncommitted_bytes;
  if (!paused && !backlog) return false;
  if (!session.postponed) {
    session.postponed = true;
    postponed_.push_back(&session);
  }
  return true;
}

void Node::refuse(Session& session, const Command* command, std::string_view error) {
  if (session.in_transaction) session.transaction_broken = true;
  if (command != nullptr) ++statistics_.commands[command].rejected_calls;
  if (command != nullptr && command->name == "exec") {
    // Redis: a refused EXEC is a discarded transaction.
    transactions_.discard(session);
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
  ++statistics_.commands_processed;
  ++session.commands_processed;
  const std::string& output = session.output.buffer();
  if (output.size() > reply_begin && output[reply_begin] == '-') {
    ++figures.failed_calls;
    statistics_.count_error(std::string_view(output).substr(reply_begin));
  }
  const int64_t slow_us = options_.values().slowlog_log_slower_than_us;
  if (slow_us >= 0 && duration_us >= slow_us && !(command.flags & command_flag::kSkipSlowlog)) {
    slow_log_.record(session, context.arguments, duration_us, command_wall_us_ / 1'000'000);
  }
  figures.latency.record(duration_us);
  if (latency_.slow(duration_us / 1000)) {
    latency_.sample(command.flags & command_flag::kFast ? "fast-command" : "command",
                    duration_us / 1000, command_wall_us_ / 1'000'000);
  }
}

void Node::finish_command(Session& session) {
  Position gate;
  OutputKind kind = OutputKind::kRead;
  if (log_.record_open()) {
    gate = session.last_write = log_.seal();
    kind = OutputKind::kWrite;
  } else {
    gate.lsn = dependency_;
  }
  if (!events_.empty()) publish_events(gate);
  if (!session.blocked) apply_reply_mode(session);
  seal_reply(session, gate, kind);
}

void Node::apply_reply_mode(Session& session) {
  switch (session.reply_mode) {
    case ReplyMode::kOn:
      break;
    case ReplyMode::kSkipNext:
      session.reply_mode = ReplyMode::kSkip;
      break;
    case ReplyMode::kSkip:
      session.output.drop_unsealed();
      session.reply_mode = ReplyMode::kOn;
      break;
    case ReplyMode::kOff:
      session.output.drop_unsealed();
      break;
  }
}

void Node::seal_reply(Session& session, Position gate, OutputKind kind) {
  if (gate.lsn <= log_.commit().lsn) gate.lsn = Lsn{0};
  session.output.seal({gate, 1}, kind);
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
