// Chaos on real processes; docs/testing.md says what that proves.
//
//   kvorum_chaos [--minutes N | --seconds N] [--seed S] [--plain] [--keep]
//
// Exit code 0 only if everything held. A failed run tells its seed and keeps its directory.
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>

#include "base/check.h"
#include "base/text.h"
#include "tests/chaos/chaos_run.h"

namespace {

using kvorum::chaos::RunOptions;

constexpr const char* kUsage =
    "usage: kvorum_chaos [--minutes N | --seconds N] [--seed S] [--plain] [--keep]\n"
    "  --seconds N  how long; without it KVORUM_CHAOS_SECONDS, or 60\n"
    "  --seed S     draws faults and operations; without it by chance\n"
    "  --plain      a proxy between the nodes and no small disk, though namespaces and mounts are\n"
    "               allowed\n"
    "  --keep       keep logs and data of a run that passed, too\n";

struct Arguments {
  RunOptions run;
  bool keep = false;
  bool valid = true;
};

// 0: it is none.
int64_t positive(const char* text) {
  return std::max<int64_t>(0, kvorum::base::parse_integer<int64_t>(text).value_or(0));
}

Arguments parse(int count, char** values) {
  Arguments arguments;
  std::random_device chance;
  arguments.run.seed = chance() % 1'000'000 + 1;
  const char* const wanted = ::getenv("KVORUM_CHAOS_SECONDS");
  if (wanted != nullptr && positive(wanted) > 0) arguments.run.seconds = positive(wanted);
  for (int i = 1; i < count; ++i) {
    const std::string name = values[i];
    const int64_t value = i + 1 < count ? positive(values[i + 1]) : 0;
    if (name == "--plain") {
      arguments.run.plain = true;
    } else if (name == "--keep") {
      arguments.keep = true;
    } else if (value > 0 && (name == "--minutes" || name == "--seconds")) {
      arguments.run.seconds = value * (name == "--minutes" ? 60 : 1);
      ++i;
    } else if (value > 0 && name == "--seed") {
      arguments.run.seed = static_cast<uint64_t>(value);
      ++i;
    } else {
      arguments.valid = false;
    }
  }
  return arguments;
}

std::string make_directory(uint64_t seed) {
  const std::string name = kvorum::base::concat("kvorum-chaos-", seed, "-XXXXXX");
  std::string path = (std::filesystem::temp_directory_path() / name).string();
  CHECK(::mkdtemp(path.data()) != nullptr);
  // The nodes' directories, too, are made below it.
  CHECK_EQ(::setenv("TMPDIR", path.c_str(), 1), 0);
  return path;
}

}  // namespace

int main(int count, char** values) {
  Arguments arguments = parse(count, values);
  if (!arguments.valid) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  arguments.run.directory = make_directory(arguments.run.seed);
  const bool passed = kvorum::chaos::ChaosRun(arguments.run).run();
  if (passed && !arguments.keep) {
    std::filesystem::remove_all(arguments.run.directory);
  } else {
    std::printf("logs, events and data: %s\n", arguments.run.directory.c_str());
  }
  if (!passed) {
    std::printf("again: scripts/chaos --seed %llu (the same faults; the moment is the machine's)\n",
                static_cast<unsigned long long>(arguments.run.seed));
  }
  return passed ? 0 : 1;
}
