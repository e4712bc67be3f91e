// From effects to records on disk: collects what a command (or a transaction) changes into one
// record, stamps and encodes it, queues it for the WAL, and keeps its inverse until it is
// committed. With one voter a record is committed when it is durable here. Belongs to the loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "replication/durable_positions.h"
#include "server/node/host.h"
#include "storage/effect.h"
#include "storage/hlc.h"
#include "storage/inverse.h"
#include "storage/keyspace.h"
#include "storage/record.h"
#include "storage/wal.h"

namespace kvorum::server {

// Where a recovered log ends, and who writes on.
struct LogStart {
  storage::Incarnation incarnation{};
  storage::NodeId origin{0};
  storage::Term term{0};   // of the records to come
  storage::Position last;  // newest record recovered
  storage::Hlc last_hlc{0};
};

class RecordLog {
 public:
  struct Events {
    // `commit` moved; inverses below it are gone.
    std::function<void(storage::Position commit)> committed;
    // The disk was full: every record above `kept` has been undone.
    std::function<void(storage::Lsn kept, const absl::Status& reason)> undone;
    // The log cannot go on (failed fsync, I/O error): the process has to end.
    std::function<void(const absl::Status& reason)> fatal;
  };

  RecordLog(Host& host, Events events);

  // Takes over a recovered log and begins a term: its no-op record is queued at once.
  // `keyspace` holds what the log says up to start.last, and outlives this.
  void start(storage::Keyspace& keyspace, std::unique_ptr<storage::Wal> wal, const LogStart& start,
             uint64_t wall_ms);
  bool started() const { return wal_ != nullptr; }

  // Applies the effect and adds it to the open record, opening one if none is.
  void change(const storage::Effect& effect, uint64_t wall_ms);
  bool record_open() const { return open_; }
  // Closes the open record and queues it; its position. REQUIRES: record_open().
  storage::Position seal();
  // The position the open record, or else the next one, will have.
  storage::Position next() const { return {term_, storage::Lsn{last_.lsn.value() + 1}}; }

  storage::Position last() const { return last_; }
  storage::Position commit() const { return commit_; }
  storage::Hlc commit_hlc() const { return commit_hlc_; }
  // Of the record `last()`; the clock may be ahead of it, after an undo.
  storage::Hlc last_hlc() const { return last_hlc_; }
  // The uncommitted record (or the open one) with this stamp. REQUIRES: hlc > commit_hlc().
  storage::Lsn lsn_of(storage::Hlc hlc) const;
  // Newest record that removed anything: what the absence of a key may depend on.
  storage::Lsn newest_removal() const { return newest_removal_; }
  // Newest record that swapped databases: what any key's presence may depend on, as a swap leaves
  // the stamps of the entries alone.
  storage::Lsn newest_swap() const { return newest_swap_; }
  size_t uncommitted_bytes() const { return uncommitted_bytes_; }

  // Starts the next WAL job if none is out and something is queued or due.
  void start_write();
  // Nothing queued and nothing out.
  bool idle() const;
  // The last write found no room: nothing new may be made until probe() has succeeded.
  bool disk_full() const { return disk_full_; }
  // Queues a small frame, to see whether there is room again.
  void probe();
  // Syncs what is left and marks the log as cleanly ended, then calls `done` on the loop. Nothing
  // may be changed any more. REQUIRES: idle().
  void close_cleanly(std::function<void(const absl::Status&)> done);

  storage::Wal& wal() { return *wal_; }
  const storage::Wal& wal() const { return *wal_; }
  uint64_t undone_records() const { return undone_records_; }

 private:
  struct Uncommitted {
    storage::Lsn lsn{0};
    storage::Hlc hlc{0};
    size_t bytes = 0;
    storage::Inverse inverse;
  };

  void open_record(storage::Stamp stamp);
  void close_record(storage::RecordKind kind);
  void run_job(std::unique_ptr<storage::WriteJob> job);
  void write_finished();
  void close_further();
  uint64_t monotonic_ms() const;
  void advance();
  void undo_above(storage::Position kept, const absl::Status& reason);

  storage::Keyspace* keyspace_ = nullptr;
  Host& host_;
  const Events events_;
  std::unique_ptr<storage::Wal> wal_;
  storage::HybridLogicalClock clock_;
  storage::Incarnation incarnation_{};
  storage::NodeId origin_{0};
  std::optional<replication::DurablePositions> durable_;  // set by start()
  storage::Term term_{0};
  storage::Position last_, commit_;
  storage::Hlc commit_hlc_{0}, last_hlc_{0};
  storage::Lsn newest_removal_{0}, newest_swap_{0};

  bool open_ = false;
  bool open_removes_ = false, open_swaps_ = false;
  storage::Stamp open_stamp_;
  std::string payload_, encoded_;  // kept for their capacity

  std::deque<Uncommitted> uncommitted_;  // oldest first; the open record is the last
  size_t uncommitted_bytes_ = 0;
  uint64_t undone_records_ = 0;
  std::unique_ptr<storage::WriteJob> job_;           // the one that is out
  std::function<void(const absl::Status&)> closed_;  // set: closing
  bool disk_full_ = false;
  bool failed_ = false;  // a sync or a write failed for good
};

}  // namespace kvorum::server
