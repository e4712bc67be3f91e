// Little-endian integers and variable-length integers in byte strings: every format of storage/ is
// made of them. Pure functions, any thread.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace kvorum::storage {

static_assert(std::endian::native == std::endian::little, "formats are written by memcpy");

template <typename Integer>
void store_little_endian(char* to, Integer value) {
  static_assert(std::is_integral_v<Integer>);
  std::memcpy(to, &value, sizeof(value));
}

template <typename Integer>
[[nodiscard]] Integer load_little_endian(const char* from) {
  static_assert(std::is_integral_v<Integer>);
  Integer value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

inline constexpr int kMaxVarintBytes = 10;

// Bytes that store_varint writes for `value`: seven bits each, lowest first.
[[nodiscard]] constexpr size_t varint_size(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

// REQUIRES: room for varint_size(value) bytes at `to`. Returns the byte after them.
inline char* store_varint(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}

// Takes a varint from the front of `bytes`. False, taking nothing, if it is truncated, above 64
// bits or longer than it need be: one value has one encoding.
[[nodiscard]] inline bool take_varint(std::string_view& bytes, uint64_t& value) {
  uint64_t result = 0;
  for (size_t i = 0; i < bytes.size() && i < kMaxVarintBytes; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (i == kMaxVarintBytes - 1 && byte > 1) return false;
    result |= uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      if (byte == 0 && i > 0) return false;
      value = result;
      bytes.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

}  // namespace kvorum::storage
