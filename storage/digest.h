// The hashes of the keyspace. A key's hash chooses its place (partition, then order within it); an
// entry's hash covers everything that must be equal on all nodes, and the digest of a set of
// entries is the sum of their hashes modulo 2^64, so it can be kept up to date and has no order.
// The bytes hashed are part of the snapshot format (docs/snapshot-format.md). Pure functions, any
// thread.
#pragma once

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/effect.h"
#include "storage/placement.h"
#include "storage/types.h"

namespace kvorum::storage {

inline constexpr size_t kValueChunkBytes = 4096;

// Both halves of the 128-bit product, folded together.
[[nodiscard]] inline uint64_t mix_hashes(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a ^ 0x9e3779b97f4a7c15u} * (b ^ 0xd6e8feb86659fd93u);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

[[nodiscard]] inline uint64_t hash_key(std::string_view key, uint64_t hash_seed) {
  return XXH3_64bits_withSeed(key.data(), key.size(), hash_seed);
}

// Hash of the chunks of a long value that begin at or after `begin` and before `end`, so that a
// change rehashes only the chunks it touches: the value's hash is the sum over all of them.
// REQUIRES: begin is a multiple of kValueChunkBytes.
[[nodiscard]] inline uint64_t hash_chunks(std::string_view value, size_t begin, size_t end) {
  uint64_t sum = 0;
  for (size_t at = begin; at < std::min(end, value.size()); at += kValueChunkBytes) {
    const std::string_view chunk = value.substr(at, kValueChunkBytes);
    sum += XXH3_64bits_withSeed(chunk.data(), chunk.size(), at / kValueChunkBytes + 1);
  }
  return sum;
}

// Everything of an entry that its hash covers besides the bytes of key and value.
struct EntryTraits {
  Stamp stamp;
  ExpiryMs expiry_ms = 0;
  ValueType type = ValueType::kString;
  bool raw = false;
  size_t key_bytes = 0;
};

[[nodiscard]] inline uint64_t hash_traits(const EntryTraits& traits, uint64_t hash_seed) {
  const uint64_t small = traits.stamp.origin.value() |
                         uint64_t{static_cast<uint8_t>(traits.type)} << 16 |
                         uint64_t{traits.raw} << 20 | uint64_t{traits.key_bytes} << 32;
  uint64_t hash = mix_hashes(traits.stamp.hlc.value() ^ hash_seed, small);
  if (traits.expiry_ms != 0) hash += mix_hashes(static_cast<uint64_t>(traits.expiry_ms), hash_seed);
  return hash;
}

// An entry whose value is inline: key and value are one run of bytes.
[[nodiscard]] inline uint64_t hash_small_entry(const EntryTraits& traits,
                                               std::string_view key_value, uint64_t hash_seed) {
  return XXH3_64bits_withSeed(key_value.data(), key_value.size(), hash_traits(traits, hash_seed));
}

// An entry whose value is a LargeString: `value_hash` is the sum over its chunks.
[[nodiscard]] inline uint64_t hash_large_entry(const EntryTraits& traits, std::string_view key,
                                               uint64_t value_hash, size_t value_bytes,
                                               uint64_t hash_seed) {
  const uint64_t seed = hash_traits(traits, hash_seed) ^ mix_hashes(value_hash, value_bytes);
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

// What a database adds to the digest of its keyspace: `sum` is that of its entries' hashes. Its
// number is mixed in here and not into the entries' hashes, so that swapping two databases changes
// the digest without looking at their entries.
[[nodiscard]] inline Digest database_digest(size_t database, uint64_t sum, size_t keys) {
  return keys == 0 ? 0 : mix_hashes(sum + keys, database + 1);
}

}  // namespace kvorum::storage
