// How recovery judges the place in a segment where no valid frame stands: data, one row per rule.
// docs/wal-format.md explains the rows. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace kvorum::storage {

// What stands at the place where the next frame would begin.
enum class AtEnd : uint8_t {
  kEndOfFile,      // the file ends (less than a sector is left, if anything)
  kZeros,          // a sector of zeros
  kLeftover,       // a frame of recycling: of another segment, another offset, an earlier boot
  kUnknown,        // no frame, in the part of the file that existed before: leftover bytes, or a
                   // sector that never reached the disk
  kDamagedHeader,  // no frame, though this segment's writer must have written here
  kTornFrame,      // a header of this segment whose payload does not verify
};
inline constexpr int kAtEndCount = 6;

// Headers of this segment and boot further on.
enum class Beyond : uint8_t {
  kNothing,
  kUnsynced,  // none of them says that this place was synced
  kSynced,    // one of them does
};
inline constexpr int kBeyondCount = 3;

// Where the next segment, if one has begun, says that this one's valid part ends.
enum class Successor : uint8_t { kNone, kHere, kFurther, kBefore };
inline constexpr int kSuccessorCount = 4;

enum class Verdict : uint8_t {
  kEndOfLog,  // nothing was lost
  kTornTail,  // what follows was never synced: cut, kept aside
  kNextSegment,
  kCorrupt,  // synced bytes are damaged: refuse to start
};

struct RecoveryRow {
  std::optional<AtEnd> at;  // nullopt: any
  std::optional<Beyond> beyond;
  std::optional<Successor> successor;
  Verdict verdict;
  std::string_view reason;

  bool matches(AtEnd at_end, Beyond is_beyond, Successor is_successor) const;
};

std::span<const RecoveryRow> recovery_rows();

// The one row that matches.
const RecoveryRow& judge(AtEnd at, Beyond beyond, Successor successor);

}  // namespace kvorum::storage
