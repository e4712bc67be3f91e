// The words every layer shares: term, lsn, hybrid logical clock reading, node id, and the two pairs
// made of them. Plain values, any thread.
#pragma once

#include <compare>
#include <cstdint>

#include "base/named_type.h"

namespace kvorum::storage {

// Leadership period; 0 means none yet.
using Term = base::NamedType<struct TermTag, uint64_t>;
// Log sequence number: 1, 2, 3 … without gaps; 0 means before the first record.
using Lsn = base::NamedType<struct LsnTag, uint64_t>;
// Hybrid logical clock: 48 bits of Unix milliseconds, 16 bits of logic.
using Hlc = base::NamedType<struct HlcTag, uint64_t>;
// 1 … 65535; 0 means no node.
using NodeId = base::NamedType<struct NodeIdTag, uint16_t>;

// A record's last-writer-wins timestamp: total order, larger wins.
struct Stamp {
  Hlc hlc{0};
  NodeId origin{0};
  auto operator<=>(const Stamp&) const = default;
};

// Names one entry of one history: two logs that agree on a position agree on everything before it.
struct Position {
  Term term{0};
  Lsn lsn{0};
  auto operator<=>(const Position&) const = default;
};

// What Raft's election must never forget; a frame of the WAL (docs/wal-format.md).
struct HardState {
  Term term{0};
  NodeId voted_for{0};
  auto operator<=>(const HardState&) const = default;
};

}  // namespace kvorum::storage
