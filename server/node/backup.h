// BACKUP: writes a directory that a server can be started on, while writes go on: one snapshot,
// whose cut is committed, and an identity that says `restored` (storage/identity.h). One at a time.
// Belongs to the loop; what blocks runs on the background lane.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/host.h"
#include "server/node/record_log.h"
#include "server/node/snapshot_taker.h"
#include "storage/identity.h"
#include "storage/keyspace.h"

namespace kvorum::server {

struct BackupFigures {
  bool in_progress = false;
  bool last_ok = true;
  uint64_t taken = 0;
  uint64_t last_bytes = 0;
  int64_t last_seconds = -1;  // that the last one took; -1: there was none
};

class Backup {
 public:
  // Called on the loop: everything is durable, or what went wrong; then nothing but an empty
  // directory is left.
  using Done = std::function<void(const absl::Status&)>;

  Backup(Host& host, RecordLog& log);

  // Begins. `birth`: of the cluster that this node is a member of.
  // REQUIRES: !in_progress().
  void start(std::string directory, const storage::Identity& identity,
             std::optional<peer::Birth> birth, Done done);
  bool in_progress() const { return stage_ != Stage::kIdle; }
  // The directory is there: write() may be called.
  bool waiting() const { return stage_ == Stage::kWaiting; }
  // Cuts now. If something below the cut is undone it waits again. REQUIRES: waiting(); nobody else
  // takes a snapshot until writing() is false.
  void write(storage::Keyspace& keyspace, storage::SnapshotInfo info);
  bool writing() const { return taker_.in_progress(); }
  // As SnapshotTaker's.
  bool step() { return taker_.step(); }
  void abandon(std::unique_ptr<storage::Keyspace> keyspace) { taker_.abandon(std::move(keyspace)); }
  // What is being written must not be relied on: ends with this error. REQUIRES: waiting().
  void fail(absl::Status status) { finish(std::move(status)); }

  BackupFigures figures() const;

 private:
  enum class Stage : uint8_t { kIdle, kPreparing, kWaiting, kWriting, kFinishing };

  void run_on_lane(std::function<absl::Status()> work,
                   std::function<void(const absl::Status&)> next);
  void snapshot_taken(const SnapshotTaker::Outcome& outcome);
  void clean_up(const absl::Status& failure);
  void finish(absl::Status status);

  Host& host_;
  SnapshotTaker taker_;
  Stage stage_ = Stage::kIdle;
  std::string directory_;
  storage::Identity identity_;
  std::optional<peer::Birth> birth_;
  Done done_;
  int64_t started_us_ = 0;  // monotonic
  uint64_t bytes_ = 0;
  BackupFigures figures_;
};

}  // namespace kvorum::server
