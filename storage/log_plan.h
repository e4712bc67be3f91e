// What a LogReader may read: the segments of the log as they stood when Wal::plan made this, on the
// loop, as a value that a lane can have. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/frame.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::storage {

struct LogPlan {
  struct Segment {
    uint64_t number = 0;
    // Of its first record, or of the next one where it has none. A later segment that begins at or
    // below a record supersedes it (docs/wal-format.md, "Segments").
    Lsn first_lsn{0};
    uint64_t end = 0;  // bytes of it that are written
  };

  std::string directory;
  Incarnation incarnation{};
  InstanceId instance{};
  Position last;  // newest record written: nothing above it is read
  // Oldest first, the one with the first record wanted foremost. Empty: the log begins later.
  std::vector<Segment> segments;
};

}  // namespace kvorum::storage
