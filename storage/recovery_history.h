// Which records of a log count, where truncations have made it go back: a segment whose start says
// that the next record is k supersedes every record from k on in the segments before it. All starts
// are known before the first record is read. Plain memory; one thread at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "storage/recovery_segments.h"
#include "storage/types.h"

namespace kvorum::storage {

class LogHistory {
 public:
  struct Place {
    Position last;
    Hlc last_hlc{0};
  };

  LogHistory() = default;
  // Of a log that is read from list.begun[list.first] on.
  explicit LogHistory(const SegmentList& list);

  // Records of list.begun[index] from this lsn on are void.
  Lsn limit(size_t index) const { return limits_[index]; }
  // The segment in list.begun that begins there; none: it is not part of the log.
  std::optional<size_t> superseder(size_t index) const;

  // Segment starts and records are passed in the order in which they were written.
  void enter(const Place& place);
  void pass(Position last, Hlc last_hlc);
  // The newest record passed with that lsn, if some segment goes on behind one.
  const Place* at(Lsn lsn) const;

 private:
  // An lsn that some segment goes on behind.
  struct Joint {
    Lsn lsn;
    std::optional<Place> place;  // once it is passed
  };

  // The first one with this lsn or a larger one.
  size_t find(Lsn lsn) const;

  std::vector<Lsn> limits_;
  std::vector<Lsn> firsts_;
  std::vector<Joint> joints_;  // by lsn
  size_t next_ = 0;            // in joints_: the one that will be passed next
};

}  // namespace kvorum::storage
