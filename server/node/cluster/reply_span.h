// Where one reply ends among many, without reading what is in it. Pure; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace kvorum::server {

// The offset behind the RESP reply (2 or 3, with all its elements) that begins at `begin`; npos if
// the bytes do not hold all of it, or are no RESP. REQUIRES: begin <= bytes.size().
[[nodiscard]] size_t reply_end(std::string_view bytes, size_t begin);

}  // namespace kvorum::server
