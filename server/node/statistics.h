// Counters that INFO shows. Plain numbers, changed on the loop only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "base/text.h"
#include "server/node/latency.h"

namespace kvorum::server {

struct Command;

struct CommandStatistics {
  uint64_t calls = 0;
  uint64_t microseconds = 0;
  uint64_t rejected_calls = 0;
  uint64_t failed_calls = 0;
  LatencyHistogram latency;
};

// A rate over the last 16 samples of 100 ms, as Redis' instantaneous figures.
class RateMeter {
 public:
  void sample(int64_t now_us, uint64_t total);
  double per_second() const;

 private:
  static constexpr size_t kSamples = 16;
  std::array<double, kSamples> rates_{};
  size_t next_ = 0;
  int64_t last_us_ = 0;
  uint64_t last_total_ = 0;
};

struct Statistics {
  uint64_t connections_received = 0;
  uint64_t connections_rejected = 0;
  uint64_t commands_processed = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t expired_keys = 0;
  uint64_t reads_processed = 0, writes_processed = 0;  // socket reads and writes
  uint64_t error_replies = 0;
  uint64_t protocol_errors = 0;
  uint64_t denied_authentication = 0;
  int64_t denial_logged_us = 0;  // monotonic; a denied AUTH is logged once a second at most
  uint64_t output_limit_disconnections = 0;
  RateMeter commands_rate, input_rate, output_rate;
  absl::node_hash_map<const Command*, CommandStatistics> commands;  // rows stay where they are
  absl::flat_hash_map<std::string, uint64_t, base::TextHash, std::equal_to<>>
      errors;  // by prefix: "ERR", "WRONGTYPE"

  void count_error(std::string_view reply);  // "-CODE text" as it was written
  void reset();                              // CONFIG RESETSTAT
};

}  // namespace kvorum::server
