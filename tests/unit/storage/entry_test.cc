#include "storage/entry.h"

#include <gtest/gtest.h>

#include <string>

#include "storage/entry_access.h"

namespace kvorum::storage {
namespace {

constexpr Stamp kStamp{Hlc{uint64_t{1'700'000'000'000} << 16}, NodeId{65535}};

EntryPtr make_entry(std::string_view key, std::string_view value, ExpiryMs expiry_ms = 0) {
  return EntryAccess::make({key, ValueType::kString, false, expiry_ms, kStamp}, value);
}

TEST(EntryTest, SixteenByteKeyWithSixtyFourByteValueTakesNinetySixBytes) {
  EXPECT_EQ(make_entry(std::string(16, 'k'), std::string(64, 'v'))->memory_bytes(), 96u);
}

TEST(EntryTest, AllSizesKeepTheirParts) {
  for (const size_t key_size : {0, 1, 254, 255, 256, 70'000}) {
    for (const size_t value_size : {0, 1, 4095, 4096, 100'000}) {
      for (const ExpiryMs expiry_ms : {ExpiryMs{0}, ExpiryMs{1}, INT64_MAX}) {
        const std::string key(key_size, 'k');
        const std::string value(value_size, 'v');
        const EntryPtr entry = make_entry(key, value, expiry_ms);
        EXPECT_EQ(entry->key(), key);
        EXPECT_EQ(entry->string(), value);
        EXPECT_EQ(entry->expiry_ms(), expiry_ms);
        EXPECT_EQ(entry->stamp(), kStamp);
        EXPECT_EQ(entry->type(), ValueType::kString);
        EXPECT_FALSE(entry->raw());
        EXPECT_GE(entry->memory_bytes(), 16 + key_size + value_size);
      }
    }
  }
}

TEST(EntryTest, IdleTimeCountsFromTheChangeAndFromTheLastTouch) {
  const EntryPtr entry = make_entry("k", std::string(4095, 'v'));
  EXPECT_EQ(entry->idle_seconds(1'700'000'000), 0u);
  EXPECT_EQ(entry->idle_seconds(1'700'000'100), 100u);
  entry->touch(1'700'000'090);
  EXPECT_EQ(entry->idle_seconds(1'700'000'100), 10u);
  EXPECT_EQ(entry->idle_seconds(1'700'000'090 + kIdleClockPeriodSeconds - 1),
            kIdleClockPeriodSeconds - 1);
  EXPECT_EQ(entry->string().size(), 4095u);
}

TEST(EntryTest, TouchIsNotPartOfTheHash) {
  const EntryPtr entry = make_entry("k", "v");
  const uint64_t hash = EntryAccess::hash(*entry, 1);
  entry->touch(12345);
  EXPECT_EQ(EntryAccess::hash(*entry, 1), hash);
  EXPECT_NE(EntryAccess::hash(*entry, 2), hash);
}

TEST(EntryTest, LargeValueIsSharedUntilWritten) {
  const EntryPtr one = make_entry("k", std::string(5000, 'v'));
  const EntryPtr other = EntryAccess::make_sharing(*one, "other", 0, kStamp);
  EXPECT_EQ(one->string().data(), other->string().data());
  EntryAccess::writable_large(*other).splice(0, "w", 5000);
  EXPECT_EQ(one->string().front(), 'v');
  EXPECT_EQ(other->string().front(), 'w');
  const char* data = other->string().data();
  EntryAccess::writable_large(*other).splice(1, "w", 5000);
  EXPECT_EQ(other->string().data(), data);  // nobody shares it now
}

}  // namespace
}  // namespace kvorum::storage
