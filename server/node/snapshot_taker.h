// Takes one snapshot at a time: the cut now, serialising in slices on the loop, the file on the
// background lane, its name only when the cut is synced in the log and nothing was undone.
// Belongs to the loop, except where it says lane.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/node/host.h"
#include "server/node/record_log.h"
#include "storage/keyspace.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_writer.h"

namespace kvorum::server {

class SnapshotTaker {
 public:
  struct Outcome {
    absl::Status status;
    storage::SnapshotInfo info;
    std::string path;
    uint64_t bytes = 0;
  };
  // Called on the loop when a snapshot has its name, or has failed.
  using Done = std::function<void(const Outcome&)>;

  SnapshotTaker(Host& host, RecordLog& log, Done done);
  ~SnapshotTaker();

  // Cuts. REQUIRES: !in_progress(), and log.started().
  void start(storage::Keyspace& keyspace, storage::SnapshotInfo info, const std::string& directory);
  bool in_progress() const { return writer_ != nullptr; }
  // Another keyspace has taken the place of this one: fails what is in progress, and lets go of the
  // keyspace when nothing looks at it any more.
  void abandon(std::unique_ptr<storage::Keyspace> keyspace);
  // The next slice. True if another can follow at once, false if the lane has to catch up.
  bool step();

  uint64_t keys_done() const { return writer_ == nullptr ? 0 : writer_->keys_done(); }
  uint64_t keys_total() const { return writer_ == nullptr ? 0 : writer_->info().total_keys(); }

 private:
  enum class Stage : uint8_t { kWriting, kSyncing, kWaitingForLog, kPublishing };

  // Runs on the lane; `next` on the loop if it went well.
  void run_on_lane(std::function<absl::Status()> work, std::function<void()> next);
  void write_blocks();
  void sync_file();
  void publish_when_logged();
  void finish(absl::Status status);

  Host& host_;
  RecordLog& log_;
  const Done done_;
  std::unique_ptr<storage::Keyspace> replaced_;      // what writer_ is of, if nobody else has it
  std::unique_ptr<storage::SnapshotWriter> writer_;  // null: none in progress
  std::unique_ptr<storage::SnapshotFile> file_;      // the lane's while busy_
  std::vector<storage::UnwrittenBlock> blocks_;      // the lane's while busy_
  Stage stage_ = Stage::kWriting;
  bool busy_ = false;  // a job is on the lane
};

}  // namespace kvorum::server
