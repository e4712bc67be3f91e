#include "storage/orphan_record.h"

#include <bitset>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "storage/effect.h"

namespace kvorum::storage {

namespace {

// Keys and whole databases that records change.
class Changed {
 public:
  void add(std::string_view effects) {
    Effect effect;
    while (!effects.empty()) {
      if (!decode_effect(effects, effect)) {
        databases_.set();  // malformed: it may change anything
        return;
      }
      add(effect);
    }
  }
  bool meets(std::string_view effects) const {
    Effect effect;
    while (!effects.empty() && decode_effect(effects, effect)) {
      if (databases_.test(effect.database) ||
          keys_.contains(Key(effect.database, std::string(effect.key)))) {
        return true;
      }
    }
    return false;
  }

 private:
  using Key = std::pair<uint8_t, std::string>;

  void add(const Effect& effect) {
    switch (effect.kind) {
      case EffectKind::kSet:
      case EffectKind::kSplice:
      case EffectKind::kSetExpiry:
      case EffectKind::kDelete:
        keys_.emplace(effect.database, effect.key);
        return;
      case EffectKind::kRename:
        keys_.emplace(effect.database, effect.key);
        keys_.emplace(effect.database, effect.other_key);
        return;
      case EffectKind::kMove:
        keys_.emplace(effect.database, effect.key);
        keys_.emplace(effect.other_database, effect.key);
        return;
      case EffectKind::kCopy:
        keys_.emplace(effect.other_database, effect.other_key);
        return;
      case EffectKind::kSwapDatabases:
        databases_.set(effect.database);
        databases_.set(effect.other_database);
        return;
      case EffectKind::kFlush:
        if (effect.database == kAllDatabases) {
          databases_.set();
        } else {
          databases_.set(effect.database);
        }
        return;
      case EffectKind::kMerge:
      case EffectKind::kForgetTombstones:
        return;
    }
  }

  absl::flat_hash_set<Key> keys_;
  std::bitset<kDatabaseCount> databases_;
};

bool changes_nothing(std::string_view effects) {
  Effect effect;
  return decode_effect(effects, effect) && effect.kind == EffectKind::kForgetTombstones &&
         effects.empty();
}

}  // namespace

OrphanRecord orphan_record(const RecordView& record) {
  OrphanRecord orphan{record.header.stamp, record.payload};
  std::string_view rest = record.payload;
  Effect effect;
  if (decode_effect(rest, effect) && effect.kind == EffectKind::kMerge) {
    orphan = {effect.stamp, rest};
  }
  return orphan;
}

bool is_blind(std::string_view effects) {
  Effect effect;
  while (!effects.empty()) {
    if (!decode_effect(effects, effect)) return false;
    if (effect.kind != EffectKind::kSet && effect.kind != EffectKind::kDelete) return false;
  }
  return true;
}

MergeableRecords mergeable_records(std::string_view records) {
  std::vector<RecordView> all;
  while (!records.empty()) all.push_back(take_record(records));
  MergeableRecords result;
  std::vector<std::string_view> taken;  // newest first
  Changed changed;
  for (auto record = all.rbegin(); record != all.rend(); ++record) {
    if (record->header.kind != RecordKind::kEffects) continue;
    const std::string_view effects = orphan_record(*record).effects;
    if (changes_nothing(effects)) continue;
    if (is_blind(effects) && !changed.meets(effects)) {
      taken.push_back(record->bytes);
    } else {
      changed.add(effects);
      ++result.kept;
    }
  }
  for (auto bytes = taken.rbegin(); bytes != taken.rend(); ++bytes) result.records += *bytes;
  return result;
}

}  // namespace kvorum::storage
