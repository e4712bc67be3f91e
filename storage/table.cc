#include "storage/table.h"

#include <utility>

#include "base/check.h"
#include "storage/entry_access.h"

namespace kvorum::storage {

void Table::begin_change(HashPrefix prefix, const Entry& entry) {
  add_to_digest(partition(prefix), -EntryAccess::hash(entry, hash_seed_));
  entry_memory_bytes_ -= entry.memory_bytes();
}

void Table::end_change(HashPrefix prefix, const Entry& entry) {
  add_to_digest(partition(prefix), EntryAccess::hash(entry, hash_seed_));
  entry_memory_bytes_ += entry.memory_bytes();
}

EntryPtr Table::exchange(HashPrefix prefix, EntryPtr entry) {
  if (partitions_ == nullptr) partitions_ = std::make_unique<Partitions>();
  const Entry& added = *entry;
  Partition& home = partition(prefix);
  const size_t slot_memory_before = home.memory_bytes();
  EntryPtr old(home.exchange(tag_of(prefix), entry.release()));
  uint64_t digest_change = EntryAccess::hash(added, hash_seed_);
  if (old == nullptr) {
    entry_memory_bytes_ += added.memory_bytes();
    slot_memory_bytes_ += home.memory_bytes() - slot_memory_before;
    ++size_;
    ++partitions_->group_sizes[partition_of(prefix) / kPartitionsPerGroup];
  } else {
    digest_change -= EntryAccess::hash(*old, hash_seed_);
    if (!EntryAccess::same_memory(*old, added)) {
      entry_memory_bytes_ += added.memory_bytes() - old->memory_bytes();
    }
    if (old->expiry_ms() != 0) expiries_.remove(*old);
  }
  add_to_digest(home, digest_change);
  if (added.expiry_ms() != 0) expiries_.add(added);
  return old;
}

bool Table::insert(HashPrefix prefix, EntryPtr entry) {
  if (find(prefix, entry->key()) != nullptr) return false;
  exchange(prefix, std::move(entry));
  return true;
}

EntryPtr Table::remove(HashPrefix prefix, std::string_view key) {
  if (partitions_ == nullptr) return nullptr;
  Partition& home = partition(prefix);
  const size_t slot_memory_before = home.memory_bytes();
  EntryPtr old(home.remove(tag_of(prefix), key));
  if (old == nullptr) return nullptr;
  add_to_digest(home, -EntryAccess::hash(*old, hash_seed_));
  entry_memory_bytes_ -= old->memory_bytes();
  if (old->expiry_ms() != 0) expiries_.remove(*old);
  slot_memory_bytes_ -= slot_memory_before - home.memory_bytes();
  --size_;
  --partitions_->group_sizes[partition_of(prefix) / kPartitionsPerGroup];
  return old;
}

void Table::reserve(size_t size) {
  const size_t partition_size = size / kPartitionCount;
  if (partition_size == 0) return;
  if (partitions_ == nullptr) partitions_ = std::make_unique<Partitions>();
  for (Partition& partition : partitions_->at) {
    const size_t slot_memory_before = partition.memory_bytes();
    partition.reserve(partition_size);
    slot_memory_bytes_ += partition.memory_bytes() - slot_memory_before;
  }
}

size_t Table::memory_bytes() const {
  const size_t fixed = partitions_ == nullptr ? 0 : sizeof(Partitions);
  return sizeof(Table) + fixed + slot_memory_bytes_ + entry_memory_bytes_ +
         expiries_.memory_bytes();
}

uint64_t Table::partition_digest(size_t partition) const {
  CHECK(partition < kPartitionCount);
  return partitions_ == nullptr ? 0 : partitions_->at[partition].digest;
}

const Entry& Table::at_rank(size_t rank) const {
  CHECK(rank < size_);
  size_t group = 0;
  while (rank >= partitions_->group_sizes[group]) rank -= partitions_->group_sizes[group++];
  size_t i = group * kPartitionsPerGroup;
  while (rank >= partitions_->at[i].size()) rank -= partitions_->at[i++].size();
  return partitions_->at[i].at_rank(rank);
}

size_t Table::release(size_t max) {
  size_t released = 0;
  while (size_ > 0 && released < max) {
    Partition& partition = partitions_->at[release_partition_];
    const size_t slot_memory_before = partition.memory_bytes();
    const size_t taken = partition.take_last(max - released, [&](EntryPtr entry) {
      entry_memory_bytes_ -= entry->memory_bytes();
      if (expiries_.size() > 0) expiries_.drop_one();
    });
    slot_memory_bytes_ -= slot_memory_before - partition.memory_bytes();
    size_ -= taken;
    released += taken;
    if (partition.size() == 0) ++release_partition_;
  }
  return released;
}

}  // namespace kvorum::storage
