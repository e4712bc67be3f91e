#include "server/shell/connection.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/check.h"
#include "base/text.h"
#include "server/shell/address.h"
#include "server/shell/dead_peer.h"
#include "server/shell/server.h"

namespace kvorum::server {

namespace {

// What one read asks for. Everything it brings is executed before the next connection's turn, so it
// is also the fairness quantum.
constexpr size_t kReadBytes = 16 * 1024;
// The same for a node that ships its log.
constexpr size_t kPeerReadBytes = 64 * 1024;
// Input read ahead of a session that waits; then it is left to the socket.
constexpr size_t kReadAheadBytes = 1 << 20;
// Copied into one write request when the socket is full.
constexpr size_t kWriteBytes = 1 << 20;

bool is_between_nodes(resp::Arguments arguments) {
  return base::equal_ignoring_case(arguments[0], "replconf");
}

// How a node begins; everything else is a client's.
bool is_peer_hello(resp::Arguments arguments) {
  return is_between_nodes(arguments) && arguments.size() >= 2 &&
         base::equal_ignoring_case(arguments[1], "hello");
}

}  // namespace

Connection::Connection(Server& server, bool unix_socket)
    : server_(server), parser_(resp::kUnauthenticatedLimits) {
  if (unix_socket) {
    CHECK_EQ(uv_pipe_init(server.loop(), &handle_.pipe, 0), 0);
  } else {
    CHECK_EQ(uv_tcp_init(server.loop(), &handle_.tcp), 0);
  }
  stream()->data = this;
  write_request_.data = this;
}

Connection* Connection::accept(Server& server, uv_stream_t* listener, bool unix_socket) {
  auto* connection = new Connection(server, unix_socket);
  if (uv_accept(listener, connection->stream()) != 0 || !connection->open_session(unix_socket)) {
    connection->close();
    return nullptr;
  }
  connection->start_reading();
  return connection;
}

bool Connection::open_session(bool unix_socket) {
  const SocketAddresses addresses = socket_addresses(stream(), unix_socket);
  refusal_ = server_.refusal(addresses.loopback);
  if (!refusal_.empty() && !server_.may_be_peer()) {
    ++server_.node().statistics().connections_rejected;
    refuse(refusal_);
    return false;
  }
  configure_socket();
  session_ = &server_.node().connect();
  session_->address = addresses.peer;
  session_->local_address = addresses.local;
  session_->loopback = addresses.loopback;
  session_->unix_socket = unix_socket;
  session_->host_tag = reinterpret_cast<uintptr_t>(this);
  uv_os_fd_t descriptor = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(stream()), &descriptor) == 0) {
    session_->file_descriptor = descriptor;
  }
  set_standing(refusal_.empty() ? Standing::kClient : Standing::kUnproven);
  update_limits();
  return true;
}

void Connection::set_standing(Standing standing) {
  server_.count_connection(standing_, standing);
  standing_ = standing;
}

// What it may send depends on what it has proven.
void Connection::update_limits() {
  const bool peer = session_->peer != storage::NodeId{0};
  const bool trusted = session_->authenticated && standing_ != Standing::kUnproven;
  if (peer ? standing_ == Standing::kPeer : trusted == trusted_limits_) return;
  if (peer) {
    set_standing(Standing::kPeer);
    end_when_machine_is_silent(stream());
  }
  trusted_limits_ = trusted;
  parser_.set_limits(peer      ? server_.peer_limits()
                     : trusted ? server_.client_limits()
                               : resp::kUnauthenticatedLimits);
}

void Connection::refuse_unproven() {
  ++server_.node().statistics().connections_rejected;
  refuse(refusal_);
  session_->close_now = true;
}

void Connection::refuse(std::string_view error) {
  uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(error.data()), static_cast<unsigned>(error.size()));
  uv_try_write(stream(), &buffer, 1);  // best effort: the connection closes either way
}

void Connection::configure_socket() {
  if (stream()->type != UV_TCP) return;
  uv_tcp_nodelay(&handle_.tcp, 1);
  const int64_t keepalive_s = server_.options().tcp_keepalive_s;
  if (keepalive_s > 0) {
    uv_tcp_keepalive(&handle_.tcp, 1, static_cast<unsigned>(keepalive_s));
  }
}

void Connection::start_reading() {
  if (reading_ || closing_) return;
  reading_ = true;
  const int result = uv_read_start(
      stream(),
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        auto* self = static_cast<Connection*>(handle->data);
        const std::span<char> room =
            self->parser_.reserve(self->standing_ == Standing::kPeer ? kPeerReadBytes : kReadBytes);
        *buffer = uv_buf_init(room.data(),
                              static_cast<unsigned>(std::min<size_t>(room.size(), 1u << 30)));
      },
      [](uv_stream_t* handle, ssize_t bytes, const uv_buf_t*) {
        static_cast<Connection*>(handle->data)->read_finished(bytes);
      });
  if (result != 0) close();
}

void Connection::stop_reading() {
  if (!reading_) return;
  reading_ = false;
  uv_read_stop(stream());
}

void Connection::read_finished(ssize_t bytes) {
  if (bytes == 0) return;
  if (bytes == UV_ENOBUFS) {
    server_.log_client(LogLevel::kWarning, *session_, "closed: its query buffer is full");
    close();
    return;
  }
  if (bytes < 0) {
    close();
    return;
  }
  server_.count_input(static_cast<size_t>(bytes));
  parser_.commit(static_cast<size_t>(bytes));
  ++session_->inputs;
  server_.node().refresh_clock();
  session_->last_interaction_us = server_.node().monotonic_us();
  if (standing_ != Standing::kPeer && server_.turn_is_long()) {
    deferred_ = true;
    stop_reading();
    server_.defer(*this);
    return;
  }
  execute_buffered();
  if (!closing_) flush();
}

void Connection::execute_buffered() {
  Node& node = server_.node();
  while (!session_->blocked && !session_->postponed && !session_->close_after_reply &&
         !session_->close_now) {
    if (!std::exchange(command_waits_, false)) {
      const resp::Parser::Result result = parser_.next();
      if (result == resp::Parser::Result::kNeedMore) break;
      if (result == resp::Parser::Result::kError) {
        // The parser stays where it is.
        if (node.protocol_error(*session_, parser_.error()) == Execution::kDone) {
          server_.log_client(LogLevel::kInfo, *session_, parser_.error());
        }
        break;
      }
      if (is_http(parser_.arguments())) {
        session_->close_now = true;
        break;
      }
    }
    if (standing_ == Standing::kUnproven && !is_peer_hello(parser_.arguments())) {
      refuse_unproven();
      break;
    }
    if (standing_ == Standing::kPeer && !is_between_nodes(parser_.arguments())) {
      server_.log_client(LogLevel::kWarning, *session_,
                         "closed: a node that says what clients say");
      node.protocol_error(*session_, "Protocol error: a node says nothing but REPLCONF");
      break;
    }
    update_figures();
    if (node.execute(*session_, parser_.arguments()) == Execution::kComeAgain) {
      command_waits_ = true;
      break;
    }
    update_limits();
  }
  const bool waits = session_->blocked || session_->postponed || session_->close_after_reply;
  if (waits && parser_.buffered_bytes() > kReadAheadBytes) stop_reading();
  if (command_waits_) stop_reading();  // reading on could move the arguments that wait
}

bool Connection::is_http(resp::Arguments arguments) {
  if (!base::equal_ignoring_case(arguments[0], "post") &&
      !base::equal_ignoring_case(arguments[0], "host:")) {
    return false;
  }
  server_.log_cross_protocol(*session_);
  return true;
}

void Connection::handle_ready() {
  session_->ready = false;
  if (closing_) return;
  if (!deferred_ && !session_->close_now && !session_->blocked && !session_->postponed &&
      (command_waits_ || parser_.buffered_bytes() > 0)) {
    execute_buffered();
  }
  flush();
  if (!closing_ && !deferred_ && !command_waits_ && !session_->close_after_reply) start_reading();
}

void Connection::handle_deferred() {
  deferred_ = false;
  server_.node().refresh_clock();
  handle_ready();
}

void Connection::flush() {
  if (session_->close_now) {
    close();
    return;
  }
  OutputQueue& output = session_->output;
  while (!write_out_ && !output.sendable().empty()) {
    const std::string_view bytes = output.sendable();
    uv_buf_t buffer = uv_buf_init(const_cast<char*>(bytes.data()),
                                  static_cast<unsigned>(std::min<size_t>(bytes.size(), 1u << 30)));
    const int sent = uv_try_write(stream(), &buffer, 1);
    if (sent == UV_EAGAIN) {
      queue_write();
      return;
    }
    if (sent < 0) {
      close();
      return;
    }
    server_.count_output(static_cast<size_t>(sent));
    output.sent(static_cast<size_t>(sent));
  }
  if (session_->close_after_reply && !write_out_ && output.size() == 0) close();
}

void Connection::queue_write() {
  writing_.assign(session_->output.sendable().substr(0, kWriteBytes));
  session_->output.sent(writing_.size());
  uv_buf_t buffer = uv_buf_init(writing_.data(), static_cast<unsigned>(writing_.size()));
  write_out_ = true;
  const int result =
      uv_write(&write_request_, stream(), &buffer, 1, [](uv_write_t* request, int status) {
        static_cast<Connection*>(request->data)->write_finished(status);
      });
  if (result != 0) close();
}

void Connection::write_finished(int status) {
  write_out_ = false;
  if (closing_) return;
  if (status != 0) {
    close();
    return;
  }
  server_.count_output(writing_.size());
  session_->last_interaction_us = server_.node().monotonic_us();
  flush();
  if (!write_out_) std::string().swap(writing_);
}

void Connection::close() {
  if (closing_) return;
  closing_ = true;
  if (session_ != nullptr) {
    set_standing(Standing::kNone);
    server_.connection_closed(*this);
    server_.node().disconnect(*session_);
    session_ = nullptr;
  }
  uv_close(reinterpret_cast<uv_handle_t*>(stream()),
           [](uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); });
}

bool Connection::idle_since(int64_t monotonic_us) const {
  return session_->last_interaction_us < monotonic_us && !session_->blocked &&
         !session_->postponed && !session_->subscribed() && !session_->monitor &&
         standing_ != Standing::kPeer;
}

void Connection::release_memory() {
  if (parser_.buffered_bytes() == 0 && !command_waits_) parser_.release_memory();
}

bool Connection::has_output() const { return write_out_ || !session_->output.sendable().empty(); }

void Connection::update_figures() {
  session_->query_buffer_bytes = parser_.buffered_bytes();
  session_->query_buffer_free_bytes = parser_.held_bytes() - parser_.buffered_bytes();
  session_->argument_bytes = parser_.command_bytes();
}

}  // namespace kvorum::server
