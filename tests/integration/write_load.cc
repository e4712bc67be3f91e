#include "tests/integration/write_load.h"

#include <algorithm>

namespace kvorum::integration {
namespace {

constexpr int kKeysShown = 10;             // of those that are wrong
constexpr uint64_t kKeys = 48;             // per connection
constexpr uint64_t kLongestPipeline = 16;  // operations

// What the operation leaves of `values`.
void carry_out(const Operation& operation, Values& values) {
  switch (operation.kind) {
    case Operation::Kind::kSet:
    case Operation::Kind::kSetLarge:
      values[operation.key] = operation.value;
      break;
    case Operation::Kind::kSetTwo:
    case Operation::Kind::kTransaction:
      values[operation.key] = values[operation.second_key] = operation.value;
      break;
    case Operation::Kind::kIncrement: {
      std::string& value = values[operation.key];
      value = std::to_string((value.empty() ? 0 : std::stoll(value)) + 1);
      break;
    }
    case Operation::Kind::kDelete:
      values.erase(operation.key);
      break;
    case Operation::Kind::kRead:
    case Operation::Kind::kSnapshot:
      break;
  }
}

std::string shortened(const Values& values, const std::string& key) {
  const auto found = values.find(key);
  if (found == values.end()) return "(nil)";
  const std::string& value = found->second;
  return value.substr(0, 24) + " (" + std::to_string(value.size()) + " bytes)";
}

}  // namespace

Writer::Writer(int number, uint64_t seed)
    : prefix_("w" + std::to_string(number) + ":"),
      counter_(prefix_ + "counter"),
      random_(seed + static_cast<uint64_t>(number)) {}

std::string Writer::some_key() { return prefix_ + std::to_string(random_() % kKeys); }

Operation Writer::next_operation() {
  using Kind = Operation::Kind;
  Operation operation;
  const uint64_t dice = random_() % 1000;
  operation.kind = dice < 400   ? Kind::kSet
                   : dice < 420 ? Kind::kSetLarge
                   : dice < 520 ? Kind::kSetTwo
                   : dice < 680 ? Kind::kTransaction
                   : dice < 830 ? Kind::kIncrement
                   : dice < 890 ? Kind::kDelete
                   : dice < 992 ? Kind::kRead
                                : Kind::kSnapshot;
  operation.key = operation.kind == Kind::kIncrement ? counter_ : some_key();
  operation.second_key = some_key();
  operation.value = std::to_string(++next_value_) + "=";
  operation.value.resize(
      operation.kind == Kind::kSetLarge ? 20'000 + random_() % 20'000 : 20 + random_() % 300, 'x');
  return operation;
}

void Writer::send(Client& client, const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::kSet:
    case Operation::Kind::kSetLarge:
      return client.append({"SET", operation.key, operation.value});
    case Operation::Kind::kSetTwo:
      return client.append(
          {"MSET", operation.key, operation.value, operation.second_key, operation.value});
    case Operation::Kind::kTransaction:
      client.append({"MULTI"});
      client.append({"SET", operation.key, operation.value});
      client.append({"SET", operation.second_key, operation.value});
      return client.append({"EXEC"});
    case Operation::Kind::kIncrement:
      return client.append({"INCR", operation.key});
    case Operation::Kind::kDelete:
      return client.append({"DEL", operation.key});
    case Operation::Kind::kRead:
      return client.append({"GET", operation.key});
    case Operation::Kind::kSnapshot:
      return client.append({"BGSAVE"});
  }
}

bool Writer::receive(Client& client) {
  const Operation& operation = unanswered_.front();
  const int replies = operation.kind == Operation::Kind::kTransaction ? 4 : 1;
  std::optional<Reply> reply;
  for (int i = 0; i < replies; ++i) {
    reply = client.read();
    if (!reply) return false;
  }
  judge(operation, *reply);
  unanswered_.pop_front();
  ++answered_;
  return true;
}

void Writer::judge(const Operation& operation, const Reply& reply) {
  if (operation.kind == Operation::Kind::kSnapshot) return;  // one may be under way already
  if (reply.is_error()) {
    ++refused_;
    const bool expected =
        reply.text.starts_with("MISCONF") || reply.text.find("MISCONF") != std::string::npos ||
        reply.text.starts_with("EXECABORT") || reply.text.starts_with("TRYAGAIN") ||
        reply.text.starts_with("ERR server is shutting down");
    if (!expected && wrong_answer_.empty()) wrong_answer_ = operation.key + ": " + reply.text;
    return;
  }
  carry_out(operation, acknowledged_);
  std::string wanted, got;
  if (operation.kind == Operation::Kind::kRead || operation.kind == Operation::Kind::kIncrement) {
    const auto value = acknowledged_.find(operation.key);
    wanted = value == acknowledged_.end() ? "" : value->second;
    got = reply.type == REDIS_REPLY_INTEGER ? std::to_string(reply.integer) : reply.text;
  } else if (operation.kind == Operation::Kind::kTransaction && reply.elements.size() != 2) {
    wanted = "two replies";
  }
  if (wanted != got && wrong_answer_.empty()) {
    wrong_answer_ =
        operation.key + ": answered " + got.substr(0, 24) + ", not " + wanted.substr(0, 24);
  }
}

void Writer::run(int port, int operations, const std::atomic<bool>& stop) {
  const std::unique_ptr<Client> client = Client::connect(port);
  if (client == nullptr) return;
  for (int done = 0; done < operations && !stop;) {
    const uint64_t pipeline = 1 + random_() % kLongestPipeline;
    for (uint64_t i = 0; i < pipeline; ++i) {
      unanswered_.push_back(next_operation());
      send(*client, unanswered_.back());
    }
    while (!unanswered_.empty()) {
      if (!receive(*client)) return;
      ++done;
    }
  }
}

std::string Writer::check(Client& client) {
  Arguments arguments = {"MGET", counter_};
  for (uint64_t i = 0; i < kKeys; ++i) arguments.push_back(prefix_ + std::to_string(i));
  const std::optional<Reply> reply = client.command(arguments);
  if (!reply || reply->elements.size() != kKeys + 1) return WriteLoad::kBroken;
  Values found;
  for (size_t i = 0; i < reply->elements.size(); ++i) {
    if (!reply->elements[i].is_nil()) found[arguments[i + 1]] = reply->elements[i].text;
  }
  Values candidate = acknowledged_;
  for (size_t n = 0; n <= unanswered_.size(); ++n) {
    if (found == candidate) {
      acknowledged_ = found;
      unanswered_.clear();
      return "";
    }
    if (n < unanswered_.size()) carry_out(unanswered_[n], candidate);
  }
  return difference(found, unanswered_.size());
}

std::string Writer::difference(const Values& found, size_t unanswered) const {
  Values everything = acknowledged_;
  for (const Operation& operation : unanswered_) carry_out(operation, everything);
  std::string text = prefix_ + " holds what no " + std::to_string(unanswered) +
                     " unanswered operations can leave:";
  std::vector<std::string> keys = {counter_};
  for (uint64_t i = 0; i < kKeys; ++i) keys.push_back(prefix_ + std::to_string(i));
  int shown = 0;
  for (const std::string& key : keys) {
    const std::string before = shortened(acknowledged_, key);
    const std::string after = shortened(everything, key);
    const std::string now = shortened(found, key);
    if (now == before && before == after) continue;
    if (++shown > kKeysShown) return text + "\n  and more";
    text += "\n  " + key + ": acknowledged " + before + ", last sent " + after + ", found " + now;
  }
  return text;
}

WriteLoad::WriteLoad(int connections, uint64_t seed) : shown_(static_cast<size_t>(connections)) {
  for (int i = 0; i < connections; ++i) writers_.push_back(std::make_unique<Writer>(i, seed));
}

WriteLoad::~WriteLoad() {
  stop();
  join();
}

void WriteLoad::start(int port, int operations) {
  stop_ = stop_watching_ = false;
  for (const auto& writer : writers_) {
    threads_.emplace_back(
        [this, port, operations, writer = writer.get()] { writer->run(port, operations, stop_); });
  }
  watcher_ = std::thread([this, port] { watch(port); });
}

void WriteLoad::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  stop_watching_ = true;
  if (watcher_.joinable()) watcher_.join();
}

void WriteLoad::watch(int port) {
  const std::unique_ptr<Client> client = Client::connect(port);
  if (client == nullptr) return;
  while (!stop_watching_) {
    for (size_t i = 0; i < writers_.size(); ++i) {
      const std::optional<Reply> reply = client->command({"GET", writers_[i]->counter()});
      if (!reply) return;
      if (reply->type != REDIS_REPLY_STRING) continue;
      shown_[i] = std::max(shown_[i], std::stoll(reply->text));
    }
  }
}

std::string WriteLoad::check(int port) {
  const std::unique_ptr<Client> client = Client::connect(port);
  if (client == nullptr) return kBroken;
  size_t keys = 0;
  for (size_t i = 0; i < writers_.size(); ++i) {
    if (!writers_[i]->wrong_answer().empty()) return writers_[i]->wrong_answer();
    if (const std::string wrong = writers_[i]->check(*client); !wrong.empty()) return wrong;
    keys += writers_[i]->key_count();
    const std::string counter = client->ask({"GET", writers_[i]->counter()});
    if (counter == "(closed)") return kBroken;
    if (shown_[i] > 0 && (counter == "(nil)" || std::stoll(counter) < shown_[i])) {
      return writers_[i]->counter() + " was read as " + std::to_string(shown_[i]) + " and is now " +
             counter;
    }
  }
  const std::string size = client->ask({"DBSIZE"});
  if (size == "(closed)") return kBroken;
  if (size != std::to_string(keys)) return size + " keys instead of " + std::to_string(keys);
  return "";
}

uint64_t WriteLoad::answered() const {
  uint64_t total = 0;
  for (const auto& writer : writers_) total += writer->answered();
  return total;
}

uint64_t WriteLoad::refused() const {
  uint64_t total = 0;
  for (const auto& writer : writers_) total += writer->refused();
  return total;
}

}  // namespace kvorum::integration
