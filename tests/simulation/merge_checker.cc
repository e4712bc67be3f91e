#include "tests/simulation/merge_checker.h"

#include <algorithm>

#include "base/text.h"
#include "storage/effect.h"

namespace kvorum::simulation {

using storage::Effect;
using storage::EffectKind;
using storage::Stamp;

namespace {

std::string text(Stamp stamp) {
  return base::concat(stamp.hlc.value(), " of node ", stamp.origin.value());
}

}  // namespace

std::string MergeChecker::commit(Stamp stamp, std::string_view payload) {
  Effect effect;
  bool merge = false;
  while (!payload.empty() && storage::decode_effect(payload, effect)) {
    if (effect.kind == EffectKind::kMerge) {
      stamp = effect.stamp;
      merge = true;
      if (!merged_.insert(stamp).second) return "an orphan is merged twice: " + text(stamp);
      continue;
    }
    if (effect.kind == EffectKind::kForgetTombstones) continue;
    Stamp& last = last_[std::string(effect.key)];
    if (merge) {
      if (effect.kind != EffectKind::kSet && effect.kind != EffectKind::kDelete) {
        return "a merge of what cannot be merged: " + text(stamp);
      }
      if (last >= stamp) {
        return base::concat("an orphan of ", text(stamp), " is merged over a change of ",
                            text(last), ": ", effect.key);
      }
      touched_.emplace(effect.key);
    }
    last = std::max(last, stamp);
  }
  return {};
}

std::string MergeChecker::judged(const storage::RecordView& orphan) const {
  if (orphan.header.kind != storage::RecordKind::kEffects) return {};
  Stamp stamp = orphan.header.stamp;
  std::string newest;
  bool beaten = false;
  Effect effect;
  for (std::string_view rest = orphan.payload; !rest.empty();) {
    if (!storage::decode_effect(rest, effect)) return "an orphan that does not decode";
    if (effect.kind == EffectKind::kMerge) stamp = effect.stamp;
    if (effect.kind == EffectKind::kMerge || effect.kind == EffectKind::kForgetTombstones) continue;
    if (effect.kind != EffectKind::kSet && effect.kind != EffectKind::kDelete) return {};
    newest = effect.key;
    const auto last = last_.find(effect.key);
    beaten |= last != last_.end() && last->second >= stamp;
  }
  if (newest.empty() || beaten || merged_.contains(stamp)) return {};
  return base::concat("the orphan of ", text(stamp), " at lsn ", orphan.header.lsn.value(),
                      " was judged and not merged, though nothing is newer: ", newest);
}

}  // namespace kvorum::simulation
