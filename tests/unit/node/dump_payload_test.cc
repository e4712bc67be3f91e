#include "server/node/commands/dump_payload.h"

#include <gtest/gtest.h>

#include <string>

namespace kvorum::server {
namespace {

using namespace std::string_view_literals;
using storage::ValueType;

std::string dump_of(std::string_view text) {
  return encode_dump({.type = ValueType::kString, .bytes = text});
}

TEST(DumpPayload, BytesAreThoseOfTheFormat) {
  EXPECT_EQ(dump_of("abc"),
            "\x00"
            "abcKV\x01\x3d\x15\xe8\xd3"sv);
}

TEST(DumpPayload, WhatWasEncodedIsDecoded) {
  for (const std::string& text :
       {std::string(), std::string("a\0b", 3), std::string(100'000, 'x')}) {
    const std::string payload = dump_of(text);
    DumpedValue value;
    ASSERT_EQ(decode_dump(payload, value), DumpError::kNone);
    EXPECT_EQ(value.type, ValueType::kString);
    EXPECT_EQ(value.bytes, text);
  }
}

TEST(DumpPayload, EveryTruncationAndEveryFlippedBitIsRefused) {
  const std::string payload = dump_of("some value");
  DumpedValue value;
  for (size_t length = 0; length < payload.size(); ++length) {
    EXPECT_EQ(decode_dump(std::string_view(payload).substr(0, length), value), DumpError::kForeign);
  }
  for (size_t bit = 0; bit < payload.size() * 8; ++bit) {
    std::string damaged = payload;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(decode_dump(damaged, value), DumpError::kForeign) << "bit " << bit;
  }
}

TEST(DumpPayload, PayloadOfRedisIsForeign) {
  // DUMP of "hello" by redis-server 7.0.15.
  const auto payload =
      "\x00\x05hello\n\x00"
      "cr\xdfve4 \n"sv;
  DumpedValue value;
  EXPECT_EQ(decode_dump(payload, value), DumpError::kForeign);
}

TEST(DumpPayload, UnknownTypeIsMalformed) {
  DumpedValue value;
  EXPECT_EQ(decode_dump(encode_dump({.type = static_cast<ValueType>(200), .bytes = "x"}), value),
            DumpError::kMalformed);
}

}  // namespace
}  // namespace kvorum::server
