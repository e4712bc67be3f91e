#include "storage/recovery_table.h"

#include <array>

#include "base/check.h"

namespace kvorum::storage {
namespace {

constexpr std::optional<AtEnd> kAnything = std::nullopt;
constexpr std::optional<Beyond> kAnyBeyond = std::nullopt;

constexpr std::array<RecoveryRow, 11> kRows = {{
    // The next segment has begun: it was written only after all of this one was synced.
    {kAnything, kAnyBeyond, Successor::kHere, Verdict::kNextSegment, "the segment is complete"},
    {kAnything, kAnyBeyond, Successor::kFurther, Verdict::kCorrupt,
     "damaged before the end that the next segment recorded"},
    {kAnything, kAnyBeyond, Successor::kBefore, Verdict::kCorrupt,
     "a frame crosses the end that the next segment recorded"},
    // The last segment, with a later frame that vouches for this place.
    {kAnything, Beyond::kSynced, Successor::kNone, Verdict::kCorrupt,
     "damaged below what a later frame says was synced"},
    // The last segment, with later frames that do not: sectors of one or more unfinished writes
    // reached the disk out of order.
    {kAnything, Beyond::kUnsynced, Successor::kNone, Verdict::kTornTail,
     "the last writes did not reach the disk whole"},
    // Nothing of ours further on.
    {AtEnd::kEndOfFile, Beyond::kNothing, Successor::kNone, Verdict::kEndOfLog, "end of file"},
    {AtEnd::kZeros, Beyond::kNothing, Successor::kNone, Verdict::kEndOfLog, "zero-filled tail"},
    {AtEnd::kLeftover, Beyond::kNothing, Successor::kNone, Verdict::kEndOfLog,
     "leftover frames of a recycled segment"},
    {AtEnd::kUnknown, Beyond::kNothing, Successor::kNone, Verdict::kEndOfLog,
     "leftover bytes of a recycled segment"},
    {AtEnd::kDamagedHeader, Beyond::kNothing, Successor::kNone, Verdict::kTornTail,
     "the last write did not reach the disk whole, its header is damaged"},
    {AtEnd::kTornFrame, Beyond::kNothing, Successor::kNone, Verdict::kTornTail,
     "the last write did not reach the disk whole"},
}};

}  // namespace

bool RecoveryRow::matches(AtEnd at_end, Beyond is_beyond, Successor is_successor) const {
  return (!at.has_value() || *at == at_end) && (!beyond.has_value() || *beyond == is_beyond) &&
         (!successor.has_value() || *successor == is_successor);
}

std::span<const RecoveryRow> recovery_rows() { return kRows; }

const RecoveryRow& judge(AtEnd at, Beyond beyond, Successor successor) {
  for (const RecoveryRow& row : kRows) {
    if (row.matches(at, beyond, successor)) return row;
  }
  CHECK(false) << "the table covers every combination";
  return kRows.front();
}

}  // namespace kvorum::storage
