#include "tests/simulation/parameters.h"

namespace kvorum::simulation {

Parameters Parameters::draw(uint64_t seed) {
  Random random(seed * 0x9e3779b97f4a7c15u + 1);
  Parameters p;
  p.seed = seed;
  constexpr std::array<int, 12> kNodes = {3, 3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 7};
  p.nodes = random.one_in(40) ? 1 : random.pick(kNodes);
  p.duration_us = random.between(4, 14) * 1'000'000;

  constexpr std::array<const char*, 6> kQuorums = {"majority", "majority", "majority",
                                                   "majority", "all",      "1"};
  p.write_quorum = random.pick(kQuorums);
  p.write_timeout_ms = random.between(500, 3000);
  p.election_timeout_ms = random.one_in(4) ? random.between(150, 1000) : 300;
  p.heartbeat_ms = p.election_timeout_ms / random.between(4, 8);
  constexpr std::array<uint64_t, 5> kSegments = {4 << 10, 8 << 10, 16 << 10, 64 << 10, 1 << 20};
  p.segment_bytes = random.pick(kSegments);
  constexpr std::array<uint64_t, 5> kSnapshots = {8 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20};
  p.snapshot_wal_bytes = random.pick(kSnapshots);

  p.latency_us = random.one_in(5) ? random.between(1000, 15'000) : random.between(30, 500);
  p.jitter_us = random.between(10, 2 * p.latency_us);
  if (random.one_in(2)) p.drop_per_million = static_cast<uint64_t>(random.between(1000, 50'000));
  if (random.one_in(2)) {
    p.duplicate_per_million = static_cast<uint64_t>(random.between(1000, 100'000));
  }
  if (random.one_in(2))
    p.reorder_per_million = static_cast<uint64_t>(random.between(1000, 100'000));
  constexpr std::array<size_t, 3> kWindows = {2 << 10, 16 << 10, 256 << 10};
  p.window_bytes = random.pick(kWindows);
  // A window this small over a way this long would be slower than a modem.
  if (p.latency_us >= 1000) p.window_bytes = kWindows.back();
  p.sync_us = random.one_in(4) ? random.between(1000, 20'000) : random.between(50, 1000);

  p.clients = static_cast<int>(random.between(2, 6));
  p.key_groups = static_cast<int>(random.between(1, 4));
  p.think_us = random.between(5'000, 60'000);
  constexpr std::array<size_t, 6> kValues = {0, 8, 8, 100, 1000, 6000};
  p.value_bytes = random.pick(kValues);
  p.client_timeout_us = random.between(500, 6000) * 1000;
  p.own_quorums = random.one_in(2);

  p.fault_interval_us = random.between(100, 2000) * 1000;
  for (uint32_t& weight : p.weights) {
    weight = random.one_in(2) ? 0 : static_cast<uint32_t>(random.between(1, 10));
  }
  constexpr std::array<const char*, 4> kLevels = {"session", "session", "linearizable", "prefix"};
  p.read_consistency = random.pick(kLevels);
  p.own_levels = !random.one_in(4);
  if (p.nodes == 1) p.weight(Fault::kMemberChange) = 0;
  if (p.weight(Fault::kMemberChange) > 0) {
    p.spares = static_cast<int>(random.between(1, 3));
    p.weight(Fault::kMemberChange) *= 4;  // few strikes find what they need
  }
  p.other_databases = random.one_in(2);
  // Drawn last: most seeds that were known before go as they went.
  if (p.nodes > 1 && random.one_in(6)) {
    p.write_quorum = "1";
    p.divergence = "merge";
    // Leaders that still answer when they are alone, and clients that ask them.
    p.weight(Fault::kIsolate) += 20;
    p.clients = 6;
    p.think_us = 5'000;
  }
  if (random.one_in(2)) p.soon_us = 1000;
  return p;
}

}  // namespace kvorum::simulation
