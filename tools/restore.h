// Point-in-time restore: makes of the snapshots and the log of one data directory, or of a backup,
// a new directory that a server can be started on (begin_restored_directory, storage/identity.h).
// Blocks on the disk, and holds the whole keyspace in memory; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/record.h"
#include "storage/types.h"
#include "tools/point.h"
#include "tools/progress.h"

namespace kvorum::tools {

struct RestoreOptions {
  std::string from;
  std::string to;
  // Files of the same history, or directories with such, besides those in `from`.
  std::vector<std::string> snapshots;
  Point until;
  // The directory is for a node of the cluster that `from` belongs to: its incarnation stays, and
  // only what is known to be committed counts. Else it is for a cluster that is founded anew, of
  // which it says nothing but the incarnation.
  bool rejoin = false;
  storage::Incarnation incarnation{};  // of the cluster founded anew; random
  uint64_t now_ms = 0;                 // Unix time
};

struct RestoreReport {
  storage::Position position;  // newest record that is in it
  uint64_t unix_ms = 0;        // of that record
  storage::Lsn base{0};        // cut of the snapshot it began with; 0: with an empty keyspace
  uint64_t records = 0;        // of the log, after that
  uint64_t keys = 0;
  uint64_t bytes = 0;  // of the snapshot written
  // As far as the log itself said; records after it may never have been answered.
  storage::Lsn commit{0};
  std::vector<std::string> passed_over;  // damaged snapshots, and what is wrong with them
};

// `from` is only read. After an error `to` is empty.
// kAlreadyExists: `to` is not empty. kNotFound: what is there does not go back to the point.
// kOutOfRange: it does not reach the point. kDataLoss: damage before it. kFailedPrecondition: not
// what it should be.
[[nodiscard]] absl::StatusOr<RestoreReport> restore(storage::FileSystem& files,
                                                    const RestoreOptions& options,
                                                    Progress& progress);

}  // namespace kvorum::tools
