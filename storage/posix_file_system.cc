#include "storage/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/text.h"

namespace kvorum::storage {
namespace {

absl::StatusCode code_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return absl::StatusCode::kResourceExhausted;
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case EWOULDBLOCK:
      return absl::StatusCode::kUnavailable;
    case EIO:
      return absl::StatusCode::kDataLoss;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status error_status(int error, std::string_view action, const std::string& path) {
  return absl::Status(code_of(error), base::concat("cannot ", action, " ", path, ": ",
                                                   std::system_category().message(error)));
}

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

absl::StatusOr<Descriptor> open_descriptor(const std::string& path, int flags,
                                           std::string_view action) {
  int number = -1;
  do {
    number = ::open(path.c_str(), flags | O_CLOEXEC, 0640);
  } while (number < 0 && errno == EINTR);
  if (number < 0) return error_status(errno, action, path);
  return Descriptor(number);
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  absl::Status write_at(uint64_t offset, std::span<const std::string_view> pieces) override {
    size_t next = 0;      // first piece not wholly written
    size_t progress = 0;  // bytes of it that are
    while (true) {
      while (next < pieces.size() && progress == pieces[next].size()) {
        ++next;
        progress = 0;
      }
      if (next == pieces.size()) return absl::OkStatus();
      const auto written = write_some(offset, pieces.subspan(next), progress);
      if (!written.ok()) return written.status();
      offset += *written;
      advance(pieces, *written, next, progress);
    }
  }

  absl::StatusOr<size_t> read_at(uint64_t offset, char* buffer, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(descriptor_.get(), buffer + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0) {
        if (errno == EINTR) continue;
        return error_status(errno, "read", path_);
      }
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  absl::Status sync() override {
    // EINTR is not retried either: after a failed sync nothing is known about the data.
    if (::fdatasync(descriptor_.get()) != 0) return error_status(errno, "sync", path_);
    return absl::OkStatus();
  }

  void forget_cached(uint64_t offset, uint64_t size) override {
    // Whole pages only; a page that is not wholly in the range would be kept.
    constexpr uint64_t kPageBytes = 4096;
    const uint64_t begin = offset / kPageBytes * kPageBytes;
    const uint64_t end = (offset + size + kPageBytes - 1) / kPageBytes * kPageBytes;
    // Advice: where the system does not take it, there is nothing better to be had.
    ::posix_fadvise(descriptor_.get(), static_cast<off_t>(begin),
                    size == 0 ? 0 : static_cast<off_t>(end - begin), POSIX_FADV_DONTNEED);
  }

  absl::Status truncate(uint64_t size) override {
    int result = 0;
    do {
      result = ::ftruncate(descriptor_.get(), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    return result == 0 ? absl::OkStatus() : error_status(errno, "truncate", path_);
  }

  absl::StatusOr<uint64_t> size() const override {
    struct stat status {};
    if (::fstat(descriptor_.get(), &status) != 0) return error_status(errno, "stat", path_);
    return static_cast<uint64_t>(status.st_size);
  }

 private:
  // One pwritev of as much as it takes: the pieces from the front, the first `skip` bytes left out.
  absl::StatusOr<size_t> write_some(uint64_t offset, std::span<const std::string_view> pieces,
                                    size_t skip) {
    constexpr size_t kMaxVectors = std::min(IOV_MAX, 64);
    std::array<iovec, kMaxVectors> vectors;
    const size_t count = std::min(pieces.size(), kMaxVectors);
    for (size_t i = 0; i < count; ++i) {
      const size_t left_out = i == 0 ? skip : 0;
      vectors[i].iov_base = const_cast<char*>(pieces[i].data() + left_out);
      vectors[i].iov_len = pieces[i].size() - left_out;
    }
    while (true) {
      const ssize_t written = ::pwritev(descriptor_.get(), vectors.data(), static_cast<int>(count),
                                        static_cast<off_t>(offset));
      if (written > 0) return static_cast<size_t>(written);
      // The first piece is not empty, so a write of nothing means there is no room for it.
      if (written == 0) return error_status(ENOSPC, "write", path_);
      if (errno != EINTR) return error_status(errno, "write", path_);
    }
  }

  static void advance(std::span<const std::string_view> pieces, size_t written, size_t& next,
                      size_t& progress) {
    while (written > 0) {
      const size_t step = std::min(written, pieces[next].size() - progress);
      progress += step;
      written -= step;
      if (progress == pieces[next].size() && written > 0) {
        ++next;
        progress = 0;
      }
    }
  }

  Descriptor descriptor_;
  std::string path_;
};

// flock, not fcntl: it also keeps out a second holder in this process.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_RDONLY;
    if (mode == OpenMode::kReadWrite) flags = O_RDWR;
    if (mode == OpenMode::kCreate) flags = O_RDWR | O_CREAT | O_EXCL;
    auto descriptor = open_descriptor(path, flags, mode == OpenMode::kCreate ? "create" : "open");
    if (!descriptor.ok()) return descriptor.status();
    return std::make_unique<PosixFile>(*std::move(descriptor), path);
  }

  absl::Status create_directory(const std::string& path) override {
    for (size_t end = 1; end <= path.size(); ++end) {
      if (end < path.size() && path[end] != '/') continue;
      const std::string part = path.substr(0, end);
      if (::mkdir(part.c_str(), 0750) == 0 || errno == EEXIST) continue;
      // A parent that we may not make may exist all the same (a read-only root, say).
      const int error = errno;
      if (!is_directory(part)) return error_status(error, "create directory", part);
    }
    if (!is_directory(path)) return error_status(ENOTDIR, "create directory", path);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> list(const std::string& directory) override {
    DIR* stream = ::opendir(directory.c_str());
    if (stream == nullptr) return error_status(errno, "list", directory);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int error = errno;
    ::closedir(stream);
    if (error != 0) return error_status(error, "list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return error_status(errno, base::concat("rename ", from, " to"), to);
  }

  absl::Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return absl::OkStatus();
    return error_status(errno, "remove", path);
  }

  absl::Status sync_directory(const std::string& path) override {
    const auto descriptor = open_descriptor(path, O_RDONLY | O_DIRECTORY, "open directory");
    if (!descriptor.ok()) return descriptor.status();
    if (::fsync(descriptor->get()) == 0) return absl::OkStatus();
    return error_status(errno, "sync directory", path);
  }

  absl::StatusOr<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    auto descriptor = open_descriptor(path, O_RDWR | O_CREAT, "open lock file");
    if (!descriptor.ok()) return descriptor.status();
    if (::flock(descriptor->get(), LOCK_EX | LOCK_NB) != 0) {
      return error_status(errno, "lock", path);
    }
    return std::make_unique<PosixFileLock>(*std::move(descriptor));
  }

 private:
  static bool is_directory(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_posix_file_system() { return std::make_unique<PosixFileSystem>(); }

}  // namespace kvorum::storage
