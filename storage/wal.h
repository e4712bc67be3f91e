// The write-ahead log as the node drives it: queue records, take one write job at a time, run it on
// the WAL lane (write + sync, blocking), hand it back. Group commit falls out: everything queued
// while one job runs goes out with the next. docs/wal-format.md has the bytes.
// All methods belong to the node's loop except WriteJob::run() and RetireJob::run(), which one
// other thread each may run.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/identity.h"
#include "storage/log_plan.h"
#include "storage/record.h"
#include "storage/recovery.h"
#include "storage/types.h"
#include "storage/wal_job.h"

namespace kvorum::storage {

enum class FsyncPolicy : uint8_t { kAlways, kEverySecond, kNever };

struct WalOptions {
  std::string directory;
  uint64_t segment_bytes = 64 << 20;
  uint64_t grow_bytes = 0;  // by how much a segment's file grows ahead of what is written; 0: not
  FsyncPolicy fsync = FsyncPolicy::kAlways;
  uint64_t keep_for_ms = 0;  // retention beyond what the newest snapshot needs
  uint64_t keep_bytes = 0;
  size_t max_spares = 2;                  // retired segments kept to be overwritten
  std::array<uint8_t, 16> kernel_boot{};  // the kernel's boot id, zeros where unknown
  uint64_t (*monotonic_us)() = nullptr;   // to time the syncs for INFO; null: they are not
};

struct WriteResult {
  Position written;  // highest record in the file
  Position durable;  // highest record that is synced, or under everysec/never counted as such
  // OK; kResourceExhausted: the disk is full, everything after `written` was cut off and synced,
  // the caller must undo it, and may append again from written.lsn + 1. Any other error: end the
  // process.
  absl::Status status;
};

struct WalStats {
  uint64_t current_bytes = 0;  // of the log on disk, spares not counted
  uint64_t base_bytes = 0;     // current_bytes after start and after each retirement
  uint64_t segments = 0;
  uint64_t spares = 0;
  uint64_t pending_bytes = 0;  // queued, and in the job that is out
  uint64_t batches = 0;        // frames of records written
  uint64_t syncs = 0;          // fdatasync calls
  uint64_t last_sync_us = 0;
};

class Wal {
 public:
  // Goes on after a recovery, blocking: makes the recovered end durable, puts a torn tail aside in
  // a file of its own, and begins a new segment, so that no byte of the old end is written again.
  // `files` outlives the log.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Wal>> start(FileSystem& files,
                                                                  WalOptions options,
                                                                  const Identity& identity,
                                                                  const RecoveredLog& recovered);
  Wal(const Wal&) = delete;
  Wal& operator=(const Wal&) = delete;

  // REQUIRES: header.lsn == last().lsn + 1. `record` is the encoding of record.h; it is copied.
  void append(const RecordHeader& header, std::string_view record);
  // Drops everything after `kept`, whose hlc is `kept_hlc`: last() is `kept` at once, and appends
  // go on behind it. What was written is void once the next job has begun a segment that says so
  // (and synced it, before anything else of that job); until then take_job() has a job to give,
  // also when nothing is queued, and neither a WriteResult nor written(), synced() and durable()
  // exceed `kept`. REQUIRES: `kept` is in the log, kept.lsn is not below the commit.
  void truncate(Position kept, Hlc kept_hlc);
  // A truncation or restart is not on disk yet.
  [[nodiscard]] bool truncation_pending() const { return cut_.has_value() || job_has_cut_; }
  // A snapshot with this cut is durable, and the log does not contain the cut: everything in it is
  // void, the next record is cut.lsn + 1. last(), written() and durable() are `cut` at once, the
  // commit is at least cut.lsn. The next job begins the log anew; the old segments go with the
  // next retirement. REQUIRES: cut.lsn is not below the commit.
  void restart_at(Position cut, Hlc cut_hlc);
  // The doubt that recovery found is resolved (a known claim also ends when the log reaches it).
  // A new segment is begun with the next job, so that a restart does not find it again.
  void end_doubt();

  // Goes out with the next job and is always synced before that job is done.
  void save_hard_state(const HardState& state);
  void set_commit(Lsn commit);  // travels in the next frame
  // The next job syncs everything written so far, whatever the policy (a snapshot's cut, WAITAOF).
  void request_sync();

  // Null if a job is out, or nothing is queued and no sync is due. `now_ms` is any clock that never
  // goes back; under everysec it decides when to sync.
  std::unique_ptr<WriteJob> take_job(uint64_t now_ms);
  // The last job of a clean stop: syncs everything under every policy and leaves a marker that says
  // so. REQUIRES: no job is out. With more than one batch queued it is an ordinary job: run jobs
  // until queued_batches() <= 1, then this one.
  std::unique_ptr<WriteJob> take_stop_job(uint64_t now_ms);
  // REQUIRES: `job` is the one that is out, and was run.
  WriteResult finish(std::unique_ptr<WriteJob> job);

  // When take_job must be called for a sync though nothing is queued, on its clock; none: no need.
  std::optional<uint64_t> sync_due_ms() const;

  // Lets go of segments that hold only records before `lsn` (one past a durable snapshot's cut),
  // except what keep_for_ms (judged by the records' clock against `wall_ms`) and keep_bytes want.
  // Null if there is nothing to do or one is out already. Run it beside the write jobs.
  std::unique_ptr<RetireJob> retire_before(Lsn lsn, uint64_t wall_ms);
  // OK, or what went wrong: the space is not freed, and the next try begins with the same segments.
  absl::Status finish(std::unique_ptr<RetireJob> job);

  void set_fsync(FsyncPolicy policy) { options_.fsync = policy; }
  void set_retention(uint64_t keep_for_ms, uint64_t keep_bytes);

  bool job_is_out() const { return job_is_out_; }
  size_t queued_bytes() const { return queued_bytes_; }
  size_t queued_batches() const { return queue_.size(); }
  Position last() const { return last_; }        // newest queued or written record
  Position written() const { return written_; }  // newest record in the file
  Position synced() const { return synced_; }  // newest record that is synced, whatever the policy
  Position durable() const { return options_.fsync == FsyncPolicy::kAlways ? synced_ : written_; }
  Lsn oldest_lsn() const;  // first lsn that the segments on disk can still give
  // What a LogReader may read of the log as it is now, from the record `first` on. Its segments are
  // empty if they do not go back that far.
  LogPlan plan(Lsn first) const;
  WalStats stats() const;
  // Bytes on disk of the segments that hold records after `lsn`.
  uint64_t bytes_since(Lsn lsn) const;

 private:
  struct Batch {
    std::string bytes;  // room for the frame header, then records
    Lsn first_lsn{0};
    Position last;
    Hlc last_hlc{0};
  };
  // A later one that begins at a lower lsn than this one reached has superseded the rest of it.
  struct Segment {
    uint64_t number = 0;
    Lsn first_lsn{0};
    Hlc last_hlc{0};
    uint64_t end = 0;
    uint64_t file_bytes = 0;
  };

  // Where the log ends that the next segment has to say goes on there.
  struct Cut {
    Position last;
    Hlc last_hlc{0};
    bool restart = false;
  };

  Wal(FileSystem& files, WalOptions options, const Identity& identity,
      const RecoveredLog& recovered);
  absl::Status begin_first_segment(const RecoveredLog& recovered);
  LogState state() const;
  bool doubtful() const;

  Batch& open_batch(size_t record_bytes);
  std::string take_buffer();
  void give_back_buffer(std::string buffer);
  bool sync_is_due(uint64_t now_ms) const;
  std::unique_ptr<WriteJob> make_job(uint64_t now_ms, bool stop);
  bool needs_segment(uint64_t job_bytes) const;
  void note_segment(const WriteJob& job);
  void note_success(const WriteJob& job);
  void note_disk_full(WriteJob& job);
  void cut_queue(Position kept, Hlc kept_hlc);
  void settle_cut(const WriteJob& job);
  void clip_to_cut();
  // For each segment: records from this lsn on are void, later segments begin there or below.
  std::vector<Lsn> limits() const;
  size_t retirable(Lsn lsn, uint64_t wall_ms) const;

  FileSystem& files_;
  WalOptions options_;
  WalWriter writer_;  // the job's while one is out

  std::vector<Batch> queue_;
  std::vector<std::string> free_buffers_;
  std::unique_ptr<WriteJob> free_job_;
  std::optional<HardState> pending_hard_state_;
  bool sync_requested_ = false;
  bool job_is_out_ = false;
  size_t queued_bytes_ = 0;
  size_t job_bytes_ = 0;

  HardState hard_state_;  // in the file
  Lsn commit_{0};
  Position last_;
  Position written_;
  Position synced_;
  Hlc written_hlc_{0};
  Position claim_;
  bool claim_unknown_ = false;
  bool must_begin_segment_ = false;
  std::optional<Cut> cut_;    // not in a job yet
  bool job_has_cut_ = false;  // one is in the job that is out
  Lsn job_last_{0};           // newest record of the job that is out
  Lsn floor_{0};              // what segments hold below it is void
  std::optional<uint64_t> unsynced_since_ms_;

  std::vector<Segment> segments_;  // oldest first; the last is the one being written
  std::vector<uint64_t> spares_;
  std::vector<uint64_t> leftovers_;  // files that no log needs: removed with the next retirement
  bool retire_is_out_ = false;
  uint64_t base_bytes_ = 0;
  uint64_t batches_ = 0;
  uint64_t syncs_ = 0;
  uint64_t last_sync_us_ = 0;
};

}  // namespace kvorum::storage
