#include "tests/simulation/nemesis.h"

#include <algorithm>
#include <utility>

#include "server/node/cluster/cluster.h"

namespace kvorum::simulation {

Nemesis::Nemesis(World& world, std::vector<std::unique_ptr<SimulatedNode>>& nodes, Events events)
    : world_(world),
      nodes_(nodes),
      changer_(world, nodes),
      events_(std::move(events)),
      random_(world.parameters.seed ^ 0x6e656d65736973u) {}

void Nemesis::start() {
  active_ = true;
  schedule_next();
}

void Nemesis::schedule_next() {
  if (world_.parameters.fault_interval_us == 0) return;
  world_.queue.after(random_.between(1000, 2 * world_.parameters.fault_interval_us), [this] {
    if (!active_) return;
    Fault fault;
    if (draw(fault)) strike(fault);
    schedule_next();
  });
}

bool Nemesis::draw(Fault& fault) {
  uint64_t sum = 0;
  for (const uint32_t weight : world_.parameters.weights) sum += weight;
  if (sum == 0) return false;
  uint64_t at = random_.below(sum);
  for (size_t i = 0; i < kDrawnFaultCount; ++i) {
    if (at < world_.parameters.weights[i]) {
      fault = static_cast<Fault>(i);
      return true;
    }
    at -= world_.parameters.weights[i];
  }
  return false;
}

SimulatedNode& Nemesis::any_node() { return *nodes_[random_.below(nodes_.size())]; }

SimulatedNode* Nemesis::leader() {
  for (const auto& node : nodes_) {
    if (node->leads()) return node.get();
  }
  return nullptr;
}

SimulatedNode& Nemesis::leader_or_any() {
  SimulatedNode* node = random_.one_in(2) ? leader() : nullptr;
  return node != nullptr ? *node : any_node();
}

int64_t Nemesis::down_time_us() {
  return random_.one_in(3) ? random_.between(1000, 100'000) : random_.between(100'000, 3'000'000);
}

int64_t Nemesis::fault_time_us() {
  return random_.one_in(3) ? random_.between(5'000, 300'000) : random_.between(300'000, 3'000'000);
}

bool Nemesis::disks_are_well() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [this](const auto& node) {
    if (!world_.members.all.contains(node->id())) return true;
    return node->loaded() && !node->needs_repair &&
           (node->node()->cluster().voters() == 1 || !node->node()->cluster().replica().doubtful());
  });
}

bool Nemesis::repairs_are_due() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const auto& node) { return node->needs_repair; });
}

// One disk loses what others must have: from now on, until that is made good, theirs are well.
void Nemesis::spare_the_other_disks() {
  for (const auto& node : nodes_) node->heal_disk();
}

void Nemesis::strike(Fault fault) {
  world_.print("fault: ", kFaultNames[static_cast<size_t>(fault)]);
  world_.trace.add(static_cast<uint64_t>(fault));
  bool struck = true;
  if (fault <= Fault::kTransfer) {
    struck = strike_process(fault);
  } else if (fault <= Fault::kMessageReorder) {
    struck = strike_network(fault);
  } else if (fault <= Fault::kBitFlip) {
    struck = strike_disk(fault);
  } else if (fault <= Fault::kClockDrift) {
    strike_clock(fault);
  } else {
    struck = !repairs_are_due() && changer_.begin();
  }
  // These count where they strike, later.
  const bool later = fault == Fault::kPowerCutInsideWrite || fault == Fault::kFailedSync ||
                     (fault >= Fault::kMessageDrop && fault <= Fault::kMessageReorder);
  if (struck && !later) world_.faults.count(fault);
}

bool Nemesis::strike_process(Fault fault) {
  const bool loses_power = fault == Fault::kPowerCut || fault == Fault::kPowerCutEverywhere ||
                           fault == Fault::kPowerCutInsideWrite;
  if (loses_power && repairs_are_due()) return false;
  SimulatedNode& node = leader_or_any();
  switch (fault) {
    case Fault::kCrash:
      if (node.node() == nullptr) return false;
      node.crash();
      node.restart_after(down_time_us());
      return true;
    case Fault::kPowerCut:
      node.power_cut();
      node.restart_after(down_time_us());
      return true;
    case Fault::kPowerCutEverywhere:
      for (const auto& each : nodes_) {
        each->power_cut();
        each->restart_after(down_time_us());
      }
      return true;
    case Fault::kPowerCutInsideWrite:
      node.lose_power_after(random_.below(12));
      return true;
    case Fault::kCleanStop:
      if (!node.loaded()) return false;
      node.stop_cleanly();
      return true;
    case Fault::kPause:
      if (node.node() == nullptr) return false;
      node.pause(fault_time_us());
      return true;
    case Fault::kTransfer: {
      SimulatedNode* from = leader();
      if (from == nullptr) return false;
      const auto to = static_cast<uint16_t>(random_.below(nodes_.size() + 1));
      from->post([from, to] {
        if (from->leads() && to != from->id()) {
          from->node()->cluster().transfer(storage::NodeId{to});
        }
      });
      return true;
    }
    default:
      return wipe();
  }
}

// --- The network.

void Nemesis::cut_off(Endpoint one, Endpoint other) {
  world_.network.block(one, other);
  world_.network.block(other, one);
}

void Nemesis::partition(Fault fault) {
  const size_t count = nodes_.size();
  if (fault == Fault::kIsolate) {
    const Endpoint alone = leader_or_any().id();
    for (const auto& node : nodes_) {
      if (node->id() != alone) cut_off(alone, node->id());
    }
    return;
  }
  std::vector<Endpoint> order;
  for (const auto& node : nodes_) order.push_back(node->id());
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random_.below(i)]);
  if (fault == Fault::kOneWayPartition) {
    const bool inwards = random_.one_in(2);
    const size_t others = 1 + random_.below(count - 1);
    for (size_t i = 1; i <= others; ++i) {
      world_.network.block(inwards ? order[i] : order[0], inwards ? order[0] : order[i]);
    }
    return;
  }
  // Two sides; of a bridge the first node sees both.
  const size_t first = fault == Fault::kBridge ? 1 : 0;
  const size_t middle = first + 1 + random_.below(count - first - 1);
  for (size_t i = first; i < middle; ++i) {
    for (size_t j = middle; j < count; ++j) cut_off(order[i], order[j]);
  }
}

bool Nemesis::strike_network(Fault fault) {
  switch (fault) {
    case Fault::kPartition:
    case Fault::kOneWayPartition:
    case Fault::kBridge:
    case Fault::kIsolate: {
      if (nodes_.size() < 3 && (fault == Fault::kBridge || nodes_.size() < 2)) return false;
      world_.network.heal_partitions();
      partition(fault);
      world_.queue.after(fault_time_us(), [this, number = ++partitions_] {
        if (number == partitions_) world_.network.heal_partitions();
      });
      return true;
    }
    case Fault::kConnectionBreak:
      return world_.network.break_one(random_);
    case Fault::kDelay:
    case Fault::kSlowFollower: {
      const bool all = fault == Fault::kDelay;
      const Endpoint slow = any_node().id();
      const int64_t extra_us = random_.between(1000, all ? 150'000 : 800'000);
      for (const auto& node : nodes_) {
        if (all || node->id() == slow) world_.network.slow_down(node->id(), extra_us);
      }
      world_.queue.after(fault_time_us(), [this, all, slow] {
        for (const auto& node : nodes_) {
          if (all || node->id() == slow) world_.network.slow_down(node->id(), 0);
        }
      });
      return true;
    }
    default:
      return true;  // the network draws them by itself, message by message
  }
}

// --- Disks and clocks.

bool Nemesis::strike_disk(Fault fault) {
  SimulatedNode& node = leader_or_any();
  const int64_t until_us = world_.now_us() + fault_time_us();
  switch (fault) {
    case Fault::kSlowDisk:
      node.slow_disk(random_.between(5, 200), until_us);
      return true;
    case Fault::kStuckDisk:
      node.stick_disk(until_us);
      return true;
    case Fault::kDiskFull:
      node.fill_disk(random_.below(16 << 10));
      world_.queue.at(until_us, [&node] { node.free_disk(); });
      return true;
    case Fault::kFailedSync:
      if (node.node() != nullptr && !repairs_are_due()) node.fail_next_sync();
      return true;
    default:
      return flip_bits();
  }
}

// Others have everything, and go on having it: no change of members is under way, and two voters
// are left, which by themselves are a majority.
bool Nemesis::may_lose_data(const SimulatedNode& node) const {
  const Members& members = world_.members;
  return members.committed && members.voters.size() >= 3 && members.voters.contains(node.id()) &&
         disks_are_well() && changer_.idle();
}

bool Nemesis::wipe() {
  SimulatedNode& node = leader_or_any();
  if (!may_lose_data(node)) return false;
  spare_the_other_disks();
  node.crash();
  node.wipe();
  node.restart_after(down_time_us());
  return true;
}

bool Nemesis::flip_bits() {
  SimulatedNode& node = leader_or_any();
  if (!may_lose_data(node)) return false;
  spare_the_other_disks();
  node.crash();
  node.restart_after(down_time_us());
  const auto names = node.disk().list("data");
  if (!names.ok()) return false;
  std::vector<std::string> segments;
  for (const std::string& name : *names) {
    if (name.starts_with("segment-")) segments.push_back("data/" + name);
  }
  if (segments.empty()) return false;
  const std::string& path = segments[random_.below(segments.size())];
  const size_t size = node.disk().contents(path).size();
  if (size == 0) return false;
  const uint64_t offset = random_.below(size);
  const uint64_t flips = 1 + random_.below(3);
  for (uint64_t i = 0; i < flips; ++i) {
    node.disk().flip_bit(path, std::min<uint64_t>(offset + random_.below(64), size - 1),
                         static_cast<int>(random_.below(8)));
  }
  world_.print("node ", node.id(), ": ", flips, " bits of ", path, " flip near ", offset);
  node.needs_repair = true;
  events_.disk_damaged(node);
  return true;
}

void Nemesis::strike_clock(Fault fault) {
  SimulatedNode& node = leader_or_any();
  const int64_t now_us = world_.now_us();
  if (fault == Fault::kClockJump) {
    const int64_t by_us = random_.one_in(3) ? random_.between(-400'000, 400'000)
                                            : random_.between(-20'000'000, 20'000'000);
    node.clock().jump(now_us, by_us);
  } else {
    node.clock().set_drift(now_us, random_.between(-20'000, 20'000));
  }
}

void Nemesis::heal() {
  world_.print("everything is healed");
  active_ = false;
  changer_.stop();
  ++partitions_;
  world_.network.heal_partitions();
  world_.network.set_message_faults(false);
  for (const auto& node : nodes_) {
    world_.network.slow_down(node->id(), 0);
    node->heal_disk();
    node->pause(0);
    node->clock().set_drift(world_.now_us(), random_.between(-100, 100));
    node->clock().set_wall_offset(world_.now_us(), random_.between(-5000, 5000));
    node->restart_after(10'000);
  }
}

}  // namespace kvorum::simulation
