// From effects to records on disk. Leading: collects what a command (or a transaction) changes into
// one record, applies it at once, stamps and encodes it, queues it for the WAL and keeps its
// inverse until it is committed. Following: queues the leader's records and applies them when they
// are committed. What is committed the cluster says. Belongs to the loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/node/cluster/recent_records.h"
#include "server/node/host.h"
#include "storage/digest.h"
#include "storage/effect.h"
#include "storage/hlc.h"
#include "storage/identity.h"
#include "storage/inverse.h"
#include "storage/keyspace.h"
#include "storage/record.h"
#include "storage/wal.h"

namespace kvorum::server {

// Where a recovered log ends. The keyspace holds what it says up to `applied`.
struct LogStart {
  std::string directory;
  storage::Identity identity;
  storage::HardState hard_state;
  storage::Position last;  // newest record recovered
  storage::Hlc last_hlc{0};
  storage::Position applied;  // and committed
  storage::Hlc applied_hlc{0};
  RecentRecords recent;  // the records after `applied`
};

class RecordLog {
 public:
  struct Events {
    // A write has ended. `saved`: the newest hard state on disk.
    std::function<void(storage::Position durable, const storage::HardState& saved)> persisted;
    // The disk was full: every record above `kept` is out of this log.
    std::function<void(storage::Position kept, const absl::Status& reason)> tail_lost;
    // A digest record was applied; the keyspace's digest with everything up to it.
    std::function<void(storage::Lsn lsn, storage::Digest digest)> digest_reached;
    // What was dropped from the log is in this file (orphan_file.h).
    std::function<void(const std::string& path)> orphans_saved;
    // The log cannot go on (failed fsync, I/O error): the process has to end.
    std::function<void(const absl::Status& reason)> fatal;
  };

  RecordLog(Host& host, Events events);

  // Takes over a recovered log, as a follower. `keyspace` outlives this or is replaced.
  void start(storage::Keyspace& keyspace, std::unique_ptr<storage::Wal> wal, LogStart start);
  bool started() const { return wal_ != nullptr; }
  void save_hard_state(const storage::HardState& state);
  // Other members are sent records: keep the newest in memory.
  void set_keep_recent(bool keep) { keep_recent_ = keep; }

  // --- Leading.
  // Applies the whole log, keeping inverses, and adds the term's first record, a no-op.
  void lead(storage::Term term, uint64_t wall_ms);
  bool leading() const { return leading_; }
  // Applies the effect and adds it to the open record, opening one if none is. REQUIRES: leading.
  void change(const storage::Effect& effect, uint64_t wall_ms);
  bool record_open() const { return open_; }
  // The next record's stamp is above this one.
  void observe(storage::Hlc hlc) { clock_.observe(hlc); }
  // Closes the open record and queues it; its position. REQUIRES: record_open().
  storage::Position seal();
  // A record of another kind than effects. REQUIRES: leading, !record_open().
  storage::Position add(storage::RecordKind kind, std::string_view payload, uint64_t wall_ms);
  // The position the open record, or else the next one, will have.
  storage::Position next() const { return {term_, last_.lsn.next()}; }
  // Undoes what is not committed; the records stay in the log. REQUIRES: !record_open().
  void stop_leading();

  // --- Following. REQUIRES: not leading.
  // The records follow last(); each was verified.
  void accept(std::span<const storage::RecordView> records);
  // Cuts the log after `kept`; what is dropped is saved in a file first (orphan_file.h), however
  // long that takes: a full disk makes the log wait, any other error ends the process.
  // REQUIRES: kept.lsn >= commit().lsn, and not above last().
  void truncate(storage::Position kept);
  // A snapshot with this cut is durable and `keyspace` holds it, or what was applied after it, too.
  // The log stays if it contains the cut, else it begins anew there.
  void install(storage::Keyspace& keyspace, storage::Position cut, storage::Hlc hlc, bool keep_log);
  // `keyspace` takes the place of one that differs; the log stays. It holds what the log says up to
  // `cut`, which is committed; what this log has after it is applied again.
  // REQUIRES: cut is in recent().
  void replace_keyspace(storage::Keyspace& keyspace, storage::Position cut, storage::Hlc hlc);

  // Commit has moved. Leading: inverses up to there are dropped. Following: its records are
  // applied, some in each call of apply_some().
  void commit_to(storage::Position commit);
  // Applies committed records, about `budget` of them. True: there are more.
  bool apply_some(size_t budget);

  storage::Position last() const { return last_; }
  storage::Position commit() const { return commit_; }
  // Newest record the keyspace shows; leading: last().
  storage::Position applied() const { return leading_ ? std::max(last_, commit_) : applied_; }
  storage::Hlc applied_hlc() const { return leading_ ? last_hlc_ : applied_hlc_; }
  storage::Hlc commit_hlc() const { return commit_hlc_; }
  // Of the record `last()`; the clock may be ahead of it, after an undo.
  storage::Hlc last_hlc() const { return last_hlc_; }
  // The uncommitted record (or the open one) with this stamp. REQUIRES: leading, hlc >
  // commit_hlc().
  storage::Lsn lsn_of(storage::Hlc hlc) const;
  // Of the record; nullopt: it is not in memory.
  std::optional<storage::Hlc> hlc_of(storage::Lsn lsn) const;
  // Newest record that removed anything: what the absence of a key may depend on.
  storage::Lsn newest_removal() const { return newest_removal_; }
  // Newest record that swapped databases: what any key's presence may depend on, as a swap leaves
  // the stamps of the entries alone.
  storage::Lsn newest_swap() const { return newest_swap_; }
  // Of records and inverses that are not committed, or committed and not applied.
  size_t uncommitted_bytes() const { return uncommitted_bytes_; }

  RecentRecords& recent() { return recent_; }
  const RecentRecords& recent() const { return recent_; }

  // Starts the next WAL job if none is out and something is queued or due.
  void start_write();
  // Nothing queued and nothing out, and everything in the log is committed.
  bool idle() const;
  // When the write that is out was started, monotonic; 0: none is out.
  int64_t write_started_us() const { return job_ == nullptr ? 0 : job_started_us_; }
  // The last write found no room: nothing new may be made until probe() has succeeded.
  bool disk_full() const { return disk_full_; }
  // probe() is worth a try.
  bool waits_for_room() const { return disk_full_ || !unsaved_.empty(); }
  // Queues a small frame, to see whether there is room again.
  void probe();
  // Syncs what is left and marks the log as cleanly ended, then calls `done` on the loop. Nothing
  // may be changed any more. REQUIRES: nothing queued and nothing out.
  void close_cleanly(std::function<void(const absl::Status&)> done);
  bool closing() const { return closed_ != nullptr; }
  bool quiet() const { return job_ == nullptr && wal_->queued_bytes() == 0 && saving_ == 0; }

  const std::string& directory() const { return directory_; }
  storage::Wal& wal() { return *wal_; }
  const storage::Wal& wal() const { return *wal_; }
  const storage::HardState& hard_state() const { return hard_state_; }
  bool hard_state_saved() const { return hard_state_ == saved_hard_state_; }
  uint64_t undone_records() const { return undone_records_; }
  uint64_t orphaned_records() const { return orphaned_records_; }

 private:
  struct Uncommitted {
    storage::Lsn lsn{0};
    storage::Hlc hlc{0};
    size_t bytes = 0;
    storage::Inverse inverse;
  };

  // Dropped records, from `first` on.
  struct Orphans {
    storage::Position first;
    std::shared_ptr<const std::string> bytes;
  };

  void open_record(storage::Stamp stamp);
  void close_record(storage::RecordKind kind);
  void apply(const storage::RecordView& record);
  storage::Hlc hlc_at(storage::Position position) const;
  void forget_committed();
  void undo_above(storage::Lsn kept);
  void save_orphans(Orphans orphans);
  void orphans_written(const Orphans& orphans, const absl::StatusOr<std::string>& path);
  void run_job(std::unique_ptr<storage::WriteJob> job);
  void write_finished();
  void lose_tail(storage::Position kept, const absl::Status& reason);
  void close_further();
  uint64_t monotonic_ms() const;

  storage::Keyspace* keyspace_ = nullptr;
  Host& host_;
  const Events events_;
  std::unique_ptr<storage::Wal> wal_;
  storage::HybridLogicalClock clock_;
  std::string directory_;
  storage::Identity identity_;
  storage::HardState hard_state_, job_hard_state_, saved_hard_state_;
  storage::Term term_{0};  // of the records made here
  storage::Position last_, commit_, applied_;
  storage::Hlc commit_hlc_{0}, last_hlc_{0}, applied_hlc_{0};
  storage::Lsn told_commit_{0};  // newest commit the WAL was told
  storage::Lsn newest_removal_{0}, newest_swap_{0};
  RecentRecords recent_;
  bool keep_recent_ = false;
  bool leading_ = false;

  bool open_ = false;
  bool open_removes_ = false, open_swaps_ = false;
  storage::Stamp open_stamp_;
  std::string record_;  // the open one; kept for its capacity

  std::deque<Uncommitted> uncommitted_;  // leading: oldest first; the open record is the last
  size_t uncommitted_bytes_ = 0;
  uint64_t undone_records_ = 0, orphaned_records_ = 0;
  std::unique_ptr<storage::WriteJob> job_;  // the one that is out
  int64_t job_started_us_ = 0;
  int saving_ = 0;                // orphan files that are not there yet: the log waits
  std::vector<Orphans> unsaved_;  // of these, what found no room
  std::function<void(const absl::Status&)> closed_;  // set: closing
  bool disk_full_ = false;
  bool failed_ = false;  // a sync or a write failed for good
};

}  // namespace kvorum::server
