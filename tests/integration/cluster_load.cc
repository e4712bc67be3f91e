#include "tests/integration/cluster_load.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>

#include "base/text.h"
#include "tests/integration/wait.h"

namespace kvorum::integration {
namespace {

constexpr size_t kKeysPerQuestion = 1000;
// How long a node that does not listen is tried before the next one is.
constexpr int kConnectMs = 20;

int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string first_word(const std::string& text) { return text.substr(0, text.find(' ')); }

// Errors after which the command may have been executed all the same.
bool outcome_unknown(const std::string& error) { return first_word(error) == "TIMEOUT"; }

}  // namespace

struct ClusterLoad::Writer {
  int number = 0;
  size_t port = 0;  // index of the port it uses
  int first_port = 0;
  std::thread thread;
  std::atomic<uint64_t> acknowledged = 0;
  std::atomic<uint64_t> broken = 0;
  std::vector<uint64_t> kept;  // numbers of the keys whose SET was acknowledged
  uint64_t next = 0;           // number of the next key
  long long counted = 0;       // INCRs that were acknowledged
  long long perhaps = 0;       // INCRs of unknown outcome
  long long seen = 0;          // highest value of the counter that this connection was shown
  std::string wrong;           // first thing that must not be
  mutable std::mutex mutex;
  std::map<std::string, int> errors;  // guarded by mutex

  std::string key(uint64_t n) const { return base::concat("load:", number, ":", n); }
  std::string counter() const { return base::concat("count:", number); }
};

ClusterLoad::ClusterLoad(int writers, std::vector<int> ports) : ports_(std::move(ports)) {
  for (int i = 0; i < writers; ++i) {
    auto writer = std::make_unique<Writer>();
    writer->number = i;
    writer->port = static_cast<size_t>(i) % ports_.size();
    writer->first_port = ports_[writer->port];
    writers_.push_back(std::move(writer));
  }
}

ClusterLoad::~ClusterLoad() { stop(); }

void ClusterLoad::start() {
  stop_ = false;
  last_success_us_ = now_us();
  longest_gap_us_ = 0;
  for (const auto& writer : writers_) {
    writer->thread = std::thread([this, writer = writer.get()] { run(*writer); });
  }
}

void ClusterLoad::stop() {
  stop_ = true;
  for (const auto& writer : writers_) {
    if (writer->thread.joinable()) writer->thread.join();
  }
}

void ClusterLoad::run(Writer& writer) {
  while (!stop_) {
    std::unique_ptr<Client> client;
    eventually(
        [&] {
          client = Client::connect(ports_[writer.port]);
          return client != nullptr || stop_;
        },
        kConnectMs);
    if (client != nullptr) {
      writer.seen = 0;  // promised to a connection, not across them
      while (!stop_ && step(writer, *client)) {
      }
      if (!stop_) ++writer.broken;
    }
    writer.port = (writer.port + 1) % ports_.size();
  }
}

void ClusterLoad::note_success() {
  const int64_t now = now_us();
  const int64_t gap = now - last_success_us_.exchange(now);
  int64_t longest = longest_gap_us_;
  while (gap > longest && !longest_gap_us_.compare_exchange_weak(longest, gap)) {
  }
}

// True if it was answered without an error; wrong only if the connection still works.
bool ClusterLoad::answered(Writer& writer, const std::optional<Reply>& reply) {
  if (!reply) return false;
  if (!reply->is_error()) return true;
  const std::lock_guard lock(writer.mutex);
  ++writer.errors[first_word(reply->text)];
  return false;
}

bool ClusterLoad::step(Writer& writer, Client& client) {
  const uint64_t number = writer.next++;
  std::optional<Reply> reply = client.command({"SET", writer.key(number), std::to_string(number)});
  if (answered(writer, reply)) {
    writer.kept.push_back(number);
    ++writer.acknowledged;
    note_success();
  }
  if (!reply) return false;

  reply = client.command({"INCR", writer.counter()});
  if (answered(writer, reply)) {
    ++writer.counted;
    ++writer.acknowledged;
    note_success();
    if (reply->integer <= writer.seen && writer.wrong.empty()) {
      writer.wrong =
          base::concat(writer.counter(), " counted to ", reply->integer, " after ", writer.seen);
    }
    writer.seen = reply->integer;
  } else if (!reply || outcome_unknown(reply->text)) {
    ++writer.perhaps;
  }
  if (!reply) return false;

  reply = client.command({"GET", writer.counter()});
  if (answered(writer, reply)) {
    const long long value = reply->is_nil() ? 0 : std::stoll(reply->text);
    if (value < writer.seen && writer.wrong.empty()) {
      writer.wrong = base::concat(writer.counter(), " was read as ", value, " after ", writer.seen);
    }
    writer.seen = std::max(writer.seen, value);
  }
  return reply.has_value();
}

uint64_t ClusterLoad::acknowledged() const {
  uint64_t total = 0;
  for (const auto& writer : writers_) total += writer->acknowledged;
  return total;
}

int64_t ClusterLoad::take_longest_gap_ms() {
  const int64_t open = now_us() - last_success_us_;  // the gap that goes on right now
  return std::max(longest_gap_us_.exchange(0), open) / 1000;
}

uint64_t ClusterLoad::broken(int port) const {
  uint64_t total = 0;
  for (const auto& writer : writers_) {
    if (writer->first_port == port) total += writer->broken;
  }
  return total;
}

std::string ClusterLoad::errors() const {
  std::map<std::string, int> all;
  for (const auto& writer : writers_) {
    const std::lock_guard lock(writer->mutex);
    for (const auto& [word, count] : writer->errors) all[word] += count;
  }
  std::string text;
  for (const auto& [word, count] : all) text += base::concat(word, ": ", count, "\n");
  return text;
}

std::string ClusterLoad::check_keys(const Writer& writer, Client& client) {
  for (size_t begin = 0; begin < writer.kept.size(); begin += kKeysPerQuestion) {
    const size_t end = std::min(begin + kKeysPerQuestion, writer.kept.size());
    Arguments question = {"MGET"};
    for (size_t i = begin; i < end; ++i) question.push_back(writer.key(writer.kept[i]));
    const std::optional<Reply> reply = client.command(question);
    if (!reply || reply->elements.size() != end - begin) return "not answered";
    for (size_t i = begin; i < end; ++i) {
      const Reply& value = reply->elements[i - begin];
      if (value.text == std::to_string(writer.kept[i])) continue;
      return base::concat(writer.key(writer.kept[i]), " was acknowledged and is ",
                          value.is_nil() ? "lost" : value.text);
    }
  }
  return "";
}

long long ClusterLoad::read_counter(const Writer& writer, Client& client) {
  const std::string text = client.ask({"GET", writer.counter()});
  return text == "(nil)" ? 0 : base::parse_integer<long long>(text).value_or(-1);
}

long long ClusterLoad::executed_unanswered(Client& client) const {
  long long total = 0;
  for (const auto& writer : writers_) total += read_counter(*writer, client) - writer->counted;
  return total;
}

std::string ClusterLoad::check(Client& client) const {
  for (const auto& writer : writers_) {
    if (!writer->wrong.empty()) return writer->wrong;
    if (const std::string wrong = check_keys(*writer, client); !wrong.empty()) return wrong;
    const long long value = read_counter(*writer, client);
    if (value >= writer->counted && value <= writer->counted + writer->perhaps) continue;
    return base::concat(writer->counter(), " is ", value, " after ", writer->counted,
                        " acknowledged increments and ", writer->perhaps, " of unknown outcome");
  }
  return "";
}

}  // namespace kvorum::integration
