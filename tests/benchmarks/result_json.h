#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "tests/benchmarks/target_load.h"

namespace kvorum::load {

struct TargetResult {
  std::string name;
  std::string first_error;  // text of the first error reply, empty if none
  std::vector<SliceResult> slices;
};

// Writes one JSON object: the settings, then per target the totals and every slice. Latencies are
// microseconds, starts seconds of CLOCK_MONOTONIC.
void write_json(std::FILE* out, const Options& options, const std::vector<TargetResult>& results);

}  // namespace kvorum::load
