#include "storage/effect.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::storage {
namespace {

using std::string_literals::operator""s;

std::string encode(const Effect& effect) {
  std::string bytes;
  encode_effect(effect, bytes);
  return bytes;
}

void expect_equal(const Effect& left, const Effect& right) {
  EXPECT_EQ(left.kind, right.kind);
  EXPECT_EQ(left.database, right.database);
  EXPECT_EQ(left.other_database, right.other_database);
  EXPECT_EQ(left.type, right.type);
  EXPECT_EQ(left.raw, right.raw);
  EXPECT_EQ(left.key, right.key);
  EXPECT_EQ(left.other_key, right.other_key);
  EXPECT_EQ(left.value, right.value);
  EXPECT_EQ(left.offset, right.offset);
  EXPECT_EQ(left.length, right.length);
  EXPECT_EQ(left.expiry_ms, right.expiry_ms);
  EXPECT_EQ(left.stamp, right.stamp);
}

struct Golden {
  Effect effect;
  std::string bytes;
};

// docs/wal-format.md, "Effect": these bytes may never change.
std::vector<Golden> golden_effects() {
  return {
      {{.kind = EffectKind::kSet, .key = "k", .value = "v"}, "\x01\x00\x00\x00\x01k\x01v"s},
      {{.kind = EffectKind::kSet,
        .database = 15,
        .raw = true,
        .key = "",
        .value = "\0\r\n"s.c_str(),
        .expiry_ms = 0x0102030405060708},
       "\x01\x0f\x00\x03\x00\x08\x07\x06\x05\x04\x03\x02\x01\x00"s},
      {{.kind = EffectKind::kSplice, .key = "k", .value = "ab", .offset = 300, .length = 400},
       "\x02\x00\x01k\xac\x02\x90\x03\x02"
       "ab"s},
      {{.kind = EffectKind::kSetExpiry, .database = 2, .key = "k", .expiry_ms = -1},
       "\x03\x02\x01k\xff\xff\xff\xff\xff\xff\xff\xff"s},
      {{.kind = EffectKind::kDelete, .database = 1, .key = "key"}, "\x04\x01\x03key"s},
      {{.kind = EffectKind::kRename, .key = "a", .other_key = "b"},
       "\x05\x00\x01"
       "a\x01"
       "b"s},
      {{.kind = EffectKind::kMove, .database = 3, .other_database = 4, .key = "a"},
       "\x06\x03\x04\x01"
       "a"s},
      {{.kind = EffectKind::kCopy,
        .database = 3,
        .other_database = 4,
        .key = "a",
        .other_key = "bc"},
       "\x07\x03\x04\x01"
       "a\x02"
       "bc"s},
      {{.kind = EffectKind::kSwapDatabases, .database = 5, .other_database = 6}, "\x08\x05\x06"s},
      {{.kind = EffectKind::kFlush, .database = 7}, "\x09\x07"s},
      {{.kind = EffectKind::kFlush, .database = kAllDatabases}, "\x09\xff"s},
      {{.kind = EffectKind::kMerge, .stamp = {Hlc{0x0102030405060708}, NodeId{0x090a}}},
       "\x0a\x00\x08\x07\x06\x05\x04\x03\x02\x01\x0a\x09"s},
      {{.kind = EffectKind::kForgetTombstones, .stamp = {Hlc{0x0102030405060708}, NodeId{0}}},
       "\x0b\x00\x08\x07\x06\x05\x04\x03\x02\x01"s},
  };
}

TEST(EffectTest, EncodesToTheGoldenBytes) {
  for (const Golden& golden : golden_effects()) {
    EXPECT_EQ(encode(golden.effect), golden.bytes) << static_cast<int>(golden.effect.kind);
  }
}

TEST(EffectTest, DecodesTheGoldenBytes) {
  for (const Golden& golden : golden_effects()) {
    std::string_view bytes = golden.bytes;
    Effect effect;
    ASSERT_TRUE(decode_effect(bytes, effect)) << static_cast<int>(golden.effect.kind);
    EXPECT_TRUE(bytes.empty());
    expect_equal(effect, golden.effect);
  }
}

TEST(EffectTest, AppendsAfterWhatIsThere) {
  std::string bytes = "before";
  encode_effect({.kind = EffectKind::kFlush, .database = 7}, bytes);
  encode_effect({.kind = EffectKind::kFlush, .database = 8}, bytes);
  EXPECT_EQ(bytes, "before\x09\x07\x09\x08");
}

TEST(EffectTest, DecodeTakesOneEffectAndLeavesTheRest) {
  const std::string bytes = encode({.kind = EffectKind::kDelete, .key = "k"}) + "rest";
  std::string_view view = bytes;
  Effect effect;
  ASSERT_TRUE(decode_effect(view, effect));
  EXPECT_EQ(view, "rest");
}

TEST(EffectTest, EveryTruncationIsRefusedAndTakesNothing) {
  for (const Golden& golden : golden_effects()) {
    for (size_t size = 0; size < golden.bytes.size(); ++size) {
      const std::string cut = golden.bytes.substr(0, size);  // its own buffer: ASan sees overreads
      std::string_view view = cut;
      Effect effect;
      EXPECT_FALSE(decode_effect(view, effect));
      EXPECT_EQ(view.size(), size);
    }
  }
}

bool decodes(const std::string& bytes) {
  std::string_view view = bytes;
  Effect effect;
  return decode_effect(view, effect);
}

TEST(EffectTest, UnknownKindsAreRefused) {
  EXPECT_FALSE(decodes("\x00\x00\x01k"s));
  EXPECT_FALSE(decodes("\x0a\x00\x01k"s));
  EXPECT_FALSE(decodes("\xff\x00\x01k"s));
}

TEST(EffectTest, DatabasesOutOfRangeAreRefused) {
  EXPECT_FALSE(decodes("\x04\x10\x01k"s));
  EXPECT_FALSE(decodes("\x04\xff\x01k"s)) << "all databases is for flush alone";
  EXPECT_FALSE(decodes("\x06\x00\x10\x01k"s));
  EXPECT_FALSE(decodes("\x08\x00\xff"s));
}

TEST(EffectTest, SplicesOutsideTheirNewLengthAreRefused) {
  EXPECT_TRUE(
      decodes(encode({.kind = EffectKind::kSplice, .value = "ab", .offset = 3, .length = 5})));
  EXPECT_FALSE(
      decodes(encode({.kind = EffectKind::kSplice, .value = "ab", .offset = 4, .length = 5})));
  EXPECT_FALSE(decodes(
      encode({.kind = EffectKind::kSplice, .value = "ab", .offset = UINT64_MAX, .length = 1})));
}

TEST(EffectTest, LengthsBeyondTheBytesAreRefused) {
  EXPECT_FALSE(decodes("\x04\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01k"s));
  EXPECT_FALSE(decodes("\x04\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02k"s)) << "above 64 bits";
  EXPECT_FALSE(decodes("\x04\x00\x81\x00k"s)) << "a length has one encoding";
}

TEST(EffectTest, UnknownTypesAndFlagsAreRefused) {
  EXPECT_FALSE(decodes("\x01\x00\x01\x00\x01k\x01v"s));
  EXPECT_FALSE(decodes("\x01\x00\x00\x04\x01k\x01v"s));
  EXPECT_FALSE(decodes("\x01\x00\x00\x02\x01k\0\0\0\0\0\0\0\0\x01v"s)) << "an expiry of zero";
}

TEST(EffectTest, WhatDecodesEncodesToTheSameBytes) {
  std::mt19937_64 random(20260101);
  int decoded = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes = encode(golden_effects()[random() % 11].effect);
    for (int flips = static_cast<int>(random() % 3); flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    std::string_view view = bytes;
    Effect effect;
    if (!decode_effect(view, effect)) continue;
    ++decoded;
    ASSERT_EQ(encode(effect), bytes.substr(0, bytes.size() - view.size()));
  }
  EXPECT_GT(decoded, 50'000);
}

}  // namespace
}  // namespace kvorum::storage
