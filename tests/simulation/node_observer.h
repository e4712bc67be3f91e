// Reads a real node's state after each of its turns and reports it to the checkers: the one place
// that knows what server::Node offers.
#pragma once

#include <cstdint>
#include <vector>

#include "replication/replica.h"
#include "storage/types.h"
#include "tests/simulation/log_checker.h"
#include "tests/simulation/simulated_node.h"
#include "tests/simulation/state_checkers.h"
#include "tests/simulation/world.h"

namespace kvorum::simulation {

class NodeObserver {
 public:
  explicit NodeObserver(World& world);

  void turn_ended(SimulatedNode& machine);
  void process_ends(SimulatedNode& machine);
  void disk_wiped(SimulatedNode& machine);
  // Its log may end earlier after the next restart: somebody has damaged it.
  void disk_damaged(SimulatedNode& machine);
  // Its keyspace is not what the log says any more: somebody has changed it, in memory. Until the
  // node has found that out and has another one, or is restarted, nobody else's has to equal it.
  void keyspace_damaged(SimulatedNode& machine);

  const LogChecker& logs() const { return logs_; }

 private:
  struct Seen {
    uint64_t generation = 0;  // of the process whose log is known
    storage::Position base, last;
    storage::Lsn commit{0}, synced{0}, digested{0};
    // When the voters were last compared.
    storage::Lsn voters_of{0};
    storage::Position voters_in;
    bool may_have_lost = false;
    bool keyspace_damaged = false, damage_found = false;
  };

  void recovered(SimulatedNode& machine, Seen& seen);
  void follow_members(const replication::Replica& replica);
  void follow_log(SimulatedNode& machine, Seen& seen);
  void follow_voters(SimulatedNode& machine, Seen& seen);
  void follow_keyspace(SimulatedNode& machine, Seen& seen);
  void append_from(SimulatedNode& machine, uint64_t after);

  World& world_;
  LogChecker logs_;
  LeaderChecker leaders_;
  HardStateChecker hard_states_;
  std::vector<Seen> seen_;
};

}  // namespace kvorum::simulation
