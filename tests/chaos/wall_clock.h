// The wall clock of one node, which the nemesis steps. The node runs with shifted_clock.cc.
#pragma once

#include <cstdint>
#include <string>

#include "tests/integration/process.h"

namespace kvorum::chaos {

// Any thread.
class WallClock {
 public:
  // `path`: of a file that this object makes and the node reads; it is there as long as both.
  explicit WallClock(std::string path);
  ~WallClock();
  WallClock(const WallClock&) = delete;
  WallClock& operator=(const WallClock&) = delete;

  // What the node's process needs to have this clock.
  integration::Process::Environment environment() const;

  // Beside the machine's clock from now on; 0: none.
  void shift(int64_t milliseconds);

 private:
  const std::string path_;
  int64_t* shift_ns_ = nullptr;  // in the file
};

}  // namespace kvorum::chaos
