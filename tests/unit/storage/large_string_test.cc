#include "storage/large_string.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "storage/digest.h"

namespace kvorum::storage {
namespace {

void expect_is(const LargeString& string, const std::string& expected) {
  ASSERT_EQ(string.view(), expected);
  ASSERT_EQ(string.hash(), LargeString::create(expected)->hash());
}

TEST(LargeStringTest, SplicesKeepTheHashAndCanBeTakenBack) {
  std::mt19937 random(1);
  std::string expected(10'000, 'a');
  const LargeString::Reference string = LargeString::create(expected);
  for (int i = 0; i < 2000; ++i) {
    const std::string before = expected;
    const size_t length = i % 3 == 0 ? 1 + random() % 20'000 : before.size();
    const size_t offset = random() % (length + 1);
    const std::string bytes(random() % (length - offset + 1) % 5000,
                            static_cast<char>('b' + i % 20));
    const LargeString::Undo undo = string->undo_of_splice(offset, bytes.size(), length);
    string->splice(offset, bytes, length);
    expected.resize(length, '\0');
    expected.replace(offset, bytes.size(), bytes);
    expect_is(*string, expected);
    if (i % 2 == 0) continue;
    string->splice(undo.offset, undo.bytes, undo.length);
    expected = before;
    expect_is(*string, expected);
  }
}

TEST(LargeStringTest, AppendSavesNothingForUndo) {
  const LargeString::Reference string = LargeString::create(std::string(10'000, 'a'));
  EXPECT_TRUE(string->undo_of_splice(10'000, 50, 10'050).bytes.empty());
}

TEST(LargeStringTest, CapacityGrowsGeometrically) {
  const LargeString::Reference string = LargeString::create(std::string(5000, 'a'));
  int moves = 0;
  size_t memory = string->memory_bytes();
  for (size_t size = 5000; size < 500'000; ++size) {
    string->splice(size, "b", size + 1);
    moves += string->memory_bytes() != memory ? 1 : 0;
    memory = string->memory_bytes();
  }
  EXPECT_LT(moves, 30);
  EXPECT_LT(memory, 700'000u);
}

TEST(LargeStringTest, EqualChunksInOtherPlacesHashDifferently) {
  const std::string a(kValueChunkBytes, 'a');
  const std::string b(kValueChunkBytes, 'b');
  EXPECT_NE(LargeString::create(a + b)->hash(), LargeString::create(b + a)->hash());
}

}  // namespace
}  // namespace kvorum::storage
