#include "server/node/cluster/forwarder.h"

#include <algorithm>
#include <utility>

#include "server/node/cluster/cluster.h"
#include "server/node/cluster/forwarded_command.h"
#include "server/node/cluster/reply_span.h"
#include "server/node/node.h"

namespace kvorum::server {

using storage::NodeId;

namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

constexpr std::string_view kLeaderLost =
    "TIMEOUT The leader was lost; the outcome of the command is unknown.";
constexpr std::string_view kNoAnswer =
    "TIMEOUT The leader did not answer in time; the outcome of the command is unknown.";
constexpr std::string_view kAskAgain =
    "TRYAGAIN The leader was lost before it answered. Ask again.";

size_t bytes_of(const peer::Forward& forward) {
  size_t bytes = sizeof(peer::Forward);
  for (const std::vector<std::string>& command : forward.commands) {
    for (const std::string& argument : command) bytes += sizeof(std::string) + argument.size();
  }
  return bytes;
}

}  // namespace

// Streams of an earlier run of this node may still be on their way: names begin anywhere.
Forwarder::Forwarder(Node& node) : node_(node), newest_stream_(node.host().random() >> 1) {}

Forwarder::~Forwarder() = default;

Forwarder::Client& Forwarder::client_of(Session& session) {
  std::unique_ptr<Client>& client = clients_[session.id];
  if (client == nullptr) client = std::make_unique<Client>(session);
  return *client;
}

// --- For dispatch.

bool Forwarder::has_room(const Session& session) const {
  const auto row = clients_.find(session.id);
  return row == clients_.end() ||
         (row->second->items.size() < kMaxCommands && row->second->bytes < kMaxBytes);
}

void Forwarder::take(Session& session, resp::Arguments arguments, const Traits& traits) {
  Client& client = client_of(session);
  peer::Forward forward;
  forward.database = static_cast<uint8_t>(session.database);
  forward.protocol = static_cast<uint8_t>(session.protocol);
  forward.write_quorum =
      session.write_quorum.value_or(node_.cluster().membership().write_quorum).setting();
  forward.transaction = session.in_transaction;
  if (forward.transaction) {
    for (QueuedCommand& queued : session.queued) {
      forward.commands.push_back(std::move(queued.arguments));
    }
    node_.transactions().discard(session);
  } else {
    forward.commands.emplace_back(arguments.begin(), arguments.end());
  }
  Item item;
  item.bytes = bytes_of(forward);
  item.message = std::move(forward);
  item.deadline_us =
      node_.monotonic_us() + node_.options().values().write_timeout_ms * int64_t{1000};
  item.traits = traits;
  if (client.items.empty()) client.front_us = node_.monotonic_us();
  client.bytes += item.bytes;
  client.items.push_back(std::move(item));
  session.forwarded = static_cast<uint32_t>(client.items.size());
  list(client);
}

bool Forwarder::watches(const Session& session) const {
  const auto row = clients_.find(session.id);
  return row != clients_.end() && row->second->watch_stream != 0;
}

void Forwarder::unwatch(Session& session) {
  const auto row = clients_.find(session.id);
  if (row == clients_.end() || row->second->watch_stream == 0) return;
  row->second->watch_stream = 0;
  if (row->second->sent == 0) close_stream(*row->second);
}

bool Forwarder::anything_under_way() const {
  return std::any_of(clients_.begin(), clients_.end(),
                     [](const auto& row) { return !row.second->items.empty(); });
}

// --- Sending.

bool Forwarder::current(const Client& client) const {
  return !client.closed && client.leader == node_.cluster().leader() &&
         client.term == node_.cluster().term();
}

// False: not now. What was sent before comes first: replies keep their order, and a write whose
// outcome is open is not overtaken.
bool Forwarder::begin_stream(Client& client) {
  if (client.sent > 0) return false;
  close_stream(client);
  const NodeId leader = node_.cluster().leader();
  if (leader == NodeId{0} || node_.cluster().ready_link(leader) == nullptr) return false;
  client.stream = ++newest_stream_;
  client.leader = leader;
  client.term = node_.cluster().term();
  client.sequence = 0;
  client.closed = false;
  client.give_up_us = kNever;
  streams_[client.stream] = &client;
  return true;
}

void Forwarder::close_stream(Client& client) {
  if (client.stream == 0) return;
  if (PeerLink* link = node_.cluster().ready_link(client.leader)) {
    link->send_bulk(peer::Gone{client.stream});
  }
  streams_.erase(client.stream);
  client.stream = 0;
  client.closed = true;
}

void Forwarder::send_waiting(Client& client) {
  for (Item& item : client.items) {
    if (item.state != State::kWaiting) continue;
    if (!current(client) && !begin_stream(client)) return;
    PeerLink* link = node_.cluster().ready_link(client.leader);
    if (link == nullptr || link->full()) return;
    peer::Forward& forward = item.forward();
    if (forward.transaction && client.watch_stream != 0 && client.watch_stream != client.stream) {
      answer_nil(client, item);  // who watched is gone
      continue;
    }
    forward.client = client.stream;
    forward.sequence = ++client.sequence;
    forward.term = client.term;
    item.state = State::kSent;
    ++client.sent;
    link->send_bulk(item.message);
  }
}

// This node leads by now.
void Forwarder::run_here(Client& client) {
  Session& session = client.session;
  while (!client.items.empty() && client.items.front().state == State::kWaiting) {
    if (session.blocked || session.close_now) return;
    Item& item = client.items.front();
    // Dispatch must not take it for one that comes after those that are under way.
    session.forwarded = 0;
    const ReplyMode mode =
        std::exchange(session.reply_mode, item.traits.silent ? ReplyMode::kOff : ReplyMode::kOn);
    const Execution execution = execute_forwarded(node_, session, item.forward());
    session.reply_mode = mode;
    session.forwarded = static_cast<uint32_t>(client.items.size());
    if (execution == Execution::kComeAgain) return;
    pop(client);
    deliver(client);
  }
}

void Forwarder::pump(Client& client) {
  if (node_.cluster().leads()) {
    run_here(client);
  } else {
    send_waiting(client);
    deliver(client);
  }
}

// --- Answers.

void Forwarder::answered(Client& client, Item& item) {
  if (item.state == State::kSent) --client.sent;
  item.state = State::kAnswered;
  if (item.forward().transaction) {
    // Whatever became of it, it has ended what was watched.
    client.watch_stream = 0;
    client.session.watch_touched = false;
  }
}

void Forwarder::answer(Client& client, Item& item, std::string_view error) {
  resp::ReplyWriter(item.answer, client.session.protocol).error(error);
  answered(client, item);
}

void Forwarder::answer_nil(Client& client, Item& item) {
  resp::ReplyWriter(item.answer, client.session.protocol).null_array();
  answered(client, item);
}

void Forwarder::pop(Client& client) {
  client.bytes -= client.items.front().bytes;
  client.items.pop_front();
  client.front_us = node_.monotonic_us();
}

void Forwarder::deliver(Client& client) {
  Session& session = client.session;
  while (!client.items.empty() && client.items.front().state == State::kAnswered) {
    const Item& item = client.items.front();
    if (!item.traits.silent) {
      session.output.buffer().append(item.answer);
      node_.seal_reply(session, {}, OutputKind::kRead);
    }
    pop(client);
  }
  session.forwarded = static_cast<uint32_t>(client.items.size());
  if (session.postponed && has_room(session)) node_.wake(session);
}

void Forwarder::receive(NodeId from, const peer::Relay& relay) {
  const auto row = streams_.find(relay.client);
  if (row == streams_.end() || row->second->leader != from) return;  // given up long ago
  Client& client = *row->second;
  if (relay.refused) {
    refused(client, relay.sequence);
    return;
  }
  client.session.see(relay.reflects);
  size_t begin = 0;
  for (Item& item : client.items) {
    if (item.state != State::kSent) continue;
    if (item.forward().sequence > relay.sequence) break;
    const size_t end = reply_end(relay.bytes, begin);
    if (end == std::string_view::npos) {
      give_up(client, kLeaderLost);
      break;
    }
    item.answer.assign(relay.bytes, begin, end - begin);
    begin = end;
    if (item.traits.watches) watch_answered(client);
    answered(client, item);
  }
  deliver(client);
}

void Forwarder::watch_answered(Client& client) {
  if (node_.cluster().leads()) {
    // Whoever watches is deposed, and this node has missed what changed since: EXEC answers nil.
    client.session.watch_touched = true;
  } else if (client.watch_stream == 0) {
    client.watch_stream = client.stream;
  }
}

// What was sent from there on waits again, for the next tick or leader: this one would refuse
// again.
void Forwarder::refused(Client& client, uint64_t sequence) {
  client.closed = true;
  for (Item& item : client.items) {
    if (item.state != State::kSent || item.forward().sequence < sequence) continue;
    item.state = State::kWaiting;
    --client.sent;
  }
}

void Forwarder::give_up(Client& client, std::string_view write_error) {
  bool before_write = false;
  for (auto item = client.items.rbegin(); item != client.items.rend(); ++item) {
    if (item->state != State::kSent) continue;
    if (item->traits.writes) {
      before_write = true;
      answer(client, *item, write_error);
    } else if (before_write) {
      // Executed now, it might see what the client wrote after it.
      answer(client, *item, kAskAgain);
    } else {
      item->state = State::kWaiting;
      --client.sent;
    }
  }
  close_stream(client);
  list(client);
}

void Forwarder::connection_lost(NodeId peer) {
  for (const auto& [id, client] : clients_) {
    if (client->stream == 0 || client->leader != peer) continue;
    give_up(*client, kLeaderLost);
    deliver(*client);
  }
}

void Forwarder::leader_changed() {
  const bool leads = node_.cluster().leads();
  for (const auto& [id, client] : clients_) {
    if (leads && client->watch_stream != 0) {
      client->session.watch_touched = true;
      client->watch_stream = 0;
    }
    if (!client->items.empty()) list(*client);
  }
}

void Forwarder::session_closed(Session& session) {
  const auto row = clients_.find(session.id);
  if (row == clients_.end()) return;
  close_stream(*row->second);
  clients_.erase(row);
}

// --- Time.

void Forwarder::list(Client& client) {
  if (client.listed) return;
  client.listed = true;
  listed_.push_back(client.session.id);
}

void Forwarder::end_turn() {
  for (const uint64_t id : std::exchange(listed_, {})) {
    const auto row = clients_.find(id);
    if (row == clients_.end()) continue;
    row->second->listed = false;
    pump(*row->second);
  }
}

std::string_view Forwarder::why_not_sent() const {
  const NodeId leader = node_.cluster().leader();
  if (leader == NodeId{0}) return "CLUSTERDOWN The cluster has no leader";
  return node_.cluster().ready_link(leader) == nullptr
             ? "CLUSTERDOWN The leader cannot be reached from this node"
             : "CLUSTERDOWN The leader takes no more commands from this node";
}

void Forwarder::look_at_deadlines(Client& client) {
  const int64_t now_us = node_.monotonic_us();
  const int64_t election_us = int64_t{1000} * node_.cluster().membership().election_timeout_ms;
  if (client.sent > 0) {
    // The leader answers by itself when the time is over; then it is a little longer.
    const int64_t patience_us =
        node_.options().values().write_timeout_ms * int64_t{1000} + election_us;
    const bool late = !client.items.front().traits.waits && now_us - client.front_us >= patience_us;
    if (current(client)) {
      client.give_up_us = kNever;
    } else if (client.give_up_us == kNever) {
      client.give_up_us = now_us + election_us;
    }
    if (late || now_us >= client.give_up_us) give_up(client, late ? kNoAnswer : kLeaderLost);
  }
  for (Item& item : client.items) {
    if (item.state == State::kWaiting && now_us >= item.deadline_us) {
      answer(client, item, why_not_sent());
    }
  }
  deliver(client);
}

void Forwarder::tick() {
  for (const auto& [id, client] : clients_) {
    if (client->items.empty()) continue;
    look_at_deadlines(*client);
    pump(*client);
  }
}

}  // namespace kvorum::server
