#include "storage/partition.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"
#include "storage/allocation_size.h"

namespace kvorum::storage {

const Partition::Slot Partition::kNoSlots[1] = {Partition::kEmpty};

Partition::~Partition() {
  if (slot_count_ == 0) return;
  for (size_t i = 0; i < slot_count_ && size_ > 0; ++i) {
    if (slots_[i] == kEmpty) continue;
    EntryDeleter()(entry_of(slots_[i]));
    --size_;
  }
  ::operator delete(slots_, memory_bytes());
}

size_t Partition::spare_slots(size_t slot_count) {
  return slot_count < 16 ? 1 : std::min<size_t>(slot_count / 8, 48);
}

size_t Partition::next_slot_count(size_t slot_count) {
  return allocation_bytes(slot_count * sizeof(Slot) + 1) / sizeof(Slot);
}

size_t Partition::max_size(size_t slot_count) {
  return slot_count < 16 ? slot_count - 1 : slot_count - slot_count / 6;
}

void Partition::insert(uint32_t tag, const Entry* entry) {
  if (slot_count_ == 0 || size_ + 1 > max_size(slot_count_)) resize(next_slot_count(slot_count_));
  while (!try_insert(tag, entry)) {
    // The last homes are crowded: more room behind them.
    resize(next_slot_count(slot_count_), size_t{2} * (slot_count_ - home_count_));
  }
  ++size_;
}

// False if there is no free slot behind the place where the entry belongs.
bool Partition::try_insert(uint32_t tag, const Entry* entry) {
  Slot* slot = slots_ + home(tag);
  const Slot lowest = Slot{tag} << kTagShift;
  while (*slot < lowest) ++slot;
  while (tag_of(*slot) == tag && *slot != kEmpty && entry_of(*slot)->key() < entry->key()) ++slot;
  Slot* free = slot;
  while (*free != kEmpty) ++free;
  if (free == slots_ + slot_count_ - 1) return false;
  std::memmove(slot + 1, slot, static_cast<size_t>(free - slot) * sizeof(Slot));
  *slot = make_slot(tag, entry);
  return true;
}

Entry* Partition::remove(uint32_t tag, std::string_view key) {
  Slot* slot = locate(tag, key);
  if (slot == nullptr) return nullptr;
  Entry* entry = entry_of(*slot);
  erase(slot);
  --size_;
  shrink_if_sparse();
  return entry;
}

// Moves back what had been pushed beyond its home by the erased slot.
void Partition::erase(Slot* slot) {
  Slot* end = slot + 1;
  while (*end != kEmpty && slots_ + home(tag_of(*end)) < end) ++end;
  std::memmove(slot, slot + 1, static_cast<size_t>(end - slot - 1) * sizeof(Slot));
  end[-1] = kEmpty;
}

const Entry& Partition::at_rank(size_t rank) const {
  CHECK(rank < size_);
  const Slot* slot = slots_;
  for (;; ++slot) {
    if (*slot == kEmpty) continue;
    if (rank-- == 0) return *entry_of(*slot);
  }
}

void Partition::reserve(size_t size) {
  size_t slot_count = std::max<size_t>(slot_count_, 2);
  while (max_size(slot_count) < size) slot_count = next_slot_count(slot_count);
  if (slot_count > slot_count_) resize(slot_count);
}

void Partition::shrink_if_sparse() {
  if (size_ == 0 && slot_count_ != 0) {
    ::operator delete(slots_, memory_bytes());
    slots_ = const_cast<Slot*>(kNoSlots);
    slot_count_ = 0;
    home_count_ = 0;
  } else if (slot_count_ > 4 && size_ <= slot_count_ / 3) {
    // Half full, so that neither the next insertion nor the next removal resizes again.
    resize(allocation_bytes(std::max<size_t>(2 * size(), 4) * sizeof(Slot)) / sizeof(Slot));
  }
}

void Partition::resize(size_t slot_count, size_t spare) {
  CHECK(slot_count >= size_ + 2 && slot_count <= UINT32_MAX);
  auto* slots = static_cast<Slot*>(::operator new(slot_count * sizeof(Slot)));
  spare = std::clamp(spare, spare_slots(slot_count), slot_count - 1);
  while (!lay_out(slots, slot_count, slot_count - spare)) {
    spare = std::min(2 * spare, slot_count - 1);  // with a single home everything fits
  }
  if (slot_count_ != 0) ::operator delete(slots_, memory_bytes());
  slots_ = slots;
  slot_count_ = static_cast<uint32_t>(slot_count);
  home_count_ = static_cast<uint32_t>(slot_count - spare);
}

// Copies the entries to where they belong in other slots. False if they would not fit.
bool Partition::lay_out(Slot* slots, size_t slot_count, size_t home_count) const {
  size_t next = 0;
  for (size_t i = 0; i < slot_count_; ++i) {
    const Slot slot = slots_[i];
    if (slot == kEmpty) continue;
    const size_t at = (uint64_t{tag_of(slot)} * home_count) >> kTagBits;
    for (; next < at; ++next) slots[next] = kEmpty;
    if (next + 1 >= slot_count) return false;
    slots[next++] = slot;
  }
  for (; next < slot_count; ++next) slots[next] = kEmpty;
  return true;
}

}  // namespace kvorum::storage
