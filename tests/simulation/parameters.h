// What one seed draws: the cluster, its sizes and timing, the clients, and which faults strike how
// often (swarm testing: every seed leaves some out).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/simulation/faults.h"
#include "tests/support/random.h"

namespace kvorum::simulation {

struct Parameters {
  uint64_t seed = 1;
  int nodes = 3;                     // members at the birth
  int spares = 0;                    // machines that may be added later
  int64_t duration_us = 10'000'000;  // with faults; then the cluster is healed
  int64_t heal_us = 30'000'000;      // how long it may take to recover

  // The cluster.
  std::string write_quorum = "majority";
  std::string divergence = "save";
  int64_t write_timeout_ms = 2000;
  std::string read_consistency = "session";
  int64_t heartbeat_ms = 50;
  int64_t election_timeout_ms = 300;
  uint64_t segment_bytes = 64 << 10;
  uint64_t snapshot_wal_bytes = 32 << 10;

  // The network, one way.
  int64_t latency_us = 200;
  int64_t jitter_us = 200;
  uint64_t drop_per_million = 0, duplicate_per_million = 0, reorder_per_million = 0;
  size_t window_bytes = 64 << 10;

  int64_t soon_us = 0;  // how long the news of a commit may wait for an append

  // The disk.
  int64_t sync_us = 200;

  // The clients.
  int clients = 4;
  int key_groups = 3;
  int64_t think_us = 20'000;
  size_t value_bytes = 8;  // besides what makes it unique
  int64_t client_timeout_us = 4'000'000;
  bool own_quorums = true;       // CLIENT QUORUM
  bool own_levels = true;        // CLIENT CONSISTENCY, CLIENT TOKEN
  bool other_databases = false;  // other_databases.h

  // Mean time between two faults; 0: none. The weight of each kind; 0: never.
  int64_t fault_interval_us = 500'000;
  std::array<uint32_t, kDrawnFaultCount> weights{};

  int machines() const { return nodes + spares; }
  uint32_t& weight(Fault fault) { return weights[static_cast<size_t>(fault)]; }

  static Parameters draw(uint64_t seed);
};

}  // namespace kvorum::simulation
