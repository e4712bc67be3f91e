// A library to be preloaded (LD_PRELOAD) into a server: its wall clock runs beside the machine's by
// the nanoseconds that stand, as a 64-bit number, in the file KVORUM_CLOCK_FILE. Whoever changes
// the number steps the clock, at once. Other clocks are the machine's.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Null until the library is initialized: somebody may ask for the time before.
const int64_t* shift_ns = nullptr;

__attribute__((constructor)) void map_the_file() {
  const char* const path = std::getenv("KVORUM_CLOCK_FILE");
  const int file = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void* const mapped = ::mmap(nullptr, sizeof(*shift_ns), PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (mapped != MAP_FAILED) shift_ns = static_cast<const int64_t*>(mapped);
}

timespec shifted(timespec time) {
  if (shift_ns == nullptr) return time;
  const int64_t shift = __atomic_load_n(shift_ns, __ATOMIC_RELAXED);
  const int64_t total = int64_t{time.tv_sec} * kSecond + time.tv_nsec + shift;
  return {total / kSecond, total % kSecond};
}

}  // namespace

extern "C" {

// Not through the C library's function of this name: that would need the dynamic linker, which may
// allocate, and allocators ask for the time.
int clock_gettime(clockid_t clock, timespec* time) noexcept {
  if (::syscall(SYS_clock_gettime, clock, time) != 0) return -1;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) *time = shifted(*time);
  return 0;
}

int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (result != nullptr) *result = now.tv_sec;
  return now.tv_sec;
}
}
