// A partition: the entries of one database whose key hashes share their first 12 bits, as an open
// addressing table that is sorted by hash. A slot is 8 bytes: the next 20 bits of the hash (the
// tag) and the entry's address. An entry's home is its tag scaled to the table's size, which keeps
// tags in order; within a run of occupied slots the order is kept too (equal tags by key), so that
//   - where every entry lies follows from the contents and the size alone,
//   - a position in hash order means the same whatever the table's size,
//   - growing and shrinking is one pass over the slots and never looks at an entry.
// Instead of wrapping around, the array has spare slots at its end; the last one is always free.
// Entries are owned. Belongs to the node's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "storage/entry.h"

namespace kvorum::storage {

class Partition {
 public:
  static constexpr int kTagBits = 20;
  static constexpr uint32_t kTags = uint32_t{1} << kTagBits;

  Partition() = default;
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;
  ~Partition();

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t memory_bytes() const { return slot_count_ * sizeof(Slot); }

  // Sum of the hashes of the entries; kept by the owner.
  uint64_t digest = 0;

  [[nodiscard]] Entry* find(uint32_t tag, std::string_view key) const {
    const Slot* slot = locate(tag, key);
    return slot == nullptr ? nullptr : entry_of(*slot);
  }
  // Takes ownership of `entry` and puts it in the place of the one with the same key, which is the
  // caller's from then on, or null if there was none.
  [[nodiscard]] Entry* exchange(uint32_t tag, Entry* entry) {
    Slot* slot = locate(tag, entry->key());
    if (slot == nullptr) {
      insert(tag, entry);
      return nullptr;
    }
    Entry* old = entry_of(*slot);
    *slot = make_slot(tag, entry);
    return old;
  }
  // Takes the entry out and gives it to the caller, or returns null.
  [[nodiscard]] Entry* remove(uint32_t tag, std::string_view key);
  // Makes room for `size` entries.
  void reserve(size_t size);

  // Calls visit(tag, const Entry&) in order from the first entry whose tag is at least `tag`, until
  // it returns false.
  template <typename Visit>
  void visit_from(uint32_t tag, Visit visit) const {
    const Slot* end = slots_ + slot_count_;
    for (const Slot* slot = slots_ + home(tag); slot < end; ++slot) {
      // Entries lie anywhere in memory: ask for those that come next while this one is looked at.
      if (slot + kPrefetchDistance < end) prefetch_entry(slot[kPrefetchDistance]);
      if (*slot == kEmpty || tag_of(*slot) < tag) continue;
      if (!visit(tag_of(*slot), *entry_of(*slot))) return;
    }
  }

  // The entry with `rank` smaller ones before it. REQUIRES: rank < size().
  [[nodiscard]] const Entry& at_rank(size_t rank) const;

  // Takes the last entries in hash order out, at most `max`, and gives each to take(EntryPtr).
  // Returns how many. For emptying: afterwards searches may be slow.
  template <typename Take>
  size_t take_last(size_t max, Take take) {
    size_t taken = 0;
    for (size_t i = slot_count_; i-- > 0 && taken < max && size_ > 0;) {
      if (slots_[i] == kEmpty) continue;
      EntryPtr entry(entry_of(slots_[i]));
      slots_[i] = kEmpty;
      --size_;
      ++taken;
      take(std::move(entry));
    }
    shrink_if_sparse();
    return taken;
  }

 private:
  using Slot = uint64_t;
  // Larger than every other slot, so that a search stops there by itself.
  static constexpr Slot kEmpty = ~Slot{0};
  static constexpr int kTagShift = 64 - kTagBits;
  static constexpr int kAddressAlignmentBits = 4;
  static constexpr Slot kAddressMask = (Slot{1} << kTagShift) - 1;
  static const Slot kNoSlots[1];

  static uint32_t tag_of(Slot slot) { return static_cast<uint32_t>(slot >> kTagShift); }
  static Entry* entry_of(Slot slot) {
    const Slot address = (slot & kAddressMask) << kAddressAlignmentBits;
    return reinterpret_cast<Entry*>(address);  // NOLINT(performance-no-int-to-ptr): packed
  }
  static Slot make_slot(uint32_t tag, const Entry* entry) {
    const auto address = reinterpret_cast<uintptr_t>(entry);
    // One bit less than what fits: an entry's slot then never equals kEmpty.
    CHECK((address & 0xffff80000000000f) == 0) << "address out of range";
    return Slot{tag} << kTagShift | address >> kAddressAlignmentBits;
  }
  static constexpr size_t kPrefetchDistance = 12;
  static void prefetch_entry(Slot slot) {
    if (slot == kEmpty) return;
    const char* entry = reinterpret_cast<const char*>(entry_of(slot));
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
  }
  // Slots at the end that are no entry's home.
  static size_t spare_slots(size_t slot_count);
  static size_t max_size(size_t slot_count);
  static size_t next_slot_count(size_t slot_count);

  size_t home(uint32_t tag) const { return (uint64_t{tag} * home_count_) >> kTagBits; }
  Slot* locate(uint32_t tag, std::string_view key) const {
    Slot* slot = slots_ + home(tag);
    const Slot lowest = Slot{tag} << kTagShift;
    while (*slot < lowest) ++slot;
    for (; tag_of(*slot) == tag && *slot != kEmpty; ++slot) {
      const std::string_view other = entry_of(*slot)->key();
      if (other.size() == key.size() && std::memcmp(other.data(), key.data(), key.size()) == 0) {
        return slot;
      }
    }
    return nullptr;
  }
  void insert(uint32_t tag, const Entry* entry);
  bool try_insert(uint32_t tag, const Entry* entry);
  void erase(Slot* slot);
  // Moves to an array of `slot_count` with at least `spare` spare slots, more if needed.
  void resize(size_t slot_count, size_t spare = 0);
  bool lay_out(Slot* slots, size_t slot_count, size_t home_count) const;
  void shrink_if_sparse();

  Slot* slots_ = const_cast<Slot*>(kNoSlots);
  uint32_t slot_count_ = 0;
  uint32_t home_count_ = 0;
  uint32_t size_ = 0;
};
static_assert(sizeof(Partition) == 32);

}  // namespace kvorum::storage
