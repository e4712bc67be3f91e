// Linearizable reads at followers: the read index of the Raft dissertation, section 6.4. The
// follower asks the leader for its commit position, which the leader tells once it is sure that it
// led when it was asked; the follower applies up to there and reads by itself. One request serves
// all reads that came before it was sent, and one is under way at a time.
// docs/replication.md, Lease and reads. Belongs to the loop.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "server/node/cluster/peer_message.h"
#include "server/node/session.h"
#include "storage/types.h"

namespace kvorum::server {

class Node;

class ReadIndex {
 public:
  explicit ReadIndex(Node& node) : node_(node) {}

  // `boot`: the data directory's counter of starts. Answers to an earlier process are told by it.
  void start(uint64_t boot) { first_sequence_ = boot << 32; }

  // --- Follower, for dispatch.
  // The session's next command, a read, may be executed here and now, as far as others' writes are
  // concerned.
  bool ready(Session& session);
  // It is not ready: the session is woken when it is, when this node leads, or when it has waited
  // for write-timeout-ms. REQUIRES: session.read_wait.
  void ask(Session& session);
  void session_closed(Session& session);
  // Requests sent since the start.
  uint64_t requests() const { return requests_; }

  // --- Leader.
  // Leadership at some time has been confirmed, or the commit has moved: answers what may be.
  void serve();
  void stop_leading();

  // --- What happens.
  void receive(Session& from, const peer::ReadIndex& request);
  void receive(storage::NodeId from, const peer::ReadIndexAck& ack);
  // What was under way to or from the peer may be lost.
  void link_lost(storage::NodeId peer);
  void peer_session_closed(const Session& session);
  // Leader, term or role.
  void leader_changed();
  // Wakes what may go on, sends what waits.
  void end_turn();
  void tick();

 private:
  // A follower's, on the leader.
  struct Request {
    uint64_t link = 0;  // id of the session on which it came
    storage::Term term{0};
    uint64_t sequence = 0;
    storage::Lsn index{0};  // what the follower has to apply; 0: not known before we are settled
    int64_t read_us = 0;    // leadership is to be confirmed for then
  };

  storage::Lsn index() const;
  void answer(storage::NodeId follower, const Request& request, bool refused);
  void wake_all();

  Node& node_;

  // Follower.
  std::vector<Session*> asking_;     // wait for an answer
  std::vector<Session*> confirmed_;  // know their index, which is not applied
  uint64_t first_sequence_ = 0;
  uint64_t round_ = 1;      // of the next request
  uint64_t in_flight_ = 0;  // the round that is under way; 0: none
  storage::NodeId asked_{0};
  storage::Term asked_term_{0};
  int64_t sent_us_ = 0;
  bool refused_ = false;  // asked again with the next tick, or when somebody else leads
  uint64_t requests_ = 0;

  // Leader: the newest of each follower.
  std::map<storage::NodeId, Request> open_;
};

}  // namespace kvorum::server
