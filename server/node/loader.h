// Brings a data directory back into memory: the newest snapshot, then the log after it, of which
// the committed part is applied. Files are read and verified on the background lane, one slice
// ahead of the loop, which applies. Belongs to the loop, except where it says lane.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "replication/membership.h"
#include "replication/term_index.h"
#include "server/node/cluster/recent_records.h"
#include "server/node/host.h"
#include "server/node/loading_progress.h"
#include "storage/identity.h"
#include "storage/keyspace.h"
#include "storage/recovery.h"
#include "storage/snapshot_loader.h"
#include "storage/snapshot_reader.h"

namespace kvorum::server {

// A snapshot file that has its name.
struct PublishedSnapshot {
  std::string path;
  storage::Lsn lsn{0};  // of its cut
  uint64_t wall_ms = 0;
  uint64_t bytes = 0;
  bool names_members = true;  // of the cluster; that of a restored directory may not
};

class Loader {
 public:
  struct Result {
    storage::RecoveredLog log;
    std::vector<PublishedSnapshot> snapshots;  // oldest first; the last one was loaded
    storage::Position applied;                 // what the keyspace shows
    storage::Hlc applied_hlc{0};
    RecentRecords recent;          // the records after `applied`
    replication::TermIndex terms;  // of the log after the snapshot
    // Memberships the snapshot and the log name, oldest first, each with its lsn.
    std::vector<std::pair<storage::Lsn, replication::Membership>> memberships;
  };
  // Called once, on the loop: everything is loaded, or why it cannot be.
  using Done = std::function<void(const absl::Status&, Result)>;

  // `member`: of a cluster of several, whose peers make good what is damaged here. `reset` gives an
  // empty keyspace, when a damaged snapshot was half loaded.
  struct Settings {
    storage::Identity identity;
    std::string directory;
    bool member = false;
    std::function<storage::Keyspace&()> reset;
  };
  Loader(Host& host, storage::Keyspace& keyspace, Settings settings, Done done);
  void start();
  const LoadingProgress& progress() const { return progress_; }

 private:
  struct Slot {
    storage::SnapshotBlock block;
    storage::RecoverySlice slice;
    bool more = false;
    absl::Status status;
  };

  absl::Status open_snapshot();  // lane
  absl::Status check_restored() const;
  absl::Status check_snapshot() const;
  void load_snapshot();
  // The snapshot cannot be read. True: it was put aside, the one before it is loaded.
  bool put_snapshot_aside(const absl::Status& status);
  void begin_log();
  void take_record(const storage::RecordView& record);
  void apply_committed(storage::Lsn commit);
  void apply(const storage::RecordView& record);
  void read_block();
  void block_read(Slot& slot);
  absl::Status open_log();  // lane
  void begin_restored_log();
  void load_log();
  void read_slice();
  void slice_read(Slot& slot);
  void update_progress();
  void finish(const absl::Status& status);
  // Runs on the lane with the next slot, then the other on the loop.
  void run_on_lane(std::function<void(Slot&)> work, std::function<void(Slot&)> next);

  Host& host_;
  storage::Keyspace* keyspace_;
  const Settings settings_;
  const Done done_;
  std::unique_ptr<storage::SnapshotReader> snapshot_;
  std::unique_ptr<storage::SnapshotLoader> snapshot_loader_;
  std::unique_ptr<storage::RecoveryReader> log_;
  std::array<Slot, 2> slots_;  // one is read into while the other is applied
  size_t turn_ = 0;
  int attempt_ = 0;  // one more for each snapshot that was put aside
  Result result_;
  uint64_t snapshot_bytes_ = 0;
  LoadingProgress progress_;
  int64_t started_us_ = 0, shown_us_ = 0;
};

}  // namespace kvorum::server
