#include "storage/recovery_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

namespace kvorum::storage {
namespace {

template <typename Visit>
void for_every_combination(const Visit& visit) {
  for (int at = 0; at < kAtEndCount; ++at) {
    for (int beyond = 0; beyond < kBeyondCount; ++beyond) {
      for (int successor = 0; successor < kSuccessorCount; ++successor) {
        visit(static_cast<AtEnd>(at), static_cast<Beyond>(beyond),
              static_cast<Successor>(successor));
      }
    }
  }
}

TEST(RecoveryTableTest, EveryCombinationMeetsExactlyOneRow) {
  for_every_combination([](AtEnd at, Beyond beyond, Successor successor) {
    const auto rows = recovery_rows();
    const auto count = std::count_if(rows.begin(), rows.end(), [&](const RecoveryRow& row) {
      return row.matches(at, beyond, successor);
    });
    EXPECT_EQ(count, 1) << static_cast<int>(at) << ' ' << static_cast<int>(beyond) << ' '
                        << static_cast<int>(successor);
    EXPECT_TRUE(judge(at, beyond, successor).matches(at, beyond, successor));
  });
}

TEST(RecoveryTableTest, EveryRowIsMetAndSaysWhyInItsOwnWords) {
  std::set<std::string_view> reasons;
  for (const RecoveryRow& row : recovery_rows()) {
    bool met = false;
    for_every_combination([&](AtEnd at, Beyond beyond, Successor successor) {
      met = met || row.matches(at, beyond, successor);
    });
    EXPECT_TRUE(met) << row.reason;
    EXPECT_TRUE(reasons.insert(row.reason).second) << row.reason;
  }
}

// The rules, independent of how the rows are written.
TEST(RecoveryTableTest, SyncedBytesAreNeverCut) {
  for_every_combination([](AtEnd at, Beyond beyond, Successor successor) {
    const Verdict verdict = judge(at, beyond, successor).verdict;
    const bool synced = successor == Successor::kFurther ||
                        (successor == Successor::kNone && beyond == Beyond::kSynced);
    if (synced) {
      EXPECT_EQ(verdict, Verdict::kCorrupt);
    }
  });
}

TEST(RecoveryTableTest, APowerCutIsNeverCorruption) {
  for (int at = 0; at < kAtEndCount; ++at) {
    for (const Beyond beyond : {Beyond::kNothing, Beyond::kUnsynced}) {
      EXPECT_NE(judge(static_cast<AtEnd>(at), beyond, Successor::kNone).verdict, Verdict::kCorrupt);
    }
  }
}

TEST(RecoveryTableTest, WhatMayHoldTheLastWriteIsKeptAside) {
  EXPECT_EQ(judge(AtEnd::kTornFrame, Beyond::kNothing, Successor::kNone).verdict,
            Verdict::kTornTail);
  EXPECT_EQ(judge(AtEnd::kDamagedHeader, Beyond::kNothing, Successor::kNone).verdict,
            Verdict::kTornTail);
  EXPECT_EQ(judge(AtEnd::kZeros, Beyond::kUnsynced, Successor::kNone).verdict, Verdict::kTornTail);
}

TEST(RecoveryTableTest, LeftoversOfRecyclingEndTheLogQuietly) {
  for (const AtEnd at : {AtEnd::kEndOfFile, AtEnd::kZeros, AtEnd::kLeftover, AtEnd::kUnknown}) {
    EXPECT_EQ(judge(at, Beyond::kNothing, Successor::kNone).verdict, Verdict::kEndOfLog);
  }
}

TEST(RecoveryTableTest, TheNextSegmentDecidesWhereThisOneEnds) {
  for_every_combination([](AtEnd at, Beyond beyond, Successor successor) {
    const bool goes_on = judge(at, beyond, successor).verdict == Verdict::kNextSegment;
    EXPECT_EQ(goes_on, successor == Successor::kHere);
  });
}

}  // namespace
}  // namespace kvorum::storage
