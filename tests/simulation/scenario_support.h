// What scenarios need that turn on single events: scenario.h looks every 50 ms only.
#pragma once

#include <cstdint>
#include <functional>

#include "tests/simulation/scenario.h"

namespace kvorum::simulation {

inline constexpr int64_t kSecondUs = 1'000'000;

// Looks at the condition after every event; false: it did not hold within `us`, or a checker has
// found something.
inline bool step_until(Scenario& story, const std::function<bool()>& condition, int64_t us) {
  World& world = story.simulation().world();
  const int64_t end_us = world.now_us() + us;
  while (!world.verdict.failed() && world.now_us() < end_us) {
    if (condition()) return true;
    world.queue.run_next();
    world.trace.set_time(world.now_us());
  }
  return false;
}

inline const replication::Replica& replica_of(Scenario& story, Endpoint id) {
  return story.node(id).node()->cluster().replica();
}

inline const server::RecordLog& log_of(Scenario& story, Endpoint id) {
  return story.node(id).node()->log();
}

inline SimulatedNetwork& network_of(Scenario& story) { return story.simulation().world().network; }

// Neither hears the other any more.
inline void cut_off(Scenario& story, Endpoint one, Endpoint other) {
  network_of(story).block(one, other);
  network_of(story).block(other, one);
}

// A third node; of three nodes: the third. 0 is nobody.
inline Endpoint other_than(Endpoint one, Endpoint other = 0) {
  Endpoint id = 1;
  while (id == one || id == other) ++id;
  return id;
}

}  // namespace kvorum::simulation
