// The rules that a snapshot's blocks obey together, for whoever takes entries out of them.
// Any one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "storage/snapshot_entry.h"
#include "storage/snapshot_format.h"
#include "storage/snapshot_reader.h"

namespace kvorum::storage {

class SnapshotChecker {
 public:
  SnapshotChecker(std::string path, const SnapshotInfo& info)
      : path_(std::move(path)), info_(info) {}

  // Calls take(const EncodedEntry&) for each entry of the block; that is false for a key that was
  // there before. kDataLoss names file, offset and reason.
  template <typename Take>
  [[nodiscard]] absl::Status check(const SnapshotBlock& block, Take take);

  // A block of tombstones, of which so many marks were taken; UINT32_MAX: it is malformed.
  [[nodiscard]] absl::Status check_tombstones(const SnapshotBlock& block, uint32_t marks) const;

  // After the last block: counts, and `digest` of all that was taken.
  [[nodiscard]] absl::Status finish(Digest digest) const;

  [[nodiscard]] const SnapshotInfo& info() const { return info_; }
  [[nodiscard]] const SnapshotFooter& footer() const { return footer_; }
  [[nodiscard]] uint64_t keys() const { return keys_; }

 private:
  [[nodiscard]] absl::Status damaged(uint64_t offset, std::string_view reason) const;
  [[nodiscard]] absl::Status check_footer(const SnapshotBlock& block);

  const std::string path_;
  const SnapshotInfo info_;
  std::array<uint64_t, kDatabaseCount> keys_in_{};
  uint64_t keys_ = 0;
  SnapshotFooter footer_;
  bool footer_seen_ = false;
};

template <typename Take>
absl::Status SnapshotChecker::check(const SnapshotBlock& block, Take take) {
  if (block.kind != SnapshotBlockKind::kEntries) return check_footer(block);
  std::string_view rest = block.payload;
  uint32_t entries = 0;
  EncodedEntry entry;
  for (; !rest.empty(); ++entries) {
    const uint64_t offset = block.offset + block.payload.size() - rest.size();
    if (!take_entry(rest, entry)) return damaged(offset, "malformed entry");
    if (entry.fields.stamp.hlc > info_.hlc) return damaged(offset, "an entry newer than the cut");
    if (!take(entry)) return damaged(offset, "a key for the second time");
  }
  if (entries != block.entries) return damaged(block.offset, "wrong number of entries in a block");
  keys_in_[block.database] += entries;
  keys_ += entries;
  return absl::OkStatus();
}

}  // namespace kvorum::storage
