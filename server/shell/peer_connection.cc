#include "server/shell/peer_connection.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster_options.h"
#include "server/shell/dead_peer.h"

namespace kvorum::server {

using storage::NodeId;

namespace {

// Given to one system call.
constexpr size_t kPiecesPerWrite = 128;
// How often a peer may refill what its socket took at once, in one turn of the loop: then others
// have theirs.
constexpr int kRoundsPerTurn = 8;

uv_handle_t* as_handle(uv_tcp_t* tcp) { return reinterpret_cast<uv_handle_t*>(tcp); }
uv_stream_t* as_stream(uv_tcp_t* tcp) { return reinterpret_cast<uv_stream_t*>(tcp); }

std::vector<sockaddr_storage> addresses_of(const addrinfo* found) {
  std::vector<sockaddr_storage> addresses;
  for (; found != nullptr; found = found->ai_next) {
    if (found->ai_family != AF_INET && found->ai_family != AF_INET6) continue;
    std::memcpy(&addresses.emplace_back(), found->ai_addr, found->ai_addrlen);
  }
  return addresses;
}

}  // namespace

// What one send() appended, as far as it has not left.
struct PeerConnections::Piece {
  std::string head;
  std::shared_ptr<const std::string> body;
  size_t done = 0;  // bytes of both together that the socket has

  size_t size() const { return head.size() + (body ? body->size() : 0); }
  // What is left of it, as one buffer or two.
  void append_to(std::vector<uv_buf_t>& buffers) const {
    const auto append = [&](std::string_view bytes) {
      if (bytes.empty()) return;
      buffers.push_back(
          uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size())));
    };
    append(std::string_view(head).substr(std::min(done, head.size())));
    if (body) append(std::string_view(*body).substr(done - std::min(done, head.size())));
  }
};

// Deletes itself when it has been answered.
struct PeerConnections::Lookup {
  uv_getaddrinfo_t request;
  PeerConnections* connections;
  Peer* peer;  // null: nobody wants to know any more
};

// Deletes itself when its handle has been closed; the pieces of a write that is out live as long.
struct PeerConnections::Socket {
  uv_tcp_t tcp;
  uv_connect_t connect_request;
  uv_write_t write_request;
  PeerConnections* connections;
  Peer* peer;  // null: given up, being closed
  bool connected = false;
  bool write_out = false;
  std::deque<Piece> pieces;
  size_t unsent = 0;
  size_t write_bytes = 0;  // of the request that is out

  // The first pieces; the bytes in them.
  size_t gather(std::vector<uv_buf_t>& buffers) const {
    size_t bytes = 0;
    for (size_t i = 0; i < std::min(pieces.size(), kPiecesPerWrite); ++i) {
      pieces[i].append_to(buffers);
      bytes += pieces[i].size() - pieces[i].done;
    }
    return bytes;
  }
  void drop(size_t bytes) {
    unsent -= bytes;
    while (bytes > 0) {
      Piece& first = pieces.front();
      const size_t step = std::min(bytes, first.size() - first.done);
      first.done += step;
      bytes -= step;
      if (first.done == first.size()) pieces.pop_front();
    }
  }
  void abandon() {
    peer = nullptr;
    uv_close(as_handle(&tcp),
             [](uv_handle_t* handle) { delete static_cast<Socket*>(handle->data); });
  }
};

struct PeerConnections::Peer {
  NodeId id{0};
  std::vector<sockaddr_storage> addresses;  // still to be tried, the last one first
  Lookup* lookup = nullptr;
  Socket* socket = nullptr;
  bool took = false;  // to be told: peer_sent
  bool failed = false;
  std::string reason;

  ~Peer() { release(); }
  void release() {
    if (lookup != nullptr) {
      lookup->peer = nullptr;
      uv_cancel(reinterpret_cast<uv_req_t*>(&lookup->request));
      lookup = nullptr;
    }
    if (socket != nullptr) std::exchange(socket, nullptr)->abandon();
  }
};

PeerConnections::PeerConnections(uv_loop_t* loop, PeerEvents& events)
    : loop_(loop), events_(events) {}

PeerConnections::~PeerConnections() = default;

PeerConnections::Peer* PeerConnections::find(NodeId id) {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : found->second.get();
}

void PeerConnections::dial(NodeId id, const std::string& address) {
  CHECK(find(id) == nullptr) << "peer " << id.value() << " is dialled already";
  Peer& peer = *(peers_[id] = std::make_unique<Peer>());
  peer.id = id;
  const std::optional<HostAndPort> where = split_address(address);
  if (!where) {
    fail(peer, base::concat("not an address: ", address));
    return;
  }
  sockaddr_storage numeric{};
  if (uv_ip4_addr(where->host.c_str(), where->port, reinterpret_cast<sockaddr_in*>(&numeric)) ==
          0 ||
      uv_ip6_addr(where->host.c_str(), where->port, reinterpret_cast<sockaddr_in6*>(&numeric)) ==
          0) {
    peer.addresses = {numeric};
    connect_next(peer);
  } else {
    look_up(peer, where->host, where->port);
  }
}

void PeerConnections::look_up(Peer& peer, const std::string& host, uint16_t port) {
  peer.lookup = new Lookup{{}, this, &peer};
  peer.lookup->request.data = peer.lookup;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  const auto done = [](uv_getaddrinfo_t* request, int status, addrinfo* found) {
    std::unique_ptr<Lookup> lookup(static_cast<Lookup*>(request->data));
    if (lookup->peer != nullptr) lookup->connections->looked_up(*lookup->peer, status, found);
    uv_freeaddrinfo(found);
  };
  const int error = uv_getaddrinfo(loop_, &peer.lookup->request, done, host.c_str(),
                                   std::to_string(port).c_str(), &hints);
  if (error != 0) {
    delete std::exchange(peer.lookup, nullptr);
    fail(peer, base::concat("cannot look up ", host, ": ", uv_strerror(error)));
  }
}

void PeerConnections::looked_up(Peer& peer, int status, const addrinfo* found) {
  peer.lookup = nullptr;
  if (status != 0) {
    fail(peer, base::concat("its name cannot be looked up: ", uv_strerror(status)));
    return;
  }
  peer.addresses = addresses_of(found);
  std::reverse(peer.addresses.begin(), peer.addresses.end());
  connect_next(peer);
}

void PeerConnections::connect_next(Peer& peer) {
  if (peer.addresses.empty()) {
    fail(peer, "its name has no address");
    return;
  }
  const sockaddr_storage address = peer.addresses.back();
  peer.addresses.pop_back();
  auto* socket = peer.socket = new Socket();
  socket->connections = this;
  socket->peer = &peer;
  CHECK_EQ(uv_tcp_init(loop_, &socket->tcp), 0);
  socket->tcp.data = socket->connect_request.data = socket->write_request.data = socket;
  const int error = uv_tcp_connect(&socket->connect_request, &socket->tcp,
                                   reinterpret_cast<const sockaddr*>(&address),
                                   [](uv_connect_t* request, int status) {
                                     auto* self = static_cast<Socket*>(request->data);
                                     if (self->peer != nullptr)
                                       self->connections->connected(*self, status);
                                   });
  if (error != 0) not_connected(peer, error);
}

void PeerConnections::not_connected(Peer& peer, int error) {
  if (peer.addresses.empty()) {
    fail(peer, uv_strerror(error));
    return;
  }
  std::exchange(peer.socket, nullptr)->abandon();
  connect_next(peer);
}

void PeerConnections::connected(Socket& socket, int status) {
  Peer& peer = *socket.peer;
  if (status == 0) {
    uv_tcp_nodelay(&socket.tcp, 1);
    end_when_machine_is_silent(as_stream(&socket.tcp));
    status = uv_read_start(
        as_stream(&socket.tcp),
        [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
          auto& room = static_cast<Socket*>(handle->data)->connections->buffer_;
          *buffer = uv_buf_init(room.data(), static_cast<unsigned>(room.size()));
        },
        [](uv_stream_t* stream, ssize_t bytes, const uv_buf_t*) {
          auto* self = static_cast<Socket*>(stream->data);
          if (self->peer != nullptr) self->connections->received(*self, bytes);
        });
  }
  if (status != 0) {
    not_connected(peer, status);
    return;
  }
  socket.connected = true;
  peer.addresses.clear();
  events_.peer_connected(peer.id);
}

void PeerConnections::received(Socket& socket, ssize_t bytes) {
  if (bytes == 0) return;
  if (bytes < 0) {
    fail(*socket.peer,
         bytes == UV_EOF ? "it closed the connection" : uv_strerror(static_cast<int>(bytes)));
    return;
  }
  received_bytes_ += static_cast<size_t>(bytes);
  events_.peer_received(socket.peer->id, {buffer_.data(), static_cast<size_t>(bytes)});
}

void PeerConnections::send(NodeId id, std::string head, std::shared_ptr<const std::string> body) {
  Peer* peer = find(id);
  CHECK(peer != nullptr) << "peer " << id.value() << " is not connected";
  if (peer->failed) return;  // which the node is about to hear
  CHECK(peer->socket != nullptr && peer->socket->connected);
  Piece piece{std::move(head), std::move(body)};
  if (piece.size() == 0) return;
  peer->socket->unsent += piece.size();
  peer->socket->pieces.push_back(std::move(piece));
}

size_t PeerConnections::unsent_bytes(NodeId id) const {
  const auto found = peers_.find(id);
  if (found == peers_.end() || found->second->socket == nullptr) return 0;
  return found->second->socket->unsent;
}

void PeerConnections::hang_up(NodeId id) { peers_.erase(id); }

void PeerConnections::fail(Peer& peer, std::string reason) {
  if (peer.failed) return;
  peer.release();
  peer.failed = true;
  peer.reason = std::move(reason);
}

void PeerConnections::flush(Peer& peer) {
  while (peer.socket != nullptr && !peer.socket->write_out && peer.socket->unsent > 0) {
    std::vector<uv_buf_t> buffers;
    const size_t wanted = peer.socket->gather(buffers);
    const int result = uv_try_write(as_stream(&peer.socket->tcp), buffers.data(),
                                    static_cast<unsigned>(buffers.size()));
    if (result < 0 && result != UV_EAGAIN) {
      fail(peer, uv_strerror(result));
      return;
    }
    const size_t sent = result > 0 ? static_cast<size_t>(result) : 0;
    taken(peer, sent);
    if (sent < wanted) write(peer);
  }
}

void PeerConnections::write(Peer& peer) {
  Socket* socket = peer.socket;
  std::vector<uv_buf_t> buffers;
  socket->write_bytes = socket->gather(buffers);
  socket->write_out = true;
  const int error =
      uv_write(&socket->write_request, as_stream(&socket->tcp), buffers.data(),
               static_cast<unsigned>(buffers.size()), [](uv_write_t* request, int status) {
                 auto* self = static_cast<Socket*>(request->data);
                 if (self->peer != nullptr) self->connections->written(*self, status);
               });
  if (error != 0) fail(peer, uv_strerror(error));
}

void PeerConnections::written(Socket& socket, int status) {
  socket.write_out = false;
  if (status != 0) {
    fail(*socket.peer, uv_strerror(status));
  } else {
    taken(*socket.peer, socket.write_bytes);
  }
}

void PeerConnections::taken(Peer& peer, size_t bytes) {
  if (bytes == 0) return;
  peer.socket->drop(bytes);
  peer.took = true;
  sent_bytes_ += bytes;
}

bool PeerConnections::tell(NodeId id) {
  Peer* peer = find(id);
  if (peer == nullptr) return false;
  if (peer->failed) {
    const std::string reason = std::move(peer->reason);
    peers_.erase(id);
    events_.peer_closed(id, reason);
    return true;
  }
  if (!std::exchange(peer->took, false)) return false;
  events_.peer_sent(id);
  return true;
}

void PeerConnections::end_turn() {
  std::vector<NodeId> ids;
  bool told = true;
  for (int round = 0; told && round < kRoundsPerTurn; ++round) {
    ids.clear();
    for (const auto& [id, peer] : peers_) ids.push_back(id);
    told = false;
    for (const NodeId id : ids) {
      if (Peer* peer = find(id)) flush(*peer);
      told |= tell(id);
    }
  }
  // The rest leaves now too; that it has gone is told in the next turn.
  for (const auto& [id, peer] : peers_) {
    Socket* socket = peer->socket;
    if (socket != nullptr && !socket->write_out && socket->unsent > 0) write(*peer);
  }
}

void PeerConnections::close() { peers_.clear(); }

}  // namespace kvorum::server
