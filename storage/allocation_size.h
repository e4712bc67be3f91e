// What an allocation really costs with jemalloc, whose size classes are 16 bytes apart up to 128
// and four per doubling above. Used to account memory, and to grow arrays to exactly the size that
// the allocator would round them up to. Pure functions, any thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

namespace kvorum::storage {

// Distance between the size class that holds `bytes` and the one below it.
[[nodiscard]] constexpr size_t size_class_step(size_t bytes) {
  if (bytes <= 128) return 16;
  return size_t{1} << (std::bit_width(bytes - 1) - 3);
}

// The smallest size class that holds `bytes`.
[[nodiscard]] constexpr size_t allocation_bytes(size_t bytes) {
  const size_t step = size_class_step(bytes);
  return std::max(step, (bytes + step - 1) & ~(step - 1));
}

}  // namespace kvorum::storage
