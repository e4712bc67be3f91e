// Fail points: a FileSystem that passes everything on until a chosen call, and there kills the
// process or fails. For durability tests of the real program (KVORUM_FAIL_POINTS).
//
// A specification is a list, separated by ';', of
//
//   <kind>.<operation>[:after:<calls>][:times:<n>]=<action>
//
//   kind       wal (segment-*, spare-*, torn-*), snapshot (snapshot*), identity (identity*),
//              directory (a directory's sync, list or creation), other, any
//   operation  open, create, read, write, sync, truncate, size, rename, remove, sync_directory,
//              list, create_directory, lock, any
//   calls      how many matching calls pass before it acts; default 0
//   n          on how many calls it acts, "always" for all from there; default 1
//   action     kill        SIGKILL before the call
//              kill-after  SIGKILL after the call
//              kill-half   for a write: half of the bytes are written, then SIGKILL
//              enospc      the call fails with kResourceExhausted; a write wrote half
//              eio         the call fails with kDataLoss
//
// A rename counts as of the kind of its target. Any thread.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/file_system.h"

namespace kvorum::storage {

// `files` outlives the result. kInvalidArgument if the specification is not one: the message names
// the part. An empty specification passes everything on.
[[nodiscard]] absl::StatusOr<std::unique_ptr<FileSystem>> make_fail_point_file_system(
    FileSystem& files, std::string_view specification);

}  // namespace kvorum::storage
