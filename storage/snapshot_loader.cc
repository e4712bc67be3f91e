#include "storage/snapshot_loader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/entry_access.h"
#include "storage/snapshot_entry.h"

namespace kvorum::storage {

SnapshotLoader::SnapshotLoader(Keyspace& keyspace, const SnapshotReader& reader, uint64_t now_ms)
    : keyspace_(keyspace),
      checker_(reader.path(), reader.info()),
      now_seconds_(now_ms / 1000),
      total_bytes_(reader.file_bytes()),
      total_keys_(reader.info().total_keys()) {
  CHECK_EQ(keyspace.hash_seed(), reader.info().hash_seed);
  for (int database = 0; database < kDatabaseCount; ++database) {
    CHECK_EQ(keyspace.size(database), 0u);
    // The checksummed count is still a promise of the file: it may not ask for more than fits
    // there.
    const uint64_t keys = reader.info().keys[static_cast<size_t>(database)];
    keyspace.reserve(database, std::min(keys, total_bytes_ / kMinEncodedEntryBytes));
  }
}

absl::Status SnapshotLoader::add(const SnapshotBlock& block) {
  bytes_ = block.end_offset;
  if (block.kind == SnapshotBlockKind::kTombstones) {
    return checker_.check_tombstones(block,
                                     keyspace_.load_tombstones(block.payload, checker_.info().hlc));
  }
  return checker_.check(block, [&](const EncodedEntry& encoded) {
    EntryPtr entry = EntryAccess::make(encoded.fields, encoded.value);
    entry->touch(now_seconds_);
    return keyspace_.load(block.database, std::move(entry));
  });
}

absl::Status SnapshotLoader::finish() const { return checker_.finish(keyspace_.digest()); }

SnapshotLoader::Progress SnapshotLoader::progress() const {
  return {bytes_, total_bytes_, checker_.keys(), total_keys_};
}

}  // namespace kvorum::storage
