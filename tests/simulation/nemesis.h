// Strikes: draws faults by the seed's weights, ends those that have a length, and heals everything
// at last. Never does what no cluster could survive: one disk at a time is wiped or damaged, and
// only while everybody else's is well.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tests/simulation/member_changer.h"
#include "tests/simulation/simulated_node.h"
#include "tests/simulation/world.h"

namespace kvorum::simulation {

class Nemesis {
 public:
  struct Events {
    std::function<void(SimulatedNode&)> disk_damaged;
  };
  Nemesis(World& world, std::vector<std::unique_ptr<SimulatedNode>>& nodes, Events events);

  // Strikes from now on, until heal().
  void start();
  void strike(Fault fault);
  // Everything is well again, and stays so: network, disks, clocks; everybody runs.
  void heal();
  // None that it has asked for is under way.
  bool changes_no_members() const { return changer_.idle(); }

 private:
  SimulatedNode& any_node();
  SimulatedNode* leader();
  SimulatedNode& leader_or_any();
  void schedule_next();
  bool draw(Fault& fault);
  int64_t down_time_us();
  int64_t fault_time_us();
  bool disks_are_well() const;
  bool repairs_are_due() const;
  void spare_the_other_disks();

  bool strike_process(Fault fault);
  bool strike_network(Fault fault);
  bool strike_disk(Fault fault);
  void strike_clock(Fault fault);
  void partition(Fault fault);
  void cut_off(Endpoint one, Endpoint other);
  bool wipe();
  bool flip_bits();

  bool may_lose_data(const SimulatedNode& node) const;

  World& world_;
  std::vector<std::unique_ptr<SimulatedNode>>& nodes_;
  MemberChanger changer_;
  const Events events_;
  Random random_;
  bool active_ = false;
  uint64_t partitions_ = 0;  // so that the end of one does not end the next
};

}  // namespace kvorum::simulation
