// Verifies a data directory as a start would read it, without changing it: identity, snapshots, and
// the whole log that is there; and what was orphaned. Also beside a running server; its newest
// batch may then look torn. Blocks on the disk; one thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "storage/file_system.h"
#include "tools/progress.h"

namespace kvorum::tools {

// Calls `line` for what was found good, or worth knowing. The error names file, offset and reason;
// damaged snapshots and orphans are all looked at before it is returned.
[[nodiscard]] absl::Status verify_directory(storage::FileSystem& files,
                                            const std::string& directory,
                                            const std::function<void(std::string_view)>& line,
                                            Progress& progress);

}  // namespace kvorum::tools
