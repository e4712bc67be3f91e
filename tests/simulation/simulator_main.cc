// Runs seeds of the cluster simulator; docs/testing.md says what that proves.
//
//   kvorum_simulator [--first SEED] [--seeds N] [--seconds S] [--trace] [--quiet] [--keep-going]
//
// Prints a line for every failed seed, with the command that replays it, then a summary. Exit code
// 0 only if every seed passed and, of 200 or more, every kind of fault has struck.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/simulation/campaign.h"

namespace {

using kvorum::simulation::CampaignOptions;
using kvorum::simulation::CampaignResult;

struct Arguments {
  CampaignOptions campaign;
  bool quiet = false;
  bool valid = true;
};

Arguments parse(int count, char** values) {
  Arguments arguments;
  arguments.campaign.seeds = 100;
  for (int i = 1; i < count; ++i) {
    const std::string name = values[i];
    const bool has_value = i + 1 < count;
    if (name == "--trace") {
      arguments.campaign.print = true;
    } else if (name == "--quiet") {
      arguments.quiet = true;
    } else if (name == "--keep-going") {
      arguments.campaign.stop_at_failure = false;
    } else if (name == "--first" && has_value) {
      arguments.campaign.first = std::strtoull(values[++i], nullptr, 10);
    } else if (name == "--seeds" && has_value) {
      arguments.campaign.seeds = std::strtoull(values[++i], nullptr, 10);
    } else if (name == "--seconds" && has_value) {
      arguments.campaign.seconds = std::strtod(values[++i], nullptr);
    } else {
      arguments.valid = false;
    }
  }
  return arguments;
}

void print_summary(const CampaignResult& result) {
  std::printf("faults:");
  for (size_t i = 0; i < kvorum::simulation::kFaultCount; ++i) {
    std::printf("%s %s %llu", i == 0 ? "" : ",",
                std::string(kvorum::simulation::kFaultNames[i]).c_str(),
                static_cast<unsigned long long>(result.faults.struck[i]));
  }
  std::printf(
      "\n%llu seeds, %zu failed; %llu operations, %llu records committed, %llu undecided; "
      "%.0f virtual seconds in %.1f s: %.0f times real time, %.0f events/s\n",
      static_cast<unsigned long long>(result.seeds), result.failures.size(),
      static_cast<unsigned long long>(result.operations),
      static_cast<unsigned long long>(result.records),
      static_cast<unsigned long long>(result.undecided), result.virtual_seconds,
      result.real_seconds, result.speed(),
      static_cast<double>(result.events) / result.real_seconds);
}

}  // namespace

int main(int count, char** values) {
  const Arguments arguments = parse(count, values);
  if (!arguments.valid) {
    std::fprintf(stderr,
                 "usage: kvorum_simulator [--first SEED] [--seeds N] [--seconds S] [--trace] "
                 "[--quiet] [--keep-going]\n");
    return 2;
  }
  kvorum::simulation::announce_seed_on_abort();
  size_t failures = 0;
  const CampaignResult result =
      kvorum::simulation::run_campaign(arguments.campaign, [&](const CampaignResult& so_far) {
        if (arguments.quiet) {
          std::printf("seed\n");  // one line for each, for whoever draws a progress bar
        }
        for (; failures < so_far.failures.size(); ++failures) {
          const auto& [seed, what] = so_far.failures[failures];
          std::printf("failed: seed %llu: %s\nreplay: %s\n", static_cast<unsigned long long>(seed),
                      what.c_str(), kvorum::simulation::replay_command(seed).c_str());
        }
        std::fflush(stdout);
      });
  print_summary(result);
  bool passed = result.failures.empty();
  if (result.seeds >= kvorum::simulation::kSeedsThatMeetEverything) {
    for (const std::string& name : kvorum::simulation::missed_faults(result.faults)) {
      std::printf("failed: no seed has met: %s\n", name.c_str());
      passed = false;
    }
  }
  return passed ? 0 : 1;
}
