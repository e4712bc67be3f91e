// LATENCY: events of the node that took long ("command", "fast-command", "snapshot-slice", "load",
// "fsync", …), and how long commands take. Belongs to the loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "server/node/options.h"

namespace kvorum::server {

class LatencyMonitor {
 public:
  static constexpr size_t kSamples = 160;  // per event; one per second at most

  struct Sample {
    int64_t time_s = 0;  // Unix time
    int64_t latency_ms = 0;
  };
  struct Event {
    std::vector<Sample> samples;  // oldest first
    int64_t maximum_ms = 0;       // ever
  };

  // `options` outlives the monitor: its threshold is read at every sample().
  explicit LatencyMonitor(const Options& options) : options_(options) {}

  // True if an event of this length is to be kept: callers on hot paths ask first.
  bool slow(int64_t latency_ms) const {
    return options_.latency_monitor_threshold_ms > 0 &&
           latency_ms >= options_.latency_monitor_threshold_ms;
  }

  // Keeps the event if it was slow(); of several in one second the longest.
  void sample(std::string_view event, int64_t latency_ms, int64_t now_s);

  const absl::btree_map<std::string, Event, std::less<>>& events() const { return events_; }
  // False if there was no such event.
  bool reset(std::string_view event) { return events_.erase(event) > 0; }
  size_t reset_all();

 private:
  const Options& options_;
  absl::btree_map<std::string, Event, std::less<>> events_;
};

// How often a command took how long. Buckets grow by an eighth, so a percentile is at most 12.5 %
// too large; everything above an hour counts as an hour.
class LatencyHistogram {
 public:
  void record(int64_t duration_us) {
    ++counts_[bucket(duration_us)];
    ++total_;
  }
  uint64_t total() const { return total_; }
  // The upper bound of the bucket that holds the given share (0 … 100) of the durations.
  int64_t percentile_us(double percent) const;
  // Durations of at most `limit_us`, counted by whole buckets.
  uint64_t at_most(int64_t limit_us) const;

 private:
  static constexpr int kSubBits = 3;
  static constexpr int64_t kMaximumUs = int64_t{3600} * 1000 * 1000;
  static constexpr size_t kBuckets = 248;
  static size_t bucket(int64_t duration_us) {
    const auto value = static_cast<uint64_t>(duration_us < 0            ? 0
                                             : duration_us > kMaximumUs ? kMaximumUs
                                                                        : duration_us);
    if (value < (1u << kSubBits)) return value;
    const int shift = 63 - __builtin_clzll(value) - kSubBits;
    return (static_cast<size_t>(shift) << kSubBits) + static_cast<size_t>(value >> shift);
  }
  static int64_t upper_bound_us(size_t bucket);

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t total_ = 0;
};

}  // namespace kvorum::server
