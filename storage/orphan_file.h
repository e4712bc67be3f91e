// What a returning old leader has to drop is saved, not lost: the records as they were encoded, in
// frames as in a segment (docs/wal-format.md), for kvorum-wal to read. The file ends in a
// clean-stop frame, so that a shortened one is told from a whole one. Blocks on the disk; any one
// thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/identity.h"
#include "storage/types.h"

namespace kvorum::storage {

// Saves `records`, whole and without gaps beginning with the one at `first`, durably, as
// orphaned-<term>-<lsn>.wal of `first`, and returns the file's path. Where that name has other
// contents, -2, -3 … is appended; where it has the same, it is left. A file under such a name is
// always whole. Errors are the file system's (kResourceExhausted: the disk is full); then nothing
// is promised, and a next call begins anew. REQUIRES: there are records, and they verify with the
// identity's incarnation.
[[nodiscard]] absl::StatusOr<std::string> write_orphan_file(FileSystem& files,
                                                            const std::string& directory,
                                                            const Identity& identity,
                                                            Position first,
                                                            std::string_view records);

// The records of such a file, whole, as they were saved. kDataLoss: it is damaged, or not one that
// this data directory wrote.
[[nodiscard]] absl::StatusOr<std::string> read_orphan_file(FileSystem& files,
                                                           const std::string& path,
                                                           const Identity& identity);

// The leader has judged all of them: the file gets the name offered-<term>-<lsn>.wal, durably,
// which is returned. A file that has it already is replaced: it had the same records.
[[nodiscard]] absl::StatusOr<std::string> mark_offered(FileSystem& files,
                                                       const std::string& directory,
                                                       const std::string& path);

// Paths of the files that were not offered yet, oldest first.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> list_orphan_files(
    FileSystem& files, const std::string& directory);

// True if `name` (without a directory) is one that write_orphan_file or mark_offered gives.
[[nodiscard]] bool is_orphan_file_name(std::string_view name);

}  // namespace kvorum::storage
