#include "tests/simulation/committed_model.h"

#include <algorithm>

#include "base/text.h"
#include "storage/hlc.h"

namespace kvorum::simulation {

using storage::Effect;
using storage::EffectKind;

std::string CommittedModel::apply(storage::Hlc hlc, std::string_view payload) {
  hlc_ms_.push_back(static_cast<int64_t>(storage::HybridLogicalClock::wall_ms(hlc)));
  Effect effect;
  while (!payload.empty()) {
    if (!storage::decode_effect(payload, effect)) return "a payload that does not decode";
    if (!apply(effect, last())) {
      return base::concat("an effect of kind ", static_cast<int>(effect.kind),
                          " that no client has asked for");
    }
  }
  return {};
}

const CommittedModel::Version* CommittedModel::newest(std::string_view key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : &found->second.back();
}

bool CommittedModel::apply(const Effect& effect, uint64_t lsn) {
  if (effect.kind == EffectKind::kMerge || effect.kind == EffectKind::kForgetTombstones)
    return true;
  if (effect.database != 0) return true;  // other_databases.h
  const Version* before = newest(effect.key);
  Version version{lsn, std::nullopt, 0};
  if (before != nullptr) version = {lsn, before->value, before->expiry_ms};
  switch (effect.kind) {
    case EffectKind::kSet:
      version.value = effect.value;
      version.expiry_ms = effect.expiry_ms;
      break;
    case EffectKind::kSplice: {
      std::string value = version.value.value_or("");
      value.resize(effect.length, '\0');
      value.replace(effect.offset, effect.value.size(), effect.value);
      version.value = std::move(value);
      break;
    }
    case EffectKind::kSetExpiry:
      if (!version.value.has_value()) return true;
      version.expiry_ms = effect.expiry_ms;
      break;
    case EffectKind::kDelete:
      version.value.reset();
      version.expiry_ms = 0;
      break;
    default:
      return false;
  }
  auto& versions = keys_[std::string(effect.key)];
  // A record is all or nothing: nobody sees what is between its effects.
  if (!versions.empty() && versions.back().lsn == lsn) versions.pop_back();
  versions.push_back(std::move(version));
  return true;
}

std::pair<uint64_t, uint64_t> CommittedModel::readable(const Version& version, uint64_t end,
                                                       const std::optional<std::string>& read,
                                                       bool clock_expires) const {
  uint64_t expired = end;
  if (version.expiry_ms != 0) {
    const auto first = std::lower_bound(hlc_ms_.begin(), hlc_ms_.end(), version.expiry_ms);
    expired =
        std::clamp<uint64_t>(static_cast<uint64_t>(first - hlc_ms_.begin()) + 1, version.lsn, end);
  }
  if (!version.value.has_value()) {
    return read.has_value() ? std::pair(end, end) : std::pair(version.lsn, end);
  }
  if (read.has_value()) {
    return *read == *version.value ? std::pair(version.lsn, expired) : std::pair(end, end);
  }
  if (version.expiry_ms != 0 && clock_expires) return {version.lsn, end};
  return {expired, end};
}

std::optional<uint64_t> CommittedModel::find_read(std::string_view key,
                                                  const std::optional<std::string>& read,
                                                  uint64_t lowest, bool clock_expires) const {
  const uint64_t end = last() + 1;
  const auto found = keys_.find(key);
  const Version never{0, std::nullopt, 0};
  const size_t count = found == keys_.end() ? 0 : found->second.size();
  for (size_t i = 0; i <= count; ++i) {
    const Version& version = i == 0 ? never : found->second[i - 1];
    const uint64_t version_end = i < count ? found->second[i].lsn : end;
    if (version_end <= lowest) continue;
    const auto [first, past] = readable(version, version_end, read, clock_expires);
    if (first < past && past > lowest) return std::max(first, lowest);
  }
  return std::nullopt;
}

std::optional<uint64_t> CommittedModel::find_reads(std::string_view key,
                                                   const std::optional<std::string>& read,
                                                   std::string_view other_key,
                                                   const std::optional<std::string>& other_read,
                                                   uint64_t lowest) const {
  // Each moves the other on, until both agree or one finds nothing.
  while (true) {
    const auto one = find_read(key, read, lowest, false);
    if (!one.has_value()) return std::nullopt;
    const auto two = find_read(other_key, other_read, *one, false);
    if (!two.has_value()) return std::nullopt;
    if (*two == *one) return one;
    lowest = *two;
  }
}

std::optional<std::string> CommittedModel::value(std::string_view key) const {
  const Version* version = newest(key);
  return version == nullptr ? std::nullopt : version->value;
}

}  // namespace kvorum::simulation
