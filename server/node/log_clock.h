// The time by which a leader stamps records and judges expiry: the wall clock, but never back, and
// never behind the log. Where the wall clock is behind, it goes on at half speed until that has
// caught up: keys that are written meanwhile still expire, later than they should. While the wall
// clock is not trusted (docs/replication.md, Clock drift) it goes on from the newest record by the
// monotonic clock. Belongs to the loop.
#pragma once

#include <algorithm>
#include <cstdint>

#include "storage/hlc.h"

namespace kvorum::server {

class LogClock {
 public:
  // Takes new readings of the clocks. `newest`: the stamp of the log's last record.
  void refresh(int64_t monotonic_us, int64_t wall_us, storage::Hlc newest, bool wall_trusted) {
    const int64_t elapsed_us = monotonic_us - refreshed_us_;
    const int64_t even_us = now_us_ + elapsed_us;
    const int64_t slow_us = now_us_ + elapsed_us / 2;
    const int64_t followed_us = wall_us < even_us ? std::max(wall_us, slow_us)
                                : wall_trusted    ? wall_us
                                                  : even_us;
    const auto newest_ms = static_cast<int64_t>(storage::HybridLogicalClock::wall_ms(newest));
    now_us_ = std::max({followed_us, shown_us_, newest_ms * 1000});
    refreshed_us_ = monotonic_us;
  }

  // Unix time at a monotonic time since the last refresh.
  int64_t read_us(int64_t monotonic_us) {
    shown_us_ = std::max(shown_us_, now_us_ + (monotonic_us - refreshed_us_));
    return shown_us_;
  }

 private:
  int64_t refreshed_us_ = 0;  // monotonic
  int64_t now_us_ = 0;        // at refreshed_us_
  int64_t shown_us_ = 0;
};

}  // namespace kvorum::server
