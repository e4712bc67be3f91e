#include "tests/benchmarks/result_json.h"

#include <cinttypes>

namespace kvorum::load {
namespace {

double us(int64_t ns) { return static_cast<double>(ns) / 1e3; }
double seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }

void write_string(std::FILE* out, const std::string& text) {
  std::fputc('"', out);
  for (const unsigned char byte : text) {
    if (byte == '"' || byte == '\\') std::fputc('\\', out);
    if (byte >= ' ' && byte < 0x7f) std::fputc(byte, out);
  }
  std::fputc('"', out);
}

void write_latency(std::FILE* out, const LatencyHistogram& histogram) {
  std::fprintf(out, "{\"count\":%" PRIu64 ",\"mean\":%.2f", histogram.count(),
               histogram.mean_ns() / 1e3);
  std::fprintf(out, ",\"p50\":%.2f,\"p99\":%.2f,\"p99.9\":%.2f,\"max\":%.2f}",
               us(histogram.percentile_ns(0.5)), us(histogram.percentile_ns(0.99)),
               us(histogram.percentile_ns(0.999)), us(histogram.max_ns()));
}

void write_counts(std::FILE* out, const SliceResult& result) {
  std::fprintf(out,
               "\"requests\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"nils\":%" PRIu64
               ",\"unanswered\":%" PRIu64 ",\"seconds\":%.6f",
               result.requests, result.errors, result.nils, result.unanswered,
               seconds(result.elapsed_ns));
  const double elapsed_ns = static_cast<double>(result.elapsed_ns);
  if (result.elapsed_ns > 0) {
    std::fprintf(out, ",\"rate\":%.1f,\"generator_busy\":%.3f",
                 static_cast<double>(result.requests) / elapsed_ns * 1e9,
                 static_cast<double>(result.generator_cpu_ns) / elapsed_ns);
  }
  std::fputs(",\"latency_us\":", out);
  write_latency(out, result.latency);
  std::fputs(",\"send_lag_us\":", out);
  write_latency(out, result.send_lag);
}

// Whole histograms, so that the reader can merge the windows it is interested in.
void write_windows(std::FILE* out, const SliceResult& slice, uint64_t window_ms) {
  std::fputs(",\"windows\":[", out);
  for (size_t i = 0; i < slice.windows.size(); ++i) {
    const LatencyHistogram& window = slice.windows[i];
    const double start = seconds(slice.start_ns) + static_cast<double>(i * window_ms) / 1e3;
    std::fprintf(out, "%s\n{\"start\":%.6f,\"count\":%" PRIu64 ",\"max\":%.2f,\"buckets_us\":[",
                 i == 0 ? "" : ",", start, window.count(), us(window.max_ns()));
    bool first = true;
    window.for_each_bucket([&](int64_t edge_ns, uint64_t count) {
      std::fprintf(out, "%s[%.2f,%" PRIu64 "]", first ? "" : ",", us(edge_ns), count);
      first = false;
    });
    std::fputs("]}", out);
  }
  std::fputs("]", out);
}

void add(SliceResult& total, const SliceResult& slice) {
  total.requests += slice.requests;
  total.errors += slice.errors;
  total.nils += slice.nils;
  total.unanswered += slice.unanswered;
  total.elapsed_ns += slice.elapsed_ns;
  total.generator_cpu_ns += slice.generator_cpu_ns;
  total.latency.merge(slice.latency);
  total.send_lag.merge(slice.send_lag);
}

void write_target(std::FILE* out, const Options& options, const TargetResult& target) {
  std::fputs("\n{\"name\":", out);
  write_string(out, target.name);
  std::fputs(",\"first_error\":", out);
  write_string(out, target.first_error);
  SliceResult total;
  for (const SliceResult& slice : target.slices) add(total, slice);
  std::fputc(',', out);
  write_counts(out, total);
  std::fputs(",\"slices\":[", out);
  for (size_t i = 0; i < target.slices.size(); ++i) {
    const SliceResult& slice = target.slices[i];
    std::fprintf(out, "%s\n{\"start\":%.6f,", i == 0 ? "" : ",", seconds(slice.start_ns));
    write_counts(out, slice);
    if (options.window_ms != 0) write_windows(out, slice, options.window_ms);
    std::fputc('}', out);
  }
  std::fputs("]}", out);
}

}  // namespace

void write_json(std::FILE* out, const Options& options, const std::vector<TargetResult>& results) {
  std::fputs("{\"workload\":", out);
  write_string(out, options.workload_name);
  std::fprintf(out,
               ",\"connections\":%" PRIu64 ",\"pipeline\":%" PRIu64 ",\"rate\":%" PRIu64
               ",\"keys\":%" PRIu64 ",\"key_size\":%" PRIu64 ",\"value_size\":%" PRIu64
               ",\"sequential\":%s,\"targets\":[",
               options.connections, options.pipeline, options.rate, options.keys, options.key_size,
               options.value_size, options.sequential ? "true" : "false");
  for (size_t i = 0; i < results.size(); ++i) {
    if (i != 0) std::fputc(',', out);
    write_target(out, options, results[i]);
  }
  std::fputs("]}\n", out);
}

}  // namespace kvorum::load
