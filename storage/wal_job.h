// The blocking halves of the WAL's work: made by Wal on the node's loop, run() on one other thread,
// handed back to Wal. A job shares nothing with the loop while it is out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "storage/file_system.h"
#include "storage/frame.h"
#include "storage/types.h"
#include "storage/wal_writer.h"

namespace kvorum::storage {

// One gather write and one sync: hard state, records, clean-stop marker, whichever there are. Where
// the segment is full the next one is begun first.
class WriteJob {
 public:
  // Blocks on the disk. Call once.
  void run();

 private:
  friend class Wal;

  absl::Status write_frames();
  void add_small_frame(FrameKind kind, Position last, std::string& frame, uint64_t& at);
  void add_records(uint64_t& at);

  WalWriter* writer_ = nullptr;
  std::vector<std::string_view> pieces_;

  bool begin_segment_ = false;
  bool makes_cut_ = false;         // the segment to begin drops records that were written
  bool restart_ = false;           // and all before it
  std::optional<uint64_t> spare_;  // to be overwritten as the next segment
  LogState before_;                // the log's state before this job
  std::optional<HardState> hard_state_;
  std::string records_;  // room for the frame header first; empty: no records
  Lsn first_lsn_{0};
  Position last_;  // newest record after this job
  Hlc last_hlc_{0};
  Lsn commit_{0};
  bool clean_stop_ = false;
  bool sync_ = false;

  std::string hard_state_frame_;
  std::string stop_frame_;

  // Outcome:
  absl::Status status_;
  bool began_segment_ = false;
};

// Turns retired segments into spares, or removes them.
class RetireJob {
 public:
  // Blocks on the disk. Call once.
  void run();

 private:
  friend class Wal;

  absl::Status retire();
  absl::Status remove(const std::vector<uint64_t>& segments);

  FileSystem* files_ = nullptr;
  std::string directory_;
  std::vector<uint64_t> recycle_;
  std::vector<uint64_t> remove_;
  std::vector<uint64_t> leftovers_;  // to be removed too; not part of the log
  absl::Status status_;
};

}  // namespace kvorum::storage
