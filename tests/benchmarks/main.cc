// kvorum_load: loads one or more Redis-protocol servers in alternating slices and prints what it
// measured as JSON. One thread, no code shared with the server.

#include <sys/prctl.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include "tests/benchmarks/options.h"
#include "tests/benchmarks/result_json.h"
#include "tests/benchmarks/target_load.h"

namespace kvorum::load {
namespace {

// False when a target stopped answering: its connections are of no use any more.
bool run_round(std::vector<std::unique_ptr<TargetLoad>>& loads, size_t first,
               std::vector<TargetResult>* results) {
  for (size_t k = 0; k < loads.size(); ++k) {
    const size_t i = (first + k) % loads.size();
    SliceResult slice = loads[i]->run_slice();
    const bool answered = slice.unanswered == 0;
    if (!answered) std::fprintf(stderr, "kvorum_load: %s is silent\n", loads[i]->name().c_str());
    if (results != nullptr) (*results)[i].slices.push_back(std::move(slice));
    if (!answered) return false;
  }
  return true;
}

int run(const Options& options) {
  std::vector<std::unique_ptr<TargetLoad>> loads;
  std::vector<TargetResult> results;
  for (const Endpoint& target : options.targets) {
    loads.push_back(std::make_unique<TargetLoad>(options, target));
    results.push_back({target.name, "", {}});
  }
  bool answered = true;
  const uint64_t rounds = options.warmup_slices + options.slices;
  for (uint64_t round = 0; round < rounds && answered && !TargetLoad::stop_requested(); ++round) {
    answered =
        run_round(loads, round % loads.size(), round < options.warmup_slices ? nullptr : &results);
  }
  for (size_t i = 0; i < loads.size(); ++i) results[i].first_error = loads[i]->first_error();
  write_json(stdout, options, results);
  return answered ? 0 : 1;
}

}  // namespace
}  // namespace kvorum::load

int main(int argc, char** argv) {
  const kvorum::load::Options options = kvorum::load::parse_options(argc, argv);
  prctl(PR_SET_TIMERSLACK, 1UL);  // a fixed rate needs exact wake-ups
  std::signal(SIGINT, [](int) { kvorum::load::TargetLoad::request_stop(); });
  std::signal(SIGTERM, [](int) { kvorum::load::TargetLoad::request_stop(); });
  return kvorum::load::run(options);
}
