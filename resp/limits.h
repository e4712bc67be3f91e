// What one client may ask the parser to hold. Every limit is checked before memory is taken for
// what it limits.
#pragma once

#include <cstddef>

namespace kvorum::resp {

struct Limits {
  // Arguments of one command, its name included.
  size_t max_arguments = size_t{1024} * 1024;
  // Bytes of one argument; `proto-max-bulk-len`.
  size_t max_bulk_bytes = size_t{512} * 1024 * 1024;
  // Bytes of an inline command without its line end, and of a count line ("*3", "$5").
  size_t max_inline_bytes = size_t{64} * 1024;
  // Bytes of one command on the wire and bytes of input held; `client-query-buffer-limit`.
  // At least 1 KiB; the parser raises smaller values.
  size_t max_query_bytes = size_t{1024} * 1024 * 1024;
  // Chooses the words of the errors only: before AUTH, Redis says "unauthenticated bulk length".
  bool authenticated = true;
};

// In force until the client has authenticated: 10 arguments of 16 KiB, 64 KiB held.
inline constexpr Limits kUnauthenticatedLimits = {
    .max_arguments = 10,
    .max_bulk_bytes = size_t{16} * 1024,
    .max_inline_bytes = size_t{32} * 1024,
    .max_query_bytes = size_t{64} * 1024,
    .authenticated = false,
};

}  // namespace kvorum::resp
