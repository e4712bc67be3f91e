#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kvorum::load {

enum class Workload { kGet, kSet, kMset, kIncr };

struct Endpoint {
  std::string name;  // what the result calls it
  std::string host;
  std::string port;
  // Each request is followed by WAIT for so many replicas, and answered when that is; 0: alone.
  uint64_t wait_replicas = 0;
};

struct Options {
  std::vector<Endpoint> targets;
  Workload workload = Workload::kGet;
  std::string workload_name = "get";
  uint64_t connections = 50;
  uint64_t pipeline = 1;
  uint64_t rate = 0;  // requests per second on one schedule; 0: closed loop
  uint64_t slices = 1;
  uint64_t slice_ms = 400;     // 0: until `requests` are done
  uint64_t warmup_slices = 0;  // run first, not reported
  uint64_t requests = 0;       // per slice; 0: until `slice_ms` have passed
  uint64_t window_ms = 0;      // report latency in windows of this length too; 0: no
  uint64_t keys = 1'000'000;
  std::string key_prefix = "key:";
  uint64_t key_size = 16;
  uint64_t value_size = 64;
  uint64_t mset_keys = 10;
  bool sequential = false;
  uint64_t seed = 1;
};

// Ends the process with the message and the usage when the command line is wrong.
Options parse_options(int argc, char** argv);

}  // namespace kvorum::load
