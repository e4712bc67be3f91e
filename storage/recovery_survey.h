// What the part of a log that cannot be read in order still says. Blocks on the disk; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/file_system.h"
#include "storage/recovery_segments.h"
#include "storage/types.h"

namespace kvorum::storage {

struct Survey {
  Position claim;              // the log reached this; zeros: nothing says how far
  bool claim_unknown = false;  // there was more, or a hard state, that cannot be read
  HardState hard_state;        // newest that can be read
};

// `rest`: segment files in the order they were written; the first one is looked at from `offset`
// on. A segment's start says how far the log reached then (truncations before it included), its
// frames how far it got.
[[nodiscard]] Survey survey_rest(FileSystem& files, const InstanceId& instance,
                                 const std::vector<const SegmentFile*>& rest, uint64_t offset);

}  // namespace kvorum::storage
