// A snapshot file that arrives in pieces from another node. It has a temporary name until all of it
// is there, synced and verified.
// Blocks on the disk; any one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/identity.h"
#include "storage/snapshot_reader.h"
#include "storage/types.h"

namespace kvorum::storage {

class IncomingSnapshot {
 public:
  // Begins `incoming-<lsn>.tmp`, in place of one that was left behind. `files` outlives the result.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<IncomingSnapshot>> create(
      FileSystem& files, const std::string& directory, Position cut);
  // Removes the temporary file unless it was finished.
  ~IncomingSnapshot();
  IncomingSnapshot(const IncomingSnapshot&) = delete;
  IncomingSnapshot& operator=(const IncomingSnapshot&) = delete;

  // Appends. What is written is synced every few megabytes, so that the disk is not flooded at the
  // end. After an error (kResourceExhausted: disk full) the snapshot is lost: destroy this.
  // REQUIRES: offset == bytes().
  [[nodiscard]] absl::Status write(uint64_t offset, std::string_view bytes);

  // Syncs, reads every byte back, checks that it is a sound snapshot with this cut, of `identity`'s
  // cluster, and gives the file its name, `snapshot-<lsn>.kvs`, durably, in place of another of
  // that name. kDataLoss or kFailedPrecondition name what is wrong with it. Call once.
  [[nodiscard]] absl::StatusOr<SnapshotReport> finish(const Identity& identity);

  [[nodiscard]] uint64_t bytes() const { return offset_; }
  // The name it has once finished.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  IncomingSnapshot(FileSystem& files, std::string directory, Position cut);

  FileSystem& files_;
  const std::string directory_;
  const Position cut_;
  const std::string path_;
  const std::string temporary_path_;
  std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
  uint64_t synced_offset_ = 0;
  bool temporary_ = false;  // the file with the temporary name is there
};

}  // namespace kvorum::storage
