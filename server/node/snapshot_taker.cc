#include "server/node/snapshot_taker.h"

#include <utility>

#include "base/check.h"

namespace kvorum::server {

namespace {

// Entries looked at in one slice: well under a millisecond.
constexpr size_t kSliceEntries = 400;
// Serialised bytes waiting for the lane beyond which the loop serialises no further.
constexpr size_t kMaxPendingBytes = 4 << 20;
// Serialised bytes worth a job of their own.
constexpr size_t kJobBytes = 512 << 10;

absl::Status undone() { return absl::AbortedError("records in it were undone"); }

}  // namespace

SnapshotTaker::SnapshotTaker(Host& host, RecordLog& log, Done done)
    : host_(host), log_(log), done_(std::move(done)) {}

SnapshotTaker::~SnapshotTaker() = default;

void SnapshotTaker::start(storage::Keyspace& keyspace, storage::SnapshotInfo info,
                          const std::string& directory) {
  CHECK(!in_progress() && !busy_);
  const storage::Lsn cut = info.position.lsn;
  writer_ = std::make_unique<storage::SnapshotWriter>(keyspace, std::move(info));
  stage_ = Stage::kWriting;
  run_on_lane(
      [this, directory, cut]() -> absl::Status {
        auto file = storage::SnapshotFile::create(host_.file_system(), directory, cut);
        if (!file.ok()) return file.status();
        file_ = *std::move(file);
        return absl::OkStatus();
      },
      [] {});
}

bool SnapshotTaker::step() {
  if (!in_progress()) return false;
  if (!busy_ && writer_->abandoned()) {
    finish(undone());
    return false;
  }
  if (stage_ == Stage::kWaitingForLog && !busy_) publish_when_logged();
  if (stage_ != Stage::kWriting) return false;
  const bool room = writer_->pending_bytes() < kMaxPendingBytes;
  if (room && !writer_->complete() && !writer_->abandoned()) writer_->step(kSliceEntries);
  if (!busy_) write_blocks();
  return in_progress() && stage_ == Stage::kWriting && !writer_->complete() &&
         writer_->pending_bytes() < kMaxPendingBytes;
}

void SnapshotTaker::abandon(std::unique_ptr<storage::Keyspace> keyspace) {
  if (!in_progress()) return;
  writer_->undoing();
  if (replaced_ == nullptr) replaced_ = std::move(keyspace);
}

void SnapshotTaker::run_on_lane(std::function<absl::Status()> work, std::function<void()> next) {
  busy_ = true;
  auto status = std::make_shared<absl::Status>();
  host_.run(
      Lane::kBackground, [work = std::move(work), status] { *status = work(); },
      [this, next = std::move(next), status] {
        busy_ = false;
        if (!status->ok()) return finish(*status);
        // Once it is being published its cut is committed: what is undone is above it.
        if (writer_->abandoned() && stage_ != Stage::kPublishing) return finish(undone());
        next();
      });
}

void SnapshotTaker::write_blocks() {
  if (!writer_->complete() && writer_->pending_bytes() < kJobBytes) return;
  blocks_ = writer_->take_blocks();
  const bool last = writer_->complete();
  run_on_lane([this] { return file_->write(blocks_); },
              [this, last] {
                blocks_.clear();
                if (last) {
                  sync_file();
                } else {
                  write_blocks();
                }
              });
}

void SnapshotTaker::sync_file() {
  stage_ = Stage::kSyncing;
  run_on_lane([this] { return file_->sync(); },
              [this] {
                stage_ = Stage::kWaitingForLog;
                publish_when_logged();
              });
}

void SnapshotTaker::publish_when_logged() {
  const storage::Lsn cut = writer_->info().position.lsn;
  if (log_.commit().lsn < cut || log_.wal().synced().lsn < cut) {
    log_.wal().request_sync();
    log_.start_write();
    return;  // looked at again with the next step
  }
  stage_ = Stage::kPublishing;
  run_on_lane([this] { return file_->publish(); }, [this] { finish(absl::OkStatus()); });
}

void SnapshotTaker::finish(absl::Status status) {
  Outcome outcome;
  outcome.status = std::move(status);
  outcome.info = writer_->info();
  if (file_ != nullptr) {
    outcome.path = file_->path();
    outcome.bytes = file_->bytes();
  }
  writer_ = nullptr;
  replaced_ = nullptr;
  blocks_.clear();
  // Without a name the file is removed with its object, which is the lane's work.
  std::shared_ptr<storage::SnapshotFile> file = std::move(file_);
  host_.run(
      Lane::kBackground, [file = std::move(file)]() mutable { file = nullptr; }, [] {});
  done_(outcome);
}

}  // namespace kvorum::server
