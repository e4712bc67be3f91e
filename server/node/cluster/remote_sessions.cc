#include "server/node/cluster/remote_sessions.h"

#include <algorithm>
#include <utility>

#include "server/node/cluster/cluster.h"
#include "server/node/cluster/forwarded_command.h"
#include "server/node/cluster/forwarder.h"
#include "server/node/cluster/reply_span.h"
#include "server/node/node.h"

namespace kvorum::server {

using storage::NodeId;
using storage::Position;
using storage::Term;

RemoteSessions::~RemoteSessions() = default;

bool RemoteSessions::may_execute(Term term) const {
  return node_.cluster().leads() && node_.cluster().term() == term;
}

void RemoteSessions::receive(const Session& from, peer::Forward forward) {
  const auto row = clients_.find({from.peer, forward.client});
  if (row == clients_.end()) {
    if (forward.sequence != 1 || !may_execute(forward.term)) {
      refuse(from.peer, forward.client, forward.sequence);
      return;
    }
    RemoteClient& client = begin(from, forward);
    client.waiting.push_back(std::move(forward));
    list(client);
    return;
  }
  RemoteClient& client = *row->second;
  if (client.refusing) return;  // it has been told
  const bool follows = client.link == from.id && forward.sequence == client.received + 1;
  const bool has_room = client.waiting.size() < Forwarder::kMaxCommands;
  if (!follows || forward.term != client.term || !has_room) {
    refuse_unexecuted(client);
    return;
  }
  client.received = forward.sequence;
  client.waiting.push_back(std::move(forward));
  list(client);
}

void RemoteSessions::receive(const Session& from, const peer::Gone& gone) {
  const auto row = clients_.find({from.peer, gone.client});
  if (row != clients_.end()) end(row);
}

RemoteClient& RemoteSessions::begin(const Session& from, const peer::Forward& forward) {
  auto client = std::make_unique<RemoteClient>();
  client->follower = from.peer;
  client->stream = forward.client;
  client->link = from.id;
  client->term = forward.term;
  client->received = 1;
  Session& session = client->session;
  session.remote = client.get();
  session.authenticated = true;
  // Whatever the client asks for is less, or the same.
  session.consistency = Consistency::kLinearizable;
  session.address = from.address;
  session.created_us = session.last_interaction_us = node_.monotonic_us();
  // What the client wrote before is not known here: its WAIT waits for everything there is.
  session.last_write = node_.log().last();
  return *(clients_[{from.peer, forward.client}] = std::move(client));
}

RemoteSessions::Clients::iterator RemoteSessions::end(Clients::iterator row) {
  std::erase(listed_, row->first);
  node_.disconnect(row->second->session);
  return clients_.erase(row);
}

template <class Predicate>
void RemoteSessions::end_where(const Predicate& over) {
  for (auto row = clients_.begin(); row != clients_.end();) {
    row = over(*row->second) ? end(row) : std::next(row);
  }
}

void RemoteSessions::link_ready(NodeId follower) {
  for (const auto& [key, client] : clients_) {
    if (key.first == follower) list(*client);
  }
}

void RemoteSessions::link_lost(NodeId follower) {
  end_where([&](const RemoteClient& client) { return client.follower == follower; });
}

void RemoteSessions::peer_session_closed(const Session& closed) {
  end_where([&](const RemoteClient& client) { return client.link == closed.id; });
}

void RemoteSessions::leader_changed() {
  for (const auto& [key, client] : clients_) list(*client);
}

void RemoteSessions::list(RemoteClient& client) {
  if (client.listed) return;
  client.listed = true;
  listed_.emplace_back(client.follower, client.stream);
}

void RemoteSessions::end_turn() {
  for (const Key& key : std::exchange(listed_, {})) {
    const auto row = clients_.find(key);
    if (row != clients_.end()) serve(*row->second);
  }
}

void RemoteSessions::serve(RemoteClient& client) {
  client.listed = false;
  Session& session = client.session;
  session.ready = false;
  while (!client.waiting.empty() && !session.blocked && !session.close_now) {
    if (!may_execute(client.term)) break;
    const peer::Forward& next = client.waiting.front();
    session.database = std::min<int>(next.database, storage::kDatabaseCount - 1);
    session.protocol = next.protocol == 3 ? resp::Protocol::kResp3 : resp::Protocol::kResp2;
    session.write_quorum = replication::WriteQuorum(next.write_quorum);
    if (execute_forwarded(node_, session, next) == Execution::kComeAgain) break;
    client.waiting.pop_front();
  }
  if (session.close_now || !may_execute(client.term)) refuse_unexecuted(client);
  relay_output(client);
}

void RemoteSessions::relay_output(RemoteClient& client) {
  OutputQueue& output = client.session.output;
  const std::string_view bytes = output.sendable();
  if (bytes.empty()) return;
  PeerLink* link = node_.cluster().ready_link(client.follower);
  if (link == nullptr) return;  // link_ready() comes back to it
  if (link->full()) {
    list(client);
    return;
  }
  size_t end = 0;
  while (end < bytes.size()) {
    const size_t next = reply_end(bytes, end);
    if (next == std::string_view::npos) break;
    end = next;
    ++client.answered;
  }
  peer::Relay relay;
  relay.client = client.stream;
  relay.sequence = client.answered;
  relay.reflects = node_.log().commit();
  // A small write quorum is answered before the commit. Who leads no more answers what is certain.
  if (may_execute(client.term)) relay.reflects = std::max(relay.reflects, client.session.seen);
  relay.bytes = bytes.substr(0, end);
  output.sent(end);
  link->send_bulk(std::move(relay));
  node_.cluster().tell_commit();  // the client's next read may be that follower's
}

// What has been executed is answered yet; what has not is certainly not executed.
void RemoteSessions::refuse_unexecuted(RemoteClient& client) {
  if (client.refusing) return;
  client.refusing = true;
  const uint64_t first = client.received - client.waiting.size() + 1;
  client.waiting.clear();
  refuse(client.follower, client.stream, first);
}

void RemoteSessions::refuse(NodeId follower, uint64_t stream, uint64_t sequence) {
  PeerLink* link = node_.cluster().ready_link(follower);
  if (link == nullptr) return;  // the follower gives up by itself
  peer::Relay relay;
  relay.client = stream;
  relay.sequence = sequence;
  relay.refused = true;
  link->send_bulk(std::move(relay));
}

}  // namespace kvorum::server
