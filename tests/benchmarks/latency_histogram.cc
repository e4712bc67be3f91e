#include "tests/benchmarks/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace kvorum::load {

size_t LatencyHistogram::bucket_of(int64_t value_ns) {
  const uint64_t value = static_cast<uint64_t>(value_ns);
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - kSubBucketBits - 1);
  return (static_cast<size_t>(shift) << kSubBucketBits) + (value >> shift);
}

int64_t LatencyHistogram::upper_edge_ns(size_t bucket) {
  if (bucket < (size_t{2} << kSubBucketBits)) return static_cast<int64_t>(bucket);
  const size_t shift = (bucket >> kSubBucketBits) - 1;
  const uint64_t mantissa = bucket - (shift << kSubBucketBits);
  return static_cast<int64_t>(((mantissa + 1) << shift) - 1);
}

void LatencyHistogram::record(int64_t value_ns) {
  const int64_t value = std::clamp<int64_t>(value_ns, 0, kLargestNs);
  ++buckets_[bucket_of(value)];
  ++count_;
  max_ns_ = std::max(max_ns_, value);
  sum_ns_ += static_cast<double>(value);
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
  sum_ns_ += other.sum_ns_;
}

double LatencyHistogram::mean_ns() const {
  return count_ == 0 ? 0 : sum_ns_ / static_cast<double>(count_);
}

int64_t LatencyHistogram::percentile_ns(double fraction) const {
  const auto wanted = std::max<uint64_t>(
      1, static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(upper_edge_ns(i), max_ns_);
  }
  return max_ns_;
}

void LatencyHistogram::for_each_bucket(const std::function<void(int64_t, uint64_t)>& visit) const {
  for (size_t i = 0; i < kBuckets; ++i) {
    if (buckets_[i] != 0) visit(std::min(upper_edge_ns(i), max_ns_), buckets_[i]);
  }
}

}  // namespace kvorum::load
