// A write load on several connections that knows what was acknowledged, and judges what a restart
// brought back.
//
// Each connection writes keys of its own, in pipelines, so the order of its writes is known. What
// is there after a crash must be what its first n writes leave, for one n that covers every
// acknowledged write: nothing acknowledged is lost, nothing is half there, nothing out of order.
// A further connection reads: what anybody was shown must be there, too.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/client.h"

namespace kvorum::integration {

struct Operation {
  enum class Kind { kSet, kSetLarge, kSetTwo, kTransaction, kIncrement, kDelete, kRead, kSnapshot };
  Kind kind = Kind::kRead;
  std::string key, second_key, value;
};

using Values = std::map<std::string, std::string>;

// One connection's writes and what is known of them. One thread at a time.
class Writer {
 public:
  Writer(int number, uint64_t seed);

  // Writes until the connection breaks, `operations` are answered, or `stop` is set.
  void run(int port, int operations, const std::atomic<bool>& stop);
  // Empty, or what is wrong with what the server holds. From then on that is what is acknowledged.
  std::string check(Client& client);
  // Empty, or the first answer that was wrong.
  const std::string& wrong_answer() const { return wrong_answer_; }

  const std::string& counter() const { return counter_; }
  size_t key_count() const { return acknowledged_.size(); }
  uint64_t answered() const { return answered_; }
  uint64_t refused() const { return refused_; }

 private:
  Operation next_operation();
  std::string some_key();
  void send(Client& client, const Operation& operation);
  // False if the connection broke.
  bool receive(Client& client);
  void judge(const Operation& operation, const Reply& reply);
  std::string difference(const Values& found, size_t unanswered) const;

  const std::string prefix_;
  const std::string counter_;
  std::mt19937_64 random_;
  uint64_t next_value_ = 0;
  Values acknowledged_;               // what the answered writes leave
  std::deque<Operation> unanswered_;  // sent after those
  std::string wrong_answer_;
  std::atomic<uint64_t> answered_ = 0;
  std::atomic<uint64_t> refused_ = 0;
};

class WriteLoad {
 public:
  // What check() says when it had no answer.
  static constexpr char kBroken[] = "the connection broke";

  WriteLoad(int connections, uint64_t seed);
  ~WriteLoad();

  // Starts the connections; each ends when it breaks or when `operations` are answered.
  void start(int port, int operations);
  // Asks the connections to end after their pipeline.
  void stop() { stop_ = true; }
  void join();
  // Empty, or what is wrong. REQUIRES: joined.
  std::string check(int port);

  uint64_t answered() const;
  uint64_t refused() const;

 private:
  void watch(int port);

  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<std::thread> threads_;
  std::thread watcher_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> stop_watching_ = false;
  std::vector<long long> shown_;  // per writer: the largest counter that was read
};

}  // namespace kvorum::integration
