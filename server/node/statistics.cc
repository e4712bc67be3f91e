#include "server/node/statistics.h"

#include <algorithm>
#include <numeric>

namespace kvorum::server {

void RateMeter::sample(int64_t now_us, uint64_t total) {
  if (last_us_ != 0 && now_us > last_us_) {
    const double elapsed_s = static_cast<double>(now_us - last_us_) / 1e6;
    rates_[next_] = static_cast<double>(total - std::min(total, last_total_)) / elapsed_s;
    next_ = (next_ + 1) % kSamples;
  }
  last_us_ = now_us;
  last_total_ = total;
}

double RateMeter::per_second() const {
  return std::accumulate(rates_.begin(), rates_.end(), 0.0) / kSamples;
}

void Statistics::count_error(std::string_view reply) {
  ++error_replies;
  const std::string_view code = reply.substr(1, reply.find_first_of(" \r", 1) - 1);
  // Bounded: the codes are ours, but a limit costs nothing.
  constexpr size_t kMaxCodes = 128;
  const auto row = errors.find(code);
  if (row != errors.end()) {
    ++row->second;
  } else if (errors.size() < kMaxCodes) {
    errors.emplace(std::string(code), 1);
  }
}

void Statistics::reset() {
  // The rows of `commands` are pointed to by sessions: zero them, keep them.
  auto kept = std::move(commands);
  *this = Statistics();
  commands = std::move(kept);
  for (auto& [command, figures] : commands) figures = CommandStatistics();
}

}  // namespace kvorum::server
