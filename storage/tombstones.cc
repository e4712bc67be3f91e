#include "storage/tombstones.h"

#include <algorithm>
#include <utility>

#include "storage/byte_order.h"

namespace kvorum::storage {

namespace {

// docs/snapshot-format.md, "Tombstones payload".
constexpr size_t kHorizonBytes = 8;
constexpr size_t kMarkHeaderBytes = 19;  // record, stamp (hlc, origin), flags
constexpr uint8_t kWholeFlag = 0x80;
constexpr uint8_t kDatabaseMask = 0x0f;

}  // namespace

uint32_t Tombstones::note(const Effect& effect, Stamp record) {
  const Stamp stamp = record == merging_ ? merged_ : record;
  const auto mark = [&](uint8_t database, bool whole, std::string_view key) {
    add({record.hlc, stamp, database, whole, std::string(key)});
  };
  switch (effect.kind) {
    case EffectKind::kMerge:
      merging_ = record;
      merged_ = effect.stamp;
      return 0;
    case EffectKind::kSet:
      // Else the entry says it.
      if (record != merging_) return 0;
      mark(effect.database, false, effect.key);
      return 1;
    case EffectKind::kDelete:
    case EffectKind::kRename:
    case EffectKind::kMove:
      mark(effect.database, false, effect.key);
      return 1;
    case EffectKind::kSwapDatabases:
      mark(effect.database, true, {});
      mark(effect.other_database, true, {});
      return 2;
    case EffectKind::kFlush: {
      const bool all = effect.database == kAllDatabases;
      const int first = all ? 0 : effect.database;
      const int end = all ? kDatabaseCount : first + 1;
      for (int database = first; database < end; ++database) {
        mark(static_cast<uint8_t>(database), true, {});
      }
      return static_cast<uint32_t>(end - first);
    }
    case EffectKind::kForgetTombstones:
      forget(effect.stamp.hlc);
      return 0;
    case EffectKind::kSplice:
    case EffectKind::kSetExpiry:
    case EffectKind::kCopy:
      return 0;
  }
  return 0;
}

const Tombstones::Mark* Tombstones::find(uint64_t number) const {
  if (number < first_ || number - first_ >= journal_.size()) return nullptr;
  return &journal_[number - first_];
}

uint64_t& Tombstones::newest(const Mark& mark) {
  if (mark.whole) return newest_whole_[mark.database];
  return newest_[Key(mark.database, mark.key)];
}

void Tombstones::add(Mark mark) {
  uint64_t& number = newest(mark);
  mark.previous = std::exchange(number, first_ + journal_.size());
  bytes_ += memory_of(mark);
  journal_.push_back(std::move(mark));
  while (bytes_ > max_bytes_) {
    horizon_ = std::max(horizon_, journal_.front().record);
    drop_oldest();
  }
}

void Tombstones::drop_oldest() {
  Mark mark = std::move(journal_.front());
  journal_.pop_front();
  bytes_ -= memory_of(mark);
  mark.previous = 0;
  if (newest(mark) == first_) put_back(mark);
  ++first_;
}

// The mark's predecessor is the newest again.
void Tombstones::put_back(const Mark& mark) {
  if (mark.whole) {
    newest_whole_[mark.database] = mark.previous;
  } else if (find(mark.previous) != nullptr) {
    newest_[Key(mark.database, mark.key)] = mark.previous;
  } else {
    newest_.erase(Key(mark.database, mark.key));
  }
}

void Tombstones::undo(uint32_t marks) {
  for (; marks > 0 && !journal_.empty(); --marks) {
    put_back(journal_.back());
    bytes_ -= memory_of(journal_.back());
    journal_.pop_back();
  }
}

void Tombstones::forget(Hlc horizon) {
  horizon_ = std::max(horizon_, horizon);
  while (!journal_.empty() && journal_.front().record <= horizon_) drop_oldest();
  if (journal_.empty()) newest_ = {};  // it keeps what it has ever needed
}

Stamp Tombstones::last_change(int database, std::string_view key, const Entry* entry) const {
  // At the horizon by whoever: no stamp of that time is newer.
  Stamp last{horizon_, NodeId{UINT16_MAX}};
  const auto at = static_cast<uint8_t>(database);
  if (const Mark* whole = find(newest_whole_[at])) last = std::max(last, whole->stamp);
  const auto number = newest_.find(Key(at, std::string(key)));
  const Mark* mark = number == newest_.end() ? nullptr : find(number->second);
  if (entry != nullptr && (mark == nullptr || mark->record != entry->stamp().hlc)) {
    return std::max(last, entry->stamp());
  }
  return mark == nullptr ? last : std::max(last, mark->stamp);
}

std::vector<Tombstones::Block> Tombstones::encode(size_t block_bytes) const {
  std::vector<Block> blocks;
  const auto begin = [&]() -> Block& {
    Block& block = blocks.emplace_back();
    block.bytes.resize(kHorizonBytes);
    store_little_endian(block.bytes.data(), horizon_.value());
    return block;
  };
  begin();
  for (const Mark& mark : journal_) {
    Block& block = blocks.back().bytes.size() < block_bytes ? blocks.back() : begin();
    char head[kMarkHeaderBytes + kMaxVarintBytes];
    store_little_endian(head, mark.record.value());
    store_little_endian(head + 8, mark.stamp.hlc.value());
    store_little_endian(head + 16, mark.stamp.origin.value());
    head[18] = static_cast<char>(mark.database | (mark.whole ? kWholeFlag : 0));
    const char* end = store_varint(head + kMarkHeaderBytes, mark.key.size());
    block.bytes.append(head, static_cast<size_t>(end - head));
    block.bytes += mark.key;
    ++block.marks;
  }
  return blocks;
}

uint32_t Tombstones::load(std::string_view block, Hlc cut) {
  if (block.size() < kHorizonBytes) return UINT32_MAX;
  const Hlc horizon{load_little_endian<uint64_t>(block.data())};
  block.remove_prefix(kHorizonBytes);
  uint32_t marks = 0;
  for (; !block.empty(); ++marks) {
    if (block.size() < kMarkHeaderBytes) return UINT32_MAX;
    Mark mark;
    mark.record = Hlc{load_little_endian<uint64_t>(block.data())};
    mark.stamp.hlc = Hlc{load_little_endian<uint64_t>(block.data() + 8)};
    mark.stamp.origin = NodeId{load_little_endian<uint16_t>(block.data() + 16)};
    const auto flags = static_cast<uint8_t>(block[18]);
    if ((flags & ~(kWholeFlag | kDatabaseMask)) != 0 || mark.record > cut) return UINT32_MAX;
    mark.database = flags & kDatabaseMask;
    mark.whole = (flags & kWholeFlag) != 0;
    block.remove_prefix(kMarkHeaderBytes);
    uint64_t key_bytes = 0;
    if (!take_varint(block, key_bytes) || key_bytes > block.size()) return UINT32_MAX;
    if (mark.whole && key_bytes != 0) return UINT32_MAX;
    if (!journal_.empty() && mark.record < journal_.back().record) return UINT32_MAX;
    mark.key = block.substr(0, key_bytes);
    block.remove_prefix(key_bytes);
    add(std::move(mark));
  }
  forget(horizon);
  return marks;
}

}  // namespace kvorum::storage
