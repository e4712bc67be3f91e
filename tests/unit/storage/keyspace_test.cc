#include "storage/keyspace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/storage/keyspace_model.h"

namespace kvorum::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kSeed = 0x5eed;

Effect set_effect(std::string_view key, std::string_view value, ExpiryMs expiry_ms = 0) {
  Effect effect;
  effect.kind = EffectKind::kSet;
  effect.key = key;
  effect.value = value;
  effect.expiry_ms = expiry_ms;
  return effect;
}

Effect key_effect(EffectKind kind, std::string_view key, std::string_view other_key = {}) {
  Effect effect;
  effect.kind = kind;
  effect.key = key;
  effect.other_key = other_key;
  return effect;
}

Effect splice_effect(std::string_view key, uint64_t offset, std::string_view bytes,
                     uint64_t length) {
  Effect effect = key_effect(EffectKind::kSplice, key);
  effect.offset = offset;
  effect.value = bytes;
  effect.length = length;
  return effect;
}

Effect database_effect(EffectKind kind, uint8_t database, uint8_t other_database = 0) {
  Effect effect;
  effect.kind = kind;
  effect.database = database;
  effect.other_database = other_database;
  return effect;
}

class KeyspaceTest : public ::testing::Test {
 protected:
  void apply(const Effect& effect, uint64_t hlc = 1) {
    Inverse inverse;
    keyspace_.apply(effect, stamp_at(hlc), inverse);
  }
  std::string value(std::string_view key, int database = 0) {
    const Entry* entry = keyspace_.find(database, key);
    return entry == nullptr ? "(nil)" : std::string(entry->string());
  }
  // Applies, undoes, and expects to find everything as it was.
  void expect_undone(const std::vector<Effect>& effects) {
    const ModelContents before = contents_of(keyspace_);
    const Digest digest = keyspace_.digest();
    Inverse inverse;
    for (const Effect& effect : effects) keyspace_.apply(effect, stamp_at(999), inverse);
    keyspace_.undo(std::move(inverse));
    EXPECT_EQ(contents_of(keyspace_), before);
    EXPECT_EQ(keyspace_.digest(), digest);
    expect_consistent(keyspace_);
  }

  Keyspace keyspace_{kSeed};
};

TEST_F(KeyspaceTest, AbsentKeyIsNull) {
  EXPECT_EQ(keyspace_.find(0, "k"), nullptr);
  apply(set_effect("k", "v"));
  EXPECT_EQ(keyspace_.find(1, "k"), nullptr);
  EXPECT_EQ(keyspace_.find(0, "K"), nullptr);
}

TEST_F(KeyspaceTest, SetReplacesValueExpiryRawAndStamp) {
  Effect first = set_effect("k", "v", 5000);
  first.raw = true;
  apply(first, 10);
  const Entry* entry = keyspace_.find(0, "k");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->string(), "v");
  EXPECT_EQ(entry->expiry_ms(), 5000);
  EXPECT_TRUE(entry->raw());
  EXPECT_EQ(entry->stamp(), stamp_at(10));

  apply(set_effect("k", "w"), 11);
  entry = keyspace_.find(0, "k");
  EXPECT_EQ(entry->string(), "w");
  EXPECT_EQ(entry->expiry_ms(), 0);
  EXPECT_FALSE(entry->raw());
  EXPECT_EQ(entry->stamp(), stamp_at(11));
  EXPECT_EQ(keyspace_.size(0), 1u);
  EXPECT_EQ(keyspace_.expires(0), 0u);
}

TEST_F(KeyspaceTest, SpliceFillsTheGapKeepsExpiryAndMarksRaw) {
  apply(set_effect("k", "ab", 7000));
  apply(splice_effect("k", 4, "xy", 6), 2);
  EXPECT_EQ(value("k"), std::string("ab\0\0xy", 6));
  EXPECT_EQ(keyspace_.find(0, "k")->expiry_ms(), 7000);
  EXPECT_TRUE(keyspace_.find(0, "k")->raw());
  apply(splice_effect("new", 1, "z", 2), 3);
  EXPECT_EQ(value("new"), std::string("\0z", 2));
}

TEST_F(KeyspaceTest, SpliceCrossesTheInlineLimitBothWays) {
  const std::string most(kMaxInlineValueBytes, 'a');
  apply(set_effect("k", most));
  apply(splice_effect("k", most.size(), "b", most.size() + 1));
  EXPECT_EQ(value("k"), most + "b");
  apply(splice_effect("k", 0, "", 3));
  EXPECT_EQ(value("k"), "aaa");
  expect_consistent(keyspace_);
}

TEST_F(KeyspaceTest, RenameTakesValueAndExpiryAlongAndReplaces) {
  apply(set_effect("a", "1", 9000));
  apply(set_effect("b", "2"));
  apply(key_effect(EffectKind::kRename, "a", "b"), 5);
  EXPECT_EQ(keyspace_.find(0, "a"), nullptr);
  EXPECT_EQ(value("b"), "1");
  EXPECT_EQ(keyspace_.find(0, "b")->expiry_ms(), 9000);
  EXPECT_EQ(keyspace_.find(0, "b")->stamp(), stamp_at(5));
}

TEST_F(KeyspaceTest, EffectsOnAnAbsentKeyDoNothing) {
  apply(set_effect("b", "2"));
  const Digest digest = keyspace_.digest();
  Inverse inverse;
  for (EffectKind kind : {EffectKind::kRename, EffectKind::kDelete, EffectKind::kMove,
                          EffectKind::kCopy, EffectKind::kSetExpiry}) {
    Effect effect = key_effect(kind, "a", "b");
    effect.other_database = 1;
    effect.expiry_ms = 1;
    keyspace_.apply(effect, stamp_at(9), inverse);
  }
  EXPECT_TRUE(inverse.empty());
  EXPECT_EQ(keyspace_.digest(), digest);
  EXPECT_EQ(value("b"), "2");
}

TEST_F(KeyspaceTest, CopiesOfALargeValueChangeIndependently) {
  const std::string large(10'000, 'x');
  apply(set_effect("a", large));
  apply(key_effect(EffectKind::kCopy, "a", "b"));
  apply(splice_effect("b", 5000, "yy", large.size()));
  EXPECT_EQ(value("a"), large);
  std::string changed = large;
  changed.replace(5000, 2, "yy");
  EXPECT_EQ(value("b"), changed);
  expect_consistent(keyspace_);
}

TEST_F(KeyspaceTest, UndoOfEachKindRestoresLargeAndSmallValues) {
  for (const std::string& text : {std::string("small"), std::string(20'000, 'x')}) {
    apply(set_effect("a", text, 1'700'000'000'000), 1);
    apply(set_effect("b", text + "b"), 2);
    const size_t size = text.size();
    Effect expiry = key_effect(EffectKind::kSetExpiry, "a");
    expiry.expiry_ms = 1'800'000'000'000;
    Effect move = key_effect(EffectKind::kMove, "a");
    move.other_database = 3;
    expect_undone({set_effect("a", "other")});
    expect_undone({set_effect("new", text)});
    expect_undone({splice_effect("a", size, "tail", size + 4)});
    expect_undone({splice_effect("a", 2, "in", size)});
    expect_undone({splice_effect("a", size + 5000, "far", size + 5003)});
    expect_undone({splice_effect("a", 0, "x", 1)});
    expect_undone({splice_effect("a", 1, "x", size - 1)});
    expect_undone({expiry});
    expect_undone({expiry, splice_effect("a", 0, "zz", size)});
    expect_undone({key_effect(EffectKind::kDelete, "a")});
    expect_undone({key_effect(EffectKind::kRename, "a", "b")});
    expect_undone({key_effect(EffectKind::kRename, "a", "c"),
                   key_effect(EffectKind::kRename, "c", "a"), splice_effect("a", 1, "q", size)});
    expect_undone({key_effect(EffectKind::kCopy, "a", "b"), splice_effect("b", 1, "q", size)});
    expect_undone({move});
    expect_undone({database_effect(EffectKind::kSwapDatabases, 0, 5), move});
    expect_undone({database_effect(EffectKind::kFlush, 0), set_effect("a", text)});
    expect_undone({database_effect(EffectKind::kFlush, kAllDatabases), set_effect("a", text),
                   database_effect(EffectKind::kSwapDatabases, 0, 1)});
  }
}

TEST_F(KeyspaceTest, DigestTellsDatabasesApart) {
  apply(set_effect("k", "v"));
  const Digest before = keyspace_.digest();
  apply(database_effect(EffectKind::kSwapDatabases, 0, 1));
  EXPECT_NE(keyspace_.digest(), before);
  EXPECT_EQ(value("k", 1), "v");
  apply(database_effect(EffectKind::kSwapDatabases, 0, 1));
  EXPECT_EQ(keyspace_.digest(), before);
}

TEST_F(KeyspaceTest, DigestSeesEveryPartOfAnEntry) {
  std::set<Digest> digests;
  const auto digest_of = [&](Effect effect, Stamp stamp) {
    Keyspace keyspace(kSeed);
    Inverse inverse;
    keyspace.apply(effect, stamp, inverse);
    digests.insert(keyspace.digest());
  };
  const std::string large(5000, 'x');
  for (std::string_view text : {std::string_view("v"), std::string_view(large)}) {
    Effect raw = set_effect("k", text);
    raw.raw = true;
    std::string other(text);
    other.back() = 'w';
    digest_of(set_effect("k", text), stamp_at(1, 1));
    digest_of(set_effect("k", text), stamp_at(2, 1));
    digest_of(set_effect("k", text), stamp_at(1, 2));
    digest_of(set_effect("k", text, 1), stamp_at(1, 1));
    digest_of(set_effect("k", text, 2), stamp_at(1, 1));
    digest_of(set_effect("j", text), stamp_at(1, 1));
    digest_of(set_effect("k", other), stamp_at(1, 1));
    digest_of(raw, stamp_at(1, 1));
  }
  // Where the key ends and the value begins.
  digest_of(set_effect("kv", ""), stamp_at(1, 1));
  EXPECT_EQ(digests.size(), 17u);
}

TEST_F(KeyspaceTest, DigestDoesNotDependOnOrderOrGrowth) {
  Keyspace forward(kSeed);
  Keyspace backward(kSeed);
  Inverse inverse;
  constexpr int kKeys = 30'000;
  for (int i = 0; i < kKeys; ++i) {
    const std::string key = "key:" + std::to_string(i);
    forward.apply(set_effect(key, "v"), stamp_at(7), inverse);
  }
  for (int i = 2 * kKeys; i-- > 0;) {
    const std::string key = "key:" + std::to_string(i);
    backward.apply(set_effect(key, "v"), stamp_at(7), inverse);
  }
  for (int i = kKeys; i < 2 * kKeys; ++i) {
    const std::string key = "key:" + std::to_string(i);
    backward.apply(key_effect(EffectKind::kDelete, key), stamp_at(7), inverse);
  }
  EXPECT_EQ(forward.digest(), backward.digest());
  EXPECT_EQ(scan_all(forward, 0, 10), scan_all(backward, 0, 1000));
  EXPECT_EQ(forward.size(0), static_cast<size_t>(kKeys));
}

TEST_F(KeyspaceTest, RandomEffectsDoAsTheModel) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Keyspace keyspace(seed);
    ModelContents model;
    RandomEffects random(seed);
    for (uint64_t hlc = 1; hlc <= 500; ++hlc) {
      const OwnedEffect effect = random.next(model);
      Inverse inverse;
      keyspace.apply(effect.view(), stamp_at(hlc), inverse);
      apply_to_model(effect.view(), stamp_at(hlc), model);
      if (hlc % 25 != 0) continue;
      ASSERT_EQ(contents_of(keyspace), model) << "seed " << seed;
    }
    expect_consistent(keyspace);
  }
}

// Records apply, some suffixes are undone, old inverses are dropped: as at a leader that loses
// office.
TEST_F(KeyspaceTest, UndoneRecordsLeaveNoTrace) {
  struct Before {
    ModelContents contents;
    Digest digest;
    Inverse inverse;
  };
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Keyspace keyspace(seed);
    ModelContents model;
    RandomEffects random(seed);
    std::deque<Before> uncommitted;
    for (uint64_t hlc = 1; hlc <= 300; ++hlc) {
      uncommitted.push_back({model, keyspace.digest(), Inverse()});
      for (const OwnedEffect& effect : random.next_record(model, 5)) {
        keyspace.apply(effect.view(), stamp_at(hlc), uncommitted.back().inverse);
        apply_to_model(effect.view(), stamp_at(hlc), model);
      }
      while (uncommitted.size() > 8) uncommitted.pop_front();
      if (random.below(10) != 0) continue;
      for (uint64_t count = random.below(uncommitted.size() + 1); count > 0; --count) {
        keyspace.undo(std::move(uncommitted.back().inverse));
        model = uncommitted.back().contents;
        ASSERT_EQ(keyspace.digest(), uncommitted.back().digest) << "seed " << seed;
        uncommitted.pop_back();
      }
      ASSERT_EQ(contents_of(keyspace), model) << "seed " << seed;
    }
    expect_consistent(keyspace);
    while (keyspace.reclaim(3)) {
    }
  }
}

TEST_F(KeyspaceTest, RecordPayloadIsAppliedWhole) {
  std::string payload;
  encode_effect(set_effect("a", "1"), payload);
  encode_effect(key_effect(EffectKind::kRename, "a", "b"), payload);
  Inverse inverse;
  keyspace_.apply_record(payload, stamp_at(4), inverse);
  EXPECT_EQ(value("a"), "(nil)");
  EXPECT_EQ(value("b"), "1");
  keyspace_.undo(std::move(inverse));
  EXPECT_EQ(keyspace_.size(0), 0u);
}

TEST_F(KeyspaceTest, InverseCountsWhatItKeepsAlive) {
  apply(set_effect("k", std::string(100'000, 'x')));
  Inverse inverse;
  keyspace_.apply(set_effect("k", "small"), stamp_at(2), inverse);
  EXPECT_GE(inverse.memory_bytes(), 100'000u);
  Inverse moved = std::move(inverse);
  EXPECT_GE(moved.memory_bytes(), 100'000u);
  keyspace_.undo(std::move(moved));
  EXPECT_EQ(value("k"), std::string(100'000, 'x'));
}

TEST_F(KeyspaceTest, ScanVisitsWhatStaysThroughoutExactlyOnce) {
  for (int i = 0; i < 3000; ++i) apply(set_effect("stay:" + std::to_string(i), "v"));
  std::multiset<std::string> seen;
  uint64_t cursor = 0;
  uint64_t changes = 0;
  do {
    cursor = keyspace_.scan(0, cursor, 10, [&](const Entry& entry) {
      if (entry.key().starts_with("stay:")) seen.emplace(entry.key());
    });
    // Grows to many times the size, then shrinks again.
    for (int i = 0; i < 20; ++i) {
      const bool growing = seen.size() < 1500 || changes == 0;
      const std::string key = "guest:" + std::to_string(growing ? changes++ : --changes);
      apply(growing ? set_effect(key, "g") : key_effect(EffectKind::kDelete, key));
    }
  } while (cursor != 0);
  EXPECT_EQ(seen.size(), 3000u);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 3000u);
}

TEST_F(KeyspaceTest, ScanCursorBeyondTheEndFinishes) {
  apply(set_effect("k", "v"));
  EXPECT_EQ(keyspace_.scan(0, UINT64_MAX, 10, [](const Entry&) { FAIL(); }), 0u);
  EXPECT_EQ(keyspace_.scan(1, 0, 10, [](const Entry&) { FAIL(); }), 0u);
}

TEST_F(KeyspaceTest, RandomEntryIsUniform) {
  EXPECT_EQ(keyspace_.random_entry(0, 1), nullptr);
  for (int i = 0; i < 5; ++i) apply(set_effect("k" + std::to_string(i), "v"));
  std::map<std::string, int> counts;
  std::mt19937_64 random(1);
  for (int i = 0; i < 5000; ++i) {
    ++counts[std::string(keyspace_.random_entry(0, random())->key())];
  }
  EXPECT_EQ(counts.size(), 5u);
  for (const auto& [key, count] : counts) EXPECT_NEAR(count, 1000, 200) << key;
}

TEST_F(KeyspaceTest, SoonestExpiryComesFirstAndEqualOnesInKeyOrder) {
  apply(set_effect("c", "v", 2000));
  apply(set_effect("b", "v", 1000));
  apply(set_effect("a", "v", 1000));
  EXPECT_EQ(keyspace_.average_ttl_ms(0, 500), 833);
  EXPECT_EQ(keyspace_.average_ttl_ms(0, 5000), 0);
  std::vector<std::string> order;
  while (const Entry* entry = keyspace_.next_to_expire(0)) {
    order.emplace_back(entry->key());
    apply(key_effect(EffectKind::kDelete, order.back()));
  }
  EXPECT_THAT(order, ElementsAre("a", "b", "c"));
  EXPECT_EQ(keyspace_.average_ttl_ms(0, 0), 0);
}

TEST_F(KeyspaceTest, DroppedTablesAreFreedInSlices) {
  for (int i = 0; i < 1000; ++i) apply(set_effect("k" + std::to_string(i), "v", 1 + i % 2));
  const size_t full = keyspace_.memory_bytes();
  apply(database_effect(EffectKind::kFlush, 0));  // its inverse is dropped: committed
  EXPECT_EQ(keyspace_.size(0), 0u);
  EXPECT_GE(keyspace_.memory_bytes() + 1000, full);
  EXPECT_TRUE(keyspace_.reclaim(100));
  EXPECT_LT(keyspace_.memory_bytes(), full);
  int slices = 1;
  while (keyspace_.reclaim(100)) ++slices;
  EXPECT_GE(slices, 9);
  EXPECT_LT(keyspace_.memory_bytes(), 10'000u);
}

TEST_F(KeyspaceTest, MemoryReturnsToWhereItWas) {
  apply(set_effect("k", "v"));
  const size_t before = keyspace_.memory_bytes();
  for (int i = 0; i < 20'000; ++i) apply(set_effect("x" + std::to_string(i), "v", 5));
  EXPECT_GT(keyspace_.memory_bytes(), before + 20'000 * 32);
  for (int i = 0; i < 20'000; ++i) {
    apply(key_effect(EffectKind::kDelete, "x" + std::to_string(i)));
  }
  EXPECT_LE(keyspace_.memory_bytes(), before + 64);  // one partition may keep a few slots
}

TEST_F(KeyspaceTest, InverseMayOutliveTheKeyspace) {
  Inverse inverse;
  {
    Keyspace keyspace(kSeed);
    keyspace.apply(set_effect("k", "v"), stamp_at(1), inverse);
    keyspace.apply(database_effect(EffectKind::kFlush, 0), stamp_at(2), inverse);
  }
}

}  // namespace
}  // namespace kvorum::storage
