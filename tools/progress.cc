#include "tools/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace kvorum::tools {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr size_t kWidth = 30;

}  // namespace

std::string progress_line(const std::string& what, uint64_t done, uint64_t total, double seconds) {
  const double part =
      total == 0 ? 1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<size_t>(part * static_cast<double>(kWidth));
  char numbers[64];
  std::snprintf(numbers, sizeof(numbers), "] %3.0f %%", part * 100);
  std::string line =
      what + " [" + std::string(filled, '#') + std::string(kWidth - filled, '-') + numbers;
  if (seconds <= 0 || done == 0) return line;
  const double rate = static_cast<double>(done) / seconds;
  const double left = static_cast<double>(total - std::min(total, done)) / rate;
  std::snprintf(numbers, sizeof(numbers), "  %.1f MB/s  %.0f s left", rate / 1e6, left);
  return line + numbers;
}

void Progress::begin(std::string what, uint64_t total) {
  clear();
  what_ = std::move(what);
  total_ = total;
  begun_ = drawn_at_ = std::chrono::steady_clock::now();
}

void Progress::reach(uint64_t done) {
  if (!shown_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_at_ < kInterval) return;
  drawn_at_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - begun_).count();
  std::fprintf(stderr, "\r%s\x1b[K", progress_line(what_, done, total_, seconds).c_str());
  std::fflush(stderr);
}

void Progress::clear() {
  if (!drawn_) return;
  drawn_ = false;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

bool somebody_watches() { return ::isatty(STDERR_FILENO) == 1; }

}  // namespace kvorum::tools
