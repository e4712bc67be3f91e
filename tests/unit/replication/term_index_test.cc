#include "replication/term_index.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace kvorum::replication {
namespace {

using storage::Lsn;
using storage::Position;
using storage::Term;

Position at(uint64_t term, uint64_t lsn) { return {Term{term}, Lsn{lsn}}; }

TermIndex index_of(const std::vector<uint64_t>& terms, Position base = {}) {
  TermIndex index(base);
  for (const uint64_t term : terms) index.append({Term{term}, index.last().lsn.next()});
  return index;
}

TEST(TermIndexTest, KnowsTheTermOfEveryRecordAndOfTheBase) {
  const TermIndex index = index_of({4, 4, 7}, at(3, 10));
  EXPECT_EQ(index.term_at(Lsn{9}), std::nullopt);
  EXPECT_EQ(index.term_at(Lsn{10}), Term{3});
  EXPECT_EQ(index.term_at(Lsn{12}), Term{4});
  EXPECT_EQ(index.term_at(Lsn{13}), Term{7});
  EXPECT_EQ(index.term_at(Lsn{14}), std::nullopt);
  EXPECT_TRUE(index.contains(at(4, 12)));
  EXPECT_FALSE(index.contains(at(7, 12)));
  EXPECT_EQ(index.run_begin(Lsn{12}), Lsn{11});
}

TEST(TermIndexTest, AppendsManyRecordsOfATermAtOnce) {
  TermIndex index;
  index.append(at(2, 1000));
  EXPECT_EQ(index.term_at(Lsn{1}), Term{2});
  EXPECT_EQ(index.last(), at(2, 1000));
}

TEST(TermIndexTest, FindsTheNewestRecordOfATermAtMost) {
  const TermIndex index = index_of({1, 1, 3, 3, 6});
  EXPECT_EQ(index.newest_up_to(Term{9}, Lsn{9}), at(6, 5));
  EXPECT_EQ(index.newest_up_to(Term{5}, Lsn{5}), at(3, 4));
  EXPECT_EQ(index.newest_up_to(Term{3}, Lsn{3}), at(3, 3));
  EXPECT_EQ(index.newest_up_to(Term{2}, Lsn{4}), at(1, 2));
  EXPECT_EQ(index.newest_up_to(Term{0}, Lsn{4}), Position());
}

TEST(TermIndexTest, BeforeTheBaseThereIsNothingToFind) {
  const TermIndex index = index_of({5}, at(4, 10));
  EXPECT_EQ(index.newest_up_to(Term{4}, Lsn{20}), at(4, 10));
  EXPECT_EQ(index.newest_up_to(Term{3}, Lsn{20}), Position());
  EXPECT_EQ(index.newest_up_to(Term{9}, Lsn{9}), Position());
}

TEST(TermIndexDeathTest, TermsNeverFallAndRecordsFollow) {
  TermIndex index = index_of({2, 2});
  EXPECT_DEATH(index.append(at(1, 3)), "never fall");
  EXPECT_DEATH(index.append(at(2, 2)), "follows");
  EXPECT_DEATH(index.truncate(Lsn{3}), "cut");
}

// Against a plain list of terms.
TEST(TermIndexTest, BehavesAsAListOfTerms) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<uint64_t> terms = {0};  // of lsn `first`, which is the base
    uint64_t first = 0;
    TermIndex index;
    for (int step = 0; step < 60; ++step) {
      const uint64_t last = first + terms.size() - 1;
      const uint64_t some = first + random() % terms.size();
      switch (random() % 6) {
        case 0:
          index.truncate(Lsn{some});
          terms.resize(some - first + 1);
          break;
        case 1:
          index.compact(Lsn{some});
          terms.erase(terms.begin(), terms.begin() + static_cast<ptrdiff_t>(some - first));
          first = some;
          break;
        default:
          terms.push_back(terms.back() + random() % 2);
          index.append({Term{terms.back()}, Lsn{last + 1}});
          break;
      }
      ASSERT_EQ(index.base(), at(terms.front(), first));
      ASSERT_EQ(index.last(), at(terms.back(), first + terms.size() - 1));
      for (size_t i = 0; i < terms.size(); ++i) {
        ASSERT_EQ(index.term_at(Lsn{first + i}), Term{terms[i]}) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace kvorum::replication
