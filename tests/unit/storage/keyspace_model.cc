#include "tests/unit/storage/keyspace_model.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace kvorum::storage {

void apply_to_model(const Effect& effect, Stamp stamp, ModelContents& contents) {
  const std::string key(effect.key);
  if (effect.kind == EffectKind::kFlush) {
    if (effect.database == kAllDatabases) {
      for (ModelDatabase& database : contents) database.clear();
    } else {
      contents[effect.database].clear();
    }
    return;
  }
  ModelDatabase& database = contents[effect.database];
  const auto found = database.find(key);
  const bool present = found != database.end();
  const auto transfer = [&](int to_database, const std::string& to_key, bool keep) {
    if (!present || (to_database == effect.database && to_key == key)) return;
    ModelEntry entry = found->second;
    entry.stamp = stamp;
    if (!keep) database.erase(key);
    contents[static_cast<size_t>(to_database)][to_key] = entry;
  };
  switch (effect.kind) {
    case EffectKind::kSet:
      database[key] = {std::string(effect.value), effect.type, effect.raw, effect.expiry_ms, stamp};
      return;
    case EffectKind::kSplice: {
      ModelEntry& entry = database[key];
      entry.value.resize(effect.length, '\0');
      entry.value.replace(effect.offset, effect.value.size(), effect.value);
      entry.raw = true;
      entry.stamp = stamp;
      return;
    }
    case EffectKind::kSetExpiry:
      if (!present) return;
      found->second.expiry_ms = effect.expiry_ms;
      found->second.stamp = stamp;
      return;
    case EffectKind::kDelete:
      database.erase(key);
      return;
    case EffectKind::kRename:
      return transfer(effect.database, std::string(effect.other_key), false);
    case EffectKind::kMove:
      return transfer(effect.other_database, key, false);
    case EffectKind::kCopy:
      return transfer(effect.other_database, std::string(effect.other_key), true);
    case EffectKind::kSwapDatabases:
      database.swap(contents[effect.other_database]);
      return;
    case EffectKind::kMerge:
    case EffectKind::kForgetTombstones:
      return;
    case EffectKind::kFlush:
      return;
  }
}

ModelContents contents_of(const Keyspace& keyspace) {
  ModelContents contents;
  for (int database = 0; database < kDatabaseCount; ++database) {
    keyspace.for_each(database, [&](const Entry& entry) {
      const ModelEntry model{std::string(entry.string()), entry.type(), entry.raw(),
                             entry.expiry_ms(), entry.stamp()};
      const bool added =
          contents[static_cast<size_t>(database)].emplace(std::string(entry.key()), model).second;
      EXPECT_TRUE(added) << "visited twice: " << entry.key();
    });
  }
  return contents;
}

std::vector<std::string> scan_all(const Keyspace& keyspace, int database, size_t count) {
  std::vector<std::string> keys;
  uint64_t cursor = 0;
  do {
    cursor = keyspace.scan(database, cursor, count,
                           [&](const Entry& entry) { keys.emplace_back(entry.key()); });
  } while (cursor != 0);
  return keys;
}

void expect_consistent(const Keyspace& keyspace) {
  // A second keyspace with the same contents, put in backwards.
  Keyspace rebuilt(keyspace.hash_seed());
  const ModelContents contents = contents_of(keyspace);
  for (int database = 0; database < kDatabaseCount; ++database) {
    const ModelDatabase& model = contents[static_cast<size_t>(database)];
    size_t expires = 0;
    std::pair<ExpiryMs, std::string> first;
    for (auto entry = model.rbegin(); entry != model.rend(); ++entry) {
      const auto& [key, value] = *entry;
      Effect effect;
      effect.kind = EffectKind::kSet;
      effect.database = static_cast<uint8_t>(database);
      effect.key = key;
      effect.value = value.value;
      effect.raw = value.raw;
      effect.expiry_ms = value.expiry_ms;
      Inverse inverse;
      rebuilt.apply(effect, value.stamp, inverse);
      if (value.expiry_ms == 0) continue;
      const std::pair<ExpiryMs, std::string> candidate(value.expiry_ms, key);
      if (expires++ == 0 || candidate < first) first = candidate;
    }
    EXPECT_EQ(keyspace.size(database), model.size());
    EXPECT_EQ(keyspace.expires(database), expires);
    const Entry* next = keyspace.next_to_expire(database);
    ASSERT_EQ(next != nullptr, expires > 0);
    if (next != nullptr) {
      EXPECT_EQ(next->key(), first.second);
    }
    EXPECT_EQ(scan_all(keyspace, database, 3), scan_all(rebuilt, database, 1000));
    for (size_t partition = 0; partition < kPartitionCount; ++partition) {
      ASSERT_EQ(keyspace.partition_digest(database, partition),
                rebuilt.partition_digest(database, partition));
    }
  }
  EXPECT_EQ(keyspace.digest(), rebuilt.digest());
}

Effect OwnedEffect::view() const {
  Effect effect = fields;
  effect.key = key;
  effect.other_key = other_key;
  effect.value = value;
  return effect;
}

std::string RandomEffects::key() {
  const uint64_t number = below(40);
  if (number == 0) return "";
  if (number < 4) return std::string(253 + number, 'k');  // the length no longer fits a byte
  if (number == 4) return std::string("\0\r\n\xff", 4);
  return "key:" + std::to_string(number);
}

std::string RandomEffects::bytes(size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random_());
  return bytes;
}

size_t RandomEffects::value_size() {
  switch (below(8)) {
    case 0:
      return kMaxInlineValueBytes - 2 + below(5);
    case 1:
      return 4096 * (1 + below(4)) - 2 + below(5);
    case 2:
      return 0;
    default:
      return below(100);
  }
}

ExpiryMs RandomEffects::expiry_ms() {
  return below(2) == 0 ? 0 : static_cast<ExpiryMs>(1'700'000'000'000 + below(5));
}

OwnedEffect RandomEffects::next(const ModelContents& contents) {
  OwnedEffect effect;
  effect.fields.database = static_cast<uint8_t>(below(3));
  effect.fields.other_database = static_cast<uint8_t>(below(3));
  effect.key = key();
  effect.other_key = key();
  const uint64_t dice = below(100);
  if (dice < 30) {
    effect.fields.kind = EffectKind::kSet;
    effect.value = bytes(value_size());
    effect.fields.raw = below(4) == 0;
    effect.fields.expiry_ms = expiry_ms();
  } else if (dice < 60) {
    effect.fields.kind = EffectKind::kSplice;
    const ModelDatabase& database = contents[effect.fields.database];
    const auto found = database.find(effect.key);
    const size_t size = found == database.end() ? 0 : found->second.value.size();
    effect.value = bytes(below(10) == 0 ? value_size() : below(50));
    effect.fields.offset = below(2) == 0 ? size : below(size + 20);
    effect.fields.length = effect.fields.offset + effect.value.size();
    if (below(10) != 0) effect.fields.length = std::max<uint64_t>(effect.fields.length, size);
  } else if (dice < 70) {
    effect.fields.kind = EffectKind::kSetExpiry;
    effect.fields.expiry_ms = expiry_ms();
  } else if (dice < 80) {
    effect.fields.kind = EffectKind::kDelete;
  } else if (dice < 86) {
    effect.fields.kind = EffectKind::kRename;
  } else if (dice < 91) {
    effect.fields.kind = EffectKind::kMove;
  } else if (dice < 97) {
    effect.fields.kind = EffectKind::kCopy;
  } else if (dice < 99) {
    effect.fields.kind = EffectKind::kSwapDatabases;
  } else {
    effect.fields.kind = EffectKind::kFlush;
    if (below(3) == 0) effect.fields.database = kAllDatabases;
  }
  return effect;
}

std::vector<OwnedEffect> RandomEffects::next_record(const ModelContents& contents,
                                                    size_t max_effects) {
  std::vector<OwnedEffect> record;
  ModelContents later = contents;
  for (size_t count = 1 + below(max_effects); count > 0; --count) {
    record.push_back(next(later));
    apply_to_model(record.back().view(), Stamp{}, later);
  }
  return record;
}

}  // namespace kvorum::storage
