#include "storage/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <cstddef>

namespace kvorum::storage {

uint32_t crc32c(std::string_view bytes, uint32_t before) {
  constexpr size_t kMaxPiece = size_t{1} << 30;  // ISA-L takes the length as an int
  uint32_t crc = ~before;
  do {
    const size_t size = std::min(bytes.size(), kMaxPiece);
    // ISA-L forgot the const; it only reads.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    crc = crc32_iscsi(data, static_cast<int>(size), crc);
    bytes.remove_prefix(size);
  } while (!bytes.empty());
  return ~crc;
}

}  // namespace kvorum::storage
