// server::Host under virtual time: one process on a simulated machine. Lanes take drawn delays and
// do their disk work at one instant of it; connections are the simulated network's.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/node/host.h"
#include "tests/simulation/simulated_network.h"
#include "tests/support/random.h"

namespace kvorum::server {
class Node;
}

namespace kvorum::simulation {

class SimulatedNode;
struct World;

class SimulatedHost final : public server::Host {
 public:
  SimulatedHost(World& world, SimulatedNode& machine, uint64_t seed);

  int64_t wall_us() override;
  int64_t monotonic_us() override;
  uint64_t random() override { return random_.next(); }
  std::array<uint8_t, 16> kernel_boot() override;
  uint64_t (*lane_clock_us())() override { return nullptr; }
  void log(server::LogLevel level, std::string_view message) override;
  void show_loading(const server::LoadingProgress&) override {}
  storage::FileSystem& file_system() override;
  void run(server::Lane lane, std::function<void()> work, std::function<void()> done) override;
  void session_ready(server::Session& session) override { ready_.push_back(&session); }
  void dial(storage::NodeId peer, const std::string& address) override;
  void send_to_peer(storage::NodeId peer, std::string head,
                    std::shared_ptr<const std::string> body) override;
  size_t peer_unsent_bytes(storage::NodeId peer) override;
  void hang_up(storage::NodeId peer) override;
  server::ProcessFigures process_figures() override { return {}; }
  void options_changed() override {}
  absl::Status rewrite_configuration() override { return absl::OkStatus(); }
  void stopped(int exit_code) override;
  int64_t soon_us() const override;

  // --- For the machine.
  void set_node(server::Node* node) { node_ = node; }
  std::vector<server::Session*> take_ready() { return std::exchange(ready_, {}); }
  bool any_ready() const { return !ready_.empty(); }
  void forget(server::Session& session) { std::erase(ready_, &session); }
  bool has_stopped() const { return stopped_; }
  int exit_code() const { return exit_code_; }

 private:
  struct Job {
    std::function<void()> work, done;
  };
  struct LaneState {
    std::deque<Job> jobs;
    bool busy = false;
  };
  void start_job(server::Lane lane);
  void perform(server::Lane lane);
  void finish(server::Lane lane);
  void print_messages(storage::NodeId peer, std::string_view bytes);
  // An event for the node about its connection to the peer, unless that is gone by then.
  void tell(storage::NodeId peer, SimulatedNetwork::ConnectionId id, std::function<void()> event);

  World& world_;
  SimulatedNode& machine_;
  Random random_;
  server::Node* node_ = nullptr;
  std::array<LaneState, 2> lanes_;
  std::vector<server::Session*> ready_;
  std::map<storage::NodeId, SimulatedNetwork::ConnectionId> links_;
  bool stopped_ = false;
  int exit_code_ = 0;
};

}  // namespace kvorum::simulation
