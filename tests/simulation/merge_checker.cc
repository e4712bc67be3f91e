#include "tests/simulation/merge_checker.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"

namespace kvorum::simulation {

using storage::Effect;
using storage::EffectKind;
using storage::Stamp;

namespace {

std::string text(Stamp stamp) {
  return base::concat(stamp.hlc.value(), " of node ", stamp.origin.value());
}

}  // namespace

std::vector<MergeChecker::Key> MergeChecker::keys_of(const Effect& effect) {
  const Key key(effect.database, effect.key);
  switch (effect.kind) {
    case EffectKind::kSet:
    case EffectKind::kSplice:
    case EffectKind::kSetExpiry:
    case EffectKind::kDelete:
      return {key};
    case EffectKind::kRename:
      return {key, Key(effect.database, effect.other_key)};
    case EffectKind::kMove:
      return {key, Key(effect.other_database, effect.key)};
    case EffectKind::kCopy:
      return {Key(effect.other_database, effect.other_key)};
    case EffectKind::kSwapDatabases:
    case EffectKind::kFlush:
    case EffectKind::kMerge:
    case EffectKind::kForgetTombstones:
      return {};
  }
  return {};
}

std::vector<uint8_t> MergeChecker::databases_of(const Effect& effect) {
  if (effect.kind == EffectKind::kSwapDatabases) return {effect.database, effect.other_database};
  if (effect.kind != EffectKind::kFlush) return {};
  if (effect.database != storage::kAllDatabases) return {effect.database};
  std::vector<uint8_t> all(storage::kDatabaseCount);
  std::iota(all.begin(), all.end(), uint8_t{0});
  return all;
}

Stamp MergeChecker::last_change(const Key& key) const {
  const auto last = last_.find(key);
  const Stamp whole = whole_[key.first];
  return last == last_.end() ? whole : std::max(whole, last->second);
}

std::string MergeChecker::commit(Stamp stamp, std::string_view payload) {
  Effect effect;
  bool merge = false;
  std::set<Key> changed;  // by this record
  while (!payload.empty() && storage::decode_effect(payload, effect)) {
    if (effect.kind == EffectKind::kMerge) {
      stamp = effect.stamp;
      merge = true;
      if (!merged_.insert(stamp).second) return "an orphan is merged twice: " + text(stamp);
      continue;
    }
    if (merge && effect.kind != EffectKind::kSet && effect.kind != EffectKind::kDelete) {
      return "a merge of what cannot be merged: " + text(stamp);
    }
    for (const uint8_t database : databases_of(effect)) whole_[database] = stamp;
    for (const Key& key : keys_of(effect)) {
      const Stamp last = last_change(key);
      if (merge && last >= stamp && !changed.contains(key)) {
        return base::concat("an orphan of ", text(stamp), " is merged over a change of ",
                            text(last), ": ", key.second);
      }
      if (merge && key.first == 0) touched_.emplace(key.second);
      last_[key] = std::max(last, stamp);
      changed.insert(key);
    }
  }
  return {};
}

std::string MergeChecker::judged(std::string_view orphans) const {
  std::vector<storage::RecordView> records;
  while (!orphans.empty()) records.push_back(storage::take_record(orphans));
  std::set<Key> left_in_file;
  for (auto orphan = records.rbegin(); orphan != records.rend(); ++orphan) {
    std::string error = judged(*orphan, left_in_file);
    if (!error.empty()) return error;
  }
  return {};
}

std::string MergeChecker::judged(const storage::RecordView& orphan,
                                 std::set<Key>& left_in_file) const {
  if (orphan.header.kind != storage::RecordKind::kEffects) return {};
  Stamp stamp = orphan.header.stamp;
  std::set<Key> changed;
  bool stays = false, beaten = false;
  Effect effect;
  for (std::string_view rest = orphan.payload; !rest.empty();) {
    if (!storage::decode_effect(rest, effect)) return "an orphan that does not decode";
    if (effect.kind == EffectKind::kMerge) stamp = effect.stamp;
    if (effect.kind == EffectKind::kMerge || effect.kind == EffectKind::kForgetTombstones) continue;
    stays |= effect.kind != EffectKind::kSet && effect.kind != EffectKind::kDelete;
    // A database as a whole: the empty key, which no client of the simulation uses.
    for (const uint8_t database : databases_of(effect)) changed.emplace(database, "");
    for (const Key& key : keys_of(effect)) {
      stays |= left_in_file.contains(key) || left_in_file.contains(Key(key.first, ""));
      beaten |= last_change(key) >= stamp;
      changed.insert(key);
    }
  }
  if (stays) {
    left_in_file.merge(changed);
    return {};  // another node's file may end before what keeps it in this one
  }
  if (changed.empty() || beaten || merged_.contains(stamp)) return {};
  return base::concat(
      "the orphan of ", text(stamp), " at lsn ", orphan.header.lsn.value(),
      " was judged and not merged, though nothing is newer: ", changed.begin()->second);
}

}  // namespace kvorum::simulation
