#include "server/node/latency.h"

#include <algorithm>
#include <cmath>

namespace kvorum::server {

void LatencyMonitor::sample(std::string_view event, int64_t latency_ms, int64_t now_s) {
  if (!slow(latency_ms)) return;
  Event& kept = events_[std::string(event)];
  kept.maximum_ms = std::max(kept.maximum_ms, latency_ms);
  if (!kept.samples.empty() && kept.samples.back().time_s == now_s) {
    kept.samples.back().latency_ms = std::max(kept.samples.back().latency_ms, latency_ms);
    return;
  }
  if (kept.samples.size() == kSamples) kept.samples.erase(kept.samples.begin());
  kept.samples.push_back({now_s, latency_ms});
}

size_t LatencyMonitor::reset_all() {
  const size_t count = events_.size();
  events_.clear();
  return count;
}

int64_t LatencyHistogram::upper_bound_us(size_t bucket) {
  if (bucket < (1u << kSubBits)) return static_cast<int64_t>(bucket);
  const size_t shift = (bucket >> kSubBits) - 1;
  const uint64_t first = (bucket & ((1u << kSubBits) - 1)) | (1u << kSubBits);
  return static_cast<int64_t>(((first + 1) << shift) - 1);
}

int64_t LatencyHistogram::percentile_us(double percent) const {
  if (total_ == 0) return 0;
  const auto wanted =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(percent / 100.0 * total_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= wanted) return upper_bound_us(i);
  }
  return kMaximumUs;
}

uint64_t LatencyHistogram::at_most(int64_t limit_us) const {
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets && upper_bound_us(i) <= limit_us; ++i) seen += counts_[i];
  return seen;
}

}  // namespace kvorum::server
