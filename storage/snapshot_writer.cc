#include "storage/snapshot_writer.h"

#include <utility>

#include "base/check.h"
#include "storage/snapshot_entry.h"
#include "storage/tombstones.h"

namespace kvorum::storage {

namespace {

constexpr size_t kBlockBytes = size_t{256} * 1024;
// A value of this size is referenced from a block of its own rather than copied.
constexpr size_t kReferenceBytes = size_t{64} * 1024;
constexpr size_t kBytesPerBudgetUnit = 256;

}  // namespace

SnapshotWriter::SnapshotWriter(Keyspace& keyspace, SnapshotInfo info)
    : keyspace_(keyspace), info_(std::move(info)), digest_(keyspace.digest()) {
  info_.hash_seed = keyspace.hash_seed();
  for (size_t database = 0; database < kDatabaseCount; ++database) {
    tables_[database] = keyspace.table(static_cast<int>(database));
    info_.keys[database] = tables_[database]->size();
  }
  keyspace_.set_observer(this);
  UnwrittenBlock block;
  block.kind = SnapshotBlockKind::kInfo;
  block.bytes = encode_snapshot_info(info_);
  queue(std::move(block));
  if (keyspace.tombstones() != nullptr) queue_tombstones(*keyspace.tombstones());
}

void SnapshotWriter::queue_tombstones(const Tombstones& tombstones) {
  for (Tombstones::Block& marks : tombstones.encode(kBlockBytes)) {
    UnwrittenBlock block;
    block.kind = SnapshotBlockKind::kTombstones;
    block.entries = marks.marks;
    block.bytes = std::move(marks.bytes);
    queue(std::move(block));
  }
}

SnapshotWriter::~SnapshotWriter() { keyspace_.set_observer(nullptr); }

bool SnapshotWriter::step(size_t budget) {
  size_t used = 0;
  while (!complete_ && !abandoned_ && used < budget) {
    if (database_ == kDatabaseCount) {
      finish();
      break;
    }
    bool stopped = false;
    uint64_t last = 0;
    tables_[database_]->visit_from(static_cast<HashPrefix>(prefix_),
                                   [&](HashPrefix prefix, const Entry& entry) {
                                     // Entries of one prefix have one turn, for the place to go on
                                     // from is a prefix.
                                     if (used >= budget && prefix != last) return !(stopped = true);
                                     if (entry.stamp().hlc <= info_.hlc)
                                       add_entry(database_, entry);
                                     used += 1 + entry.string().size() / kBytesPerBudgetUnit;
                                     last = prefix;
                                     return true;
                                   });
    if (stopped) {
      prefix_ = last + 1;
    } else {
      ++database_;
      prefix_ = 0;
    }
  }
  return !complete_ && !abandoned_;
}

void SnapshotWriter::entry_changes(const Table& table, HashPrefix prefix, const Entry& entry) {
  if (complete_ || abandoned_ || entry.stamp().hlc > info_.hlc) return;
  for (size_t database = database_; database < kDatabaseCount; ++database) {
    if (tables_[database].get() != &table) continue;
    if (database > database_ || prefix >= prefix_) add_entry(database, entry);
    return;
  }
}

void SnapshotWriter::undoing() {
  if (abandoned_) return;
  abandoned_ = true;
  let_go();
}

void SnapshotWriter::add_entry(size_t database, const Entry& entry) {
  OpenBlock& open = open_[database];
  if (open.bytes.capacity() < kBlockBytes) open.bytes.reserve(kBlockBytes + kReferenceBytes);
  const size_t before = open.bytes.size();
  LargeString::Reference value = encode_entry(entry, kReferenceBytes, open.bytes);
  open_bytes_ += open.bytes.size() - before;
  ++open.entries;
  ++keys_done_;
  if (value != nullptr || open.bytes.size() >= kBlockBytes) close_block(database, std::move(value));
}

void SnapshotWriter::close_block(size_t database, LargeString::Reference value) {
  OpenBlock& open = open_[database];
  UnwrittenBlock block;
  block.database = static_cast<uint8_t>(database);
  block.entries = std::exchange(open.entries, 0);
  block.bytes = std::exchange(open.bytes, {});
  block.value = std::move(value);
  open_bytes_ -= block.bytes.size();
  queue(std::move(block));
}

void SnapshotWriter::queue(UnwrittenBlock block) {
  CHECK(block.size() <= UINT32_MAX);
  queued_bytes_ += block.size();
  queue_.push_back(std::move(block));
}

std::vector<UnwrittenBlock> SnapshotWriter::take_blocks() {
  queued_bytes_ = 0;
  return std::exchange(queue_, {});
}

void SnapshotWriter::finish() {
  for (size_t database = 0; database < kDatabaseCount; ++database) {
    if (open_[database].entries > 0) close_block(database, nullptr);
  }
  CHECK_EQ(keys_done_, info_.total_keys()) << "an entry of the cut was lost or written twice";
  UnwrittenBlock block;
  block.kind = SnapshotBlockKind::kFooter;
  block.bytes = encode_snapshot_footer({keys_done_, digest_});
  queue(std::move(block));
  complete_ = true;
  let_go();
}

// Whatever was flushed since the cut is free to go.
void SnapshotWriter::let_go() {
  for (auto& table : tables_) table.reset();
  open_ = {};
  open_bytes_ = 0;
  if (abandoned_) take_blocks();
}

}  // namespace kvorum::storage
