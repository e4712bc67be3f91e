// What the keyspace costs: reads, writes, growth, snapshots and loading, and its memory per key.
// Counters per key or call; instructions per call come from running it under `perf stat`.
#include <benchmark/benchmark.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "storage/keyspace.h"
#include "storage/posix_file_system.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_loader.h"
#include "storage/snapshot_reader.h"
#include "storage/snapshot_writer.h"

namespace kvorum::storage {
namespace {

constexpr size_t kKeyBytes = 16;
constexpr size_t kValueBytes = 64;
constexpr uint64_t kSeed = 0x5eed;

// Processor time of this thread: what other programs do at the same time does not count.
double now_us() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// "key:" and twelve digits, without going through printf.
class Key {
 public:
  explicit Key(uint64_t number) {
    for (size_t i = kKeyBytes; i-- > 4; number /= 10) {
      bytes_[i] = static_cast<char>('0' + number % 10);
    }
  }
  std::string_view view() const { return {bytes_, kKeyBytes}; }

 private:
  char bytes_[kKeyBytes] = {'k', 'e', 'y', ':'};
};

class Filler {
 public:
  explicit Filler(Keyspace& keyspace) : keyspace_(keyspace) {}
  void set(uint64_t number) {
    const Key key(number);
    Effect effect;
    effect.kind = EffectKind::kSet;
    effect.key = key.view();
    effect.value = value_;
    Inverse inverse;
    keyspace_.apply(effect, Stamp{Hlc{++hlc_}, NodeId{1}}, inverse);
  }
  void set_all(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) set(i);
  }
  Hlc hlc() const { return Hlc{hlc_}; }

 private:
  Keyspace& keyspace_;
  const std::string value_ = std::string(kValueBytes, 'v');
  uint64_t hlc_ = uint64_t{1'700'000'000'000} << 16;
};

uint64_t key_count(const benchmark::State& state) { return static_cast<uint64_t>(state.range(0)); }

void find(benchmark::State& state) {
  Keyspace keyspace(kSeed);
  Filler(keyspace).set_all(key_count(state));
  std::mt19937_64 random(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(keyspace.find(0, Key(random() % key_count(state)).view()));
  }
}
BENCHMARK(find)->Arg(10'000)->Arg(1'000'000);

void find_absent(benchmark::State& state) {
  Keyspace keyspace(kSeed);
  Filler(keyspace).set_all(key_count(state));
  std::mt19937_64 random(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        keyspace.find(0, Key(key_count(state) + random() % key_count(state)).view()));
  }
}
BENCHMARK(find_absent)->Arg(10'000)->Arg(1'000'000);

void set_existing(benchmark::State& state) {
  Keyspace keyspace(kSeed);
  Filler filler(keyspace);
  filler.set_all(key_count(state));
  std::mt19937_64 random(1);
  for (auto _ : state) filler.set(random() % key_count(state));
}
BENCHMARK(set_existing)->Arg(10'000)->Arg(1'000'000);

// Memory per key, and the longest single insertion while the tables grow from nothing.
void fill(benchmark::State& state) {
  for (auto _ : state) {
    const uint64_t resident_before = resident_bytes();
    auto keyspace = std::make_unique<Keyspace>(kSeed);
    Filler filler(*keyspace);
    double longest_us = 0;
    for (uint64_t i = 0; i < key_count(state); ++i) {
      const double start_us = now_us();
      filler.set(i);
      longest_us = std::max(longest_us, now_us() - start_us);
    }
    const auto keys = static_cast<double>(key_count(state));
    state.counters["resident_per_key"] =
        static_cast<double>(resident_bytes() - resident_before) / keys;
    state.counters["accounted_per_key"] = static_cast<double>(keyspace->memory_bytes()) / keys;
    state.counters["longest_us"] = longest_us;
    state.PauseTiming();
    keyspace.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(fill)->Arg(5'000'000)->Iterations(1)->Unit(benchmark::kMillisecond);

void abort_unless(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

// The loop's share of a snapshot in slices, then the lane's, then loading it into a new keyspace.
void snapshot(benchmark::State& state) {
  const std::string directory = "keyspace_benchmark_" + std::to_string(getpid());
  const std::unique_ptr<FileSystem> files = make_posix_file_system();
  abort_unless(files->create_directory(directory));
  auto keyspace = std::make_unique<Keyspace>(kSeed);
  Filler filler(*keyspace);
  filler.set_all(key_count(state));
  for (auto _ : state) {
    double longest_us = 0;
    double loop_us = 0;
    double lane_us = 0;
    SnapshotInfo info;
    info.hlc = filler.hlc();
    SnapshotWriter writer(*keyspace, info);
    auto file = SnapshotFile::create(*files, directory, Lsn{1});
    abort_unless(file.status());
    for (bool more = true; more;) {
      double start_us = now_us();
      more = writer.step(1000);
      const double step_us = now_us() - start_us;
      longest_us = std::max(longest_us, step_us);
      loop_us += step_us;
      start_us = now_us();
      abort_unless((*file)->write(writer.take_blocks()));
      lane_us += now_us() - start_us;
    }
    abort_unless((*file)->sync());
    abort_unless((*file)->publish());
    state.counters["step_longest_us"] = longest_us;
    state.counters["loop_ms"] = loop_us / 1000;
    state.counters["lane_ms"] = lane_us / 1000;
  }
  keyspace.reset();

  const double start_us = now_us();
  auto reader = SnapshotReader::open(*files, directory + "/snapshot-0000000000000001.kvs");
  abort_unless(reader.status());
  Keyspace loaded(kSeed);
  SnapshotLoader loader(loaded, **reader, 0);
  double read_us = 0;
  for (SnapshotBlock block;;) {
    const double read_start_us = now_us();
    const absl::StatusOr<bool> more = (*reader)->read_block(block);
    read_us += now_us() - read_start_us;
    abort_unless(more.status());
    if (!*more) break;
    abort_unless(loader.add(block));
  }
  abort_unless(loader.finish());
  state.counters["load_ms"] = (now_us() - start_us) / 1000;
  state.counters["load_read_ms"] = read_us / 1000;
  abort_unless(files->remove((*reader)->path()));
  rmdir(directory.c_str());
}
BENCHMARK(snapshot)->Arg(5'000'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kvorum::storage

BENCHMARK_MAIN();
