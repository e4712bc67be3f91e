// A write load on all nodes of a cluster that knows what was acknowledged, while nodes die and come
// back.
//
// Each writer has a connection to one node, and takes another node's when that breaks. It writes
// every key once, so an acknowledged write is there or lost; it counts in a counter, so a command
// that was executed twice shows; and it reads its own counter, so a connection that goes back in
// time shows.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/client.h"

namespace kvorum::integration {

class ClusterLoad {
 public:
  // Writer i begins at ports[i % ports.size()].
  ClusterLoad(int writers, std::vector<int> ports);
  ~ClusterLoad();

  void start();
  void stop();

  // Writes that were answered OK, so far.
  uint64_t acknowledged() const;
  // The longest time between two answered writes of all together, since the last call.
  int64_t take_longest_gap_ms();
  // How often the connections of the writers that began at this port broke.
  uint64_t broken(int port) const;
  // Errors that were answered, by their first word: for messages.
  std::string errors() const;

  // Empty, or what is wrong with what the node holds. REQUIRES: stopped.
  std::string check(Client& client) const;
  // Increments that the node holds though they were never answered. REQUIRES: stopped.
  long long executed_unanswered(Client& client) const;

 private:
  struct Writer;

  void run(Writer& writer);
  bool step(Writer& writer, Client& client);
  bool answered(Writer& writer, const std::optional<Reply>& reply);
  void note_success();
  static std::string check_keys(const Writer& writer, Client& client);
  // -1: no answer.
  static long long read_counter(const Writer& writer, Client& client);

  const std::vector<int> ports_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> last_success_us_ = 0;
  std::atomic<int64_t> longest_gap_us_ = 0;
};

}  // namespace kvorum::integration
