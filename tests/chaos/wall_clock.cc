#include "tests/chaos/wall_clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"

namespace kvorum::chaos {

WallClock::WallClock(std::string path) : path_(std::move(path)) {
  const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  CHECK(file >= 0);
  CHECK_EQ(::ftruncate(file, sizeof(*shift_ns_)), 0);
  void* const mapped =
      ::mmap(nullptr, sizeof(*shift_ns_), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CHECK(mapped != MAP_FAILED);
  ::close(file);
  shift_ns_ = static_cast<int64_t*>(mapped);
}

WallClock::~WallClock() { ::munmap(shift_ns_, sizeof(*shift_ns_)); }

integration::Process::Environment WallClock::environment() const {
  return {{"LD_PRELOAD", KVORUM_SHIFTED_CLOCK}, {"KVORUM_CLOCK_FILE", path_}};
}

void WallClock::shift(int64_t milliseconds) {
  __atomic_store_n(shift_ns_, milliseconds * 1'000'000, __ATOMIC_RELAXED);
}

}  // namespace kvorum::chaos
