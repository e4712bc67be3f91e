// Many seeds, one after the other, and what they met.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/faults.h"
#include "tests/simulation/simulation.h"

namespace kvorum::simulation {

struct CampaignOptions {
  uint64_t first = 1;
  uint64_t seeds = 1;
  double seconds = 0;          // stops after so long; 0: never
  bool print = false;          // each seed's events
  uint64_t repeat_every = 50;  // runs every so many-th seed twice, and compares; 0: never
  bool stop_at_failure = true;
};

struct CampaignResult {
  uint64_t seeds = 0;
  std::vector<std::pair<uint64_t, std::string>> failures;  // seed, what
  double virtual_seconds = 0, real_seconds = 0;
  uint64_t operations = 0, records = 0, events = 0, undecided = 0;
  FaultCounters faults;

  double speed() const { return real_seconds > 0 ? virtual_seconds / real_seconds : 0; }
};

// `progress` is called after each seed.
CampaignResult run_campaign(const CampaignOptions& options,
                            const std::function<void(const CampaignResult&)>& progress);

// A campaign of at least this many seeds has to meet every kind of fault.
inline constexpr uint64_t kSeedsThatMeetEverything = 200;
// The kinds it has not met.
std::vector<std::string> missed_faults(const FaultCounters& faults);

// The command line that replays a seed.
std::string replay_command(uint64_t seed);
// A failed CHECK ends the process: from now on it first says which seed was running.
void announce_seed_on_abort();

}  // namespace kvorum::simulation
