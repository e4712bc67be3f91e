#include "tests/simulation/campaign.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/text.h"

namespace kvorum::simulation {

namespace {

using Clock = std::chrono::steady_clock;

char abort_text[160];

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

std::string replay_command(uint64_t seed) {
  return base::concat("kvorum_simulator --first ", seed, " --seeds 1 --trace");
}

void announce_seed_on_abort() {
  std::signal(SIGABRT, [](int) {
    std::fflush(stdout);  // the trace; the process is not going to do anything else any more
    const auto ignored = write(STDERR_FILENO, abort_text, std::strlen(abort_text));
    static_cast<void>(ignored);
    std::signal(SIGABRT, SIG_DFL);
  });
}

CampaignResult run_campaign(const CampaignOptions& options,
                            const std::function<void(const CampaignResult&)>& progress) {
  CampaignResult total;
  const Clock::time_point start = Clock::now();
  for (uint64_t seed = options.first; seed < options.first + options.seeds; ++seed) {
    std::snprintf(abort_text, sizeof(abort_text), "\nfailed: seed %llu: a CHECK; replay: %s\n",
                  static_cast<unsigned long long>(seed), replay_command(seed).c_str());
    Result result = simulate(seed, options.print);
    const bool repeats = options.repeat_every != 0 && seed % options.repeat_every == 0;
    if (repeats && result.failure.empty() &&
        simulate(seed, /*print=*/false).trace_hash != result.trace_hash) {
      result.failure = "the same seed has gone another way the second time";
    }
    ++total.seeds;
    total.virtual_seconds += static_cast<double>(result.virtual_us) / 1e6 * (repeats ? 2 : 1);
    total.operations += result.operations;
    total.records += result.records;
    total.events += result.events;
    total.undecided += result.undecided;
    total.faults.add(result.faults);
    total.real_seconds = seconds_since(start);
    if (!result.failure.empty()) total.failures.emplace_back(seed, result.failure);
    progress(total);
    if (!total.failures.empty() && options.stop_at_failure) break;
    if (options.seconds > 0 && total.real_seconds > options.seconds) break;
  }
  abort_text[0] = '\0';
  return total;
}

std::vector<std::string> missed_faults(const FaultCounters& faults) {
  std::vector<std::string> missed;
  for (size_t i = 0; i < kFaultCount; ++i) {
    if (faults.struck[i] == 0) missed.emplace_back(kFaultNames[i]);
  }
  return missed;
}

}  // namespace kvorum::simulation
