#include "tests/benchmarks/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace kvorum::load {
namespace {

TEST(LatencyHistogram, EmptyOneAnswersZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.percentile_ns(0.999), 0);
  EXPECT_EQ(histogram.mean_ns(), 0);
}

TEST(LatencyHistogram, PercentilesAreAtMostOnePercentAboveTheTrueOnes) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> distribution(11, 2);  // median 60 µs, long tail
  LatencyHistogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    values.push_back(static_cast<int64_t>(distribution(random)));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double fraction : {0.001, 0.5, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(fraction * 100'000)) - 1;
    EXPECT_GE(histogram.percentile_ns(fraction), values[rank]) << fraction;
    EXPECT_LE(histogram.percentile_ns(fraction), values[rank] + values[rank] / 100) << fraction;
  }
  EXPECT_EQ(histogram.max_ns(), values.back());
}

TEST(LatencyHistogram, EveryPowerOfTwoAndItsNeighboursKeepTheirOrder) {
  int64_t previous_ns = -1;
  for (int64_t power = 4; power < LatencyHistogram::kLargestNs; power *= 2) {
    for (const int64_t value : {power - 1, power, power + 1}) {
      LatencyHistogram histogram;
      histogram.record(value);
      histogram.record(LatencyHistogram::kLargestNs);
      const int64_t edge_ns = histogram.percentile_ns(0.5);
      EXPECT_GE(edge_ns, value);
      EXPECT_LE(edge_ns, value + value / 128 + 1);
      EXPECT_GE(edge_ns, previous_ns);
      previous_ns = edge_ns;
    }
  }
}

TEST(LatencyHistogram, ValuesOutOfRangeAreClamped) {
  LatencyHistogram histogram;
  histogram.record(-5);
  EXPECT_EQ(histogram.percentile_ns(1), 0);
  histogram.record(LatencyHistogram::kLargestNs + 1);
  EXPECT_EQ(histogram.max_ns(), LatencyHistogram::kLargestNs);
  EXPECT_EQ(histogram.percentile_ns(1), LatencyHistogram::kLargestNs);
}

TEST(LatencyHistogram, MergingEqualsRecordingEverythingInOne) {
  LatencyHistogram both;
  LatencyHistogram left;
  LatencyHistogram right;
  for (int64_t value = 0; value < 100'000; value += 7) {
    both.record(value * value);
    (value % 2 == 0 ? left : right).record(value * value);
  }
  left.merge(right);
  std::vector<std::pair<int64_t, uint64_t>> expected;
  std::vector<std::pair<int64_t, uint64_t>> merged;
  both.for_each_bucket([&](int64_t edge, uint64_t count) { expected.emplace_back(edge, count); });
  left.for_each_bucket([&](int64_t edge, uint64_t count) { merged.emplace_back(edge, count); });
  EXPECT_EQ(merged, expected);
  EXPECT_EQ(left.count(), both.count());
  EXPECT_DOUBLE_EQ(left.mean_ns(), both.mean_ns());
}

}  // namespace
}  // namespace kvorum::load
