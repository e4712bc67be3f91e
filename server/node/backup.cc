#include "server/node/backup.h"

#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/birth_file.h"

namespace kvorum::server {

Backup::Backup(Host& host, RecordLog& log)
    : host_(host), taker_(host, log, [this](const SnapshotTaker::Outcome& outcome) {
        snapshot_taken(outcome);
      }) {}

void Backup::start(std::string directory, const storage::Identity& identity,
                   std::optional<peer::Birth> birth, Done done) {
  CHECK(!in_progress());
  stage_ = Stage::kPreparing;
  directory_ = std::move(directory);
  identity_ = identity;
  birth_ = std::move(birth);
  done_ = std::move(done);
  started_us_ = host_.monotonic_us();
  run_on_lane([this] { return storage::begin_restored_directory(host_.file_system(), directory_); },
              [this](const absl::Status& status) {
                if (!status.ok()) return finish(status);
                stage_ = Stage::kWaiting;
              });
}

void Backup::write(storage::Keyspace& keyspace, storage::SnapshotInfo info) {
  CHECK(waiting());
  stage_ = Stage::kWriting;
  taker_.start(keyspace, std::move(info), directory_);
}

void Backup::run_on_lane(std::function<absl::Status()> work,
                         std::function<void(const absl::Status&)> next) {
  auto status = std::make_shared<absl::Status>();
  host_.run(
      Lane::kBackground, [work = std::move(work), status] { *status = work(); },
      [next = std::move(next), status] { next(*status); });
}

void Backup::snapshot_taken(const SnapshotTaker::Outcome& outcome) {
  if (absl::IsAborted(outcome.status)) {
    // What it was a snapshot of has never happened.
    host_.log(LogLevel::kInfo,
              base::concat("backup ", directory_, ": ", outcome.status.message(), ", begun again"));
    stage_ = Stage::kWaiting;
    return;
  }
  stage_ = Stage::kFinishing;
  if (!outcome.status.ok()) return clean_up(outcome.status);
  bytes_ = outcome.bytes;
  run_on_lane(
      [this]() -> absl::Status {
        storage::FileSystem& files = host_.file_system();
        if (birth_.has_value()) {
          if (absl::Status status = save_birth(files, directory_, *birth_); !status.ok()) {
            return status;
          }
        }
        return storage::finish_restored_directory(files, directory_, identity_);
      },
      [this](const absl::Status& status) {
        if (status.ok()) return finish(status);
        clean_up(status);
      });
}

// Without an identity nothing there counts. What is ours goes, so that another try finds room.
void Backup::clean_up(const absl::Status& failure) {
  run_on_lane(
      [this]() -> absl::Status {
        return storage::remove_restored_directory(host_.file_system(), directory_);
      },
      [this, failure](const absl::Status& status) {
        if (!status.ok()) {
          host_.log(LogLevel::kWarning, base::concat("what is left of the backup ", directory_,
                                                     " could not be removed: ", status.message()));
        }
        finish(failure);
      });
}

void Backup::finish(absl::Status status) {
  stage_ = Stage::kIdle;
  figures_.last_ok = status.ok();
  figures_.last_seconds = (host_.monotonic_us() - started_us_) / 1'000'000;
  if (status.ok()) {
    ++figures_.taken;
    figures_.last_bytes = bytes_;
    host_.log(LogLevel::kInfo, base::concat("backup ", directory_, ": ", bytes_, " bytes, ",
                                            figures_.last_seconds, " s"));
  } else {
    host_.log(LogLevel::kError, base::concat("backup ", directory_, " failed: ", status.message()));
  }
  const Done done = std::exchange(done_, nullptr);
  done(status);
}

BackupFigures Backup::figures() const {
  BackupFigures figures = figures_;
  figures.in_progress = in_progress();
  return figures;
}

}  // namespace kvorum::server
