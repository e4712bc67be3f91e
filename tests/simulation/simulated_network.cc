#include "tests/simulation/simulated_network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::simulation {

namespace {

constexpr int64_t kSynRetryUs = 250'000;

constexpr Side other(Side side) {
  return side == Side::kDialler ? Side::kAcceptor : Side::kDialler;
}
constexpr size_t index(Side side) { return static_cast<size_t>(side); }

// Words whose order, number and completeness the protocol does not count on.
bool stands_alone(std::string_view word) {
  constexpr std::string_view kWords[] = {"VOTE",       "VOTED",         "APPEND", "ACK",
                                         "REJECT",     "TIMEOUT-NOW",   "DIGEST", "DIFFERS",
                                         "READ-INDEX", "READ-INDEX-ACK"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

// A line's number after its type byte; -1: the line is not whole.
int64_t take_number(std::string_view bytes, size_t& at) {
  const size_t end = bytes.find("\r\n", at);
  if (end == std::string_view::npos) return -1;
  int64_t number = 0;
  for (size_t i = at + 1; i < end; ++i) number = number * 10 + (bytes[i] - '0');
  at = end + 2;
  return number;
}

}  // namespace

size_t whole_message(std::string_view bytes, std::string_view& word) {
  size_t at = 0;
  const int64_t count = take_number(bytes, at);
  if (count < 0) return 0;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t length = take_number(bytes, at);
    if (length < 0 || at + static_cast<size_t>(length) + 2 > bytes.size()) return 0;
    if (i == 1) word = bytes.substr(at, static_cast<size_t>(length));
    at += static_cast<size_t>(length) + 2;
  }
  return at;
}

SimulatedNetwork::SimulatedNetwork(EventQueue& queue, const Parameters& parameters,
                                   FaultCounters& faults, Trace& trace)
    : queue_(queue),
      parameters_(parameters),
      faults_(faults),
      trace_(trace),
      random_(parameters.seed ^ 0x6e6574776f726bu) {}

SimulatedNetwork::Connection* SimulatedNetwork::find(ConnectionId id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

bool SimulatedNetwork::blocked(Endpoint from, Endpoint to) const {
  return (!blocked_.empty() && blocked_.contains({from, to})) ||
         (!off_.empty() && (off_.contains(from) || off_.contains(to)));
}

int64_t SimulatedNetwork::latency_us(Endpoint from, Endpoint to) {
  int64_t latency_us = parameters_.latency_us + random_.around(parameters_.jitter_us);
  if (slow_.empty()) return latency_us;
  for (const Endpoint end : {from, to}) {
    const auto slow = slow_.find(end);
    if (slow != slow_.end()) latency_us += random_.between(slow->second / 2, slow->second);
  }
  return latency_us;
}

// --- Opening.

SimulatedNetwork::ConnectionId SimulatedNetwork::dial(Endpoint from, Endpoint to,
                                                      ConnectionEnd end) {
  const ConnectionId id = next_++;
  auto connection = std::make_unique<Connection>();
  connection->id = id;
  connection->ends[0] = from;
  connection->ends[1] = to;
  connection->handlers[0] = std::move(end);
  connections_[id] = std::move(connection);
  queue_.after(latency_us(from, to), [this, id] { syn(id); });
  return id;
}

void SimulatedNetwork::syn(ConnectionId id) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  const Endpoint from = connection->ends[0], to = connection->ends[1];
  if (blocked(from, to) || blocked(to, from)) {
    queue_.after(kSynRetryUs, [this, id] { syn(id); });
    return;
  }
  std::optional<ConnectionEnd> acceptor = listeners_[to](id, from);
  if (!acceptor.has_value()) {
    reset(*connection, Side::kDialler, "connection refused");
    return;
  }
  connection->handlers[1] = *std::move(acceptor);
  connection->attached[1] = connection->established = true;
  const int64_t delay_us = latency_us(to, from);
  connection->streams[index(Side::kAcceptor)].last_arrival_us = queue_.now_us() + delay_us;
  queue_.after(delay_us, [this, id] {
    Connection* connection = find(id);
    if (connection != nullptr && connection->attached[0] && !connection->resetting[0]) {
      connection->handlers[0].connected();
    }
  });
}

// --- Bytes.

void SimulatedNetwork::send(ConnectionId id, Side side, std::string bytes) {
  Connection* connection = find(id);
  if (connection == nullptr || bytes.empty()) return;
  Stream& stream = connection->streams[index(side)];
  stream.unsent_bytes += bytes.size();
  stream.unsent.push_back(std::move(bytes));
  pump(*connection, side);
}

size_t SimulatedNetwork::unsent_bytes(ConnectionId id, Side side) const {
  const auto found = connections_.find(id);
  return found == connections_.end() ? 0 : found->second->streams[index(side)].unsent_bytes;
}

void SimulatedNetwork::pump(Connection& connection, Side side) {
  Stream& stream = connection.streams[index(side)];
  while (!stream.unsent.empty() && stream.in_flight < parameters_.window_bytes) {
    std::string& front = stream.unsent.front();
    const size_t left = front.size() - stream.front_taken;
    const size_t size = std::min(left, parameters_.window_bytes - stream.in_flight);
    // RFC 1122, 4.2.3.4: no tiny pieces because a little room has become free.
    if (size < left && size < parameters_.window_bytes / 2) return;
    std::string piece = stream.front_taken == 0 && size == left
                            ? std::move(front)
                            : front.substr(stream.front_taken, size);
    stream.front_taken += size;
    if (size == left) {
      stream.unsent.pop_front();
      stream.front_taken = 0;
    }
    stream.unsent_bytes -= size;
    stream.in_flight += size;
    const ConnectionId id = connection.id;
    dispatch(connection, side, std::move(piece));
    if (find(id) == nullptr) return;
  }
}

void SimulatedNetwork::dispatch(Connection& connection, Side side, std::string bytes) {
  const bool framed = side == Side::kDialler && connection.ends[0] < kFirstClient &&
                      (parameters_.drop_per_million | parameters_.duplicate_per_million |
                       parameters_.reorder_per_million) != 0;
  if (!framed) {
    schedule(connection, side, {std::move(bytes), false});
    return;
  }
  Stream& stream = connection.streams[index(side)];
  stream.partial += bytes;
  size_t begin = 0;
  const ConnectionId id = connection.id;
  while (true) {
    std::string_view word;
    const size_t size = whole_message(std::string_view(stream.partial).substr(begin), word);
    if (size == 0) break;
    dispatch_message(connection, side, stream.partial.substr(begin, size), word);
    if (find(id) == nullptr) return;
    begin += size;
  }
  stream.partial.erase(0, begin);
  // What waits for its rest counts as arrived: else a message longer than the window never would.
  stream.in_flight -= std::min(stream.in_flight, stream.partial.size());
}

void SimulatedNetwork::dispatch_message(Connection& connection, Side side, std::string message,
                                        std::string_view word) {
  const bool free = stands_alone(word);
  if (!message_faults_ || word == "HELLO") {
    schedule(connection, side, {std::move(message), false});
    return;
  }
  if (random_.chance(parameters_.drop_per_million)) {
    faults_.count(Fault::kMessageDrop);
    trace_.print("network drops a message");
    if (free) {
      Stream& stream = connection.streams[index(side)];
      stream.in_flight -= std::min(stream.in_flight, message.size());
    } else {
      const ConnectionId id = connection.id;
      reset(connection, Side::kDialler, "connection reset");
      if (Connection* still = find(id)) reset(*still, Side::kAcceptor, "connection reset");
    }
    return;
  }
  if (free && random_.chance(parameters_.duplicate_per_million)) {
    faults_.count(Fault::kMessageDuplicate);
    schedule(connection, side, {message, false}, random_.between(0, 100'000));
  }
  int64_t extra_us = -1;
  if (free && random_.chance(parameters_.reorder_per_million)) {
    faults_.count(Fault::kMessageReorder);
    extra_us = random_.one_in(10) ? random_.between(0, 1'500'000) : random_.between(0, 20'000);
  }
  schedule(connection, side, {std::move(message), false}, extra_us);
}

void SimulatedNetwork::schedule(Connection& connection, Side side, Chunk chunk, int64_t extra_us) {
  Stream& stream = connection.streams[index(side)];
  int64_t at_us = queue_.now_us() +
                  latency_us(connection.ends[index(side)], connection.ends[index(other(side))]);
  if (extra_us >= 0) {
    at_us += extra_us;
  } else {
    at_us = std::max(at_us, stream.last_arrival_us);
    stream.last_arrival_us = at_us;
  }
  queue_.at(at_us, [this, id = connection.id, side, chunk = std::move(chunk)]() mutable {
    arrive(id, side, std::move(chunk));
  });
}

void SimulatedNetwork::arrive(ConnectionId id, Side side, Chunk chunk) {
  Connection* connection = find(id);
  if (connection == nullptr) return;
  if (blocked(connection->ends[index(side)], connection->ends[index(other(side))])) {
    connection->streams[index(side)].held.push_back(std::move(chunk));
    return;
  }
  deliver(*connection, side, std::move(chunk));
}

void SimulatedNetwork::deliver(Connection& connection, Side side, Chunk chunk) {
  const ConnectionId id = connection.id;
  const Side receiver = other(side);
  Stream& stream = connection.streams[index(side)];
  const bool was_unsent = stream.unsent_bytes > 0;
  stream.in_flight -= std::min(stream.in_flight, chunk.bytes.size());
  if (!connection.attached[index(receiver)] || connection.resetting[index(receiver)]) return;
  if (chunk.end) {
    const auto closed = std::move(connection.handlers[index(receiver)].closed);
    detach(connection, receiver);
    closed("closed by the other side");
    return;
  }
  // The handler may close the connection, which destroys it: keep what is called.
  const auto received = connection.handlers[index(receiver)].received;
  received(std::move(chunk.bytes));
  Connection* still = find(id);
  if (still == nullptr || !was_unsent) return;
  pump(*still, side);
  still = find(id);
  if (still == nullptr) return;
  if (still->attached[index(side)] && still->handlers[index(side)].taken) {
    const auto taken = still->handlers[index(side)].taken;
    taken();
  }
}

// --- Closing.

void SimulatedNetwork::detach(Connection& connection, Side side) {
  connection.attached[index(side)] = false;
  connection.handlers[index(side)] = {};
  if (!connection.attached[0] && !connection.attached[1]) connections_.erase(connection.id);
}

void SimulatedNetwork::close(ConnectionId id, Side side) {
  Connection* connection = find(id);
  if (connection == nullptr || !connection->attached[index(side)]) return;
  if (!connection->established) {
    connections_.erase(id);
    return;
  }
  Stream& stream = connection->streams[index(side)];
  if (!stream.unsent.empty()) stream.unsent.front().erase(0, stream.front_taken);
  for (std::string& bytes : stream.unsent) schedule(*connection, side, {std::move(bytes), false});
  stream.unsent.clear();
  stream.unsent_bytes = stream.front_taken = 0;
  schedule(*connection, side, {{}, true});
  detach(*connection, side);
}

void SimulatedNetwork::reset(Connection& connection, Side side, std::string_view reason) {
  if (!connection.attached[index(side)] || connection.resetting[index(side)]) return;
  connection.resetting[index(side)] = true;
  const Endpoint from = connection.ends[index(other(side))], to = connection.ends[index(side)];
  queue_.after(latency_us(from, to),
               [this, id = connection.id, side, reason = std::string(reason)] {
                 Connection* connection = find(id);
                 if (connection == nullptr || !connection->attached[index(side)]) return;
                 const auto closed = std::move(connection->handlers[index(side)].closed);
                 detach(*connection, side);
                 closed(reason);
               });
}

void SimulatedNetwork::process_died(Endpoint endpoint) {
  std::vector<std::pair<ConnectionId, Side>> ends;
  for (const auto& [id, connection] : connections_) {
    if (connection->ends[0] == endpoint) ends.emplace_back(id, Side::kDialler);
    if (connection->ends[1] == endpoint) ends.emplace_back(id, Side::kAcceptor);
  }
  for (const auto& [id, side] : ends) {
    Connection* connection = find(id);
    if (connection == nullptr) continue;
    if (connection->attached[index(side)]) {
      close(id, side);
    }
  }
}

void SimulatedNetwork::power_off(Endpoint endpoint) {
  off_[endpoint] = true;
  for (auto entry = connections_.begin(); entry != connections_.end();) {
    Connection& connection = *(entry++)->second;
    for (const Side side : {Side::kDialler, Side::kAcceptor}) {
      if (connection.ends[index(side)] != endpoint) continue;
      for (Stream& stream : connection.streams) stream.held.clear();
      if (connection.attached[index(side)]) detach(connection, side);
      break;
    }
  }
}

void SimulatedNetwork::power_on(Endpoint endpoint) {
  off_.erase(endpoint);
  std::vector<std::pair<ConnectionId, Side>> others;
  for (const auto& [id, connection] : connections_) {
    for (const Side side : {Side::kDialler, Side::kAcceptor}) {
      if (connection->ends[index(side)] == endpoint && connection->established) {
        others.emplace_back(id, other(side));
      }
    }
  }
  for (const auto& [id, side] : others) {
    if (Connection* connection = find(id)) reset(*connection, side, "connection reset");
  }
}

// --- Faults.

void SimulatedNetwork::block(Endpoint from, Endpoint to) { blocked_[{from, to}] = true; }

void SimulatedNetwork::heal_partitions() {
  blocked_.clear();
  std::vector<ConnectionId> ids;
  for (const auto& [id, connection] : connections_) ids.push_back(id);
  for (const ConnectionId id : ids) {
    for (const Side side : {Side::kDialler, Side::kAcceptor}) {
      Connection* connection = find(id);
      if (connection == nullptr) break;
      std::deque<Chunk> held = std::exchange(connection->streams[index(side)].held, {});
      for (Chunk& chunk : held) arrive(id, side, std::move(chunk));
    }
  }
}

void SimulatedNetwork::slow_down(Endpoint endpoint, int64_t extra_us) {
  if (extra_us == 0) {
    slow_.erase(endpoint);
  } else {
    slow_[endpoint] = extra_us;
  }
}

bool SimulatedNetwork::break_one(Random& random) {
  std::vector<Connection*> candidates;
  for (const auto& [id, connection] : connections_) {
    if (connection->established && connection->ends[0] < kFirstClient) {
      candidates.push_back(connection.get());
    }
  }
  if (candidates.empty()) return false;
  Connection& broken = *random.pick(candidates);
  const ConnectionId id = broken.id;
  reset(broken, Side::kDialler, "connection reset");
  if (Connection* still = find(id)) reset(*still, Side::kAcceptor, "connection reset");
  return true;
}

}  // namespace kvorum::simulation
