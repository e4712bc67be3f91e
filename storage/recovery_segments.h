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
  // Before a gap that a snapshot covers, or before the log began anew: nothing is read from them.
  std::vector<SegmentFile> older;
  std::optional<SegmentFile> unbegun;  // a last file in which nothing counts
  std::vector<uint64_t> spares;
  size_t first = 0;           // in `begun`: the segment with the first record wanted
  uint64_t next_segment = 1;  // number of `unbegun`, or one more than any
  // Between segments that continue each other: an earlier start took them out of the log, and did
  // not get as far as putting them aside.
  std::vector<uint64_t> taken_out;

  // Of a member whose log breaks. `damage` says why; `beyond` is what lies behind the break, oldest
  // first, not part of the log. Nothing in `begun`: what is wanted is not there at all.
  std::string damage;
  std::vector<SegmentFile> beyond;
  bool claim_unknown = false;  // the newest segment is missing
};

// Errors as RecoveryReader::open's; damage is none for a member.
[[nodiscard]] absl::StatusOr<SegmentList> list_segments(FileSystem& files,
                                                        const RecoveryOptions& options);

}  // namespace kvorum::storage
