// Where the logs of two data directories of one cluster agree, and where they part. Blocks on the
// disk; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/types.h"
#include "tools/progress.h"

namespace kvorum::tools {

struct LogDiff {
  struct Side {
    std::string directory;
    storage::NodeId node{0};
    storage::Lsn first{0};   // oldest record that is there; 0: there is none
    storage::Position last;  // newest
    storage::Lsn commit{0};  // as far as this log itself knows
  };
  // One lsn at which the two have different records.
  struct Difference {
    storage::Lsn lsn{0};
    std::array<std::string, 2> records;  // described, effects too
    bool same_position = false;          // and yet the same term
  };
  // Two snapshots with one cut and different contents.
  struct SnapshotDifference {
    storage::Lsn lsn{0};
    std::array<uint64_t, 2> digests{};
  };

  std::array<Side, 2> sides;
  uint64_t equal_records = 0;
  storage::Lsn equal_first{0};
  storage::Position equal_last;         // where they agree for the last time
  std::vector<Difference> differences;  // the first some
  // Everything that differs: lsns from … to.
  std::vector<std::pair<storage::Lsn, storage::Lsn>> differing;
  uint64_t same_position_differs = 0;
  std::vector<SnapshotDifference> snapshots;

  // Records that both logs call committed.
  [[nodiscard]] uint64_t committed_differences() const;
  // What cannot be, whatever failed: a defect, or damage that no checksum has seen.
  [[nodiscard]] bool impossible() const;

  [[nodiscard]] std::string text() const;  // some lines, the last one without its end
  [[nodiscard]] std::string json() const;
};

// kFailedPrecondition: not two directories of one cluster. kDataLoss: damage, with file and offset.
[[nodiscard]] absl::StatusOr<LogDiff> diff_logs(storage::FileSystem& files,
                                                const std::array<std::string, 2>& directories,
                                                Progress& progress);

}  // namespace kvorum::tools
