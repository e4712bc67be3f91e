// The segments of a data directory as recovery finds them: every file's first frame, read and
// judged. Blocks on the disk; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/frame.h"
#include "storage/recovery.h"

namespace kvorum::storage {

struct SegmentFile {
  uint64_t number = 0;
  std::string path;
  uint64_t file_bytes = 0;
  bool begun = false;  // its first frame is a valid start of this segment
  FrameHeader header;  // of the start
  SegmentStart start;
};

struct SegmentList {
  std::vector<SegmentFile> begun;  // the log, in one piece, oldest first
  std::vector<SegmentFile> older;  // before a gap that a snapshot covers: nothing is read from them
  std::optional<SegmentFile> unbegun;  // a last file in which nothing counts
  std::vector<uint64_t> spares;
  size_t first = 0;  // in `begun`: the segment with the first record wanted
};

// Errors as RecoveryReader::open's.
[[nodiscard]] absl::StatusOr<SegmentList> list_segments(FileSystem& files,
                                                        const RecoveryOptions& options);

}  // namespace kvorum::storage
