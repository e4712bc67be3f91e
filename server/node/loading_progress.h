// How far loading the data directory has come. A plain value.
#pragma once

#include <cstdint>

namespace kvorum::server {

struct LoadingProgress {
  bool loading = false;
  int64_t started_ms = 0;  // Unix time
  uint64_t total_bytes = 0, loaded_bytes = 0;
  uint64_t loaded_keys = 0;
  double bytes_per_second = 0;
  double seconds_left = 0;
};

}  // namespace kvorum::server
