#include "server/shell/loading_bar.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace kvorum::server {

namespace {

uint64_t percent(const LoadingProgress& progress) {
  if (progress.total_bytes == 0) return 100;
  return std::min<uint64_t>(100, progress.loaded_bytes * 100 / progress.total_bytes);
}

constexpr uint64_t kMegabyte = 1'000'000;

}  // namespace

std::string loading_text(const LoadingProgress& progress) {
  const auto rate = static_cast<uint64_t>(progress.bytes_per_second) / kMegabyte;
  if (!progress.loading) {
    return base::concat("loaded ", progress.loaded_bytes / kMegabyte, " MB at ", rate, " MB/s, ",
                        progress.loaded_keys, " keys");
  }
  return base::concat("loading: ", percent(progress), " %, ", progress.loaded_bytes / kMegabyte,
                      " of ", progress.total_bytes / kMegabyte, " MB, ", rate, " MB/s, ",
                      static_cast<uint64_t>(progress.seconds_left), " s left, ",
                      progress.loaded_keys, " keys");
}

void draw_loading_bar(const LoadingProgress& progress) {
  constexpr size_t kWidth = 30;
  const size_t done = percent(progress) * kWidth / 100;
  const std::string bar = std::string(done, '#') + std::string(kWidth - done, '.');
  std::fprintf(stderr, "\r[%s] %s\033[K%s", bar.c_str(), loading_text(progress).c_str(),
               progress.loading ? "" : "\n");
}

}  // namespace kvorum::server
