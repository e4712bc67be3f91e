// Reads the log while it is being written: the encoded records from one lsn on, in order, up to
// where the log had been written when the plan was made. Every frame and record is verified. It
// reads what is synced or not: what may be shipped is the caller's business.
// Belongs to one thread at a time; read_some blocks on the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/frame.h"
#include "storage/log_plan.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::storage {

class LogReader {
 public:
  // Whole records without gaps.
  struct Slice {
    Position previous;  // the record before the first one; zeros before lsn 1
    Lsn first{0};
    Position last;
    std::string bytes;  // the records exactly as they were encoded, one after the other
  };

  // `plan` is of Wal::plan(first) or earlier. `files` outlives the reader.
  LogReader(FileSystem& files, LogPlan plan, Lsn first);

  // Goes on where it is with a newer plan of the same log, of Wal::plan(next()) or earlier.
  void extend(LogPlan plan);

  // Replaces the slice (its memory is kept) with the next records: at least one, and no more than
  // `max_bytes` unless the first alone is longer. False: there are none up to the plan's end, the
  // slice is empty. After an error the reader is of no use:
  // kNotFound: the log does not go back that far any more, or its segment was retired meanwhile;
  // kAborted: the log was cut below next() and continues otherwise;
  // kDataLoss: damage, with file, offset and reason; else what the file system said.
  [[nodiscard]] absl::StatusOr<bool> read_some(size_t max_bytes, Slice& slice);

  // The first record of the next slice.
  Lsn next() const { return next_; }

 private:
  // Finds the segment that next_ is in and makes it the current one.
  absl::Status locate();
  absl::Status enter(const LogPlan::Segment& segment);
  // Makes the frame that next_ is in the current one.
  absl::Status find_frame();
  absl::StatusOr<FrameHeader> read_header();
  absl::Status load_frame(const FrameHeader& header);
  absl::StatusOr<RecordView> decode(std::string_view& payload) const;
  // False if the slice is full.
  absl::StatusOr<bool> take_records(size_t max_bytes, Slice& slice);
  // Makes `size` bytes of the segment from offset_ on available in buffer_.
  absl::Status fill(uint64_t size);
  std::string_view buffered() const;
  absl::Status damaged(std::string_view reason) const;

  FileSystem& files_;
  LogPlan plan_;
  Lsn next_;
  std::optional<Position> delivered_;  // the record before next_, once one was given out

  // The current segment; limit_ 0: it must be looked for.
  std::string path_;
  std::unique_ptr<File> file_;
  uint64_t segment_ = 0;
  uint64_t boot_ = 0;
  uint64_t end_ = 0;     // its bytes in the plan
  Lsn limit_{0};         // records from here on are in later segments
  uint64_t offset_ = 0;  // of the current frame; where there is none, of the next
  Position at_;          // the record before payload_; where there is none, before offset_

  FrameHeader frame_;         // the current one
  std::string_view payload_;  // what is left of it, in buffer_; empty: there is none
  std::string buffer_;
  uint64_t buffer_offset_ = 0;  // in the segment
  size_t buffer_bytes_ = 0;
};

}  // namespace kvorum::storage
