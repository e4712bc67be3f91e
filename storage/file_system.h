// The seam between storage and the disk. Two implementations: real files (posix_file_system.h) and
// the tests' simulated disk, which loses, tears and refuses (tests/support/simulated_disk.h).
// A File may be used by one thread at a time, a FileSystem by any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kvorum::storage {

// Error codes: kNotFound, kAlreadyExists, kPermissionDenied, kResourceExhausted (ENOSPC, EDQUOT:
// the one a caller can recover from), kUnavailable (lock held by another process), kDataLoss (EIO),
// kInternal (anything else). The message names the path and the system's reason.
class File {
 public:
  virtual ~File() = default;
  // Writes all pieces in order starting at `offset`, extending the file as needed. After an error
  // any part of the range may have been written.
  virtual absl::Status write_at(uint64_t offset, std::span<const std::string_view> pieces) = 0;
  // Reads up to `size` bytes; fewer only at the end of the file.
  virtual absl::StatusOr<size_t> read_at(uint64_t offset, char* buffer, size_t size) const = 0;
  // fdatasync: everything written before is durable when it returns OK. After an error nothing is
  // known about it ever again: never retried.
  virtual absl::Status sync() = 0;
  virtual absl::Status truncate(uint64_t size) = 0;
  virtual absl::StatusOr<uint64_t> size() const = 0;
  // What is read of these bytes next comes from the medium. After a failed sync the system may keep
  // pages in memory that never reached it, and call them clean. `size` 0: up to the end.
  virtual void forget_cached(uint64_t /*offset*/, uint64_t /*size*/) {}
};

enum class OpenMode : uint8_t { kRead, kReadWrite, kCreate /* fails if it exists */ };

// Held until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual absl::Status create_directory(const std::string& path) = 0;  // parents too; OK if present
  virtual absl::StatusOr<std::vector<std::string>> list(
      const std::string& directory) = 0;  // sorted names
  // Durable only after sync_directory on the parent.
  virtual absl::Status rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status remove(const std::string& path) = 0;
  virtual absl::Status sync_directory(const std::string& path) = 0;
  // Exclusive lock, kUnavailable if another process (or another holder here) has it.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

// Opens a new, empty file in the place of one that an earlier start may have left.
[[nodiscard]] absl::StatusOr<std::unique_ptr<File>> create_anew(FileSystem& files,
                                                                const std::string& path);

}  // namespace kvorum::storage
