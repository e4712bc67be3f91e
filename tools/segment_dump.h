// Walks one segment file, frame by frame, and judges where it ends.
// Blocks on the disk; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/effect.h"
#include "storage/file_system.h"
#include "storage/frame.h"
#include "storage/record.h"
#include "tools/progress.h"

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

// Is shown everything in a file, in order.
class LogVisitor {
 public:
  virtual ~LogVisitor() = default;
  virtual void frame(const storage::FrameHeader& /*header*/) {}
  // What is in the frame.
  virtual void start(const storage::SegmentStart& /*start*/) {}
  virtual void hard_state(const storage::HardState& /*state*/) {}
  virtual void record(const storage::RecordView& /*record*/) {}
  // Of the record before it.
  virtual void effect(const storage::Effect& /*effect*/) {}
  // Of the valid part; what follows it, in words.
  virtual void end(uint64_t /*offset*/, std::string_view /*tail*/) {}
};

// kDataLoss names file, offset and reason of damage, after what is before it was shown.
[[nodiscard]] absl::StatusOr<SegmentSummary> walk_segment(storage::FileSystem& files,
                                                          const std::string& path,
                                                          LogVisitor& visitor, Progress& progress);

// The same for a file of orphaned records (storage/orphan_file.h), which was written at one go: it
// is damaged if its end is missing.
[[nodiscard]] absl::StatusOr<SegmentSummary> walk_orphan_file(storage::FileSystem& files,
                                                              const std::string& path,
                                                              LogVisitor& visitor,
                                                              Progress& progress);

}  // namespace kvorum::tools
