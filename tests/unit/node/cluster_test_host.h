// A host for one part of a cluster: connections whose bytes are kept, a clock that tests move,
// seeded randomness. Lanes, log and files of a whole node are not here.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/node/host.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::server {

class ClusterTestHost : public Host {
 public:
  struct Connection {
    std::string address;
    std::string bytes;                                       // given to send_to_peer
    std::vector<std::shared_ptr<const std::string>> bodies;  // shared ones among them
    size_t unsent = 0;                                       // of them, still in the host
  };

  int64_t wall_us() override { return wall_now_us; }
  int64_t monotonic_us() override { return monotonic_now_us; }
  uint64_t random() override {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state ^ random_state >> 33;
  }
  std::array<uint8_t, 16> kernel_boot() override { return {1}; }
  uint64_t (*lane_clock_us())() override { return nullptr; }
  void log(LogLevel, std::string_view message) override { log_lines.emplace_back(message); }
  void show_loading(const LoadingProgress&) override {}
  storage::FileSystem& file_system() override { return disk; }
  void run(Lane, std::function<void()> work, std::function<void()> done) override {
    work();
    done();
  }
  void session_ready(Session&) override {}
  void dial(storage::NodeId peer, const std::string& address) override {
    ++dials;
    connections[peer] = {.address = address, .bytes = {}, .bodies = {}, .unsent = 0};
  }
  void send_to_peer(storage::NodeId peer, std::string head,
                    std::shared_ptr<const std::string> body) override {
    Connection& connection = connections.at(peer);
    const size_t before = connection.bytes.size();
    connection.bytes += head;
    if (body != nullptr) {
      connection.bytes += *body;
      connection.bodies.push_back(std::move(body));
    }
    ++writes;
    if (!socket_takes_all) connection.unsent += connection.bytes.size() - before;
  }
  size_t peer_unsent_bytes(storage::NodeId peer) override { return connections.at(peer).unsent; }
  void hang_up(storage::NodeId peer) override { connections.erase(peer); }
  ProcessFigures process_figures() override { return {}; }
  void options_changed() override {}
  absl::Status rewrite_configuration() override { return absl::OkStatus(); }
  void stopped(int) override {}

  int64_t wall_now_us = 1'700'000'000'000'000;
  int64_t monotonic_now_us = 1'000'000;
  uint64_t random_state = 42;
  bool socket_takes_all = true;
  int dials = 0;
  int writes = 0;
  std::map<storage::NodeId, Connection> connections;
  std::vector<std::string> log_lines;
  storage::SimulatedDisk disk;
};

}  // namespace kvorum::server
