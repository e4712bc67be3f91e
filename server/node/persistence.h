// What the node keeps on disk and how it gets it back: opening and loading the data directory,
// snapshots, letting go of the log behind them. Belongs to the loop; blocking work runs on the
// host's background lane.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/node/backup.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/loader.h"
#include "server/node/loading_progress.h"
#include "server/node/snapshot_taker.h"
#include "storage/identity.h"
#include "storage/wal.h"

namespace kvorum::server {

class Node;

struct ClusterStart;

struct PersistenceFigures {
  LoadingProgress loading;
  bool snapshot_in_progress = false;
  bool snapshot_last_ok = true;
  int64_t snapshot_last_save_s = 0;  // Unix time of the newest snapshot, or of start (LASTSAVE)
  int64_t snapshot_last_seconds = -1;
  int64_t snapshot_current_seconds = -1;
  uint64_t snapshot_keys_done = 0, snapshot_keys_total = 0;
  uint64_t changes_since_snapshot = 0;  // records
  uint64_t snapshots_taken = 0;
  uint64_t snapshot_last_bytes = 0;
  bool wal_last_write_ok = true;  // false: the disk is full, writes are refused
  std::string wal_last_error;
  uint64_t wal_current_bytes = 0;  // all segments
  uint64_t wal_base_bytes = 0;     // at the newest snapshot
  uint64_t wal_pending_bytes = 0;  // queued, not written
  uint64_t wal_segments = 0, wal_fsyncs = 0, wal_batches = 0, wal_last_fsync_us = 0;
  std::string fsync_policy;
  BackupFigures backup;
};

class Persistence {
 public:
  explicit Persistence(Node& node);
  ~Persistence();

  // Locks and opens the data directory, begins to load it.
  absl::Status open();
  // --- For the cluster.
  // The newest snapshot that has its name and names the members; nullptr: none.
  const PublishedSnapshot* newest_snapshot() const {
    const bool there = !snapshots_.empty() && snapshots_.back().names_members;
    return there ? &snapshots_.back() : nullptr;
  }
  // One that was received from the leader.
  void snapshot_installed(PublishedSnapshot snapshot);
  // Another keyspace has taken the place of this one.
  void let_go(std::unique_ptr<storage::Keyspace> keyspace);

  // Once per tick: a snapshot's next slice, or a new snapshot if one is due. True: more at once.
  bool step();
  // Takes the cut now and writes beside the loop. kUnavailable while one is in progress or loading.
  absl::Status start_snapshot();
  bool snapshot_in_progress() const;
  // Writes `directory`, which must not exist or be empty, beside the loop: a server can be started
  // on it (backup.h). `done` is called on the loop. kUnavailable while one is in progress or
  // loading, kFailedPrecondition if this keyspace is known to be wrong.
  absl::Status start_backup(const std::string& directory, Backup::Done done);
  // An option was changed.
  void options_changed();

  PersistenceFigures figures() const;

 private:
  void load();
  void loaded(const absl::Status& status, Loader::Result result);
  absl::Status start_log(Loader::Result result);
  absl::Status prepare_log(Loader::Result& result);
  void start_cluster(Loader::Result& result);
  void begin_with_founding_record(ClusterStart& start);
  void warn_of_difference(const replication::Membership& membership) const;
  void born(const peer::Birth& birth, bool learner);
  bool member() const;
  bool snapshot_due() const;
  // Of the keyspace as it is now; nullopt: the cut has to wait.
  std::optional<storage::SnapshotInfo> cut() const;
  bool step_backup();
  void snapshot_taken(const SnapshotTaker::Outcome& outcome);
  // Lets go of the log and the snapshots that nothing needs any more.
  void retire();
  storage::Lsn snapshot_lsn() const;
  uint64_t changes_since_snapshot() const;

  Node& node_;
  storage::DataDirectory directory_;
  std::optional<peer::Birth> birth_;  // of the cluster this node is a member of
  bool newborn_ = false;              // its log begins with this start
  std::unique_ptr<Loader> loader_;
  SnapshotTaker taker_;
  Backup backup_;
  std::vector<PublishedSnapshot> snapshots_;  // oldest first
  std::vector<std::string> forgotten_;        // snapshots of no use: removed with the next
  bool retiring_ = false;                     // a job is on the lane
  bool wanted_ = false;                       // asked for, not begun yet
  bool last_ok_ = true;
  uint64_t last_save_ms_ = 0;
  int64_t last_seconds_ = -1;
  uint64_t taken_ = 0;
  int64_t started_us_ = 0, failed_us_ = 0, last_check_us_ = 0;  // monotonic
};

}  // namespace kvorum::server
