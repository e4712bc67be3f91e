#include "tests/chaos/load_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace kvorum::chaos {
namespace {

using integration::Arguments;
using integration::Reply;
using simulation::Outcome;

constexpr std::array kKinds = {GroupKind::kCounter, GroupKind::kText, GroupKind::kRegister,
                               GroupKind::kPair};
constexpr size_t kLedgerSlots = 300;
constexpr int64_t kPauseUs = 4000;  // between two operations, at most
// Values that travel and are stored in parts.
constexpr uint64_t kLargeOneIn = 40, kLargeBytes = 150'000;
constexpr uint64_t kStepsPerConnection = 300;
// Connections whose writes ask for every voter.
constexpr uint64_t kWholeQuorumOneIn = 8;
// Mostly shorter than a pause lasts: then the next client asks the hanging node for something that
// has changed meanwhile.
constexpr int kLeastPatienceMs = 300, kMostPatienceMs = 3000;
constexpr int64_t kReconnectUs = 100'000;  // where a connection failed, at most

constexpr const char* kShuttingDown = "ERR server is shutting down";
// Nobody but another node will answer.
constexpr const char* kNoMember =
    "CLUSTERDOWN This node is no member of the cluster any more: ask another one";

std::string first_word(const std::string& text) { return text.substr(0, text.find(' ')); }

// The errors of docs/consistency.md that a client can only repeat after.
bool refuses(const std::string& error) {
  constexpr std::array kWords = {"TRYAGAIN", "CLUSTERDOWN", "NOREPLICAS", "MISCONF",
                                 "LOADING",  "EXECABORT",   "OOM"};
  const std::string word = first_word(error);
  return std::find(kWords.begin(), kWords.end(), word) != kWords.end() || error == kShuttingDown;
}

std::optional<std::string> value_of(const Reply& reply) {
  if (reply.is_nil()) return std::nullopt;
  return reply.text;
}

}  // namespace

LoadClient::LoadClient(int number, int nodes, uint64_t seed, Connect connect, KeyGroups& groups,
                       Tally& tally)
    : number_(number),
      nodes_(nodes),
      only_reads_(number % 3 == 2),
      connect_(std::move(connect)),
      groups_(groups),
      tally_(tally),
      random_(seed ^ (0x636c69656e74u + static_cast<uint64_t>(number) * 0x9e3779b9u)),
      ledger_(number, kLedgerSlots),
      node_(1 + number / 3 % nodes) {}

LoadClient::~LoadClient() { stop(); }

void LoadClient::start() {
  stop_ = false;
  thread_ = std::thread([this] { run(); });
}

void LoadClient::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopping_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LoadClient::pause(int64_t most_us) {
  std::unique_lock lock(mutex_);
  stopping_.wait_for(lock, std::chrono::microseconds(random_.between(0, most_us)),
                     [this] { return stop_; });
}

bool LoadClient::stopping() {
  const std::lock_guard lock(mutex_);
  return stop_;
}

void LoadClient::run() {
  while (!stopping()) {
    open();
    while (client_ != nullptr && !stopping() && !random_.one_in(kStepsPerConnection)) {
      step();
      pause(kPauseUs);
    }
    leave_token();
    if (client_ == nullptr) pause(kReconnectUs);
    node_ = 1 + static_cast<int>(random_.below(static_cast<uint64_t>(nodes_)));
  }
  client_ = nullptr;
}

void LoadClient::open() {
  client_ = connect_(node_, static_cast<int>(random_.between(kLeastPatienceMs, kMostPatienceMs)));
  level_ = Level::kSession;
  if (!take_token_along()) {
    session_ = {};
    written_.assign(kLedgerSlots, false);
  }
  choose_level();
  if (random_.one_in(kWholeQuorumOneIn)) judge(ask({"CLIENT", "QUORUM", "all"}));
}

bool LoadClient::take_token_along() {
  const std::string token = std::exchange(token_, "");
  if (token.empty() || client_ == nullptr) return false;
  const Answer answer = judge(ask({"CLIENT", "TOKEN", token}));
  tally_.count(Deed::kTokenTaken, answer);
  return answer == Answer::kDone;
}

// What was read on the level prefix is in no token.
void LoadClient::leave_token() {
  if (client_ == nullptr || level_ == Level::kPrefix || stopping()) return;
  const std::optional<Reply> token = ask({"CLIENT", "TOKEN"});
  if (judge(token) == Answer::kDone) token_ = token->text;
}

void LoadClient::choose_level() {
  constexpr std::array kLevels = {Level::kSession, Level::kSession, Level::kLinearizable,
                                  Level::kPrefix};
  const Level level = random_.pick(kLevels);
  if (level == Level::kSession) return;
  const char* const name = level == Level::kPrefix ? "prefix" : "linearizable";
  if (judge(ask({"CLIENT", "CONSISTENCY", name})) == Answer::kDone) level_ = level;
}

std::vector<Reply> LoadClient::ask_each(const std::vector<Arguments>& commands) {
  std::vector<Reply> replies;
  if (client_ == nullptr) return replies;
  for (const Arguments& command : commands) client_->append(command);
  while (replies.size() < commands.size()) {
    std::optional<Reply> reply = client_->read();
    if (!reply) {
      client_ = nullptr;
      return {};
    }
    replies.push_back(std::move(*reply));
  }
  return replies;
}

std::optional<Reply> LoadClient::ask_all(const std::vector<Arguments>& commands) {
  std::vector<Reply> replies = ask_each(commands);
  if (replies.empty()) return std::nullopt;
  return std::move(replies.back());
}

Answer LoadClient::judge(const std::optional<Reply>& reply) {
  if (!reply) return Answer::kUnknown;
  if (!reply->is_error()) return Answer::kDone;
  tally_.count_error(first_word(reply->text));
  if (first_word(reply->text) == "TIMEOUT") return Answer::kUnknown;
  if (reply->text == kShuttingDown || reply->text == kNoMember) client_ = nullptr;
  if (!refuses(reply->text)) {
    tally_.fail(base::concat("client ", number_, " at node ", node_,
                             " met an error that it cannot repeat after: ", reply->text));
  }
  return Answer::kRefused;
}

LoadClient::Question LoadClient::begin(GroupKind kind, Deed deed, OperationKind operation) {
  Question question;
  question.operation.kind = operation;
  question.deed = deed;
  question.operation.invoked_us = now_us();
  question.group =
      groups_.take(kind, random_.below(KeyGroups::kSlots), question.operation.invoked_us);
  if (!question.operation.reads_only()) {
    question.operation.value = base::concat(number_, ".", ++values_, ",");
    const bool any_size = kind == GroupKind::kRegister || kind == GroupKind::kPair;
    if (any_size && random_.one_in(kLargeOneIn)) {
      question.operation.value.append(random_.below(kLargeBytes), 'x');
    }
  }
  return question;
}

void LoadClient::settle(Question& question, Answer answer) {
  Operation& operation = question.operation;
  tally_.count(question.deed, answer);
  // Judged by what the connection knew.
  if (question.deed == Deed::kLocalRead || question.deed == Deed::kPrefixRead) return;
  operation.outcome = answer == Answer::kDone      ? Outcome::kOk
                      : answer == Answer::kRefused ? Outcome::kRefused
                                                   : Outcome::kUnknown;
  if (answer != Answer::kUnknown) operation.completed_us = now_us();
  question.group->add(std::move(operation), number_, node_);
}

void LoadClient::step() {
  if (only_reads_) return read(random_.pick(kKinds));
  switch (random_.below(10)) {
    case 0:
    case 1:
      return step_counter();
    case 2:
    case 3:
      return step_text();
    case 4:
    case 5:
    case 6:
      return step_register();
    case 7:
      return step_pair();
    default:
      return step_ledger();
  }
}

void LoadClient::step_counter() {
  if (random_.one_in(2)) return read(GroupKind::kCounter);
  Question question = begin(GroupKind::kCounter, Deed::kIncrement, OperationKind::kIncrement);
  const std::string key = question.group->key();
  const std::optional<Reply> reply = ask({"INCR", key});
  const Answer answer = judge(reply);
  if (answer == Answer::kDone) {
    question.operation.number = reply->integer;
    fail(session_.wrote_counter(key, reply->integer));
  }
  settle(question, answer);
}

void LoadClient::step_text() {
  if (random_.one_in(2)) return read(GroupKind::kText);
  Question question = begin(GroupKind::kText, Deed::kAppend, OperationKind::kAppend);
  const std::string key = question.group->key();
  const std::optional<Reply> reply = ask({"APPEND", key, question.operation.value});
  const Answer answer = judge(reply);
  if (answer == Answer::kDone) {
    question.operation.number = reply->integer;
    fail(session_.wrote_text(key, question.operation.value, static_cast<size_t>(reply->integer)));
  }
  settle(question, answer);
}

void LoadClient::step_register() {
  const uint64_t drawn = random_.below(8);
  if (drawn >= 6) return read(GroupKind::kRegister);
  if (drawn >= 4) return compare_and_set();
  if (drawn == 3) return remove();
  if (drawn == 2) return set_if_absent();
  const bool lasts = drawn == 0;
  Question question = begin(GroupKind::kRegister, lasts ? Deed::kSet : Deed::kSetVolatile,
                            lasts ? OperationKind::kSet : OperationKind::kSetVolatile);
  Arguments command = {"SET", question.group->key(), question.operation.value};
  if (!lasts) {
    command.emplace_back("PX");
    command.push_back(std::to_string(random_.between(1, 500)));
  }
  settle(question, judge(ask(command)));
}

void LoadClient::set_if_absent() {
  Question question = begin(GroupKind::kRegister, Deed::kSetIfAbsent, OperationKind::kSetIfAbsent);
  const std::optional<Reply> reply =
      ask({"SET", question.group->key(), question.operation.value, "NX"});
  question.operation.flag = reply.has_value() && !reply->is_nil();
  settle(question, judge(reply));
}

void LoadClient::remove() {
  Question question = begin(GroupKind::kRegister, Deed::kDelete, OperationKind::kDelete);
  const std::optional<Reply> reply = ask({"DEL", question.group->key()});
  question.operation.flag = reply.has_value() && reply->integer == 1;
  settle(question, judge(reply));
}

void LoadClient::compare_and_set() {
  Question question =
      begin(GroupKind::kRegister, Deed::kCompareAndSet, OperationKind::kCompareAndSet);
  const std::string key = question.group->key();
  const std::vector<Reply> found = ask_each({{"WATCH", key}, {"GET", key}});
  // Nothing has been written yet, whatever became of it.
  if (found.empty()) return settle(question, Answer::kRefused);
  for (const Reply& reply : found) {
    if (judge(reply) == Answer::kDone) continue;
    ask({"UNWATCH"});
    return settle(question, Answer::kRefused);
  }
  question.operation.expected = value_of(found.back());
  const std::optional<Reply> reply =
      ask_all({{"MULTI"}, {"SET", key, question.operation.value}, {"EXEC"}});
  const bool touched = reply.has_value() && reply->is_nil();
  settle(question, touched ? Answer::kRefused : judge(reply));
}

void LoadClient::step_pair() {
  if (random_.one_in(2)) return read(GroupKind::kPair);
  Question question = begin(GroupKind::kPair, Deed::kSetBoth, OperationKind::kSetBoth);
  const std::string& value = question.operation.value;
  const std::optional<Reply> reply = ask_all({{"MULTI"},
                                              {"SET", question.group->key(0), value},
                                              {"SET", question.group->key(1), value},
                                              {"EXEC"}});
  settle(question, judge(reply));
}

// Any node answers a plain read from what it has; one inside a watched transaction is the leader's.
void LoadClient::read(GroupKind kind) {
  const bool pair = kind == GroupKind::kPair;
  auto manner = static_cast<Deed>(random_.between(static_cast<int64_t>(Deed::kLocalRead),
                                                  static_cast<int64_t>(Deed::kLeaderRead)));
  if (manner != Deed::kLinearizableRead && level_ != Level::kSession) {
    manner = level_ == Level::kPrefix ? Deed::kPrefixRead : Deed::kConsistentRead;
  }
  Question question = begin(kind, manner, pair ? OperationKind::kGetBoth : OperationKind::kGet);
  const std::vector<std::string> keys = question.group->keys();
  const bool together = pair || manner == Deed::kLinearizableRead || random_.one_in(4);
  std::vector<Arguments> commands;
  if (manner == Deed::kLeaderRead) commands.push_back({"ROLE"});
  if (manner == Deed::kLinearizableRead) commands.push_back({"WATCH", keys[0]});
  if (together) commands.push_back({"MULTI"});
  for (const std::string& key : keys) commands.push_back({"GET", key});
  if (together) commands.push_back({"EXEC"});
  if (manner == Deed::kLeaderRead) commands.push_back({"ROLE"});
  finish_read(question, ask_each(commands));
}

void LoadClient::finish_read(Question& question, const std::vector<Reply>& replies) {
  if (replies.empty()) return settle(question, Answer::kUnknown);
  // A WATCH that failed leaves an EXEC that promises less.
  for (const Reply& each : replies) {
    if (judge(each) != Answer::kDone) return settle(question, Answer::kRefused);
  }
  const bool at_leader = question.deed == Deed::kLeaderRead;
  const Reply& reply = replies[replies.size() - (at_leader ? 2 : 1)];
  // Somebody changed the watched key.
  if (question.deed == Deed::kLinearizableRead && reply.is_nil()) {
    return settle(question, Answer::kRefused);
  }
  if (reply.elements.empty()) {
    question.operation.read[0] = value_of(reply);
  } else {
    for (size_t i = 0; i < reply.elements.size(); ++i) {
      question.operation.read[i] = value_of(reply.elements[i]);
    }
  }
  if (question.group->kind() == GroupKind::kPair) {
    fail(SessionChecker::read_pair(question.operation.read[0], question.operation.read[1]));
  }
  if (question.deed != Deed::kPrefixRead) check_session(question);
  const auto leads = [](const Reply& role) {
    return !role.elements.empty() && role.elements[0].text == "master";
  };
  if (at_leader && !(leads(replies.front()) && leads(replies.back()))) {
    question.deed = Deed::kLocalRead;
  }
  settle(question, Answer::kDone);
}

void LoadClient::check_session(const Question& question) {
  const std::string key = question.group->key();
  const std::optional<std::string>& value = question.operation.read[0];
  switch (question.group->kind()) {
    case GroupKind::kCounter: {
      std::optional<int64_t> number;
      if (value.has_value()) number = base::parse_integer<int64_t>(*value).value_or(-1);
      return fail(session_.read_counter(key, number));
    }
    case GroupKind::kText:
      return fail(session_.read_text(key, value.value_or("")));
    case GroupKind::kPair:
    case GroupKind::kRegister:
      return;
  }
}

void LoadClient::step_ledger() {
  const size_t slot = random_.below(ledger_.slots());
  const std::string key = ledger_.key(slot);
  const std::string value = ledger_.next_value(slot);
  std::optional<Reply> reply = ask({"SET", key, value, "GET"});
  Answer answer = judge(reply);
  tally_.count(Deed::kLedgerWrite, answer);
  if (answer == Answer::kRefused) ledger_.refused(slot, value);
  if (answer != Answer::kDone) return;
  fail(ledger_.acknowledged(slot, value, value_of(*reply)));
  written_[slot] = true;
  if (level_ == Level::kPrefix || random_.one_in(2)) return;
  // The session's own writes are there, on a follower too.
  const size_t other = written_slot_near(random_.below(ledger_.slots()));
  reply = ask({"GET", ledger_.key(other)});
  answer = judge(reply);
  tally_.count(Deed::kLocalRead, answer);
  if (answer == Answer::kDone) fail(ledger_.read(other, value_of(*reply)));
}

size_t LoadClient::written_slot_near(size_t slot) const {
  while (!written_[slot]) slot = (slot + 1) % written_.size();
  return slot;
}

void LoadClient::fail(const std::string& what) {
  if (what.empty()) return;
  tally_.fail(base::concat("client ", number_, " at node ", node_, ": ", what));
}

std::string LoadClient::check(integration::Client& node) const {
  Arguments question = {"MGET"};
  for (size_t i = 0; i < ledger_.slots(); ++i) question.push_back(ledger_.key(i));
  const std::optional<Reply> reply = node.command(question);
  if (!reply || reply->elements.size() != ledger_.slots()) {
    return base::concat("MGET was not answered: ", reply ? reply->text : "(closed)");
  }
  for (size_t i = 0; i < ledger_.slots(); ++i) {
    const std::string wrong = ledger_.read(i, value_of(reply->elements[i]));
    if (!wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace kvorum::chaos
