// The blocks of a snapshot file: docs/snapshot-format.md has the bytes. Pure functions, any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/effect.h"
#include "storage/placement.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::storage {

inline constexpr std::string_view kSnapshotMagic = "kvsnap\r\n";
inline constexpr uint32_t kSnapshotFormatVersion = 1;
inline constexpr size_t kSnapshotBlockHeaderBytes = 24;

enum class SnapshotBlockKind : uint8_t {
  kInfo = 1,        // the first
  kEntries = 2,     // of one database
  kFooter = 3,      // the last
  kTombstones = 4,  // after the first; none where the keyspace keeps no tombstones
};

struct SnapshotBlockHeader {
  SnapshotBlockKind kind = SnapshotBlockKind::kInfo;
  uint8_t database = 0;        // kEntries
  uint32_t entries = 0;        // kEntries; kTombstones: marks
  uint32_t number = 0;         // 0, 1, 2 … in the file
  uint32_t payload_bytes = 0;  // after the header
  uint32_t payload_crc = 0;

  bool operator==(const SnapshotBlockHeader&) const = default;
};

// What a snapshot is of: its first block.
struct SnapshotInfo {
  Incarnation incarnation{};
  NodeId node{0};  // that wrote it
  uint64_t hash_seed = 0;
  Position position;                            // of the cut: the last record that is in it
  Hlc hlc{0};                                   // of that record; no entry's stamp is above
  uint64_t wall_ms = 0;                         // Unix time when it was begun
  std::array<uint64_t, kDatabaseCount> keys{};  // in each database
  std::string membership;  // in force at the cut, in the encoding of its record

  [[nodiscard]] uint64_t total_keys() const;
  bool operator==(const SnapshotInfo&) const = default;
};

struct SnapshotFooter {
  uint64_t keys = 0;
  Digest digest = 0;  // of the keyspace at the cut

  bool operator==(const SnapshotFooter&) const = default;
};

// The header's checksum begins with `seed`: the CRC of the magic for the first block, the first
// block's header checksum for all others, so that no block of another snapshot ever verifies.
using SnapshotBlockHeaderBytes = std::array<char, kSnapshotBlockHeaderBytes>;
[[nodiscard]] SnapshotBlockHeaderBytes encode_block_header(const SnapshotBlockHeader& header,
                                                           uint32_t seed);
// The checksum that encode_block_header put there.
[[nodiscard]] uint32_t block_header_crc(std::string_view bytes);
// False if the checksum or a reserved field is wrong. REQUIRES: kSnapshotBlockHeaderBytes bytes.
[[nodiscard]] bool decode_block_header(std::string_view bytes, uint32_t seed,
                                       SnapshotBlockHeader& header);

[[nodiscard]] std::string encode_snapshot_info(const SnapshotInfo& info);
enum class SnapshotInfoError : uint8_t { kNone, kMalformed, kVersion, kPartitionCount };
[[nodiscard]] SnapshotInfoError decode_snapshot_info(std::string_view payload, SnapshotInfo& info);

[[nodiscard]] std::string encode_snapshot_footer(const SnapshotFooter& footer);
[[nodiscard]] bool decode_snapshot_footer(std::string_view payload, SnapshotFooter& footer);

}  // namespace kvorum::storage
