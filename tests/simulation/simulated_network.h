// Connections between machines, and between clients and machines, as TCP gives them: bytes in order
// or no connection; late, held back by a partition, or reset. Between nodes it may also lose,
// repeat and overtake whole messages within a connection, which no TCP does: the protocol has to
// bear it, except for the words that rely on the stream (those cost the connection).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulation/event_queue.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/parameters.h"
#include "tests/simulation/trace.h"
#include "tests/support/random.h"

namespace kvorum::simulation {

using Endpoint = uint32_t;  // nodes are 1 … N, clients begin at kFirstClient
inline constexpr Endpoint kFirstClient = 1000;

enum class Side : uint8_t { kDialler = 0, kAcceptor = 1 };

// What one end of a connection hears, each call an event of its own.
struct ConnectionEnd {
  std::function<void()> connected;  // the dialler only
  std::function<void(std::string bytes)> received;
  std::function<void()> taken;                          // some unsent bytes have left
  std::function<void(std::string_view reason)> closed;  // the last one
};

class SimulatedNetwork {
 public:
  using ConnectionId = uint64_t;
  // The acceptor's end, or nothing: refused.
  using Listener = std::function<std::optional<ConnectionEnd>(ConnectionId, Endpoint from)>;

  SimulatedNetwork(EventQueue& queue, const Parameters& parameters, FaultCounters& faults,
                   Trace& trace);

  void listen(Endpoint endpoint, Listener listener) { listeners_[endpoint] = std::move(listener); }

  ConnectionId dial(Endpoint from, Endpoint to, ConnectionEnd end);
  void send(ConnectionId id, Side side, std::string bytes);
  size_t unsent_bytes(ConnectionId id, Side side) const;
  // This side hears nothing more; the other one gets what was sent before, then hears of it.
  void close(ConnectionId id, Side side);

  // The process ended: its kernel closes what it had open.
  void process_died(Endpoint endpoint);
  // The machine is off: nobody hears anything, until it is on again and answers with resets.
  void power_off(Endpoint endpoint);
  void power_on(Endpoint endpoint);

  // --- Faults.
  void block(Endpoint from, Endpoint to);
  void heal_partitions();
  bool partitioned() const { return !blocked_.empty(); }
  // Everything from and to it takes this much longer; 0: as usual.
  void slow_down(Endpoint endpoint, int64_t extra_us);
  // One connection between nodes is reset, if there is one.
  bool break_one(Random& random);
  void set_message_faults(bool enabled) { message_faults_ = enabled; }

 private:
  struct Chunk {
    std::string bytes;
    bool end = false;  // of the stream
  };
  struct Stream {
    std::deque<std::string> unsent;
    size_t front_taken = 0;  // bytes of the first of unsent that have left
    size_t unsent_bytes = 0, in_flight = 0;
    int64_t last_arrival_us = 0;
    std::deque<Chunk> held;  // by a partition
    std::string partial;     // of a message
  };
  struct Connection {
    ConnectionId id = 0;
    Endpoint ends[2];
    ConnectionEnd handlers[2];
    bool attached[2] = {true, false};
    bool resetting[2] = {false, false};
    bool established = false;
    Stream streams[2];
  };

  Connection* find(ConnectionId id);
  bool blocked(Endpoint from, Endpoint to) const;
  int64_t latency_us(Endpoint from, Endpoint to);
  void syn(ConnectionId id);
  void pump(Connection& connection, Side side);
  void dispatch(Connection& connection, Side side, std::string bytes);
  void dispatch_message(Connection& connection, Side side, std::string message,
                        std::string_view word);
  // In order with the others, or `extra_us` late and overtaken.
  void schedule(Connection& connection, Side side, Chunk chunk, int64_t extra_us = -1);
  void arrive(ConnectionId id, Side side, Chunk chunk);
  void deliver(Connection& connection, Side side, Chunk chunk);
  // The side hears that the connection is gone, after a while; nothing in flight arrives.
  void reset(Connection& connection, Side side, std::string_view reason);
  void detach(Connection& connection, Side side);

  EventQueue& queue_;
  const Parameters& parameters_;
  FaultCounters& faults_;
  Trace& trace_;
  Random random_;
  std::map<Endpoint, Listener> listeners_;
  std::map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::map<std::pair<Endpoint, Endpoint>, bool> blocked_;
  std::map<Endpoint, int64_t> slow_;
  std::map<Endpoint, bool> off_;
  ConnectionId next_ = 1;
  bool message_faults_ = true;
};

// The size of the RESP array of bulk strings at the front of `bytes`, and its second element; 0: it
// is not whole yet.
size_t whole_message(std::string_view bytes, std::string_view& word);

}  // namespace kvorum::simulation
