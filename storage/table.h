// The keys of one database: 4096 partitions chosen by the first bits of a key's hash, the expiry
// index, and sums that are kept exactly through every change. Whole tables change places when
// databases are swapped or flushed, so a table does not know its database's number.
// Belongs to the node's loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "storage/entry.h"
#include "storage/expiry_index.h"
#include "storage/partition.h"
#include "storage/placement.h"

namespace kvorum::storage {

class Table {
 public:
  explicit Table(uint64_t hash_seed) : hash_seed_(hash_seed) {}
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  [[nodiscard]] Entry* find(HashPrefix prefix, std::string_view key) const {
    return partitions_ == nullptr ? nullptr : partition(prefix).find(tag_of(prefix), key);
  }
  // Puts `entry` in the place of the one with the same key, which is returned, or null if it is
  // new.
  EntryPtr exchange(HashPrefix prefix, EntryPtr entry);
  // False, and nothing changed, if the key is present.
  [[nodiscard]] bool insert(HashPrefix prefix, EntryPtr entry);
  // Takes the entry out, or returns null.
  EntryPtr remove(HashPrefix prefix, std::string_view key);
  // Around a change of a present entry in place; its key and expiry stay.
  void begin_change(HashPrefix prefix, const Entry& entry);
  void end_change(HashPrefix prefix, const Entry& entry);
  // Makes room for about `size` entries in all.
  void reserve(size_t size);

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t memory_bytes() const;
  // Sum of the hashes of all entries, or of one partition's.
  [[nodiscard]] uint64_t digest() const { return digest_; }
  [[nodiscard]] uint64_t partition_digest(size_t partition) const;
  [[nodiscard]] const ExpiryIndex& expiries() const { return expiries_; }

  // Calls visit(prefix, const Entry&) in hash order from the first entry whose prefix is at least
  // `prefix`, until it returns false.
  template <typename Visit>
  void visit_from(HashPrefix prefix, Visit visit) const;

  // The entry with `rank` smaller ones before it in hash order. REQUIRES: rank < size().
  [[nodiscard]] const Entry& at_rank(size_t rank) const;

  // Frees up to `max` entries; returns how many. The table is good for nothing else afterwards.
  size_t release(size_t max);

 private:
  static constexpr size_t kGroupCount = 64;  // groups of partitions, to find an entry by rank
  static constexpr size_t kPartitionsPerGroup = kPartitionCount / kGroupCount;
  struct Partitions {
    std::array<Partition, kPartitionCount> at;
    std::array<size_t, kGroupCount> group_sizes{};
  };

  static size_t partition_of(HashPrefix prefix) { return prefix >> Partition::kTagBits; }
  static uint32_t tag_of(HashPrefix prefix) { return prefix & (Partition::kTags - 1); }
  Partition& partition(HashPrefix prefix) const { return partitions_->at[partition_of(prefix)]; }
  // Sums wrap around: taking out is adding the negative.
  void add_to_digest(Partition& partition, uint64_t hash) {
    partition.digest += hash;
    digest_ += hash;
  }

  const uint64_t hash_seed_;
  std::unique_ptr<Partitions> partitions_;  // made with the first entry
  ExpiryIndex expiries_;
  size_t size_ = 0;
  size_t entry_memory_bytes_ = 0;
  size_t slot_memory_bytes_ = 0;
  uint64_t digest_ = 0;
  size_t release_partition_ = 0;  // the first that may hold entries, once releasing
};

template <typename Visit>
void Table::visit_from(HashPrefix prefix, Visit visit) const {
  if (size_ == 0) return;
  uint32_t tag = tag_of(prefix);
  bool more = true;
  for (size_t i = partition_of(prefix); i < kPartitionCount && more; ++i, tag = 0) {
    const auto first = static_cast<HashPrefix>(i << Partition::kTagBits);
    partitions_->at[i].visit_from(tag, [&](uint32_t found, const Entry& entry) {
      return more = visit(first | found, entry);
    });
  }
}

}  // namespace kvorum::storage
