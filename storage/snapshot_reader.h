// Reads a snapshot file block by block; every byte is checked before it is given out. Errors name
// the file, the offset and the reason: kDataLoss: damaged or cut short; kFailedPrecondition: not a
// snapshot, or of another version or layout; else what the file system said.
// I/O: any one thread at a time. A block that was read may go to another thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_format.h"

namespace kvorum::storage {

struct SnapshotBlock {
  SnapshotBlockKind kind = SnapshotBlockKind::kEntries;
  uint8_t database = 0;
  uint32_t entries = 0;
  uint64_t offset = 0;      // of its payload in the file
  uint64_t end_offset = 0;  // how far the file has been read
  std::string payload;
};

class SnapshotReader {
 public:
  // Reads and checks the first block. `files` outlives the result.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<SnapshotReader>> open(
      FileSystem& files, const std::string& path);

  [[nodiscard]] const SnapshotInfo& info() const { return info_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] uint64_t file_bytes() const { return file_bytes_; }

  // The next block, the footer included; reuses block.payload's memory. False after the footer.
  [[nodiscard]] absl::StatusOr<bool> read_block(SnapshotBlock& block);

 private:
  SnapshotReader(std::string path, std::unique_ptr<File> file, uint64_t file_bytes);
  absl::Status open_info();
  absl::Status read_exactly(uint64_t offset, char* to, size_t size);
  absl::Status read_next(SnapshotBlock& block);
  absl::Status damaged(uint64_t offset, std::string_view reason) const;

  const std::string path_;
  const std::unique_ptr<File> file_;
  const uint64_t file_bytes_;
  uint64_t offset_ = 0;
  uint32_t next_number_ = 0;
  uint32_t seed_;
  bool footer_read_ = false;
  SnapshotInfo info_;
};

// Reads a whole snapshot: every checksum, every entry, the counts and the digest.
struct SnapshotReport {
  SnapshotInfo info;
  SnapshotFooter footer;
  uint64_t blocks = 0;
  uint64_t bytes = 0;
};
[[nodiscard]] absl::StatusOr<SnapshotReport> verify_snapshot(FileSystem& files,
                                                             const std::string& path);

}  // namespace kvorum::storage
