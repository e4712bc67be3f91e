// Walks one segment file, frame by frame, and judges where it ends.
// Blocks on the disk; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/frame.h"

namespace kvorum::tools {

struct SegmentSummary {
  uint64_t frames = 0;
  uint64_t records = 0;
  uint64_t end = 0;  // of the valid part
  uint64_t file_bytes = 0;
  bool begun = false;       // has a valid start
  bool clean_stop = false;  // the last frame says that the log was closed here on purpose
  std::string tail;         // what follows the valid part, in words
};

// Calls `line` for everything in the file, in order; null: only checks. kDataLoss names file,
// offset and reason of damage, after the lines before it.
[[nodiscard]] absl::StatusOr<SegmentSummary> walk_segment(
    storage::FileSystem& files, const std::string& path,
    const std::function<void(std::string_view)>& line);

// The same for a file of orphaned records (storage/orphan_file.h), which was written at one go: it
// is damaged if its end is missing.
[[nodiscard]] absl::StatusOr<SegmentSummary> walk_orphan_file(
    storage::FileSystem& files, const std::string& path,
    const std::function<void(std::string_view)>& line);

}  // namespace kvorum::tools
