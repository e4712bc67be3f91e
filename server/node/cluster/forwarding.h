// Any node can be asked: commands that only a leader may execute travel to it and their replies
// come back. The two halves, as the cluster and the node see them. Belongs to the loop.
#pragma once

#include <utility>

#include "server/node/cluster/forwarder.h"
#include "server/node/cluster/remote_sessions.h"

namespace kvorum::server {

class Forwarding {
 public:
  explicit Forwarding(Node& node) : forwarder_(node), remote_sessions_(node) {}

  // For dispatch.
  Forwarder& forwarder() { return forwarder_; }
  const RemoteSessions& remote_sessions() const { return remote_sessions_; }

  // --- Messages, from the peer whose session they came on.
  void receive(Session& from, peer::Forward forward) {
    remote_sessions_.receive(from, std::move(forward));
  }
  void receive(Session& from, const peer::Relay& relay) { forwarder_.receive(from.peer, relay); }
  void receive(Session& from, const peer::Gone& gone) { remote_sessions_.receive(from, gone); }

  // --- What has changed.
  // Our own link to the peer.
  void link_ready(storage::NodeId peer) { remote_sessions_.link_ready(peer); }
  void link_lost(storage::NodeId peer) {
    forwarder_.connection_lost(peer);
    remote_sessions_.link_lost(peer);
  }
  // The connection on which the peer's messages came.
  void peer_session_closed(const Session& session) {
    forwarder_.connection_lost(session.peer);
    remote_sessions_.peer_session_closed(session);
  }
  // Leader, term or role.
  void leader_changed() {
    forwarder_.leader_changed();
    remote_sessions_.leader_changed();
  }
  // A client's session, or a remote one, is about to go.
  void session_closed(Session& session) { forwarder_.session_closed(session); }
  // A remote session has output or may go on.
  void ready(Session& session) { remote_sessions_.ready(session); }

  // --- Time.
  void end_turn() {
    forwarder_.end_turn();
    remote_sessions_.end_turn();
  }
  void tick() { forwarder_.tick(); }

 private:
  Forwarder forwarder_;
  RemoteSessions remote_sessions_;
};

}  // namespace kvorum::server
