#include "server/shell/listener.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/check.h"
#include "base/text.h"
#include "server/shell/connection.h"
#include "server/shell/server.h"

namespace kvorum::server {

namespace {

struct AddressList {
  addrinfo* first = nullptr;
  ~AddressList() {
    if (first != nullptr) freeaddrinfo(first);
  }
};

absl::Status cannot_listen(const std::string& name, int error) {
  return absl::UnavailableError(base::concat("cannot listen on ", name, ": ", uv_strerror(error)));
}

}  // namespace

absl::Status Listeners::open(const Options& options) {
  if (options.port != 0) {
    bool any = false;
    absl::Status last;
    for (const std::string& address : options.bind) {
      const bool optional = address.starts_with('-');
      absl::Status status = listen_on_address(optional ? address.substr(1) : address, options);
      any |= status.ok();
      if (!status.ok() && !optional) return status;
      if (!status.ok()) last = status;
    }
    if (!any && !last.ok()) return last;
  }
  if (!options.unix_socket.empty()) {
    if (absl::Status status = listen_on_path(options); !status.ok()) return status;
  }
  if (listeners_.empty()) {
    return absl::InvalidArgumentError("nothing to listen on: port is 0 and unix-socket is empty");
  }
  return absl::OkStatus();
}

absl::Status Listeners::listen_on_address(const std::string& address, const Options& options) {
  const std::string host = address == "*" ? "0.0.0.0" : address == "::*" ? "::" : address;
  const std::string port = std::to_string(options.port);
  const std::string name = base::concat(host, ":", port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  AddressList found;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found.first); error != 0) {
    return absl::InvalidArgumentError(
        base::concat("cannot listen on ", name, ": ", gai_strerror(error)));
  }
  auto* listener = new Listener{&server_, false, {}};
  CHECK_EQ(uv_tcp_init(server_.loop(), &listener->handle.tcp), 0);
  listener->stream()->data = listener;
  listeners_.push_back(listener);
  const unsigned flags = found.first->ai_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0;
  if (const int error = uv_tcp_bind(&listener->handle.tcp, found.first->ai_addr, flags);
      error != 0) {
    return cannot_listen(name, error);
  }
  return listen(*listener, name, options.tcp_backlog);
}

absl::Status Listeners::listen_on_path(const Options& options) {
  // A socket left behind by a process that was killed; the data directory's lock has made sure that
  // no other server of ours is using it.
  struct stat found;
  if (lstat(options.unix_socket.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) {
    unlink(options.unix_socket.c_str());
  }
  auto* listener = new Listener{&server_, true, {}};
  CHECK_EQ(uv_pipe_init(server_.loop(), &listener->handle.pipe, 0), 0);
  listener->stream()->data = listener;
  listeners_.push_back(listener);
  if (const int error = uv_pipe_bind(&listener->handle.pipe, options.unix_socket.c_str());
      error != 0) {
    return cannot_listen(options.unix_socket, error);
  }
  unix_path_ = options.unix_socket;
  if (options.unix_socket_permissions != 0 &&
      chmod(unix_path_.c_str(), static_cast<mode_t>(options.unix_socket_permissions)) != 0) {
    return absl::UnavailableError(
        base::concat("cannot set the permissions of ", unix_path_, ": ", std::strerror(errno)));
  }
  return listen(*listener, unix_path_, options.tcp_backlog);
}

absl::Status Listeners::listen(Listener& listener, const std::string& name, int64_t backlog) {
  const int error =
      uv_listen(listener.stream(), static_cast<int>(backlog), [](uv_stream_t* stream, int status) {
        auto* self = static_cast<Listener*>(stream->data);
        if (status == 0) Connection::accept(*self->server, stream, self->unix_socket);
      });
  return error == 0 ? absl::OkStatus() : cannot_listen(name, error);
}

void Listeners::close() {
  for (Listener* listener : listeners_) {
    uv_close(reinterpret_cast<uv_handle_t*>(listener->stream()),
             [](uv_handle_t* handle) { delete static_cast<Listener*>(handle->data); });
  }
  listeners_.clear();
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
  unix_path_.clear();
}

}  // namespace kvorum::server
