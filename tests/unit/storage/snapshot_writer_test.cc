#include "storage/snapshot_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/storage/snapshot_test_files.h"

namespace kvorum::storage {
namespace {

Effect set_effect(std::string_view key, std::string_view value) {
  Effect effect;
  effect.kind = EffectKind::kSet;
  effect.key = key;
  effect.value = value;
  return effect;
}

class SnapshotWriterTest : public ::testing::Test {
 protected:
  void set(const std::string& key, std::string_view value) {
    Inverse inverse;
    keyspace_.apply(set_effect(key, value), stamp_at(++hlc_), inverse);
  }
  void expect_loads_as(const std::vector<UnwrittenBlock>& blocks, const ModelContents& expected) {
    const auto loaded = load_snapshot(disk_, write_snapshot(disk_, blocks));
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(contents_of(**loaded), expected);
    expect_consistent(**loaded);
  }

  SimulatedDisk disk_;
  Keyspace keyspace_{kTestSeed};
  uint64_t hlc_ = 0;
};

TEST_F(SnapshotWriterTest, EmptyKeyspaceHasASnapshotToo) {
  SnapshotWriter writer(keyspace_, test_info(0));
  expect_loads_as(all_blocks(writer), ModelContents());
}

TEST_F(SnapshotWriterTest, CutHoldsWhateverChangesWhileItIsWritten) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Keyspace keyspace(seed);
    ModelContents model;
    RandomEffects random(seed);
    uint64_t hlc = 0;
    const auto change = [&](uint64_t times) {
      for (; times > 0; --times) {
        const OwnedEffect effect = random.next(model);
        Inverse inverse;
        keyspace.apply(effect.view(), stamp_at(++hlc), inverse);
        apply_to_model(effect.view(), stamp_at(hlc), model);
      }
    };
    change(200 + random.below(200));
    const ModelContents cut = model;
    SnapshotWriter writer(keyspace, test_info(hlc));
    EXPECT_EQ(writer.info().hash_seed, seed);
    std::vector<UnwrittenBlock> blocks;
    do {
      change(random.below(4));
      while (keyspace.reclaim(10)) {
      }
      for (UnwrittenBlock& block : writer.take_blocks()) blocks.push_back(std::move(block));
    } while (writer.step(1 + random.below(4)));
    EXPECT_TRUE(writer.complete());
    change(20);
    for (UnwrittenBlock& block : writer.take_blocks()) blocks.push_back(std::move(block));
    expect_loads_as(blocks, cut);
    ASSERT_EQ(contents_of(keyspace), model);
  }
}

TEST_F(SnapshotWriterTest, UndoAbandons) {
  set("k", "v");
  Inverse inverse;
  keyspace_.apply(set_effect("k", "w"), stamp_at(++hlc_), inverse);
  SnapshotWriter writer(keyspace_, test_info(hlc_));
  writer.step(1);
  EXPECT_FALSE(writer.abandoned());
  keyspace_.undo(std::move(inverse));
  EXPECT_TRUE(writer.abandoned());
  EXPECT_FALSE(writer.complete());
  EXPECT_FALSE(writer.step(100));
  EXPECT_EQ(writer.pending_bytes(), 0u);
  EXPECT_TRUE(writer.take_blocks().empty());
}

TEST_F(SnapshotWriterTest, UndoAfterTheLastStepStillAbandons) {
  Inverse inverse;
  keyspace_.apply(set_effect("k", "w"), stamp_at(++hlc_), inverse);
  SnapshotWriter writer(keyspace_, test_info(hlc_));
  all_blocks(writer);
  EXPECT_TRUE(writer.complete());
  keyspace_.undo(std::move(inverse));
  EXPECT_TRUE(writer.abandoned());
}

TEST_F(SnapshotWriterTest, AnotherSnapshotMayFollow) {
  set("k", "v");
  {
    SnapshotWriter abandoned(keyspace_, test_info(hlc_));
    abandoned.step(1);
  }
  set("k", "w");
  SnapshotWriter writer(keyspace_, test_info(hlc_));
  expect_loads_as(all_blocks(writer), contents_of(keyspace_));
}

TEST_F(SnapshotWriterTest, LongValueIsReferencedAndNotSeenToChange) {
  const std::string value(300'000, 'x');
  set("k", value);
  const ModelContents cut = contents_of(keyspace_);
  SnapshotWriter writer(keyspace_, test_info(hlc_));
  const std::vector<UnwrittenBlock> blocks = all_blocks(writer);
  ASSERT_EQ(blocks.size(), 3u);
  EXPECT_LT(blocks[1].bytes.size(), 100u);
  Effect splice = set_effect("k", "changed");
  splice.kind = EffectKind::kSplice;
  splice.offset = 100;
  splice.length = value.size();
  Inverse inverse;
  keyspace_.apply(splice, stamp_at(++hlc_), inverse);
  EXPECT_EQ(keyspace_.find(0, "k")->string().substr(100, 7), "changed");
  expect_loads_as(blocks, cut);
}

TEST_F(SnapshotWriterTest, StepKeepsToItsBudget) {
  for (int i = 0; i < 10'000; ++i) set("key:" + std::to_string(i), "value");
  SnapshotWriter writer(keyspace_, test_info(hlc_));
  uint64_t before = 0;
  while (writer.step(100)) {
    EXPECT_LE(writer.keys_done() - before, 110u);
    before = writer.keys_done();
  }
  EXPECT_EQ(writer.keys_done(), 10'000u);
}

TEST_F(SnapshotWriterTest, PendingBytesAreThoseInMemory) {
  for (int i = 0; i < 100; ++i) set("key:" + std::to_string(i), std::string(10'000, 'v'));
  SnapshotWriter writer(keyspace_, test_info(hlc_));
  writer.take_blocks();
  EXPECT_EQ(writer.pending_bytes(), 0u);
  writer.step(400);
  EXPECT_GE(writer.pending_bytes(), 10 * 10'000u);
  while (writer.step(400)) {
  }
  size_t taken = 0;
  for (const UnwrittenBlock& block : writer.take_blocks()) taken += block.size();
  EXPECT_GE(taken, 100 * 10'000u);
  EXPECT_EQ(writer.pending_bytes(), 0u);
}

TEST_F(SnapshotWriterTest, BlocksStayNearTheirSize) {
  for (int i = 0; i < 20'000; ++i) set("key:" + std::to_string(i), std::string(80, 'v'));
  SnapshotWriter writer(keyspace_, test_info(hlc_));
  const std::vector<UnwrittenBlock> blocks = all_blocks(writer);
  EXPECT_GT(blocks.size(), 5u);
  for (const UnwrittenBlock& block : blocks) EXPECT_LE(block.size(), 257 * 1024u);
}

}  // namespace
}  // namespace kvorum::storage
