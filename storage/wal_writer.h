// The disk side of the WAL: the segment being written, and how the next one begins. Driven by one
// job at a time (wal_job.h), on whatever thread that runs.
//
// Errors: kResourceExhausted only where the disk was full before anything of the call counted;
// every other error, and any failed sync whatever its reason, ends the process and is never
// retried.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "storage/file_system.h"
#include "storage/frame.h"
#include "storage/identity.h"
#include "storage/types.h"

namespace kvorum::storage {

// What a segment's first frame says about the log before it.
struct LogState {
  HardState hard_state;
  Position last;
  Hlc last_hlc{0};
  Lsn commit{0};
  Position claim;  // RecoveredLog::claim, as long as it is not resolved
  bool claim_unknown = false;
};

class WalWriter {
 public:
  struct Options {
    std::string directory;
    Identity identity;
    std::array<uint8_t, 16> kernel_boot{};
    uint64_t (*monotonic_us)() = nullptr;  // null: syncs are not timed
    uint64_t segment_bytes = 0;            // how large a segment is meant to become
    uint64_t grow_bytes = 0;               // how far a file grows ahead of the frames; 0: not
    uint64_t next_segment = 1;
    bool next_segment_exists = false;  // as a file in which nothing counts
    uint64_t previous_segment = 0;     // of the log; 0: there is none
    uint64_t previous_end = 0;         // of that segment
  };

  // `files` outlives the writer.
  WalWriter(FileSystem& files, Options options);

  // Syncs and closes the current segment, then begins the next one, durably: in the spare file of
  // that number where given, else in a new file. `restart`: it continues no other. After
  // kResourceExhausted the old segment is closed all the same; call again with no spare (it may
  // have been used).
  absl::Status begin_segment(const LogState& state, std::optional<uint64_t> spare,
                             bool restart = false);

  // Fills in what the writer knows (segment, offset, boot, batch, synced-up-to) and seals the
  // frame. `at` is where the frame will stand.
  void seal(FrameHeader header, uint64_t at, char* frame, size_t size);

  // Writes whole frames at the end. On kResourceExhausted they are cut off again, and that is
  // synced.
  absl::Status write(std::span<const std::string_view> frames);
  absl::Status sync();

  const Identity& identity() const { return options_.identity; }  // also while a job is out
  uint64_t segment() const { return segment_; }
  uint64_t end() const { return end_; }
  uint64_t synced() const { return synced_; }
  uint64_t file_bytes() const { return file_bytes_; }
  bool open() const { return file_ != nullptr; }
  uint64_t syncs() const { return syncs_; }
  uint64_t last_sync_us() const { return last_sync_us_; }

 private:
  absl::Status open_next(std::optional<uint64_t> spare);
  absl::Status write_start(const LogState& state);
  // The end has moved: where that grew the file, grows it further at once.
  absl::Status grow_ahead();

  FileSystem& files_;
  Options options_;
  std::unique_ptr<File> file_;
  uint64_t segment_ = 0;
  uint64_t end_ = 0;     // of the frames written
  uint64_t synced_ = 0;  // ≤ end_
  uint64_t file_bytes_ = 0;
  bool may_grow_ = true;  // ahead, in this segment: the disk has room
  uint64_t batch_ = 0;
  uint64_t syncs_ = 0;
  uint64_t last_sync_us_ = 0;
};

}  // namespace kvorum::storage
