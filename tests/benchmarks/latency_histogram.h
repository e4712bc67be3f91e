#pragma once

#include <array>
#include <cstdint>
#include <functional>

namespace kvorum::load {

// Counts latencies in log-linear buckets: 128 per power of two, so a reported value is at most 0.8
// % above the recorded one. Values are nanoseconds; negative ones count as 0 and those above
// kLargestNs as kLargestNs. Used by one thread.
class LatencyHistogram {
 public:
  static constexpr int64_t kLargestNs = (int64_t{1} << 40) - 1;  // 18 minutes

  void record(int64_t value_ns);
  void merge(const LatencyHistogram& other);

  uint64_t count() const { return count_; }
  int64_t max_ns() const { return max_ns_; }  // exact
  double mean_ns() const;

  // The smallest bucket edge that at least `fraction` (0 … 1) of the values do not exceed; 0 when
  // empty.
  int64_t percentile_ns(double fraction) const;

  // Calls `visit(upper_edge_ns, count)` for every bucket that holds something, smallest first.
  void for_each_bucket(const std::function<void(int64_t, uint64_t)>& visit) const;

 private:
  static constexpr int kSubBucketBits = 7;
  static constexpr int kValueBits = 40;
  static constexpr size_t kBuckets = (kValueBits - kSubBucketBits + 1) << kSubBucketBits;

  static size_t bucket_of(int64_t value_ns);
  static int64_t upper_edge_ns(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ns_ = 0;
  double sum_ns_ = 0;
};

}  // namespace kvorum::load
