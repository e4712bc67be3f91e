// Looks at what follows the last valid frame of a segment, for the rows of recovery_table.h.
// Pure but for reading the file; any thread.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/frame.h"
#include "storage/recovery_table.h"

namespace kvorum::storage {

struct ScanPlace {
  InstanceId instance{};
  uint64_t segment = 0;
  uint64_t boot = 0;            // of the segment's start; 0: it has no valid start, any boot counts
  uint64_t recycled_bytes = 0;  // size of the file before this segment began in it
  uint64_t file_bytes = 0;
  uint64_t offset = 0;  // where the next frame should be
};

struct TailScan {
  AtEnd at = AtEnd::kEndOfFile;
  Beyond beyond = Beyond::kNothing;
  uint64_t torn_end = 0;  // end of what the segment's last writes may have left; ≥ offset
  Position claim;         // newest record that a header here or further on names; zeros: none does
  // Behind the last of them, or here, stands what must have been a header.
  bool claim_unknown = false;
  // Before the last of them something cannot be read: a header, or a hard state.
  bool missed = false;
  HardState hard_state;  // newest that can be read here or further on
};

// Reads the rest of the file.
[[nodiscard]] absl::StatusOr<TailScan> scan_tail(const File& file, const ScanPlace& place);

}  // namespace kvorum::storage
