#include "tests/benchmarks/target_load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <limits>

namespace kvorum::load {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kSilenceLimitNs = 30 * kSecondNs;  // then the target counts as dead
constexpr int64_t kForeverNs = std::numeric_limits<int64_t>::max();
constexpr int kEvents = 512;
constexpr uint64_t kMaxOutstanding = 4'000'000;  // a dead server must not eat the memory

volatile std::sig_atomic_t stop_flag = 0;

int64_t thread_cpu_ns() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * kSecondNs + time.tv_nsec;
}

// Waits for ever: what is never answered shows as a silent target.
std::string wait_command(uint64_t replicas) {
  if (replicas == 0) return "";
  const std::string number = std::to_string(replicas);
  return "*3\r\n$4\r\nWAIT\r\n$" + std::to_string(number.size()) + "\r\n" + number +
         "\r\n$1\r\n0\r\n";
}

}  // namespace

void TargetLoad::request_stop() { stop_flag = 1; }
bool TargetLoad::stop_requested() { return stop_flag != 0; }

TargetLoad::TargetLoad(const Options& options, const Endpoint& endpoint)
    : options_(options),
      endpoint_(endpoint),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      writer_(options),
      after_request_(wait_command(endpoint.wait_replicas)) {
  for (uint64_t i = 0; i < options.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(endpoint, epoll_fd_));
  }
}

TargetLoad::~TargetLoad() {
  connections_.clear();
  close(epoll_fd_);
}

std::string TargetLoad::first_error() const {
  for (const auto& connection : connections_) {
    if (!connection->first_error().empty()) return connection->first_error();
  }
  return "";
}

SliceResult TargetLoad::run_slice() {
  SliceResult result;
  const int64_t cpu_ns = thread_cpu_ns();
  result.start_ns = now_ns();
  issued_ = 0;
  last_reply_ns_ = result.start_ns;
  deadline_ns_ = options_.slice_ms == 0
                     ? kForeverNs
                     : result.start_ns + static_cast<int64_t>(options_.slice_ms) * 1'000'000;
  if (options_.rate == 0) {
    run_closed(result);
  } else {
    run_fixed_rate(result);
  }
  result.elapsed_ns = now_ns() - result.start_ns;
  result.generator_cpu_ns = thread_cpu_ns() - cpu_ns;
  give_up(result);
  return result;
}

bool TargetLoad::may_issue() const {
  return !stop_requested() && (options_.requests == 0 || issued_ < options_.requests);
}

bool TargetLoad::target_is_dead() const { return now_ns() - last_reply_ns_ > kSilenceLimitNs; }

void TargetLoad::run_closed(SliceResult& result) {
  for (const auto& connection : connections_) issue_batch(*connection);
  while (outstanding_ != 0 && !target_is_dead()) wait_and_receive(result, kSecondNs);
}

void TargetLoad::issue_batch(Connection& connection) {
  const int64_t now = now_ns();
  if (!may_issue() || now >= deadline_ns_) return;
  const uint64_t left = options_.requests == 0 ? options_.pipeline : options_.requests - issued_;
  issue(connection, std::min(options_.pipeline, left), now);
}

void TargetLoad::issue(Connection& connection, uint64_t requests, int64_t start_ns) {
  for (uint64_t i = 0; i < requests; ++i) {
    writer_.append_request(connection.output());
    connection.output() += after_request_;
    connection.expect_reply(start_ns);
  }
  issued_ += requests;
  outstanding_ += requests;
  connection.flush();
}

void TargetLoad::run_fixed_rate(SliceResult& result) {
  const double interval_ns = static_cast<double>(kSecondNs) / static_cast<double>(options_.rate);
  const auto next_due_ns = [&] {
    return result.start_ns + static_cast<int64_t>(static_cast<double>(issued_) * interval_ns);
  };
  while (!target_is_dead()) {
    const int64_t due_ns = next_due_ns();
    const bool more = may_issue() && due_ns < deadline_ns_;
    if (!more && outstanding_ == 0) return;
    int64_t wait_ns = kSecondNs;
    if (more && outstanding_ < kMaxOutstanding) {
      const int64_t late_ns = now_ns() - due_ns;
      if (late_ns >= 0) {
        result.send_lag.record(late_ns);
        issue(*connections_[issued_ % connections_.size()], 1, due_ns);
      }
      // After a send only look for replies: while it catches up they must not wait for it.
      wait_ns = std::max<int64_t>(0, -late_ns);
    }
    wait_and_receive(result, wait_ns);
  }
}

void TargetLoad::wait_and_receive(SliceResult& result, int64_t timeout_ns) {
  std::array<epoll_event, kEvents> events;
  const timespec timeout{timeout_ns / kSecondNs, timeout_ns % kSecondNs};
  const int n = epoll_pwait2(epoll_fd_, events.data(), kEvents, &timeout, nullptr);
  if (n < 0 && errno != EINTR) fail(std::string("epoll_pwait2: ") + std::strerror(errno));
  for (int i = 0; i < n; ++i) {
    Connection& connection = *static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
    if (events[static_cast<size_t>(i)].events & EPOLLOUT) connection.flush();
    receive(result, connection);
    if (options_.rate == 0 && connection.awaited() == 0) issue_batch(connection);
  }
}

void TargetLoad::receive(SliceResult& result, Connection& connection) {
  const ReplyCounts counts = connection.receive();
  if (counts.replies == 0) return;
  last_reply_ns_ = now_ns();
  for (uint64_t i = 0; i < counts.replies; ++i) {
    record(result, connection.take_start(), last_reply_ns_);
  }
  result.requests += counts.replies;
  result.errors += counts.errors;
  result.nils += counts.nils;
  outstanding_ -= counts.replies;
}

void TargetLoad::record(SliceResult& result, int64_t start_ns, int64_t end_ns) {
  result.latency.record(end_ns - start_ns);
  if (options_.window_ms == 0) return;
  const auto window = static_cast<size_t>((start_ns - result.start_ns) /
                                          (static_cast<int64_t>(options_.window_ms) * 1'000'000));
  if (window >= result.windows.size()) result.windows.resize(window + 1);
  result.windows[window].record(end_ns - start_ns);
}

void TargetLoad::give_up(SliceResult& result) {
  if (outstanding_ == 0) return;
  const int64_t now = now_ns();
  for (const auto& connection : connections_) {
    for (const int64_t start_ns : connection->unanswered_starts_ns()) record(result, start_ns, now);
  }
  result.unanswered = outstanding_;
}

}  // namespace kvorum::load
