// What all parts of one simulation share: time, chance, the network, the parameters, the verdict.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/text.h"
#include "resp/reply_reader.h"
#include "storage/types.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/parameters.h"
#include "tests/simulation/simulated_network.h"
#include "tests/simulation/trace.h"
#include "tests/support/random.h"

namespace kvorum::simulation {

class SimulatedNode;

// What a node's side of a client's connection knows about one reply and the client does not.
struct ReplyFacts {
  bool leading = false;  // executed by a node that believed to lead
};

// Told of what happens, after it has.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void process_started(SimulatedNode& node) = 0;
  // Memory is about to go; `disk_lost`: so is all that was on disk (a wiped node).
  virtual void process_ends(SimulatedNode& node) = 0;
  virtual void disk_wiped(SimulatedNode& node) = 0;
  // The node has handled some input, and everything that followed from it.
  virtual void turn_ended(SimulatedNode& node) = 0;
  // A reply leaves the node for the client.
  virtual void reply_leaves(SimulatedNetwork::ConnectionId connection, const resp::Reply& reply,
                            const ReplyFacts& facts) = 0;
};

// Who belongs to the cluster, as the leader of the newest term has it in force.
struct Members {
  storage::Term term{0};
  storage::Lsn lsn{0};
  std::set<Endpoint> all, voters, learners_for_good;
  bool committed = true;  // else it may still be another one: nothing is lost on its word
};

struct World {
  World(const Parameters& drawn, bool print)
      : parameters(drawn),
        random(drawn.seed),
        trace(print),
        network(queue, parameters, faults, trace) {
    for (int id = 1; id <= parameters.nodes; ++id) {
      members.all.insert(static_cast<Endpoint>(id));
      members.voters.insert(static_cast<Endpoint>(id));
    }
  }

  const Parameters parameters;
  EventQueue queue;
  Random random;
  Trace trace;
  Verdict verdict;
  FaultCounters faults;
  SimulatedNetwork network;
  Observer* observer = nullptr;
  Members members;

  int64_t now_us() const { return queue.now_us(); }
  template <class... Parts>
  void print(const Parts&... parts) {
    if (trace.printing()) trace.print(base::concat(parts...));
  }
  template <class... Parts>
  void fail(const Parts&... parts) {
    verdict.fail(base::concat(parts...));
  }
};

}  // namespace kvorum::simulation
