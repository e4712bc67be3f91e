#include "tests/chaos/small_disk.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "base/check.h"

namespace kvorum::chaos {

namespace files = std::filesystem;

std::unique_ptr<SmallDisk> SmallDisk::make(const std::string& directory) {
  if (::unshare(CLONE_NEWNS) != 0) return nullptr;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return nullptr;
  files::create_directories(directory);
  if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=48m") != 0) return nullptr;
  return std::unique_ptr<SmallDisk>(new SmallDisk(directory));
}

SmallDisk::~SmallDisk() { ::umount2(directory_.c_str(), MNT_DETACH); }

void SmallDisk::fill() {
  const int file = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  CHECK(file >= 0);
  // Others write meanwhile: the last blocks are taken one by one.
  const auto taken = static_cast<off_t>(files::space(directory_).available);
  if (taken > 0 && ::posix_fallocate(file, 0, taken) != 0) ::lseek(file, 0, SEEK_SET);
  const char block[4096] = {};
  ::lseek(file, 0, SEEK_END);
  while (::write(file, block, sizeof(block)) > 0) {
  }
  ::close(file);
}

void SmallDisk::make_room() {
  std::error_code error;
  files::remove(ballast(), error);
}

void SmallDisk::rescue(const std::string& directory) const {
  std::error_code error;
  files::copy(directory_, directory, files::copy_options::recursive, error);
}

}  // namespace kvorum::chaos
