#include "server/node/cluster/read_index.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "server/node/cluster/cluster.h"
#include "server/node/node.h"

namespace kvorum::server {

using storage::Lsn;
using storage::NodeId;

// --- Follower.

bool ReadIndex::ready(Session& session) {
  if (session.read_wait.has_value() && session.read_wait->index != ReadWait::Index::kNotAsked) {
    const ReadWait& wait = *session.read_wait;
    if (wait.index != ReadWait::Index::kConfirmed) return false;
    if (node_.log().applied().lsn < wait.lsn) return false;
    session.indexed_inputs = wait.inputs;
    return true;
  }
  // What was in the parser when the request was sent had come before it, too: a pipeline asks once.
  return session.inputs != 0 && session.indexed_inputs == session.inputs;
}

void ReadIndex::ask(Session& session) {
  CHECK(session.read_wait.has_value());
  ReadWait& wait = *session.read_wait;
  if (wait.index != ReadWait::Index::kNotAsked) return;
  wait.index = ReadWait::Index::kAsked;
  // Not the round that is under way: the leader may have looked before this read came.
  wait.round = round_;
  wait.inputs = session.inputs;
  asking_.push_back(&session);
}

void ReadIndex::session_closed(Session& session) {
  std::erase(asking_, &session);
  std::erase(confirmed_, &session);
}

void ReadIndex::receive(NodeId from, const peer::ReadIndexAck& ack) {
  const bool expected = in_flight_ != 0 && from == asked_ && ack.term == asked_term_ &&
                        ack.sequence == first_sequence_ + in_flight_;
  if (!expected) return;
  const uint64_t round = std::exchange(in_flight_, 0);
  if (ack.refused) {
    refused_ = true;
    return;
  }
  std::erase_if(asking_, [&](Session* session) {
    std::optional<ReadWait>& wait = session->read_wait;
    // Answered by another way since.
    if (!wait.has_value() || wait->index != ReadWait::Index::kAsked) return true;
    if (wait->round > round) return false;
    wait->index = ReadWait::Index::kConfirmed;
    wait->lsn = ack.index;
    confirmed_.push_back(session);
    return true;
  });
}

void ReadIndex::end_turn() {
  const Lsn applied = node_.log().applied().lsn;
  std::erase_if(confirmed_, [&](Session* session) {
    const bool waits = session->read_wait.has_value() && session->read_wait->lsn > applied;
    if (!waits) node_.wake(*session);
    return !waits;
  });
  if (asking_.empty() || in_flight_ != 0 || refused_ || node_.cluster().leads()) return;
  PeerLink* link = node_.cluster().ready_link(node_.cluster().leader());
  if (link == nullptr) return;
  in_flight_ = round_++;
  asked_ = node_.cluster().leader();
  asked_term_ = node_.cluster().term();
  sent_us_ = node_.monotonic_us();
  ++requests_;
  link->send(peer::ReadIndex{asked_term_, first_sequence_ + in_flight_});
}

void ReadIndex::wake_all() {
  for (std::vector<Session*>* sessions : {&asking_, &confirmed_}) {
    for (Session* session : std::exchange(*sessions, {})) {
      session->read_wait.reset();
      node_.wake(*session);
    }
  }
}

void ReadIndex::leader_changed() {
  in_flight_ = 0;
  refused_ = false;
  if (node_.cluster().leads()) wake_all();
}

void ReadIndex::link_lost(NodeId peer) {
  if (peer == asked_) in_flight_ = 0;
  open_.erase(peer);
}

void ReadIndex::tick() {
  refused_ = false;
  const int64_t now_us = node_.monotonic_us();
  const int64_t election_us = int64_t{1000} * node_.cluster().membership().election_timeout_ms;
  if (in_flight_ != 0 && now_us - sent_us_ >= election_us) in_flight_ = 0;
  const int64_t patience_us = int64_t{1000} * node_.options().values().write_timeout_ms;
  for (const std::vector<Session*>* sessions : {&asking_, &confirmed_}) {
    for (Session* session : *sessions) {
      const bool over =
          session->read_wait.has_value() && now_us - session->read_wait->since_us >= patience_us;
      if (over) node_.wake(*session);
    }
  }
}

// --- Leader.

// What was answered under a write quorum below a majority is to be seen, though not committed yet.
Lsn ReadIndex::index() const {
  return std::max(node_.log().commit().lsn, node_.newest_early_write());
}

void ReadIndex::receive(Session& from, const peer::ReadIndex& message) {
  Request request{from.id, message.term, message.sequence, Lsn{0}, node_.monotonic_us()};
  Cluster& cluster = node_.cluster();
  if (!cluster.leads() || message.term != cluster.term()) {
    answer(from.peer, request, /*refused=*/true);
    return;
  }
  const auto row = open_.find(from.peer);
  if (row != open_.end() && row->second.sequence > request.sequence) return;  // overtaken
  if (cluster.replica().settled()) request.index = index();
  open_[from.peer] = request;
  if (cluster.replica().reads_until_us() < request.read_us) cluster.confirm_leadership();
  serve();
}

void ReadIndex::serve() {
  if (open_.empty()) return;
  const replication::Replica& replica = node_.cluster().replica();
  if (!replica.settled()) return;
  for (auto& [follower, request] : open_) {
    if (request.index == Lsn{0}) request.index = index();
  }
  std::erase_if(open_, [&](const auto& row) {
    const Request& request = row.second;
    if (request.index > node_.log().commit().lsn) return false;
    if (replica.reads_until_us() < request.read_us) return false;
    answer(row.first, request, /*refused=*/false);
    return true;
  });
}

void ReadIndex::stop_leading() {
  for (const auto& [follower, request] : std::exchange(open_, {})) {
    answer(follower, request, /*refused=*/true);
  }
}

void ReadIndex::peer_session_closed(const Session& session) {
  if (session.peer == asked_) in_flight_ = 0;
  std::erase_if(open_, [&](const auto& row) { return row.second.link == session.id; });
}

void ReadIndex::answer(NodeId follower, const Request& request, bool refused) {
  // Without a link the follower asks again.
  if (PeerLink* link = node_.cluster().ready_link(follower)) {
    link->send(peer::ReadIndexAck{request.term, request.sequence, request.index, refused});
    node_.cluster().tell_commit();
  }
}

}  // namespace kvorum::server
