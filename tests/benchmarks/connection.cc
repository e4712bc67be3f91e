#include "tests/benchmarks/connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace kvorum::load {
namespace {

constexpr size_t kReadBytes = size_t{256} * 1024;
constexpr size_t kCompactAfter = 4096;

int connect_to(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* addresses = nullptr;
  if (getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &addresses) != 0) {
    fail("cannot resolve " + endpoint.host);
  }
  const int fd = socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, addresses->ai_addr, addresses->ai_addrlen) != 0) {
    fail("cannot connect to " + endpoint.name + ": " + std::strerror(errno));
  }
  freeaddrinfo(addresses);
  return fd;
}

}  // namespace

int64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void fail(const std::string& message) {
  std::fprintf(stderr, "kvorum_load: %s\n", message.c_str());
  std::exit(1);
}

Connection::Connection(const Endpoint& endpoint, int epoll_fd)
    : name_(endpoint.name),
      replies_per_request_(endpoint.wait_replicas == 0 ? 1 : 2),
      epoll_fd_(epoll_fd),
      socket_fd_(connect_to(endpoint)) {
  const int on = 1;
  setsockopt(socket_fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  watch(EPOLL_CTL_ADD, false);
}

Connection::~Connection() { close(socket_fd_); }

void Connection::watch(int operation, bool writable) {
  epoll_event event{};
  event.events = EPOLLIN | (writable ? uint32_t{EPOLLOUT} : 0);
  event.data.ptr = this;
  if (epoll_ctl(epoll_fd_, operation, socket_fd_, &event) != 0) {
    fail(std::string("epoll_ctl: ") + std::strerror(errno));
  }
}

void Connection::flush() {
  while (sent_ < output_.size()) {
    const ssize_t n = send(socket_fd_, output_.data() + sent_, output_.size() - sent_,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) fail("sending to " + name_ + ": " + std::strerror(errno));
    sent_ += static_cast<size_t>(n);
  }
  const bool all_sent = sent_ == output_.size();
  if (all_sent) {
    output_.clear();
    sent_ = 0;
  }
  if (waits_for_room_ == all_sent) {
    waits_for_room_ = !all_sent;
    watch(EPOLL_CTL_MOD, waits_for_room_);
  }
}

ReplyCounts Connection::receive() {
  static std::array<char, kReadBytes> buffer;
  const ssize_t n = recv(socket_fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n < 0) fail("receiving from " + name_ + ": " + std::strerror(errno));
  if (n == 0) fail(name_ + " closed a connection");
  ReplyCounts counts = scanner_.feed({buffer.data(), static_cast<size_t>(n)});
  const uint64_t replies = replies_in_request_ + counts.replies;
  counts.replies = replies / replies_per_request_;
  replies_in_request_ = replies % replies_per_request_;
  if (scanner_.malformed()) fail(name_ + " sent something that is no reply");
  if (counts.replies > awaited()) fail(name_ + " sent more replies than it got requests");
  return counts;
}

int64_t Connection::take_start() {
  const int64_t start_ns = starts_ns_[answered_++];
  if (answered_ == starts_ns_.size()) {
    starts_ns_.clear();
    answered_ = 0;
  } else if (answered_ >= kCompactAfter && answered_ * 2 >= starts_ns_.size()) {
    starts_ns_.erase(starts_ns_.begin(),
                     starts_ns_.begin() + static_cast<std::ptrdiff_t>(answered_));
    answered_ = 0;
  }
  return start_ns;
}

std::vector<int64_t> Connection::unanswered_starts_ns() const {
  return {starts_ns_.begin() + static_cast<std::ptrdiff_t>(answered_), starts_ns_.end()};
}

}  // namespace kvorum::load
