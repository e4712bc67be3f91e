// Takes a snapshot of a keyspace that goes on changing, without fork: the loop serialises a slice
// at a time in hash order, and an entry of the cut that changes or leaves before its turn is
// serialised just before it does. What changed after the cut has a newer stamp and is skipped.
// Finished blocks queue up for a background lane, which numbers, checksums and writes them
// (snapshot_file.h).
// Belongs to the node's loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/keyspace.h"
#include "storage/large_string.h"
#include "storage/snapshot_format.h"
#include "storage/table.h"

namespace kvorum::storage {

// A block on its way to the file. May change threads; a long value is referenced, not copied.
struct UnwrittenBlock {
  SnapshotBlockKind kind = SnapshotBlockKind::kEntries;
  uint8_t database = 0;
  uint32_t entries = 0;
  std::string bytes;
  LargeString::Reference value;  // follows the bytes; may be null

  [[nodiscard]] size_t size() const {
    return bytes.size() + (value == nullptr ? 0 : value->view().size());
  }
};

class SnapshotWriter final : public KeyspaceObserver {
 public:
  // Cuts here: the snapshot is of `keyspace` as it is now. Of `info` the caller gives who, where in
  // the log and when; seed and key counts are filled in.
  // REQUIRES: info.hlc is that of the last record applied; keyspace outlives this and has no other
  // observer.
  SnapshotWriter(Keyspace& keyspace, SnapshotInfo info);
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;
  ~SnapshotWriter() override;

  // Looks at about `budget` entries more (a long value counts as several). False when there is
  // nothing more to do: everything up to the footer is queued, or the snapshot is abandoned.
  bool step(size_t budget);

  // Everything is queued. An undo may still abandon it until this object is destroyed.
  [[nodiscard]] bool complete() const { return complete_; }
  // Something was undone since the cut: the file must be discarded.
  [[nodiscard]] bool abandoned() const { return abandoned_; }

  // The blocks finished since the last call, in file order.
  std::vector<UnwrittenBlock> take_blocks();
  // Bytes in memory that were not taken yet: step no further while that is too much.
  [[nodiscard]] size_t pending_bytes() const { return queued_bytes_ + open_bytes_; }

  [[nodiscard]] const SnapshotInfo& info() const { return info_; }
  [[nodiscard]] uint64_t keys_done() const { return keys_done_; }

  // KeyspaceObserver.
  void entry_changes(const Table& table, HashPrefix prefix, const Entry& entry) override;
  void undoing() override;

 private:
  // Entries of one database that do not fill a block yet.
  struct OpenBlock {
    std::string bytes;
    uint32_t entries = 0;
  };

  void add_entry(size_t database, const Entry& entry);
  void close_block(size_t database, LargeString::Reference value);
  void queue(UnwrittenBlock block);
  void queue_tombstones(const Tombstones& tombstones);
  void finish();
  void let_go();

  Keyspace& keyspace_;
  SnapshotInfo info_;
  Digest digest_ = 0;
  std::array<std::shared_ptr<const Table>, kDatabaseCount> tables_;  // by database at the cut
  // Everything before this place is serialised.
  size_t database_ = 0;
  uint64_t prefix_ = 0;
  std::array<OpenBlock, kDatabaseCount> open_;
  size_t open_bytes_ = 0;
  std::vector<UnwrittenBlock> queue_;
  size_t queued_bytes_ = 0;
  uint64_t keys_done_ = 0;
  bool complete_ = false;
  bool abandoned_ = false;
};

}  // namespace kvorum::storage
