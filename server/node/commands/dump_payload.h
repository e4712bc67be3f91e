// The bytes that DUMP answers and RESTORE takes: a value with its type, the format's version and a
// checksum. Not Redis' format: each refuses the other's.
//
//   type (1) | value | "KV" version (1) | CRC-32C of everything before it (4, little-endian)
//
// Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/effect.h"

namespace kvorum::server {

struct DumpedValue {
  storage::ValueType type = storage::ValueType::kString;
  std::string_view bytes;  // points into the payload
};

std::string encode_dump(const DumpedValue& value);

enum class DumpError : uint8_t { kNone, kForeign /* version or checksum */, kMalformed };

[[nodiscard]] DumpError decode_dump(std::string_view payload, DumpedValue& value);

}  // namespace kvorum::server
