// One seed: a cluster of real nodes, clients, misfortune, and every checker, until the cluster is
// healed and has to be well again. Single-threaded; two of them share nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/nemesis.h"
#include "tests/simulation/node_observer.h"
#include "tests/simulation/simulated_client.h"
#include "tests/simulation/simulated_node.h"
#include "tests/simulation/world.h"
#include "tests/support/linearizability.h"

namespace kvorum::simulation {

struct Result {
  std::string failure;  // empty: passed
  uint64_t trace_hash = 0;
  int64_t virtual_us = 0;
  uint64_t events = 0;
  uint64_t operations = 0, acknowledged = 0;
  uint64_t records = 0;    // committed
  uint64_t undecided = 0;  // partitions whose history was too tangled to judge
  FaultCounters faults;
};

class Simulation final : public Observer {
 public:
  Simulation(const Parameters& parameters, bool print);
  ~Simulation() override;

  // Everything: misfortune, healing, judgement.
  Result run();

  // --- Step by step, for scenarios.
  void start_nodes();
  void start_clients();
  void run_for(int64_t us);
  // Until the condition holds; false: it did not within `us`, or something failed.
  bool run_until(const std::function<bool()>& condition, int64_t us);
  void heal() { nemesis_.heal(); }
  // All nodes run, agree and serve, within the time that healing may take; stops the clients.
  void demand_progress();
  Result judge();

  World& world() { return world_; }
  SimulatedNode& node(Endpoint id) { return *nodes_[id - 1]; }
  std::vector<std::unique_ptr<SimulatedNode>>& nodes() { return nodes_; }
  SimulatedNode* leader();
  const LogChecker& logs() const { return observer_.logs(); }
  Nemesis& nemesis() { return nemesis_; }
  ClientRecords& records() { return records_; }
  NodeObserver& node_observer() { return observer_; }

 private:
  struct LeavingReply {
    SimulatedNetwork::ConnectionId connection;
    resp::Reply reply;
    ReplyFacts facts;
  };

  void process_started(SimulatedNode&) override {}
  void process_ends(SimulatedNode& machine) override { observer_.process_ends(machine); }
  void disk_wiped(SimulatedNode& machine) override { observer_.disk_wiped(machine); }
  void turn_ended(SimulatedNode& machine) override;
  void reply_leaves(SimulatedNetwork::ConnectionId connection, const resp::Reply& reply,
                    const ReplyFacts& facts) override;

  void watch_for_storms();
  bool all_serve();
  bool all_agree();
  std::string what_is_missing();
  void judge_tokens();
  bool all_members(const std::function<bool(SimulatedNode&)>& condition);
  bool offered_all(server::Node& node) const;
  bool no_tombstones(server::Node& node) const;
  void judge_orphans();
  void judge_orphan_file(SimulatedNode& machine, const std::string& path,
                         const storage::Identity& identity);
  std::vector<bool> merged_partitions() const;
  void judge_history(Result& result);

  World world_;
  std::vector<std::unique_ptr<SimulatedNode>> nodes_;
  NodeObserver observer_;
  Nemesis nemesis_;
  ClientRecords records_;
  std::vector<std::unique_ptr<SimulatedClient>> clients_;
  std::vector<std::unique_ptr<SimulatedClient>> probes_;
  std::vector<LeavingReply> leaving_;
  std::set<std::pair<Endpoint, std::string>> judged_files_;
  int64_t second_ = 0;
  uint64_t events_before_second_ = 0;
};

// The whole of one seed.
Result simulate(uint64_t seed, bool print);

}  // namespace kvorum::simulation
