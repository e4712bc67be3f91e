#include "server/shell/process_figures.h"

#include <jemalloc/jemalloc.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

#include "base/text.h"

// Absent where a sanitizer brings the allocator.
#pragma weak mallctl

namespace kvorum::server {

namespace {

// jemalloc's figures are refreshed by writing an epoch.
void refresh_allocator_figures() {
  if (mallctl == nullptr) return;
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
}

uint64_t allocator_figure(const char* name) {
  if (mallctl == nullptr) return 0;
  size_t value = 0;
  size_t size = sizeof(value);
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

uint64_t resident_bytes() {
  unsigned long long pages = 0, resident = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%llu %llu", &pages, &resident) != 2) resident = 0;
  std::fclose(file);
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::string operating_system() {
  utsname name;
  if (uname(&name) != 0) return "unknown";
  return base::concat(name.sysname, " ", name.release, " ", name.machine);
}

}  // namespace

ProcessFigures read_process_figures() {
  ProcessFigures figures;
  refresh_allocator_figures();
  figures.allocated_bytes = allocator_figure("stats.allocated");
  figures.allocator_active_bytes = allocator_figure("stats.active");
  figures.allocator_resident_bytes = allocator_figure("stats.resident");
  figures.resident_bytes = resident_bytes();
  rusage self, children;
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  figures.peak_resident_bytes = static_cast<uint64_t>(self.ru_maxrss) * 1024;
  figures.cpu_user_seconds = seconds(self.ru_utime);
  figures.cpu_system_seconds = seconds(self.ru_stime);
  figures.cpu_user_children_seconds = seconds(children.ru_utime);
  figures.cpu_system_children_seconds = seconds(children.ru_stime);
  figures.total_system_bytes =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  figures.process_id = getpid();
  figures.operating_system = operating_system();
  figures.multiplexing_api = "epoll";
  figures.allocator = base::concat("jemalloc-", JEMALLOC_VERSION_MAJOR, ".", JEMALLOC_VERSION_MINOR,
                                   ".", JEMALLOC_VERSION_BUGFIX);
  figures.compiler = __VERSION__;
  return figures;
}

}  // namespace kvorum::server
