// The TCP connections this node has dialled, one for each peer. What the node sends is collected
// for the rest of the loop's turn and leaves with one system call; long bodies are shared, never
// copied. Belongs to the loop.
#pragma once

#include <uv.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "storage/types.h"

namespace kvorum::server {

// Called in a turn of the loop, never from inside a call of PeerConnections. All of them may call
// PeerConnections.
class PeerEvents {
 public:
  virtual ~PeerEvents() = default;
  virtual void peer_connected(storage::NodeId peer) = 0;
  virtual void peer_received(storage::NodeId peer, std::string_view bytes) = 0;
  // Something that waited has been taken by the socket.
  virtual void peer_sent(storage::NodeId peer) = 0;
  // Not connected any more, or never was; the connection is gone already.
  virtual void peer_closed(storage::NodeId peer, std::string_view reason) = 0;
};

class PeerConnections {
 public:
  // Both outlive this object, which is destroyed only when the loop has run after close().
  PeerConnections(uv_loop_t* loop, PeerEvents& events);
  ~PeerConnections();
  PeerConnections(const PeerConnections&) = delete;
  PeerConnections& operator=(const PeerConnections&) = delete;

  // As Host::dial, send_to_peer, peer_unsent_bytes and hang_up.
  void dial(storage::NodeId peer, const std::string& address);
  void send(storage::NodeId peer, std::string head, std::shared_ptr<const std::string> body);
  size_t unsent_bytes(storage::NodeId peer) const;
  void hang_up(storage::NodeId peer);

  // At the end of each turn of the loop, outside of the node: sends what was collected, and tells
  // what became known meanwhile.
  void end_turn();
  // Hangs up everywhere. The loop can be closed when it has nothing left to do; a look-up of a host
  // name that is under way is waited for.
  void close();

  uint64_t sent_bytes() const { return sent_bytes_; }
  uint64_t received_bytes() const { return received_bytes_; }

 private:
  struct Piece;
  struct Lookup;
  struct Socket;
  struct Peer;

  Peer* find(storage::NodeId id);
  void look_up(Peer& peer, const std::string& host, uint16_t port);
  void looked_up(Peer& peer, int status, const addrinfo* found);
  void connect_next(Peer& peer);
  void not_connected(Peer& peer, int error);
  void connected(Socket& socket, int status);
  void received(Socket& socket, ssize_t bytes);
  void flush(Peer& peer);
  void write(Peer& peer);
  void written(Socket& socket, int status);
  void taken(Peer& peer, size_t bytes);
  // The connection is over; the node hears it at the end of the turn.
  void fail(Peer& peer, std::string reason);
  // Whether there was anything to tell.
  bool tell(storage::NodeId id);

  uv_loop_t* loop_;
  PeerEvents& events_;
  absl::btree_map<storage::NodeId, std::unique_ptr<Peer>> peers_;
  std::array<char, 64 * 1024> buffer_;  // what one read brings
  uint64_t sent_bytes_ = 0, received_bytes_ = 0;
};

}  // namespace kvorum::server
