// A connection that a node has accepted: bytes to commands and replies to bytes, as
// server/shell/connection.cc does it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "resp/parser.h"
#include "resp/reply_reader.h"
#include "server/node/session.h"
#include "tests/simulation/simulated_network.h"
#include "tests/simulation/world.h"

namespace kvorum::simulation {

class SimulatedNode;

class SimulatedConnection {
 public:
  // Registers itself with the machine's node.
  SimulatedConnection(World& world, SimulatedNode& machine, SimulatedNetwork::ConnectionId id,
                      Endpoint from);
  SimulatedConnection(const SimulatedConnection&) = delete;
  SimulatedConnection& operator=(const SimulatedConnection&) = delete;

  // Each may end with the connection closed: closed() then says so, and the machine destroys it.
  void received(std::string_view bytes);
  void handle_ready();
  void other_side_closed();

  bool closed() const { return session_ == nullptr; }
  SimulatedNetwork::ConnectionId id() const { return id_; }

 private:
  bool from_client() const { return from_ >= kFirstClient; }
  void read();
  void execute_buffered();
  void flush();
  void show_replies(std::string_view bytes);
  void close(bool tell_other_side);

  World& world_;
  SimulatedNode& machine_;
  const SimulatedNetwork::ConnectionId id_;
  const Endpoint from_;
  server::Session* session_ = nullptr;
  resp::Parser parser_;
  std::string input_;  // not read yet
  bool command_waits_ = false;
  bool peer_limits_ = false;

  std::deque<ReplyFacts> facts_;  // of replies that have not left
  resp::ReplyReader leaving_;
};

}  // namespace kvorum::simulation
