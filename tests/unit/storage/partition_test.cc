#include "storage/partition.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "storage/entry_access.h"

namespace kvorum::storage {
namespace {

EntryPtr make_entry(std::string_view key, std::string_view value = "v") {
  return EntryAccess::make({key, ValueType::kString, false, 0, Stamp{}}, value);
}

// Keeps std::map's order beside the partition's.
class PartitionTest : public ::testing::Test {
 protected:
  void put(uint32_t tag, const std::string& key, const std::string& value) {
    const EntryPtr old(partition_.exchange(tag, make_entry(key, value).release()));
    EXPECT_EQ(old != nullptr, model_.contains({tag, key}));
    model_[{tag, key}] = value;
  }
  void remove(uint32_t tag, const std::string& key) {
    const EntryPtr old(partition_.remove(tag, key));
    EXPECT_EQ(old != nullptr, model_.erase({tag, key}) == 1);
  }
  void expect_like_model() {
    ASSERT_EQ(partition_.size(), model_.size());
    std::vector<std::pair<uint32_t, std::string>> order;
    partition_.visit_from(0, [&](uint32_t tag, const Entry& entry) {
      order.emplace_back(tag, entry.key());
      return true;
    });
    ASSERT_EQ(order.size(), model_.size());
    size_t rank = 0;
    for (const auto& [place, value] : model_) {
      ASSERT_EQ(order[rank], place);
      ASSERT_EQ(partition_.at_rank(rank).key(), place.second);
      const Entry* entry = partition_.find(place.first, place.second);
      ASSERT_NE(entry, nullptr);
      ASSERT_EQ(entry->string(), value);
      ++rank;
    }
  }

  Partition partition_;
  std::map<std::pair<uint32_t, std::string>, std::string> model_;
};

TEST_F(PartitionTest, EmptyOneTakesNoMemoryAndFindsNothing) {
  EXPECT_EQ(partition_.memory_bytes(), 0u);
  EXPECT_EQ(partition_.find(0, "k"), nullptr);
  EXPECT_EQ(partition_.find(Partition::kTags - 1, "k"), nullptr);
  EXPECT_EQ(partition_.remove(Partition::kTags - 1, "k"), nullptr);
}

TEST_F(PartitionTest, RandomChangesKeepTagOrder) {
  // Few tags, so that they meet; all at the low end, at the high end, or spread.
  for (const auto& [first, spread] :
       {std::pair<uint32_t, uint32_t>{0, 40}, {Partition::kTags - 40, 40}, {0, Partition::kTags}}) {
    std::mt19937 random(first + spread);
    for (int i = 0; i < 4000; ++i) {
      const uint32_t tag = first + static_cast<uint32_t>(random()) % spread;
      const std::string key = "k" + std::to_string(random() % 8);
      const bool shrinking = i / 1000 % 2 == 1;
      if (random() % 10 < (shrinking ? 2 : 8)) {
        put(tag, key, std::to_string(i));
      } else if (spread < 100 || model_.empty()) {
        remove(tag, key);
      } else {
        const auto victim = model_.lower_bound({tag, key});
        const auto place = victim == model_.end() ? model_.begin()->first : victim->first;
        remove(place.first, place.second);
      }
      if (i % 100 == 0) expect_like_model();
    }
    expect_like_model();
    while (!model_.empty()) {
      const auto place = model_.begin()->first;
      remove(place.first, place.second);
    }
    EXPECT_EQ(partition_.memory_bytes(), 0u);
  }
}

TEST_F(PartitionTest, LastTagsFitThoughTheyDoNotWrapAround) {
  for (int i = 0; i < 500; ++i) put(Partition::kTags - 1, "k" + std::to_string(i), "v");
  expect_like_model();
}

TEST_F(PartitionTest, SlotsTakeAboutTenBytesPerEntry) {
  std::mt19937 random(1);
  double bytes = 0;
  int samples = 0;
  for (int i = 0; i < 3000; ++i) {
    put(static_cast<uint32_t>(random()) % Partition::kTags, std::to_string(i), "v");
    if (i < 300) continue;
    bytes += static_cast<double>(partition_.memory_bytes()) / static_cast<double>(i + 1);
    ++samples;
  }
  EXPECT_LT(bytes / samples, 11.0);
}

TEST_F(PartitionTest, ShrinksWhenSparse) {
  for (uint32_t i = 0; i < 1000; ++i) put(i * 1000, "k", "v");
  const size_t full = partition_.memory_bytes();
  for (uint32_t i = 0; i < 950; ++i) remove(i * 1000, "k");
  EXPECT_LT(partition_.memory_bytes(), full / 4);
  expect_like_model();
}

TEST_F(PartitionTest, ReservedRoomIsEnough) {
  partition_.reserve(1000);
  const size_t reserved = partition_.memory_bytes();
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    put(static_cast<uint32_t>(random()) % Partition::kTags, std::to_string(i), "v");
  }
  EXPECT_EQ(partition_.memory_bytes(), reserved);
}

TEST_F(PartitionTest, TakeLastEmptiesFromTheEnd) {
  for (uint32_t i = 0; i < 100; ++i) put(i * 1000, std::to_string(i), "v");
  std::vector<std::string> taken;
  const auto take = [&](EntryPtr entry) { taken.emplace_back(entry->key()); };
  EXPECT_EQ(partition_.take_last(30, take), 30u);
  EXPECT_EQ(taken.front(), "99");
  EXPECT_EQ(taken.back(), "70");
  EXPECT_EQ(partition_.take_last(1000, take), 70u);
  EXPECT_EQ(partition_.size(), 0u);
  EXPECT_EQ(partition_.memory_bytes(), 0u);
}

}  // namespace
}  // namespace kvorum::storage
