#include "tests/simulation/simulated_node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::simulation {

namespace {

constexpr int64_t kTickUs = 10'000;
// How long a turn of the loop lets its input wait, at most.
constexpr uint64_t kTurnUs = 40;
constexpr int64_t kBusyTickUs = 50;

}  // namespace

SimulatedNode::SimulatedNode(World& world, Endpoint id)
    : world_(world), id_(id), disk_random_(world.random.next()) {
  new_disk();
  clock_.reboot(0, world.random.between(1'000'000, 1'000'000'000));
  world_.network.listen(id, [this](SimulatedNetwork::ConnectionId connection, Endpoint from) {
    return accept(connection, from);
  });
}

SimulatedNode::~SimulatedNode() {
  if (process_ != nullptr) end_process();
}

void SimulatedNode::new_disk() {
  disk_ = std::make_unique<storage::SimulatedDisk>();
  disk_->set_fault([this](storage::DiskOperation operation, const std::string&) {
    return disk_fault(operation);
  });
}

void SimulatedNode::set_options(server::OptionTable& table) const {
  // Past the limits of set(): the simulator's segments are smaller than a server's may be.
  auto& options = const_cast<server::Options&>(table.values());
  const Parameters& parameters = world_.parameters;
  options.id = static_cast<int64_t>(id_);
  options.data_dir = "data";
  options.segment_size = parameters.segment_bytes;
  options.snapshot_wal_size = parameters.snapshot_wal_bytes;
  options.snapshot_interval_s = 0;
  options.write_timeout_ms = parameters.write_timeout_ms;
  options.slowlog_log_slower_than_us = -1;
  if (parameters.nodes == 1) return;
  options.cluster_id = "simulation";
  options.cluster_secret = "a secret that all of them share";
  // A node that comes later knows two of those that were there before it.
  const bool founder = static_cast<int>(id_) <= parameters.nodes;
  for (int node = 1; node <= (founder ? parameters.nodes : 2); ++node) {
    options.peers.push_back(base::concat(node, "=node-", node, ":7000"));
  }
  if (!founder) options.peers.push_back(base::concat(id_, "=node-", id_, ":7000"));
  options.write_quorum = parameters.write_quorum;
  options.divergence = parameters.divergence;
  options.read_consistency = parameters.read_consistency;
  options.heartbeat_ms = parameters.heartbeat_ms;
  options.election_timeout_ms = parameters.election_timeout_ms;
}

// --- Life.

void SimulatedNode::start() {
  if (process_ != nullptr) return;
  world_.print("node ", id_, " starts");
  world_.trace.add(id_);
  world_.network.power_on(id_);
  ++generation_;
  process_ = std::make_unique<Process>(world_, *this, world_.random.next());
  set_options(process_->options);
  process_->node = std::make_unique<server::Node>(process_->options, process_->host);
  process_->host.set_node(node());
  const absl::Status status = node()->start();
  if (lose_power_if_due()) return;
  if (!status.ok()) {
    world_.print("node ", id_, " cannot start: ", base::view(status.message()));
    if (!disk_filled_ && !sync_failed_) {
      world_.fail("node ", id_, " refuses to start: ", base::view(status.message()));
    }
    sync_failed_ = false;
    end_process();
    disk_->crash();
    restart_after(500'000);
    return;
  }
  world_.observer->process_started(*this);
  schedule_tick();
  schedule_turn();
}

void SimulatedNode::end_process() {
  inbox_.clear();
  serving_.clear();
  turn_scheduled_ = tick_posted_ = false;
  paused_until_us_ = 0;
  process_.reset();
  // Of the process' generation nothing happens any more, nor what its end has begun.
  ++generation_;
}

void SimulatedNode::crash() {
  if (process_ == nullptr) return;
  world_.print("node ", id_, " crashes");
  world_.observer->process_ends(*this);
  world_.network.process_died(id_);
  end_process();
  disk_->crash();
}

void SimulatedNode::power_cut() {
  world_.print("node ", id_, " loses its power");
  if (process_ != nullptr) world_.observer->process_ends(*this);
  world_.network.power_off(id_);
  if (process_ != nullptr) end_process();
  power_lost_ = false;
  calls_to_power_loss_ = -1;
  disk_->power_cut(disk_random_);
  ++kernel_boots_;
  clock_.reboot(world_.now_us(), world_.random.between(1'000'000, 30'000'000));
}

void SimulatedNode::stop_cleanly() {
  if (!loaded()) return;
  world_.print("node ", id_, " is asked to stop");
  post([this] { node()->shut_down(/*snapshot=*/false, /*force=*/true); });
}

void SimulatedNode::process_stopped() {
  const int exit_code = process_->host.exit_code();
  world_.print("node ", id_, " has ended with exit code ", exit_code);
  if (exit_code != 0 && !sync_failed_ && !disk_filled_) {
    world_.fail("node ", id_, " gave up though its disk is well");
  }
  const bool with_machine = sync_failed_ && world_.random.one_in(2);
  sync_failed_ = false;
  if (with_machine) {
    // What a failed sync leaves on the medium nobody knows.
    power_cut();
  } else {
    crash();
  }
  restart_after(world_.random.between(10'000, 2'000'000));
}

void SimulatedNode::wipe() {
  CHECK(process_ == nullptr);
  world_.print("node ", id_, " gets an empty disk");
  new_disk();
  disk_filled_ = sync_failed_ = false;
  needs_repair = true;
  world_.observer->disk_wiped(*this);
}

void SimulatedNode::restart_after(int64_t delay_us) {
  world_.queue.after(delay_us, [this] { start(); });
}

void SimulatedNode::pause(int64_t for_us) {
  if (process_ != nullptr) paused_until_us_ = world_.now_us() + for_us;
}

// --- The disk.

absl::Status SimulatedNode::disk_fault(storage::DiskOperation operation) {
  using enum storage::DiskOperation;
  if (power_lost_) return absl::InternalError("the power is gone");
  const bool changes =
      operation != kRead && operation != kList && operation != kSize && operation != kOpen;
  if (!changes) return absl::OkStatus();
  if (calls_to_power_loss_ >= 0 && calls_to_power_loss_-- == 0) {
    power_lost_ = true;
    world_.faults.count(Fault::kPowerCutInsideWrite);
    return absl::InternalError("the power is gone");
  }
  if (fail_sync_ && operation == kSync) {
    fail_sync_ = false;
    sync_failed_ = true;
    world_.faults.count(Fault::kFailedSync);
    return absl::InternalError("simulated I/O error");
  }
  return absl::OkStatus();
}

bool SimulatedNode::lose_power_if_due() {
  if (!power_lost_) return false;
  power_cut();
  restart_after(world_.random.between(10'000, 2'000'000));
  return true;
}

int64_t SimulatedNode::disk_delay_us(bool wal) {
  const int64_t now_us = world_.now_us();
  int64_t delay_us = 15 + world_.random.around(wal ? world_.parameters.sync_us : 60);
  if (now_us < disk_slow_until_us_) delay_us *= disk_factor_;
  if (now_us < disk_stuck_until_us_) delay_us += disk_stuck_until_us_ - now_us;
  return delay_us;
}

void SimulatedNode::slow_disk(int64_t factor, int64_t until_us) {
  disk_factor_ = factor;
  disk_slow_until_us_ = until_us;
}

void SimulatedNode::fill_disk(uint64_t room_bytes) {
  disk_filled_ = true;
  disk_->set_capacity(disk_->used_bytes() + room_bytes);
}

void SimulatedNode::free_disk() {
  disk_filled_ = false;
  disk_->set_capacity(UINT64_MAX);
}

void SimulatedNode::heal_disk() {
  free_disk();
  calls_to_power_loss_ = -1;
  fail_sync_ = false;
  disk_slow_until_us_ = disk_stuck_until_us_ = 0;
}

// --- Turns of the loop.

void SimulatedNode::after(int64_t delay_us, std::function<void()> action) {
  world_.queue.after(delay_us, [this, generation = generation_, action = std::move(action)] {
    if (generation == generation_) action();
  });
}

void SimulatedNode::post(std::function<void()> input) {
  inbox_.push_back(std::move(input));
  schedule_turn();
}

void SimulatedNode::schedule_turn() {
  if (turn_scheduled_) return;
  turn_scheduled_ = true;
  const int64_t pause_us = std::max<int64_t>(0, paused_until_us_ - world_.now_us());
  after(pause_us + static_cast<int64_t>(world_.random.below(kTurnUs)), [this] { turn(); });
}

void SimulatedNode::turn() {
  turn_scheduled_ = false;
  if (paused()) {
    schedule_turn();
    return;
  }
  for (const auto& input : std::exchange(inbox_, {})) {
    input();
    if (process_->host.has_stopped()) break;
  }
  // What one round lets out may make others ready.
  for (int round = 0; round < 4 && !process_->host.has_stopped(); ++round) {
    serve_ready();
    node()->end_turn();
    if (!process_->host.any_ready()) break;
  }
  if (lose_power_if_due()) return;
  world_.observer->turn_ended(*this);
  if (process_->host.has_stopped()) {
    process_stopped();
  } else if (process_->host.any_ready()) {
    schedule_turn();
  }
}

void SimulatedNode::serve_ready() {
  if (!process_->host.any_ready()) return;
  node()->refresh_clock();
  serving_ = process_->host.take_ready();
  for (size_t i = 0; i < serving_.size(); ++i) {
    if (serving_[i] == nullptr) continue;
    auto* connection = reinterpret_cast<SimulatedConnection*>(serving_[i]->host_tag);
    connection->handle_ready();
    drop_closed(connection->id());
  }
  serving_.clear();
}

void SimulatedNode::forget_ready(server::Session& session) {
  process_->host.forget(session);
  std::replace(serving_.begin(), serving_.end(), &session, static_cast<server::Session*>(nullptr));
}

void SimulatedNode::schedule_tick() {
  after(kTickUs + static_cast<int64_t>(world_.random.below(500)), [this] {
    if (!std::exchange(tick_posted_, true)) post([this] { tick(); });
    schedule_tick();
  });
}

void SimulatedNode::tick() {
  tick_posted_ = false;
  if (!node()->tick()) return;
  // There is more to do at once.
  after(kBusyTickUs, [this] {
    if (!std::exchange(tick_posted_, true)) post([this] { tick(); });
  });
}

// --- Accepted connections.

std::optional<ConnectionEnd> SimulatedNode::accept(SimulatedNetwork::ConnectionId id,
                                                   Endpoint from) {
  if (process_ == nullptr) return std::nullopt;
  post([this, id, from] {
    process_->connections[id] = std::make_unique<SimulatedConnection>(world_, *this, id, from);
  });
  ConnectionEnd end;
  end.received = [this, id](std::string bytes) {
    post([this, id, bytes = std::move(bytes)] {
      on_connection(id, [&bytes](SimulatedConnection& each) { each.received(bytes); });
    });
  };
  end.closed = [this, id](std::string_view) {
    post([this, id] {
      on_connection(id, [](SimulatedConnection& each) { each.other_side_closed(); });
    });
  };
  return end;
}

void SimulatedNode::on_connection(SimulatedNetwork::ConnectionId id,
                                  const std::function<void(SimulatedConnection&)>& event) {
  const auto found = process_->connections.find(id);
  if (found == process_->connections.end()) return;
  event(*found->second);
  drop_closed(id);
}

void SimulatedNode::drop_closed(SimulatedNetwork::ConnectionId id) {
  const auto found = process_->connections.find(id);
  if (found != process_->connections.end() && found->second->closed()) {
    process_->connections.erase(found);
  }
}

}  // namespace kvorum::simulation
