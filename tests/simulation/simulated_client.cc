#include "tests/simulation/simulated_client.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "replication/membership.h"
#include "resp/request.h"
#include "tests/simulation/other_databases.h"

namespace kvorum::simulation {

using resp::Reply;
using server::Consistency;

namespace {

constexpr int64_t kConnectTimeoutUs = 1'500'000;
constexpr size_t kLongestPipeline = 5;

bool is_error(const Reply& reply) { return reply.type == Reply::Type::kError; }

std::optional<std::string> text_of(const Reply& reply) {
  if (reply.type == Reply::Type::kNull) return std::nullopt;
  return reply.text;
}

}  // namespace

SimulatedClient::SimulatedClient(World& world, ClientRecords& records, const LogChecker& logs,
                                 int number, Endpoint pinned)
    : world_(world),
      records_(records),
      logs_(logs),
      endpoint_(kFirstClient + static_cast<Endpoint>(number)),
      pinned_(pinned),
      random_(world.parameters.seed * 1000 + static_cast<uint64_t>(number)) {}

void SimulatedClient::start() { connect(); }

// --- The connection.

void SimulatedClient::connect() {
  ++epoch_;
  left_ = 0;
  reader_ = {};
  out_.clear();
  quorum_ = asked_quorum_ = world_.parameters.write_quorum;
  level_ = asked_level_ = *server::parse_consistency(world_.parameters.read_consistency);
  floor_ = 0;
  watching_ = may_watch_ = false;
  node_ = pinned_ != 0
              ? pinned_
              : static_cast<Endpoint>(
                    1 + random_.below(static_cast<uint64_t>(world_.parameters.machines())));
  ConnectionEnd end;
  end.connected = [this] { connected(); };
  end.received = [this](std::string bytes) { arrived(bytes); };
  end.closed = [this](std::string_view) { connection_lost(); };
  connection_ = world_.network.dial(endpoint_, node_, std::move(end));
  world_.queue.after(kConnectTimeoutUs, [this, epoch = epoch_, answered = answered_] {
    if (epoch == epoch_ && answered == answered_ && pending_.empty()) connection_lost();
  });
}

void SimulatedClient::connected() {
  ++answered_;
  if (world_.parameters.own_quorums && pinned_ == 0 && random_.one_in(2)) {
    constexpr const char* kQuorums[] = {"1", "majority", "all"};
    asked_quorum_ = random_.pick(kQuorums);
    send({"CLIENT", "QUORUM", asked_quorum_});
    expect(Step::kQuorum);
  }
  if (world_.parameters.own_levels && pinned_ == 0) ask_for_level();
  if (pending_.empty()) return next();
  flush();
}

void SimulatedClient::ask_for_level() {
  if (random_.one_in(2)) {
    constexpr const char* kLevels[] = {"linearizable", "session", "prefix"};
    const char* level = random_.pick(kLevels);
    asked_level_ = *server::parse_consistency(level);
    send({"CLIENT", "CONSISTENCY", level});
    expect(Step::kConsistency);
  }
  if (!token_.empty() && !random_.one_in(4)) {
    send({"CLIENT", "TOKEN", token_});
    expect(Step::kTakeToken);
  }
}

void SimulatedClient::connection_lost() {
  world_.network.close(connection_, Side::kDialler);
  connection_ = 0;
  for (const Pending& pending : std::exchange(pending_, {})) {
    if (pending.operation == SIZE_MAX) continue;
    Operation& operation = records_.operations[pending.operation];
    operation.outcome = operation.reads_only() ? Outcome::kRefused : Outcome::kUnknown;
    if (operation.outcome == Outcome::kUnknown) world_.faults.count(Fault::kUnknownOutcome);
  }
  ++epoch_;
  if (stopping_) return;
  world_.queue.after(random_.between(1000, 200'000), [this, epoch = epoch_] {
    if (epoch == epoch_ && !stopping_) connect();
  });
}

void SimulatedClient::send(std::initializer_list<std::string_view> words) {
  resp::append_request(out_, {words.begin(), words.size()});
  if (!world_.trace.printing()) return;
  std::string line = base::concat("  client ", endpoint_, " asks node ", node_, ":");
  for (const std::string_view word : words) line += base::concat(" ", word.substr(0, 60));
  world_.print(line);
}

void SimulatedClient::expect(Step step, size_t operation) {
  pending_.push_back({step, operation, {}});
}

void SimulatedClient::flush() {
  world_.network.send(connection_, Side::kDialler, std::exchange(out_, {}));
  world_.queue.after(world_.parameters.client_timeout_us,
                     [this, epoch = epoch_, answered = answered_] {
                       const bool waits = epoch == epoch_ && !pending_.empty();
                       if (waits && answered == answered_) connection_lost();
                     });
}

void SimulatedClient::arrived(std::string_view bytes) {
  reader_.feed(bytes);
  Reply reply;
  const uint64_t epoch = epoch_;
  while (epoch == epoch_) {
    const auto result = reader_.next(reply);
    if (result == resp::ReplyReader::Result::kNeedMore) return;
    if (result == resp::ReplyReader::Result::kError || pending_.empty()) {
      world_.fail("client ", endpoint_, " got what it cannot read: ", reader_.error());
      return;
    }
    ++answered_;
    const Pending pending = pending_.front();
    pending_.pop_front();
    if (left_ > 0) --left_;
    handle(pending, reply);
  }
}

// --- What it asks for.

std::string SimulatedClient::key_name(const Operation& operation, int key) const {
  constexpr std::string_view kLetters = "rcx";
  const int group = operation.partition / 3;
  return base::concat(kLetters.substr(static_cast<size_t>(operation.partition % 3), 1), group,
                      key == 0 ? "a" : "b");
}

Operation SimulatedClient::draw_operation() {
  Operation operation;
  const int group =
      static_cast<int>(random_.below(static_cast<uint64_t>(world_.parameters.key_groups)));
  const int kind = static_cast<int>(random_.below(3));
  operation.partition = 3 * group + kind;
  if (kind == 0) {
    constexpr OperationKind kKinds[] = {
        OperationKind::kSet,    OperationKind::kSet,     OperationKind::kGet,
        OperationKind::kGet,    OperationKind::kGet,     OperationKind::kAppend,
        OperationKind::kDelete, OperationKind::kGetBoth, OperationKind::kSetIfAbsent};
    operation.kind = random_.pick(kKinds);
    operation.key =
        operation.kind == OperationKind::kGetBoth ? 0 : static_cast<int>(random_.below(2));
  } else if (kind == 1) {
    constexpr OperationKind kKinds[] = {OperationKind::kIncrement, OperationKind::kIncrement,
                                        OperationKind::kGet};
    operation.kind = random_.one_in(60) ? OperationKind::kDelete : random_.pick(kKinds);
  } else {
    constexpr OperationKind kKinds[] = {OperationKind::kSetVolatile, OperationKind::kSetIfAbsent,
                                        OperationKind::kGet, OperationKind::kGet,
                                        OperationKind::kSet};
    operation.kind = random_.pick(kKinds);
  }
  return operation;
}

size_t SimulatedClient::begin(Operation operation) {
  const bool marked = !operation.reads_only() && operation.kind != OperationKind::kIncrement &&
                      operation.kind != OperationKind::kDelete;
  uint64_t token = 0;
  if (marked) {
    token = records_.next_token++;
    operation.value.assign(random_.below(world_.parameters.value_bytes + 1), 'x');
    operation.value += token_text(token);
  }
  operation.invoked_us = world_.now_us();
  records_.operations.push_back(std::move(operation));
  records_.tokens.push_back(token);
  records_.weak.push_back(false);
  return records_.operations.size() - 1;
}

void SimulatedClient::send_operation(const Operation& operation) {
  const std::string key = key_name(operation, operation.key);
  switch (operation.kind) {
    case OperationKind::kSet:
      return send({"SET", key, operation.value});
    case OperationKind::kSetVolatile:
      return send({"SET", key, operation.value, "PX", std::to_string(random_.between(1, 1500))});
    case OperationKind::kSetIfAbsent:
      return send({"SETNX", key, operation.value});
    case OperationKind::kAppend:
      return send({"APPEND", key, operation.value});
    case OperationKind::kIncrement:
      return send({"INCR", key});
    case OperationKind::kDelete:
      return send({"DEL", key});
    case OperationKind::kGet:
      return send({"GET", key});
    case OperationKind::kGetBoth:
      return send({"MGET", key_name(operation, 0), key_name(operation, 1)});
    case OperationKind::kSetBoth:
    case OperationKind::kCompareAndSet:
      break;
  }
  CHECK(false) << "takes more than one command";
}

void SimulatedClient::next_soon() {
  if (!pending_.empty() || watching_) return;
  world_.queue.after(random_.around(world_.parameters.think_us), [this, epoch = epoch_] {
    if (epoch == epoch_ && pending_.empty() && !watching_) next();
  });
}

void SimulatedClient::next() {
  if (stopping_) return;
  if (random_.one_in(150) && pinned_ == 0) {
    // Goes elsewhere, sometimes without waiting for what it has asked.
    if (random_.one_in(2)) issue_plain();
    connection_lost();
    return;
  }
  if (world_.parameters.own_levels && random_.one_in(12)) {
    if (random_.one_in(2)) {
      const size_t index = begin(draw_operation());
      send_operation(records_.operations[index]);
      expect(Step::kCommand, index);
    }
    send({"CLIENT", "TOKEN"});
    expect(Step::kGiveToken);
    flush();
    return;
  }
  if (world_.parameters.other_databases && random_.one_in(6)) return issue_other();
  switch (random_.below(10)) {
    case 0:
      return issue_set_both();
    case 1:
      return issue_watch();
    default:
      return issue_plain();
  }
}

void SimulatedClient::issue_plain() {
  const size_t count = random_.one_in(3) ? 1 + random_.below(kLongestPipeline) : 1;
  for (size_t i = 0; i < count; ++i) {
    const size_t index = begin(draw_operation());
    send_operation(records_.operations[index]);
    expect(Step::kCommand, index);
  }
  flush();
}

void SimulatedClient::issue_set_both() {
  Operation operation;
  operation.kind = OperationKind::kSetBoth;
  operation.partition =
      3 * static_cast<int>(random_.below(static_cast<uint64_t>(world_.parameters.key_groups)));
  const size_t index = begin(std::move(operation));
  const Operation& begun = records_.operations[index];
  send({"MULTI"});
  send({"SET", key_name(begun, 0), begun.value});
  send({"SET", key_name(begun, 1), begun.value});
  send({"EXEC"});
  for (int i = 0; i < 3; ++i) expect(Step::kSetup);
  expect(Step::kExec, index);
  flush();
}

void SimulatedClient::issue_watch() {
  watched_ = {};
  watched_.kind = OperationKind::kCompareAndSet;
  watched_.partition =
      3 * static_cast<int>(random_.below(static_cast<uint64_t>(world_.parameters.key_groups)));
  watching_ = true;
  send({"WATCH", key_name(watched_, 0)});
  expect(Step::kWatch);
  flush();
}

// Another database first, and nothing else before that is sure.
void SimulatedClient::issue_other() {
  database_ = static_cast<int>(random_.between(kFirstOtherDatabase, kLastOtherDatabase));
  send({"SELECT", std::to_string(database_)});
  expect(Step::kSelect);
  flush();
}

void SimulatedClient::go_on_elsewhere() {
  for (const CommandWords& words : draw_other_commands(random_, database_)) {
    const std::vector<std::string_view> views(words.begin(), words.end());
    resp::append_request(out_, views);
    expect(Step::kOther);
  }
  send({"SELECT", "0"});
  expect(Step::kReturn);
  flush();
}

void SimulatedClient::judge_other(const Reply& reply) {
  const bool of_the_command = is_error(reply) && reply.text.starts_with("ERR ");
  if (!of_the_command) outcome_of(reply);
}

// The watched key has been read: writes it, if nobody else has meanwhile.
void SimulatedClient::go_on_with_watched(const Reply& reply) {
  watched_.expected = text_of(reply);
  const size_t index = begin(watched_);
  const Operation& begun = records_.operations[index];
  watching_ = false;
  send({"MULTI"});
  send({"SET", key_name(begun, 0), begun.value});
  send({"EXEC"});
  for (int i = 0; i < 2; ++i) expect(Step::kSetup);
  expect(Step::kExec, index);
  flush();
}

// --- What it is told.

Outcome SimulatedClient::outcome_of(const Reply& reply) {
  if (!is_error(reply)) return Outcome::kOk;
  const std::string_view text = reply.text;
  if (text.starts_with("TIMEOUT")) {
    world_.faults.count(Fault::kUnknownOutcome);
    return Outcome::kUnknown;
  }
  constexpr std::string_view kRefusals[] = {
      "TRYAGAIN",  "NOREPLICAS", "CLUSTERDOWN",
      "READONLY",  "LOADING",    "MISCONF",
      "EXECABORT", "OOM",        "ERR server is shutting down"};
  const bool known =
      std::any_of(std::begin(kRefusals), std::end(kRefusals),
                  [&](std::string_view refusal) { return text.starts_with(refusal); });
  if (!known) world_.fail("client ", endpoint_, " is told what nobody should be: ", text);
  world_.faults.count(Fault::kRefused);
  return Outcome::kRefused;
}

void SimulatedClient::handle(const Pending& pending, const Reply& reply) {
  world_.print("  client ", endpoint_, " hears: ", reply.text.substr(0, 80), " ", reply.integer,
               reply.type == Reply::Type::kNull ? " nil" : "");
  switch (pending.step) {
    case Step::kSetup:
      break;
    case Step::kQuorum:
    case Step::kConsistency:
    case Step::kGiveToken:
    case Step::kTakeToken:
      handle_setting(pending.step, reply);
      break;
    case Step::kWatch: {
      if (outcome_of(reply) != Outcome::kOk) {
        // It may be watched all the same: from now on EXEC may say nil.
        watching_ = false;
        may_watch_ = true;
        break;
      }
      Operation read;
      read.kind = OperationKind::kGet;
      read.partition = watched_.partition;
      const size_t index = begin(std::move(read));
      send_operation(records_.operations[index]);
      expect(Step::kCommand, index);
      flush();
      return;
    }
    case Step::kCommand:
      finish(pending.operation, reply, pending.facts);
      if (watching_ && is_error(reply)) {
        watching_ = false;
        may_watch_ = true;
      } else if (watching_) {
        return go_on_with_watched(reply);
      }
      break;
    case Step::kExec:
      finish(pending.operation, reply, pending.facts);
      break;
    case Step::kSelect:
      if (outcome_of(reply) == Outcome::kOk) return go_on_elsewhere();
      break;
    case Step::kOther:
      judge_other(reply);
      break;
    case Step::kReturn:
      if (outcome_of(reply) != Outcome::kOk) return connection_lost();
      break;
  }
  next_soon();
}

void SimulatedClient::handle_setting(Step step, const Reply& reply) {
  const bool ok = outcome_of(reply) == Outcome::kOk;
  switch (step) {
    case Step::kQuorum:
      if (ok) quorum_ = asked_quorum_;
      asked_quorum_ = quorum_;
      break;
    case Step::kConsistency:
      if (ok) level_ = asked_level_;
      asked_level_ = level_;
      break;
    case Step::kGiveToken:
      if (!ok) break;
      token_ = reply.text;
      token_floor_ = floor_;
      break;
    case Step::kTakeToken:
      if (!ok) break;
      floor_ = std::max(floor_, token_floor_);
      world_.faults.count(Fault::kTokenTaken);
      break;
    default:
      CHECK(false) << "sets nothing";
  }
}

void SimulatedClient::finish_read(Operation& operation, const Reply& reply,
                                  const ReplyFacts& facts) {
  if (operation.outcome != Outcome::kOk) {
    operation.outcome = Outcome::kRefused;
    return;
  }
  take_reply(operation, reply);
  check_read(operation, facts);
  const bool linearizable =
      level_ == Consistency::kLinearizable || (level_ == Consistency::kSession && facts.leading);
  if (linearizable && !facts.leading) world_.faults.count(Fault::kIndexedRead);
  // What is shown may be old: judged by the committed log alone.
  if (!linearizable) operation.outcome = Outcome::kRefused;
}

void SimulatedClient::finish(size_t index, const Reply& reply, const ReplyFacts& facts) {
  Operation& operation = records_.operations[index];
  operation.completed_us = world_.now_us();
  operation.outcome = outcome_of(reply);
  if (operation.reads_only()) {
    finish_read(operation, reply, facts);
    return;
  }
  if (operation.outcome != Outcome::kOk) return;
  take_reply(operation, reply);
  if (operation.outcome != Outcome::kOk) return;
  ++acknowledged_;
  if (is_asynchronous()) {
    // May be lost with its leader, reply and all.
    records_.weak[index] = true;
    operation.outcome = Outcome::kUnknown;
    return;
  }
  for (const LogChecker::Copy& copy : logs_.copies_of(records_.tokens[index])) {
    if (copy.committed) floor_ = std::max(floor_, copy.position.lsn.value());
  }
}

void SimulatedClient::take_reply(Operation& operation, const Reply& reply) {
  switch (operation.kind) {
    case OperationKind::kGet:
      operation.read[0] = text_of(reply);
      break;
    case OperationKind::kGetBoth:
      for (size_t i = 0; i < 2 && i < reply.elements.size(); ++i) {
        operation.read[i] = text_of(reply.elements[i]);
      }
      break;
    case OperationKind::kSetIfAbsent:
    case OperationKind::kDelete:
      operation.flag = reply.integer == 1;
      break;
    case OperationKind::kAppend:
    case OperationKind::kIncrement:
      operation.number = reply.integer;
      break;
    case OperationKind::kCompareAndSet:
    case OperationKind::kSetBoth:
      if (reply.type != Reply::Type::kNull) break;
      if (operation.kind == OperationKind::kSetBoth && !may_watch_) {
        world_.fail("client ", endpoint_, " watched nothing, and EXEC answers nil");
      }
      world_.faults.count(Fault::kWatchTouched);
      operation.outcome = Outcome::kRefused;
      break;
    case OperationKind::kSet:
    case OperationKind::kSetVolatile:
      break;
  }
}

void SimulatedClient::check_read(const Operation& operation, const ReplyFacts& facts) {
  if (world_.parameters.nodes == 1) return;
  const std::string key =
      key_name(operation, operation.kind == OperationKind::kGetBoth ? 0 : operation.key);
  const CommittedModel& model = logs_.model();
  const uint64_t lowest = level_ == Consistency::kPrefix && !watching_ ? 0 : floor_;
  const auto found = operation.kind == OperationKind::kGet
                         ? model.find_read(key, operation.read[0], lowest, facts.leading)
                         : model.find_reads(key, operation.read[0], key_name(operation, 1),
                                            operation.read[1], lowest);
  if (!found.has_value()) {
    world_.fail("node ", node_, " shows client ", endpoint_, " ", key, " = ",
                operation.read[0].value_or("nil").substr(0, 60),
                ", which no committed record from lsn ", lowest,
                " on says (committed: ", model.last(),
                facts.leading ? ", it believed to lead)" : ")");
    return;
  }
  // What a prefix shows counts for nothing but the next token.
  floor_ = std::max(floor_, *found);
}

size_t SimulatedClient::voters_needed() const {
  return replication::WriteQuorum::parse(quorum_)->needed(records_.fewest_voters());
}

// Below a majority of some membership.
bool SimulatedClient::is_asynchronous() const {
  const size_t voters = records_.most_voters();
  return replication::WriteQuorum::parse(quorum_)->needed(voters) < voters / 2 + 1;
}

void SimulatedClient::reply_leaves(SimulatedNetwork::ConnectionId connection, const Reply& reply,
                                   const ReplyFacts& facts) {
  if (connection != connection_) return;
  if (left_ >= pending_.size()) {
    world_.fail("node ", node_, " answers client ", endpoint_, " more than it has asked");
    return;
  }
  Pending& pending = pending_[left_++];
  pending.facts = facts;
  if (!facts.leading && world_.parameters.nodes > 1 && pending.operation != SIZE_MAX &&
      !records_.operations[pending.operation].reads_only() && !is_error(reply)) {
    world_.faults.count(Fault::kForwarded);
  }
  check_acknowledged(pending, reply);
}

void SimulatedClient::check_acknowledged(const Pending& pending, const Reply& reply) {
  if (pending.operation == SIZE_MAX || is_error(reply) || reply.type == Reply::Type::kNull) return;
  const uint64_t token = records_.tokens[pending.operation];
  const Operation& operation = records_.operations[pending.operation];
  if (token == 0 || world_.parameters.nodes == 1) return;
  if (operation.kind == OperationKind::kSetIfAbsent && reply.integer == 0) return;
  const size_t needed = voters_needed();
  const bool committed = !is_asynchronous();
  const auto copies = logs_.copies_of(token);
  const bool backed = std::any_of(copies.begin(), copies.end(), [&](const LogChecker::Copy& copy) {
    return static_cast<size_t>(copy.synced_on) >= needed && (copy.committed || !committed);
  });
  if (backed) return;
  world_.fail("node ", node_, " acknowledges ", token_text(token), " to client ", endpoint_,
              ", quorum ", quorum_, ": ",
              copies.empty() ? std::string("no record has it")
                             : base::concat("lsn ", copies.back().position.lsn.value(), " term ",
                                            copies.back().position.term.value(), " is on ",
                                            copies.back().synced_on, " disks",
                                            copies.back().committed ? "" : ", not committed"));
}

}  // namespace kvorum::simulation
