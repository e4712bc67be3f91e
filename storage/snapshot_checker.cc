#include "storage/snapshot_checker.h"

#include "base/text.h"

namespace kvorum::storage {

absl::Status SnapshotChecker::damaged(uint64_t offset, std::string_view reason) const {
  return absl::DataLossError(base::concat(path_, ": offset ", offset, ": ", reason));
}

absl::Status SnapshotChecker::check_footer(const SnapshotBlock& block) {
  if (block.kind != SnapshotBlockKind::kFooter || footer_seen_ ||
      !decode_snapshot_footer(block.payload, footer_)) {
    return damaged(block.offset, "malformed footer");
  }
  footer_seen_ = true;
  return absl::OkStatus();
}

absl::Status SnapshotChecker::check_tombstones(const SnapshotBlock& block, uint32_t marks) const {
  if (marks == UINT32_MAX) return damaged(block.offset, "malformed tombstones");
  if (marks != block.entries) return damaged(block.offset, "wrong number of marks in a block");
  return absl::OkStatus();
}

absl::Status SnapshotChecker::finish(Digest digest) const {
  if (!footer_seen_) return absl::DataLossError(base::concat(path_, ": no footer"));
  for (size_t database = 0; database < kDatabaseCount; ++database) {
    if (keys_in_[database] == info_.keys[database]) continue;
    return absl::DataLossError(base::concat(path_, ": ", keys_in_[database], " keys in database ",
                                            database, ", ", info_.keys[database], " expected"));
  }
  if (keys_ != footer_.keys) {
    return absl::DataLossError(
        base::concat(path_, ": ", keys_, " keys, ", footer_.keys, " expected"));
  }
  if (digest != footer_.digest) {
    return absl::DataLossError(base::concat(path_, ": contents do not give the footer's digest"));
  }
  return absl::OkStatus();
}

}  // namespace kvorum::storage
