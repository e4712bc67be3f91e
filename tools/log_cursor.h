// The log of a data directory, record by record, as a start would read it: from the oldest record
// that is there, without those that a later segment has superseded. Blocks on the disk; one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/identity.h"
#include "storage/recovery.h"

namespace kvorum::tools {

class LogCursor {
 public:
  struct From {
    bool oldest = true;        // from the oldest record that is there, else from the one
    storage::Position behind;  // after this one, which has this hlc
    storage::Hlc hlc{0};
    bool damage_ends = false;  // the log (log().damaged tells), else it is an error
  };
  // kFailedPrecondition: not a data directory. Else as RecoveryReader::open.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LogCursor>> open(storage::FileSystem& files,
                                                                       const std::string& directory,
                                                                       const From& from);

  // The next record, in memory until the next call; nullptr at the end.
  [[nodiscard]] absl::StatusOr<const storage::RecordView*> next();

  const storage::Identity& identity() const { return identity_; }
  storage::RecoveryProgress progress() const { return reader_->progress(); }
  // Highest commit lsn that was read so far; it may be above the records given out.
  storage::Lsn commit() const { return slice_.commit(); }
  // REQUIRES: next() has returned nullptr.
  const storage::RecoveredLog& log() const { return reader_->result(); }

 private:
  LogCursor() = default;

  storage::Identity identity_;
  std::unique_ptr<storage::RecoveryReader> reader_;
  storage::RecoverySlice slice_;
  size_t index_ = 0;  // in slice_
};

// The identity of a data directory; kFailedPrecondition: it is none.
[[nodiscard]] absl::StatusOr<storage::Identity> identity_of(storage::FileSystem& files,
                                                            const std::string& directory);

}  // namespace kvorum::tools
