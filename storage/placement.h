// The words for where a key lies and what contents add up to, shared by tables, keyspace and
// snapshots.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvorum::storage {

inline constexpr size_t kPartitionCount =
    4096;  // per database, fixed for the life of a data directory

// The first 32 bits of a key's hash: 12 choose the partition, 20 are the tag that orders within it.
// What SCAN cursors and snapshots count in.
using HashPrefix = uint32_t;

// Order-independent digest of contents: equal contents (keys, values, types, raw marks, expiries,
// stamps) give equal digests, whatever the order of changes and the sizes of tables.
using Digest = uint64_t;

}  // namespace kvorum::storage
