// CRC-32C (Castagnoli), in hardware where the processor has it. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace kvorum::storage {

// The CRC of `bytes`, or, given the CRC of what comes before them, of both together:
// crc32c(b, crc32c(a)) == crc32c(a + b).
[[nodiscard]] uint32_t crc32c(std::string_view bytes, uint32_t before = 0);

}  // namespace kvorum::storage
