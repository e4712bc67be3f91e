#include "tests/simulation/simulated_host.h"

#include <utility>

#include "base/check.h"
#include "server/node/node.h"
#include "tests/simulation/simulated_node.h"
#include "tests/simulation/world.h"

namespace kvorum::simulation {

using storage::NodeId;

SimulatedHost::SimulatedHost(World& world, SimulatedNode& machine, uint64_t seed)
    : world_(world), machine_(machine), random_(seed) {}

int64_t SimulatedHost::wall_us() { return machine_.clock().wall_us(world_.now_us()); }

int64_t SimulatedHost::monotonic_us() { return machine_.clock().monotonic_us(world_.now_us()); }

std::array<uint8_t, 16> SimulatedHost::kernel_boot() {
  return {static_cast<uint8_t>(machine_.id()), static_cast<uint8_t>(machine_.kernel_boots()),
          static_cast<uint8_t>(machine_.kernel_boots() >> 8), 1};
}

void SimulatedHost::log(server::LogLevel, std::string_view message) {
  world_.print("node ", machine_.id(), ": ", message);
}

storage::FileSystem& SimulatedHost::file_system() { return machine_.disk(); }

int64_t SimulatedHost::soon_us() const { return world_.parameters.soon_us; }

void SimulatedHost::stopped(int exit_code) {
  stopped_ = true;
  exit_code_ = exit_code;
}

// --- Lanes.

void SimulatedHost::run(server::Lane lane, std::function<void()> work, std::function<void()> done) {
  LaneState& state = lanes_[static_cast<size_t>(lane)];
  state.jobs.push_back({std::move(work), std::move(done)});
  if (!state.busy) start_job(lane);
}

void SimulatedHost::start_job(server::Lane lane) {
  lanes_[static_cast<size_t>(lane)].busy = true;
  machine_.after(machine_.disk_delay_us(lane == server::Lane::kWal),
                 [this, lane] { perform(lane); });
}

void SimulatedHost::perform(server::Lane lane) {
  lanes_[static_cast<size_t>(lane)].jobs.front().work();
  // The machine may have lost its power meanwhile, and this host with it.
  if (machine_.lose_power_if_due()) return;
  machine_.after(machine_.disk_delay_us(/*wal=*/false) / 4,
                 [this, lane] { machine_.post([this, lane] { finish(lane); }); });
}

void SimulatedHost::finish(server::Lane lane) {
  LaneState& state = lanes_[static_cast<size_t>(lane)];
  const Job job = std::move(state.jobs.front());
  state.jobs.pop_front();
  state.busy = false;
  job.done();
  if (!state.busy && !state.jobs.empty()) start_job(lane);
}

// --- Links.

void SimulatedHost::tell(NodeId peer, SimulatedNetwork::ConnectionId id,
                         std::function<void()> event) {
  machine_.post([this, peer, id, event = std::move(event)] {
    const auto link = links_.find(peer);
    if (link == links_.end() || link->second != id) return;
    node_->refresh_clock();
    event();
  });
}

void SimulatedHost::dial(NodeId peer, const std::string&) {
  CHECK(!links_.contains(peer)) << "dialled twice";
  auto id = std::make_shared<SimulatedNetwork::ConnectionId>(0);
  ConnectionEnd end;
  end.connected = [this, peer, id] {
    tell(peer, *id, [this, peer] { node_->peer_connected(peer); });
  };
  end.received = [this, peer, id](std::string bytes) {
    tell(peer, *id, [this, peer, bytes = std::move(bytes)] { node_->peer_received(peer, bytes); });
  };
  end.taken = [this, peer, id] { tell(peer, *id, [this, peer] { node_->peer_sent(peer); }); };
  end.closed = [this, peer, id](std::string_view reason) {
    tell(peer, *id, [this, peer, reason = std::string(reason)] {
      links_.erase(peer);
      node_->peer_closed(peer, reason);
    });
  };
  *id = world_.network.dial(machine_.id(), peer.value(), std::move(end));
  links_[peer] = *id;
}

// What goes to a peer, for a reader of the trace: words and numbers, not the records.
void SimulatedHost::print_messages(NodeId peer, std::string_view bytes) {
  std::string_view word;
  while (const size_t size = whole_message(bytes, word)) {
    std::string line = base::concat("  ", machine_.id(), " > ", peer.value(), " ");
    bool value = false;
    for (size_t at = bytes.find("REPLCONF") + 10; at < size;) {
      const size_t end = bytes.find("\r\n", at);
      const std::string_view text = bytes.substr(at, std::min(end, size) - at);
      if (value && text.size() < 24) line += base::concat(text, " ");
      value = !value;
      at = end + 2;
      if (line.size() > 120) break;
    }
    world_.print(line);
    bytes.remove_prefix(size);
  }
}

void SimulatedHost::send_to_peer(NodeId peer, std::string head,
                                 std::shared_ptr<const std::string> body) {
  const auto link = links_.find(peer);
  CHECK(link != links_.end()) << "sends without a connection";
  if (body != nullptr) head += *body;
  world_.trace.add(head);
  if (world_.trace.printing()) print_messages(peer, head);
  world_.network.send(link->second, Side::kDialler, std::move(head));
}

size_t SimulatedHost::peer_unsent_bytes(NodeId peer) {
  const auto link = links_.find(peer);
  return link == links_.end() ? 0 : world_.network.unsent_bytes(link->second, Side::kDialler);
}

void SimulatedHost::hang_up(NodeId peer) {
  const auto link = links_.find(peer);
  if (link == links_.end()) return;
  const auto id = link->second;
  links_.erase(link);
  world_.network.close(id, Side::kDialler);
}

}  // namespace kvorum::simulation
