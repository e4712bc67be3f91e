// Hybrid logical clock (Kulkarni et al. 2014, in the 48/16 bit form of docs/architecture.md):
// follows the wall clock and never repeats or goes back, whatever the wall clock does. Not
// thread-safe: belongs to the node's loop.
#pragma once

#include <algorithm>
#include <cstdint>

#include "storage/types.h"

namespace kvorum::storage {

inline constexpr int kHlcLogicBits = 16;

class HybridLogicalClock {
 public:
  // The stamp of the next record: max(last + 1, wall_ms << 16), carry from logic into time
  // included. REQUIRES: wall_ms < 2^48.
  Hlc next(uint64_t wall_ms) {
    last_ = std::max(last_ + 1, wall_ms << kHlcLogicBits);
    return Hlc{last_};
  }

  // Never stamp at or below `seen`: a record of the log or the cut of a snapshot.
  void observe(Hlc seen) { last_ = std::max(last_, seen.value()); }

  Hlc last() const { return Hlc{last_}; }

  static uint64_t wall_ms(Hlc hlc) { return hlc.value() >> kHlcLogicBits; }

 private:
  uint64_t last_ = 0;
};

}  // namespace kvorum::storage
