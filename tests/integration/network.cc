#include "tests/integration/network.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/check.h"
#include "base/text.h"

namespace kvorum::integration {
namespace {

// Held for one direction; then the sender is left to TCP.
constexpr size_t kHeldBytes = 256 * 1024;
// Lines of a HELLO.
constexpr size_t kHelloLine = 4, kNodeLine = 10;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int listen_somewhere(int& port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  CHECK_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), size), 0);
  CHECK_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  CHECK_EQ(::listen(socket, 128), 0);
  port = ntohs(address.sin_port);
  return socket;
}

void send_at_once(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

Network::Network(const std::vector<int>& targets) : targets_(targets) {
  for (size_t i = 0; i < targets.size(); ++i) {
    int port = 0;
    listeners_.push_back(listen_somewhere(port));
    ports_.push_back(port);
  }
  CHECK_EQ(::pipe2(wake_pipe_.data(), O_CLOEXEC | O_NONBLOCK), 0);
  thread_ = std::thread([this] { run(); });
}

Network::~Network() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake();
  thread_.join();
  for (const Connection& connection : connections_) {
    ::close(connection.dialled);
    ::close(connection.target);
  }
  for (const int listener : listeners_) ::close(listener);
  for (const int end : wake_pipe_) ::close(end);
}

void Network::cut(int from, int to) {
  const std::lock_guard lock(mutex_);
  cuts_.emplace(from, to);
}

void Network::isolate(int node) {
  for (int other = 1; other <= static_cast<int>(targets_.size()); ++other) {
    if (other != node) cut_both(node, other);
  }
}

void Network::heal() {
  {
    const std::lock_guard lock(mutex_);
    cuts_.clear();
  }
  wake();
}

void Network::wake() const { CHECK_EQ(::write(wake_pipe_[1], "x", 1), 1); }

bool Network::passes(int from, int to) {
  const std::lock_guard lock(mutex_);
  return !cuts_.contains({from, to});
}

void Network::run() {
  while (true) {
    std::vector<pollfd> wanted = {{wake_pipe_[0], POLLIN, 0}};
    for (const int listener : listeners_) wanted.push_back({listener, POLLIN, 0});
    for (const Connection& each : connections_) {
      const bool forth = each.client || (each.from != 0 && passes(each.from, each.to));
      const bool back = each.client || (each.from != 0 && passes(each.to, each.from));
      const auto events = [](const Direction& in, const Direction& out, bool out_passes) {
        return static_cast<short>((in.held.size() < kHeldBytes && !in.ended ? POLLIN : 0) |
                                  (!out.held.empty() && out_passes ? POLLOUT : 0));
      };
      // Negative: not looked at; the end of a connection that is held back would be told for ever.
      const auto add = [&wanted](int socket, short events) {
        wanted.push_back({events != 0 ? socket : -1, events, 0});
      };
      add(each.dialled, events(each.there, each.back, back));
      add(each.target, events(each.back, each.there, forth));
    }
    if (::poll(wanted.data(), wanted.size(), -1) < 0 && errno != EINTR) return;
    char ignored[64];
    while (::read(wake_pipe_[0], ignored, sizeof(ignored)) > 0) {
    }
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
    }
    size_t next = 1 + listeners_.size();
    for (auto each = connections_.begin(); each != connections_.end(); next += 2) {
      if (serve(*each, wanted[next].revents, wanted[next + 1].revents)) {
        ++each;
        continue;
      }
      ::close(each->dialled);
      ::close(each->target);
      each = connections_.erase(each);
    }
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (wanted[1 + i].revents & POLLIN) accept_on(i);
    }
  }
}

void Network::accept_on(size_t node) {
  Connection connection;
  connection.dialled = ::accept4(listeners_[node], nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (connection.dialled < 0) return;
  connection.target = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  connection.to = static_cast<int>(node) + 1;
  const sockaddr_in address = loopback(targets_[node]);
  if (::connect(connection.target, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
      0) {
    ::close(connection.dialled);
    ::close(connection.target);
    return;
  }
  ::fcntl(connection.target, F_SETFL, ::fcntl(connection.target, F_GETFL) | O_NONBLOCK);
  send_at_once(connection.dialled);
  send_at_once(connection.target);
  connections_.push_back(std::move(connection));
}

void Network::tell_who(Connection& connection) const {
  // "*9", "$8", "REPLCONF", "$5", "HELLO", "$1", version, "$4", cluster, "$1", node
  std::vector<std::string> lines;
  std::string_view rest = connection.there.held;
  for (size_t end = 0; lines.size() <= kNodeLine; rest.remove_prefix(end + 2)) {
    end = rest.find("\r\n");
    if (end == std::string_view::npos) break;
    lines.emplace_back(rest.substr(0, end));
  }
  const bool hello = lines.size() > kNodeLine && lines[kHelloLine] == "HELLO";
  const bool may_be_hello =
      connection.there.held.starts_with("*9\r\n$8\r\nREPLCONF\r\n") && lines.size() <= kNodeLine;
  if (hello) connection.from = base::parse_integer<int>(lines[kNodeLine]).value_or(0);
  connection.client = connection.from == 0 && !may_be_hello;
}

bool Network::read(int socket, Direction& direction) const {
  char buffer[65536];
  const ssize_t got = ::recv(socket, buffer, sizeof(buffer), 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) direction.ended = true;
  direction.held.append(buffer, static_cast<size_t>(got));
  return true;
}

bool Network::write(int socket, Direction& direction) const {
  const ssize_t sent =
      ::send(socket, direction.held.data(), direction.held.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  direction.held.erase(0, static_cast<size_t>(sent));
  return true;
}

bool Network::serve(Connection& connection, short dialled_events, short target_events) {
  constexpr short kReadable = POLLIN | POLLHUP | POLLERR;
  if ((dialled_events & kReadable) && !connection.there.ended &&
      !read(connection.dialled, connection.there)) {
    return false;
  }
  if ((target_events & kReadable) && !connection.back.ended &&
      !read(connection.target, connection.back)) {
    return false;
  }
  if (connection.from == 0 && !connection.client && !connection.there.held.empty()) {
    tell_who(connection);
  }
  if ((target_events & POLLOUT) && !write(connection.target, connection.there)) return false;
  if ((dialled_events & POLLOUT) && !write(connection.dialled, connection.back)) return false;
  // What has arrived is passed on before the end is; a cut holds the end back, too.
  return !(
      (connection.there.ended && connection.there.held.empty() &&
       (connection.client || connection.from == 0 || passes(connection.from, connection.to))) ||
      (connection.back.ended && connection.back.held.empty() &&
       (connection.client || connection.from == 0 || passes(connection.to, connection.from))));
}

}  // namespace kvorum::integration
