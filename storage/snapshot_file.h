// Snapshot files: writing one under a temporary name, and what files there are.
// I/O: any one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/snapshot_writer.h"
#include "storage/types.h"

namespace kvorum::storage {

class SnapshotFile {
 public:
  // Begins `snapshot-<lsn>.tmp`, in place of one that was left behind. `files` outlives the result.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<SnapshotFile>> create(
      FileSystem& files, const std::string& directory, Lsn cut);
  // Removes the temporary file unless it was published.
  ~SnapshotFile();
  SnapshotFile(const SnapshotFile&) = delete;
  SnapshotFile& operator=(const SnapshotFile&) = delete;

  // Appends. What is written is synced every few megabytes, so that the disk is not flooded at the
  // end. After an error (kResourceExhausted: disk full) the snapshot is lost: destroy this.
  [[nodiscard]] absl::Status write(const std::vector<UnwrittenBlock>& blocks);
  // Makes the contents durable. REQUIRES: the footer was written.
  [[nodiscard]] absl::Status sync();
  // Gives the file its name, `snapshot-<lsn>.kvs`, durably. REQUIRES: sync() was OK, the cut is
  // committed and durable in the log, and nothing was undone since.
  [[nodiscard]] absl::Status publish();

  [[nodiscard]] uint64_t bytes() const { return offset_; }
  // The name it has once published.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  SnapshotFile(FileSystem& files, std::string directory, Lsn cut);
  absl::Status write_block(const UnwrittenBlock& block);

  FileSystem& files_;
  const std::string directory_;
  const std::string path_;
  const std::string temporary_path_;
  std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
  uint64_t synced_offset_ = 0;
  uint32_t next_number_ = 0;
  uint32_t seed_;
  bool footer_written_ = false;
  bool synced_ = false;
  bool published_ = false;
};

struct SnapshotName {
  Lsn lsn{0};  // of its cut
  std::string path;
  bool operator==(const SnapshotName&) const = default;
};

// Published snapshots of `directory`, oldest cut first, by name alone.
[[nodiscard]] absl::StatusOr<std::vector<SnapshotName>> list_snapshots(
    FileSystem& files, const std::string& directory);

// The name of a published snapshot, and that of one that arrives from another node, until it is
// whole.
[[nodiscard]] std::string snapshot_path(const std::string& directory, Lsn cut);
[[nodiscard]] std::string incoming_snapshot_path(const std::string& directory, Lsn cut);

// Removes the temporary files, of snapshots taken and received, that a crash left behind.
[[nodiscard]] absl::Status remove_unfinished_snapshots(FileSystem& files,
                                                       const std::string& directory);

}  // namespace kvorum::storage
