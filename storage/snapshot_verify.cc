#include <array>
#include <string>

#include "base/text.h"
#include "storage/snapshot_checker.h"
#include "storage/snapshot_entry.h"
#include "storage/snapshot_reader.h"
#include "storage/tombstones.h"

namespace kvorum::storage {

absl::StatusOr<SnapshotReport> verify_snapshot(FileSystem& files, const std::string& path) {
  absl::StatusOr<std::unique_ptr<SnapshotReader>> reader = SnapshotReader::open(files, path);
  if (!reader.ok()) return reader.status();
  const SnapshotInfo& info = (*reader)->info();
  SnapshotChecker checker(path, info);
  std::array<uint64_t, kDatabaseCount> sums{};
  SnapshotReport report;
  for (SnapshotBlock block;;) {
    const absl::StatusOr<bool> more = (*reader)->read_block(block);
    if (!more.ok()) return more.status();
    if (!*more) break;
    const auto take = [&](const EncodedEntry& entry) {
      sums[block.database] += entry.hash(info.hash_seed);
      return true;
    };
    const bool marks = block.kind == SnapshotBlockKind::kTombstones;
    const absl::Status status =
        marks ? checker.check_tombstones(block,
                                         Tombstones(Hlc{0}, SIZE_MAX).load(block.payload, info.hlc))
              : checker.check(block, take);
    if (!status.ok()) return status;
    ++report.blocks;
    report.bytes = block.end_offset;
  }
  Digest digest = 0;
  for (size_t database = 0; database < kDatabaseCount; ++database) {
    digest += database_digest(database, sums[database], info.keys[database]);
  }
  if (absl::Status status = checker.finish(digest); !status.ok()) return status;
  ++report.blocks;  // the first, which open() read
  report.info = info;
  report.footer = checker.footer();
  return report;
}

}  // namespace kvorum::storage
