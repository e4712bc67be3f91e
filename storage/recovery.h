// Recovery: reads the log of a data directory from a position on, in slices, every byte verified,
// and tells a power cut's torn tail from corruption by the table in recovery_table.h.
// A RecoveryReader belongs to one thread at a time; its calls block on the disk. It changes
// nothing: Wal::start makes the cut that it found durable.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/identity.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::storage {

struct RecoveryOptions {
  std::string directory;
  Identity identity;  // as open_data_directory returned it
  Position cut;       // of the snapshot that was loaded: records after it are wanted; zeros: all
  Hlc cut_hlc{0};     // of the record at the cut; 0: not known, not compared
  // Of a cluster of several: damage ends the log instead of refusing the start, as the records
  // behind it can be had from the peers (RecoveredLog::damaged, restart_needed).
  bool member = false;
  bool read_only = false;  // a tool's: the identity's boot may be the one that wrote the log
  // Receives what an operator should know: a torn tail, leftovers that were passed over. May be
  // null.
  std::function<void(std::string_view)> log;
};

// What the log said, for Wal::start and the node. Valid when read_some has reported the end.
struct RecoveredLog {
  HardState hard_state;
  Position last;  // newest record, or the snapshot's cut
  Hlc last_hlc{0};
  Lsn commit{0};  // highest commit lsn that a frame of the log carried; ≤ last.lsn
  bool clean_stop = false;
  std::array<uint8_t, 16> kernel_boot{};  // of the newest segment; zeros: unknown, or none

  // What may have been acknowledged and is not in the log any more (DESIGN 5, "doubtful"): claimed
  // by a torn tail, by what lies behind damage, or found by an earlier start and not resolved
  // since. Zeros, or above `last`.
  Position claim;
  // Something that must have been written here cannot be read, not even its claim, or a hard state
  // (a vote) may have been among what is lost.
  bool claim_unknown = false;
  // Both stay on disk until the log reaches the claim, or Wal::end_doubt(). The node may add to
  // them before Wal::start (fsync everysec or never, another kernel boot, no clean stop).

  // Members only. The log ends before damage: `damage` names file, offset and reason. Wal::start
  // puts the files concerned aside.
  bool damaged = false;
  std::string damage;
  uint64_t damaged_segment = 0;  // whose valid part is still log, to be copied aside whole; 0: none
  // Members only. The log does not reach, or does not continue, the snapshot's cut: `last` is the
  // cut, everything in the segments is void, Wal::start begins a log at the cut.
  bool restart_needed = false;

  struct Segment {
    uint64_t number = 0;
    Lsn first_lsn{0};  // of its first record, or of the next one where it has none
    Hlc last_hlc{0};   // of the newest record in or before it
    uint64_t end = 0;  // its valid bytes
    uint64_t file_bytes = 0;
  };
  std::vector<Segment> segments;     // oldest first; those before the cut too
  std::vector<uint64_t> leftovers;   // segment files before a gap that the snapshot covers
  std::vector<uint64_t> set_aside;   // segment files that damage took out of the log
  std::vector<uint64_t> spares;      // spare files found
  uint64_t next_segment = 1;         // the number to begin with
  bool next_segment_exists = false;  // as a file in which nothing counts
  // The torn tail, if any: [torn_begin, torn_end) of the last segment.
  uint64_t torn_segment = 0;
  uint64_t torn_begin = 0;
  uint64_t torn_end = 0;
};

// A batch of verified records. Reuse it: buffers are kept. Views point into it and hold until it is
// filled again. Two slices allow reading on while the first is applied.
class RecoverySlice {
 public:
  const std::vector<RecordView>& records() const { return records_; }
  // Highest commit lsn known after this slice: a member's loader applies up to it, not further.
  Lsn commit() const { return commit_; }

 private:
  friend class RecoveryReader;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  std::vector<RecordView> records_;
  Lsn commit_{0};
};

struct RecoveryProgress {
  uint64_t bytes_read = 0;
  uint64_t bytes_total = 0;  // never below bytes_read; equal to it at the end
  Lsn lsn{0};                // newest record read
};

class RecoveryReader {
 public:
  // Looks at every segment's start and finds where to begin. An empty directory is an empty log.
  // kDataLoss (not for a member): damage, a missing segment, a gap after the cut, a log that ends
  // before the cut;
  // kFailedPrecondition: another node's or cluster's segment, a newer format, an identity that is
  // older than the log. The message names file and offset.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RecoveryReader>> open(
      FileSystem& files, RecoveryOptions options);
  ~RecoveryReader();

  // Replaces the slice with the next records, at least one frame and then up to about `max_bytes`.
  // Records that a later segment supersedes (a truncation) are verified and left out.
  // False at the end of the log (the slice is empty then). Errors as in open().
  [[nodiscard]] absl::StatusOr<bool> read_some(size_t max_bytes, RecoverySlice& slice);

  RecoveryProgress progress() const;

  // REQUIRES: read_some has returned false.
  const RecoveredLog& result() const;

 private:
  class Implementation;
  explicit RecoveryReader(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

// For a restored directory (Identity::restored) in place of a recovery: the log begins behind the
// snapshot's cut, which is committed. Segments that are there, of a start that was cut short, are
// to be put aside. Blocks on the disk.
[[nodiscard]] absl::StatusOr<RecoveredLog> restored_log(FileSystem& files,
                                                        const std::string& directory, Position cut,
                                                        Hlc cut_hlc);

}  // namespace kvorum::storage
