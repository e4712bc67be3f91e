#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/benchmarks/connection.h"
#include "tests/benchmarks/latency_histogram.h"
#include "tests/benchmarks/options.h"
#include "tests/benchmarks/request_writer.h"

namespace kvorum::load {

struct SliceResult {
  int64_t start_ns = 0;
  int64_t elapsed_ns = 0;  // until the last reply
  uint64_t requests = 0;   // answered
  uint64_t errors = 0;
  uint64_t nils = 0;
  uint64_t unanswered = 0;       // given up; their age is in `latency`, which so understates them
  int64_t generator_cpu_ns = 0;  // near elapsed_ns: the generator, not the server, was the limit
  LatencyHistogram latency;
  LatencyHistogram send_lag;              // fixed rate only: how late the generator itself sent
  std::vector<LatencyHistogram> windows;  // by start time; empty unless asked for
};

// The connections to one target and the load on them.
class TargetLoad {
 public:
  // Connects; ends the process if it cannot.
  TargetLoad(const Options& options, const Endpoint& endpoint);
  ~TargetLoad();
  TargetLoad(const TargetLoad&) = delete;
  TargetLoad& operator=(const TargetLoad&) = delete;

  // Runs one slice and waits for its last reply, so that the next target has the machine to itself.
  // Closed loop: every connection sends `pipeline` requests and, when all are answered, the next
  // ones; latency counts from the send. Fixed rate: request i is due at start + i / rate whatever
  // the server does, and its latency counts from then.
  SliceResult run_slice();

  const std::string& name() const { return endpoint_.name; }
  std::string first_error() const;

  // Every run ends soon: no new requests, only replies. Safe in a signal handler.
  static void request_stop();
  static bool stop_requested();

 private:
  void run_closed(SliceResult& result);
  void run_fixed_rate(SliceResult& result);

  bool may_issue() const;
  bool target_is_dead() const;
  void issue(Connection& connection, uint64_t requests, int64_t start_ns);
  void issue_batch(Connection& connection);

  // Waits at most `timeout_ns`, records the replies and, in the closed loop, sends the next
  // batches.
  void wait_and_receive(SliceResult& result, int64_t timeout_ns);
  void receive(SliceResult& result, Connection& connection);
  void record(SliceResult& result, int64_t start_ns, int64_t end_ns);
  void give_up(SliceResult& result);

  const Options& options_;
  const Endpoint endpoint_;
  const int epoll_fd_;
  RequestWriter writer_;
  const std::string after_request_;  // WAIT, or nothing
  std::vector<std::unique_ptr<Connection>> connections_;
  // Of the current slice:
  uint64_t issued_ = 0;
  uint64_t outstanding_ = 0;
  int64_t deadline_ns_ = 0;  // nothing is issued after it
  int64_t last_reply_ns_ = 0;
};

}  // namespace kvorum::load
