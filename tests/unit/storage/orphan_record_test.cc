#include "storage/orphan_record.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "storage/effect.h"
#include "storage/record.h"

namespace kvorum::storage {
namespace {

Effect set_of(std::string_view key, uint8_t database = 0) {
  return {.kind = EffectKind::kSet, .database = database, .key = key, .value = "v"};
}
Effect delete_of(std::string_view key) { return {.kind = EffectKind::kDelete, .key = key}; }
Effect expire_of(std::string_view key) {
  return {.kind = EffectKind::kSetExpiry, .key = key, .expiry_ms = 1};
}

std::string effects_of(std::initializer_list<Effect> effects) {
  std::string bytes;
  for (const Effect& effect : effects) encode_effect(effect, bytes);
  return bytes;
}

class OrphanRecordTest : public ::testing::Test {
 protected:
  void drop(std::string_view payload, RecordKind kind = RecordKind::kEffects) {
    RecordHeader header;
    header.kind = kind;
    header.term = Term{3};
    header.lsn = Lsn{++lsn_};
    header.stamp = {Hlc{100 + lsn_}, NodeId{1}};
    encode_record({}, header, payload, dropped_);
  }
  void drop(std::initializer_list<Effect> effects) { drop(effects_of(effects)); }
  // The lsns of those that can be merged.
  std::vector<uint64_t> mergeable(uint64_t kept) {
    const MergeableRecords result = mergeable_records(dropped_);
    EXPECT_EQ(result.kept, kept);
    std::vector<uint64_t> lsns;
    for (std::string_view rest = result.records; !rest.empty();) {
      lsns.push_back(take_record(rest).header.lsn.value());
    }
    return lsns;
  }

  uint64_t lsn_ = 0;
  std::string dropped_;
};

using Lsns = std::vector<uint64_t>;

TEST_F(OrphanRecordTest, BlindWritesCanBeMerged) {
  drop({set_of("a")});
  drop({delete_of("b"), set_of("c")});
  EXPECT_EQ(mergeable(0), (Lsns{1, 2}));
}

TEST_F(OrphanRecordTest, WhatIsChangedLaterByWhatStaysStaysToo) {
  drop({set_of("a"), set_of("b")});
  drop({set_of("c")});
  drop({expire_of("a")});
  drop({set_of("a")});
  EXPECT_EQ(mergeable(2), (Lsns{2, 4}));
}

TEST_F(OrphanRecordTest, WhatStaysTakesAllItsKeysWithIt) {
  drop({set_of("b")});
  drop({set_of("a"), set_of("b")});
  drop({expire_of("a")});
  EXPECT_EQ(mergeable(3), Lsns{});
}

TEST_F(OrphanRecordTest, EachKindOfChangeNamesWhatItChanges) {
  const Effect changes[] = {
      {.kind = EffectKind::kSplice, .key = "a", .value = "x", .offset = 0, .length = 1},
      {.kind = EffectKind::kRename, .key = "a", .other_key = "x"},
      {.kind = EffectKind::kRename, .key = "x", .other_key = "a"},
      {.kind = EffectKind::kMove, .other_database = 1, .key = "a"},
      {.kind = EffectKind::kMove, .database = 1, .other_database = 0, .key = "a"},
      {.kind = EffectKind::kCopy, .other_database = 0, .key = "x", .other_key = "a"},
      {.kind = EffectKind::kSwapDatabases, .database = 1, .other_database = 0},
      {.kind = EffectKind::kSwapDatabases, .database = 0, .other_database = 1},
      {.kind = EffectKind::kFlush, .database = 0},
      {.kind = EffectKind::kFlush, .database = kAllDatabases},
  };
  for (const Effect& change : changes) {
    SCOPED_TRACE(static_cast<int>(change.kind));
    dropped_.clear();
    lsn_ = 0;
    drop({set_of("a")});
    drop({set_of("a", 2)});
    drop({set_of("b", 2)});
    drop({change});
    const bool all = change.kind == EffectKind::kFlush && change.database == kAllDatabases;
    EXPECT_EQ(mergeable(all ? 4 : 2), all ? Lsns{} : (Lsns{2, 3}));
  }
}

TEST_F(OrphanRecordTest, ACopyLeavesItsSource) {
  drop({set_of("a")});
  drop({{.kind = EffectKind::kCopy, .other_database = 0, .key = "a", .other_key = "x"}});
  EXPECT_EQ(mergeable(1), Lsns{1});
}

TEST_F(OrphanRecordTest, WhatSaysNothingOfKeysIsNotCounted) {
  drop({set_of("a")});
  drop("digest", RecordKind::kDigest);
  drop({{.kind = EffectKind::kForgetTombstones, .stamp = {Hlc{7}, NodeId{0}}}});
  EXPECT_EQ(mergeable(0), Lsns{1});
}

TEST_F(OrphanRecordTest, AnEarlierMergeIsSeenThrough) {
  const Stamp first{Hlc{9}, NodeId{2}};
  drop({{.kind = EffectKind::kMerge, .stamp = first}, set_of("a")});
  EXPECT_EQ(mergeable(0), Lsns{1});
  std::string_view rest = dropped_;
  const OrphanRecord orphan = orphan_record(take_record(rest));
  EXPECT_EQ(orphan.stamp, first);
  EXPECT_EQ(orphan.effects, effects_of({set_of("a")}));
}

TEST_F(OrphanRecordTest, WhatDoesNotDecodeMayChangeAnything) {
  drop({set_of("a")});
  drop("\xff");
  drop({set_of("a")});
  EXPECT_EQ(mergeable(2), Lsns{3});
}

}  // namespace
}  // namespace kvorum::storage
