#include "storage/tombstones.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "storage/effect.h"
#include "storage/inverse.h"
#include "storage/keyspace.h"
#include "storage/snapshot_writer.h"

namespace kvorum::storage {
namespace {

Stamp at(uint64_t hlc, uint16_t origin = 1) { return {Hlc{hlc}, NodeId{origin}}; }

Effect set_of(std::string_view key, std::string_view value = "v") {
  return {.kind = EffectKind::kSet, .key = key, .value = value};
}
Effect delete_of(std::string_view key) { return {.kind = EffectKind::kDelete, .key = key}; }
Effect merge_of(Stamp orphan) { return {.kind = EffectKind::kMerge, .stamp = orphan}; }
Effect forget_of(uint64_t hlc) {
  return {.kind = EffectKind::kForgetTombstones, .stamp = {Hlc{hlc}, NodeId{0}}};
}
// Nobody's write of the horizon's time is newer.
Stamp horizon(uint64_t hlc) { return {Hlc{hlc}, NodeId{UINT16_MAX}}; }

class TombstonesTest : public ::testing::Test {
 protected:
  TombstonesTest() { keyspace_.keep_tombstones(true, Hlc{10}); }

  Inverse apply(const std::vector<Effect>& effects, Stamp stamp) {
    Inverse inverse;
    for (const Effect& effect : effects) keyspace_.apply(effect, stamp, inverse);
    return inverse;
  }
  const Tombstones& tombstones() const { return *keyspace_.tombstones(); }
  Stamp last_change(std::string_view key, int database = 0) const {
    return tombstones().last_change(database, key, keyspace_.find(database, key));
  }

  Keyspace keyspace_{7};
};

TEST_F(TombstonesTest, WhatNobodyHasEverSeenCountsAsRemovedAtTheHorizon) {
  EXPECT_EQ(last_change("k"), horizon(10));
  EXPECT_EQ(tombstones().size(), 0u);
}

TEST_F(TombstonesTest, AKeyThatIsThereSaysItself) {
  apply({set_of("k")}, at(20));
  EXPECT_EQ(last_change("k"), at(20));
  EXPECT_EQ(tombstones().size(), 0u);
}

TEST_F(TombstonesTest, ARemovedKeyLeavesItsTime) {
  apply({set_of("k")}, at(20));
  apply({delete_of("k")}, at(30, 2));
  EXPECT_EQ(last_change("k"), at(30, 2));
  apply({set_of("k")}, at(40));
  EXPECT_EQ(last_change("k"), at(40));
}

TEST_F(TombstonesTest, RenamedAndMovedKeysAreRemovedWhereTheyWere) {
  apply({set_of("a"), set_of("b")}, at(20));
  apply({{.kind = EffectKind::kRename, .key = "a", .other_key = "c"},
         {.kind = EffectKind::kMove, .other_database = 3, .key = "b"}},
        at(30));
  EXPECT_EQ(last_change("a"), at(30));
  EXPECT_EQ(last_change("b"), at(30));
  EXPECT_EQ(last_change("c"), at(30));
  EXPECT_EQ(last_change("b", 3), at(30));
}

TEST_F(TombstonesTest, AFlushOrSwapCountsForEveryKeyOfTheDatabase) {
  apply({set_of("k")}, at(20));
  apply({{.kind = EffectKind::kFlush, .database = 0}}, at(30));
  EXPECT_EQ(last_change("k"), at(30));
  EXPECT_EQ(last_change("other"), at(30));
  EXPECT_EQ(last_change("k", 1), horizon(10));
  apply({{.kind = EffectKind::kSwapDatabases, .database = 0, .other_database = 1}}, at(40));
  EXPECT_EQ(last_change("k"), at(40));
  EXPECT_EQ(last_change("k", 1), at(40));
  apply({{.kind = EffectKind::kFlush, .database = kAllDatabases}}, at(50));
  EXPECT_EQ(last_change("k", 15), at(50));
}

TEST_F(TombstonesTest, AMergedValueKeepsTheTimeAtWhichItWasWritten) {
  apply({set_of("k", "old")}, at(20));
  apply({merge_of(at(25, 3)), set_of("k", "merged"), delete_of("gone")}, at(60));
  EXPECT_EQ(keyspace_.find(0, "k")->stamp(), at(60));
  EXPECT_EQ(last_change("k"), at(25, 3));
  EXPECT_EQ(last_change("gone"), at(25, 3));
  // Only that record's.
  apply({set_of("k", "new")}, at(61));
  EXPECT_EQ(last_change("k"), at(61));
}

TEST_F(TombstonesTest, UndoneIsAsItWas) {
  apply({set_of("k"), set_of("l")}, at(20));
  apply({delete_of("k")}, at(30));
  apply({set_of("k")}, at(35));
  std::vector<Inverse> inverses;
  inverses.push_back(apply({delete_of("k")}, at(40)));
  inverses.push_back(apply({merge_of(at(45, 2)), set_of("k"), set_of("l")}, at(50)));
  inverses.push_back(apply({{.kind = EffectKind::kFlush, .database = 0}}, at(60)));
  EXPECT_EQ(last_change("k"), at(60));
  keyspace_.undo(std::move(inverses[2]));
  EXPECT_EQ(last_change("k"), at(45, 2));
  EXPECT_EQ(last_change("l"), at(45, 2));
  keyspace_.undo(std::move(inverses[1]));
  EXPECT_EQ(last_change("k"), at(40));
  EXPECT_EQ(last_change("l"), at(20));
  keyspace_.undo(std::move(inverses[0]));
  EXPECT_EQ(last_change("k"), at(35));
  EXPECT_EQ(tombstones().size(), 1u);
}

TEST_F(TombstonesTest, AnotherNodesRecordOfTheSameTimeIsNoMerge) {
  Inverse merged = apply({merge_of(at(25, 3)), set_of("k")}, at(60, 1));
  keyspace_.undo(std::move(merged));
  apply({set_of("k")}, at(60, 2));
  EXPECT_EQ(last_change("k"), at(60, 2));
}

TEST_F(TombstonesTest, WhatEverybodyHasPassedIsForgotten) {
  apply({set_of("a"), set_of("b")}, at(20));
  apply({delete_of("a")}, at(30));
  apply({delete_of("b")}, at(40));
  apply({merge_of(at(42)), set_of("c")}, at(50));
  apply({forget_of(30)}, at(55));
  EXPECT_EQ(tombstones().size(), 2u);
  EXPECT_EQ(last_change("a"), horizon(30));
  EXPECT_EQ(last_change("b"), at(40));
  apply({forget_of(50)}, at(56));
  EXPECT_EQ(tombstones().size(), 0u);
  EXPECT_EQ(tombstones().memory_bytes(), 0u);
  EXPECT_EQ(last_change("b"), horizon(50));
  EXPECT_EQ(last_change("c"), horizon(50));
  // Never back.
  apply({forget_of(20)}, at(57));
  EXPECT_EQ(tombstones().horizon(), Hlc{50});
}

TEST_F(TombstonesTest, UndoOfWhatIsForgottenAlreadyTakesNothingElse) {
  apply({delete_of("a")}, at(30));
  Inverse inverse = apply({delete_of("b"), delete_of("c")}, at(40));
  apply({forget_of(40)}, at(41));
  keyspace_.undo(std::move(inverse));
  EXPECT_EQ(tombstones().size(), 0u);
}

TEST_F(TombstonesTest, ALimitForgetsTheOldestAndResurrectsNothing) {
  Tombstones small(Hlc{0}, 2000);
  for (uint64_t i = 1; i <= 100; ++i) {
    const std::string key = "key" + std::to_string(i);
    EXPECT_EQ(small.note(delete_of(key), at(i)), 1u);
    EXPECT_LE(small.memory_bytes(), 2000u);
  }
  EXPECT_GT(small.size(), 2u);
  EXPECT_LT(small.size(), 50u);
  for (uint64_t i = 1; i <= 100; ++i) {
    EXPECT_GE(small.last_change(0, "key" + std::to_string(i), nullptr), at(i));
  }
}

TEST_F(TombstonesTest, BlocksOfASnapshotMakeTheSameAgain) {
  apply({set_of("a"), set_of("b")}, at(20));
  apply({delete_of("a")}, at(30));
  apply({{.kind = EffectKind::kFlush, .database = 2}}, at(35));
  apply({merge_of(at(37, 9)), set_of("c"), delete_of("d")}, at(40));
  apply({set_of("a")}, at(45));
  apply({delete_of("a")}, at(50));
  const auto blocks = tombstones().encode(30);
  EXPECT_GT(blocks.size(), 2u);
  Tombstones copy(Hlc{0});
  uint32_t marks = 0;
  for (const Tombstones::Block& block : blocks) {
    const uint32_t loaded = copy.load(block.bytes, Hlc{50});
    EXPECT_EQ(loaded, block.marks);
    marks += loaded;
  }
  EXPECT_EQ(marks, tombstones().size());
  EXPECT_EQ(copy.horizon(), tombstones().horizon());
  EXPECT_EQ(copy.memory_bytes(), tombstones().memory_bytes());
  for (const char* key : {"a", "b", "c", "d", "e"}) {
    for (const int database : {0, 2}) {
      const Entry* entry = keyspace_.find(database, key);
      EXPECT_EQ(copy.last_change(database, key, entry),
                tombstones().last_change(database, key, entry));
    }
  }
  // The newest of a key hides the ones before it as it did.
  copy.undo(1);
  EXPECT_EQ(copy.last_change(0, "a", nullptr), at(30));
}

// docs/snapshot-format.md, "Tombstones payload".
TEST_F(TombstonesTest, TheBytesAreThoseOfTheDocument) {
  apply({merge_of(at(0x0203, 0x0405)), {.kind = EffectKind::kDelete, .database = 15, .key = "key"}},
        at(0x0708));
  apply({{.kind = EffectKind::kFlush, .database = 1}}, at(0x0709, 9));
  const std::string expected(
      "\x0a\0\0\0\0\0\0\0"
      "\x08\x07\0\0\0\0\0\0"
      "\x03\x02\0\0\0\0\0\0"
      "\x05\x04"
      "\x0f"
      "\x03key"
      "\x09\x07\0\0\0\0\0\0"
      "\x09\x07\0\0\0\0\0\0"
      "\x09\x00"
      "\x81"
      "\0",
      8 + 19 + 4 + 19 + 1);
  EXPECT_EQ(tombstones().encode(1000)[0].bytes, expected);
}

TEST_F(TombstonesTest, AnEmptyOneSaysItsHorizon) {
  const auto blocks = tombstones().encode(1000);
  ASSERT_EQ(blocks.size(), 1u);
  Tombstones copy(Hlc{0});
  EXPECT_EQ(copy.load(blocks[0].bytes, Hlc{10}), 0u);
  EXPECT_EQ(copy.horizon(), Hlc{10});
}

TEST_F(TombstonesTest, MalformedBlocksAreRefused) {
  apply({delete_of("key")}, at(30));
  const std::string good = tombstones().encode(1000)[0].bytes;
  const auto load = [](const std::string& bytes, uint64_t cut) {
    return Tombstones(Hlc{0}).load(bytes, Hlc{cut});
  };
  EXPECT_EQ(load(good, 30), 1u);
  EXPECT_EQ(load(good, 29), UINT32_MAX);  // a record after the cut
  for (size_t size = 0; size < good.size(); ++size) {
    const uint32_t marks = size == 8 ? 0 : UINT32_MAX;  // an empty block
    EXPECT_EQ(load(good.substr(0, size), 30), marks) << size;
  }
  std::string bad = good;
  bad[8 + 18] = '\x20';  // an unknown flag
  EXPECT_EQ(load(bad, 30), UINT32_MAX);
  bad[8 + 18] = '\x80';  // a whole database with a key
  EXPECT_EQ(load(bad, 30), UINT32_MAX);
  bad = good + "\xff";
  EXPECT_EQ(load(bad, 30), UINT32_MAX);
}

// What was undone may have raised it.
TEST_F(TombstonesTest, ASnapshotMayHaveAHorizonAboveItsCut) {
  keyspace_.keep_tombstones(false, Hlc{0});
  keyspace_.keep_tombstones(true, Hlc{50});
  Tombstones copy{Hlc{0}};
  EXPECT_EQ(copy.load(tombstones().encode(1000)[0].bytes, Hlc{40}), 0u);
  EXPECT_EQ(copy.horizon(), Hlc{50});
}

TEST_F(TombstonesTest, TheOldestSaysHowManyGo) {
  apply({delete_of("a")}, at(20));
  apply({delete_of("b"), delete_of("c")}, at(30));
  apply({delete_of("d")}, at(40));
  EXPECT_EQ(tombstones().nth_oldest(1), Hlc{20});
  EXPECT_EQ(tombstones().nth_oldest(2), Hlc{30});
  EXPECT_EQ(tombstones().nth_oldest(3), Hlc{30});
  EXPECT_EQ(tombstones().nth_oldest(100), Hlc{40});
}

TEST_F(TombstonesTest, WithoutMergingNothingIsKept) {
  apply({delete_of("k")}, at(30));
  keyspace_.keep_tombstones(false, Hlc{30});
  EXPECT_EQ(keyspace_.tombstones(), nullptr);
  Inverse inverse = apply({delete_of("k"), merge_of(at(1)), forget_of(3)}, at(31));
  EXPECT_TRUE(inverse.empty());
  // From then on, what was before counts as removed when it begins.
  keyspace_.keep_tombstones(true, Hlc{31});
  EXPECT_EQ(last_change("k"), horizon(31));
}

}  // namespace
}  // namespace kvorum::storage
