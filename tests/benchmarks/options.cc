#include "tests/benchmarks/options.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string_view>

namespace kvorum::load {
namespace {

constexpr std::string_view kUsage =
    "usage: kvorum_load --target NAME=HOST:PORT [--wait-replicas N] [--target ...]\n"
    "                   [--option value ...]\n"
    "  --workload get|set|mset|incr   --order random|sequential   --seed N\n"
    "  --keys N  --key-prefix TEXT  --key-size BYTES  --value-size BYTES  --mset-keys N\n"
    "  --connections N  --pipeline N  --rate REQUESTS_PER_SECOND (0: closed loop)\n"
    "  --slices N  --slice-ms N  --warmup-slices N  --requests N_PER_SLICE  --window-ms N\n"
    "--wait-replicas is for the target before it: each request is followed by WAIT N 0 and counts\n"
    "as answered when that is. Slices alternate between the targets; who goes first rotates.\n"
    "SIGINT or SIGTERM ends the run early. The result is JSON on standard output; times are\n"
    "CLOCK_MONOTONIC.\n";

[[noreturn]] void refuse(const std::string& message) {
  std::fprintf(stderr, "kvorum_load: %s\n%s", message.c_str(), kUsage.data());
  std::exit(2);
}

uint64_t parse_number(const std::string& flag, const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    refuse(flag + " needs a number, not '" + text + "'");
  }
  return value;
}

Endpoint parse_target(const std::string& text) {
  const size_t equals = text.find('=');
  const size_t colon = text.rfind(':');
  if (equals == std::string::npos || colon == std::string::npos || colon < equals) {
    refuse("--target needs NAME=HOST:PORT, not '" + text + "'");
  }
  return {text.substr(0, equals), text.substr(equals + 1, colon - equals - 1),
          text.substr(colon + 1), 0};
}

Workload parse_workload(const std::string& text) {
  static const std::map<std::string, Workload> kNames = {{"get", Workload::kGet},
                                                         {"set", Workload::kSet},
                                                         {"mset", Workload::kMset},
                                                         {"incr", Workload::kIncr}};
  const auto found = kNames.find(text);
  if (found == kNames.end()) refuse("unknown workload '" + text + "'");
  return found->second;
}

void check(const Options& options) {
  if (options.targets.empty()) refuse("no --target");
  if (options.connections == 0 || options.pipeline == 0) {
    refuse("--connections and --pipeline must be at least 1");
  }
  if (options.rate != 0 && options.pipeline != 1) refuse("--rate sends one request at a time");
  if (options.keys == 0 || options.mset_keys == 0) refuse("no keys");
  if (options.slice_ms == 0 && options.requests == 0) refuse("the run would not end");
  const size_t digits = std::to_string(options.keys - 1).size();
  if (options.key_prefix.size() + digits > options.key_size) {
    refuse("--key-size is too small for the prefix and " + std::to_string(digits) + " digits");
  }
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  const std::map<std::string, uint64_t*> numbers = {{"--connections", &options.connections},
                                                    {"--pipeline", &options.pipeline},
                                                    {"--rate", &options.rate},
                                                    {"--slices", &options.slices},
                                                    {"--slice-ms", &options.slice_ms},
                                                    {"--warmup-slices", &options.warmup_slices},
                                                    {"--requests", &options.requests},
                                                    {"--window-ms", &options.window_ms},
                                                    {"--keys", &options.keys},
                                                    {"--key-size", &options.key_size},
                                                    {"--value-size", &options.value_size},
                                                    {"--mset-keys", &options.mset_keys},
                                                    {"--seed", &options.seed}};
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc) refuse(flag == "--help" ? "" : "no value after " + flag);
    const std::string value = argv[i + 1];
    if (const auto number = numbers.find(flag); number != numbers.end()) {
      *number->second = parse_number(flag, value);
    } else if (flag == "--target") {
      options.targets.push_back(parse_target(value));
    } else if (flag == "--wait-replicas") {
      if (options.targets.empty()) refuse(flag + " comes after a --target");
      options.targets.back().wait_replicas = parse_number(flag, value);
    } else if (flag == "--workload") {
      options.workload = parse_workload(value);
      options.workload_name = value;
    } else if (flag == "--key-prefix") {
      options.key_prefix = value;
    } else if (flag == "--order") {
      if (value != "random" && value != "sequential") refuse("unknown order '" + value + "'");
      options.sequential = value == "sequential";
    } else {
      refuse("unknown option " + flag);
    }
  }
  check(options);
  return options;
}

}  // namespace kvorum::load
