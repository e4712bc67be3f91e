#include "tests/integration/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "tests/integration/wait.h"

namespace kvorum::integration {
namespace {

constexpr timeval kPatience = {kPatienceMs / 1000, 0};

timeval time_of(int milliseconds) { return {milliseconds / 1000, milliseconds % 1000 * 1000}; }

Reply copy_of(const redisReply& reply) {
  Reply copy;
  copy.type = reply.type;
  copy.integer = reply.integer;
  if (reply.str != nullptr) copy.text.assign(reply.str, reply.len);
  for (size_t i = 0; i < reply.elements; ++i) copy.elements.push_back(copy_of(*reply.element[i]));
  return copy;
}

}  // namespace

std::unique_ptr<Client> Client::connect(const std::string& host, int port, int patience_ms) {
  ::signal(SIGPIPE, SIG_IGN);  // hiredis writes to sockets that may be closed
  const timeval patience = time_of(patience_ms);
  std::unique_ptr<Client> client(new Client(redisConnectWithTimeout(host.c_str(), port, patience)));
  if (client->context_ == nullptr || client->context_->err != 0) return nullptr;
  redisSetTimeout(client->context_.get(), patience);
  return client;
}

std::unique_ptr<Client> Client::connect(const std::string& unix_socket) {
  ::signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<Client> client(
      new Client(redisConnectUnixWithTimeout(unix_socket.c_str(), kPatience)));
  if (client->context_ == nullptr || client->context_->err != 0) return nullptr;
  redisSetTimeout(client->context_.get(), kPatience);
  return client;
}

void Client::append(const Arguments& arguments) {
  std::vector<const char*> pieces;
  std::vector<size_t> sizes;
  for (const std::string& argument : arguments) {
    pieces.push_back(argument.data());
    sizes.push_back(argument.size());
  }
  redisAppendCommandArgv(context_.get(), static_cast<int>(pieces.size()), pieces.data(),
                         sizes.data());
}

std::optional<Reply> Client::read() {
  void* reply = nullptr;
  if (redisGetReply(context_.get(), &reply) != REDIS_OK || reply == nullptr) return std::nullopt;
  const std::optional<Reply> copy = copy_of(*static_cast<redisReply*>(reply));
  freeReplyObject(reply);
  return copy;
}

std::optional<Reply> Client::command(const Arguments& arguments) {
  append(arguments);
  return read();
}

std::string Client::ask(const Arguments& arguments) {
  const std::optional<Reply> reply = command(arguments);
  if (!reply) return "(closed)";
  switch (reply->type) {
    case REDIS_REPLY_NIL:
      return "(nil)";
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply->integer);
    case REDIS_REPLY_ERROR:
      return "-" + reply->text;
    default:
      return reply->text;
  }
}

RawConnection::RawConnection(int port) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  connected_ =
      ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

RawConnection::~RawConnection() {
  if (socket_ >= 0) ::close(socket_);
}

bool RawConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool RawConnection::wait_readable() const {
  pollfd wanted = {socket_, POLLIN, 0};
  return ::poll(&wanted, 1, kPatienceMs) == 1;
}

std::optional<std::string> RawConnection::read_to_end() {
  std::string text;
  char buffer[65536];
  while (wait_readable()) {
    const ssize_t got = ::recv(socket_, buffer, sizeof(buffer), 0);
    if (got <= 0) return text;  // closed, or reset because it closed with our bytes unread
    text.append(buffer, static_cast<size_t>(got));
  }
  return std::nullopt;
}

std::string RawConnection::read(size_t bytes) {
  std::string text;
  char buffer[65536];
  while (text.size() < bytes && wait_readable()) {
    const ssize_t got = ::recv(socket_, buffer, std::min(sizeof(buffer), bytes - text.size()), 0);
    if (got <= 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

}  // namespace kvorum::integration
