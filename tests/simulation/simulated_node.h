// One machine of the simulated cluster: a disk and clocks that outlive the process, and the
// process, when there is one: the real server::Node with its host and its accepted connections.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "server/node/node.h"
#include "server/node/options.h"
#include "tests/simulation/simulated_connection.h"
#include "tests/simulation/simulated_host.h"
#include "tests/simulation/virtual_clock.h"
#include "tests/simulation/world.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::simulation {

class SimulatedNode {
 public:
  SimulatedNode(World& world, Endpoint id);
  ~SimulatedNode();

  Endpoint id() const { return id_; }
  VirtualClock& clock() { return clock_; }
  storage::SimulatedDisk& disk() { return *disk_; }
  uint64_t kernel_boots() const { return kernel_boots_; }
  // Null while no process runs.
  server::Node* node() { return process_ == nullptr ? nullptr : process_->node.get(); }
  // It runs and has loaded its data (a member of a cluster, or about to be one again).
  bool loaded() { return node() != nullptr && node()->loaded(); }
  bool leads() { return loaded() && node()->log().leading(); }
  // Different for each process.
  uint64_t generation() const { return generation_; }

  // --- Life. Each is ignored where it makes no sense.
  void start();
  // The process dies; its kernel keeps what it wrote.
  void crash();
  // The machine dies: what was not synced is lost, kept or torn.
  void power_cut();
  // SIGTERM. The process ends when it has done what it must.
  void stop_cleanly();
  // Another, empty disk. REQUIRES: no process runs.
  void wipe();
  void restart_after(int64_t delay_us);
  void pause(int64_t for_us);
  bool paused() const { return world_.now_us() < paused_until_us_; }

  // --- The disk's misbehaviour.
  // Of all calls that change the disk the one after `calls` others loses the power, if it comes
  // while a job runs or the process starts.
  void lose_power_after(uint64_t calls) { calls_to_power_loss_ = static_cast<int64_t>(calls); }
  void fail_next_sync() { fail_sync_ = true; }
  void slow_disk(int64_t factor, int64_t until_us);
  void stick_disk(int64_t until_us) { disk_stuck_until_us_ = until_us; }
  void fill_disk(uint64_t room_bytes);
  void free_disk();
  void heal_disk();

  // Everything that would have to be made good by others is: a wiped or damaged disk's data.
  bool needs_repair = false;

  // --- For host and connections.
  // At the process' next turn; never, if it ends before.
  void post(std::function<void()> input);
  // After virtual time, unless the process has ended.
  void after(int64_t delay_us, std::function<void()> action);
  int64_t disk_delay_us(bool wal);
  // True: the power went, and this process with it.
  bool lose_power_if_due();
  void forget_ready(server::Session& session);

 private:
  struct Process {
    explicit Process(World& world, SimulatedNode& machine, uint64_t seed)
        : host(world, machine, seed) {}
    server::OptionTable options;
    SimulatedHost host;
    std::unique_ptr<server::Node> node;
    std::map<SimulatedNetwork::ConnectionId, std::unique_ptr<SimulatedConnection>> connections;
  };

  void set_options(server::OptionTable& options) const;
  void new_disk();
  absl::Status disk_fault(storage::DiskOperation operation);
  void end_process();
  void schedule_turn();
  void turn();
  void serve_ready();
  void schedule_tick();
  void tick();
  std::optional<ConnectionEnd> accept(SimulatedNetwork::ConnectionId connection, Endpoint from);
  void on_connection(SimulatedNetwork::ConnectionId id,
                     const std::function<void(SimulatedConnection&)>& event);
  void drop_closed(SimulatedNetwork::ConnectionId id);
  void process_stopped();

  World& world_;
  const Endpoint id_;
  VirtualClock clock_;
  std::unique_ptr<storage::SimulatedDisk> disk_;
  std::mt19937_64 disk_random_;
  uint64_t kernel_boots_ = 1;
  uint64_t generation_ = 0;
  std::unique_ptr<Process> process_;
  std::vector<std::function<void()>> inbox_;
  std::vector<server::Session*> serving_;
  bool turn_scheduled_ = false, tick_posted_ = false;
  int64_t paused_until_us_ = 0;

  int64_t calls_to_power_loss_ = -1;  // -1: none is due
  bool power_lost_ = false, fail_sync_ = false, sync_failed_ = false, disk_filled_ = false;
  int64_t disk_factor_ = 1, disk_slow_until_us_ = 0, disk_stuck_until_us_ = 0;
};

}  // namespace kvorum::simulation
