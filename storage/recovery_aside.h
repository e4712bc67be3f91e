// What a start puts aside for people to read: a torn tail, and segments that damage took out of the
// log. Blocks on the disk; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "storage/file_system.h"
#include "storage/recovery.h"

namespace kvorum::storage {

// Copies what the next write may take away: a torn tail, the whole of a segment that is cut because
// of damage. The copies are synced; their names become durable with the next segment's.
[[nodiscard]] absl::Status keep_copies(FileSystem& files, const std::string& directory,
                                       const RecoveredLog& recovered);

// Renames segment files, durably, so that they are never read as log again. Those that are gone
// were renamed before.
[[nodiscard]] absl::Status set_aside(FileSystem& files, const std::string& directory,
                                     const std::vector<uint64_t>& segments);

}  // namespace kvorum::storage
