// Writing and reading snapshots on a simulated disk, for the snapshot tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/keyspace.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_loader.h"
#include "storage/snapshot_reader.h"
#include "storage/snapshot_writer.h"
#include "tests/support/simulated_disk.h"
#include "tests/unit/storage/keyspace_model.h"

namespace kvorum::storage {

inline constexpr uint64_t kTestSeed = 0x5eed;

// A cut at the given stamp, with every field set.
SnapshotInfo test_info(uint64_t hlc);

// Writes `blocks` as the file of cut `lsn` in directory "d" and publishes it; returns its path.
std::string write_snapshot(FileSystem& files, const std::vector<UnwrittenBlock>& blocks,
                           uint64_t lsn = 7);

// Steps to the end and returns all blocks.
std::vector<UnwrittenBlock> all_blocks(SnapshotWriter& writer);

// Loads the file into an empty keyspace that has its hash seed.
absl::StatusOr<std::unique_ptr<Keyspace>> load_snapshot(FileSystem& files, const std::string& path);

}  // namespace kvorum::storage
