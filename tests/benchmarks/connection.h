#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/benchmarks/options.h"
#include "tests/benchmarks/reply_scanner.h"

namespace kvorum::load {

// CLOCK_MONOTONIC.
int64_t now_ns();

// Ends the process: a load that lost a connection has measured nothing.
[[noreturn]] void fail(const std::string& message);

// One non-blocking TCP connection registered with an epoll instance (event data: the connection).
// Requests are written to output(), announced with expect_reply(), sent with flush(). With
// Endpoint::wait_replicas a request is two commands, and its reply the second's. Any failure ends
// the process.
class Connection {
 public:
  Connection(const Endpoint& endpoint, int epoll_fd);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::string& output() { return output_; }

  // The request's latency counts from `start_ns`.
  void expect_reply(int64_t start_ns) { starts_ns_.push_back(start_ns); }
  size_t awaited() const { return starts_ns_.size() - answered_; }

  // Sends what the socket takes; the rest goes when epoll says so.
  void flush();

  // Reads once and gives the replies to whole requests; their start times come from take_start().
  ReplyCounts receive();
  int64_t take_start();

  // Start times of the requests not yet answered, oldest first.
  std::vector<int64_t> unanswered_starts_ns() const;
  const std::string& first_error() const { return scanner_.first_error(); }

 private:
  void watch(int operation, bool writable);

  const std::string name_;
  const uint64_t replies_per_request_;
  const int epoll_fd_;
  int socket_fd_ = -1;
  bool waits_for_room_ = false;
  std::string output_;
  size_t sent_ = 0;  // of output_
  std::vector<int64_t> starts_ns_;
  size_t answered_ = 0;              // of starts_ns_
  uint64_t replies_in_request_ = 0;  // of the oldest request not yet answered
  ReplyScanner scanner_;
};

}  // namespace kvorum::load
