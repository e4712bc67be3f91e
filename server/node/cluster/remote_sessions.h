// The leader's half of forwarding: for each client of another node that has sent commands, a
// session that executes them in order; its replies go back as RELAY messages when their gates have
// opened. A command is executed at most once: sequence numbers have no gap and no repeat,
// everything of a client after a refused command is refused too, and a command is bound to the term
// it was meant for. Belongs to the loop.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/session.h"

namespace kvorum::server {

class Node;

// One client of another node, as long as it goes on with one sequence.
struct RemoteClient {
  storage::NodeId follower{0};
  uint64_t stream = 0;  // Forward::client
  uint64_t link = 0;    // id of the session on which its commands come
  storage::Term term{0};
  // Stands for the client; not among Node::sessions().
  Session session{0};
  uint64_t received = 0;              // newest sequence
  uint64_t answered = 0;              // newest sequence whose reply was relayed
  std::deque<peer::Forward> waiting;  // not executed, oldest first
  bool refusing = false;              // nothing more is taken
  bool listed = false;
};

class RemoteSessions {
 public:
  explicit RemoteSessions(Node& node) : node_(node) {}
  ~RemoteSessions();

  void receive(const Session& from, peer::Forward forward);
  void receive(const Session& from, const peer::Gone& gone);
  void link_ready(storage::NodeId follower);
  // Relays on their way are lost: the clients begin anew.
  void link_lost(storage::NodeId follower);
  // Commands on their way on it are lost.
  void peer_session_closed(const Session& closed);
  void leader_changed();
  void ready(Session& session) { list(*session.remote); }
  // Executes and relays.
  void end_turn();

  size_t size() const { return clients_.size(); }

 private:
  using Key = std::pair<storage::NodeId, uint64_t>;
  using Clients = absl::btree_map<Key, std::unique_ptr<RemoteClient>>;

  RemoteClient& begin(const Session& from, const peer::Forward& forward);
  Clients::iterator end(Clients::iterator row);
  template <class Predicate>
  void end_where(const Predicate& over);
  // May execute commands of this client's term.
  bool may_execute(storage::Term term) const;
  void list(RemoteClient& client);
  void serve(RemoteClient& client);
  void relay_output(RemoteClient& client);
  void refuse_unexecuted(RemoteClient& client);
  void refuse(storage::NodeId follower, uint64_t stream, uint64_t sequence);

  Node& node_;
  Clients clients_;
  std::vector<Key> listed_;  // have something to do
};

}  // namespace kvorum::server
