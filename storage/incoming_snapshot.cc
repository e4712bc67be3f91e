#include "storage/incoming_snapshot.h"

#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "storage/snapshot_file.h"

namespace kvorum::storage {
namespace {

constexpr uint64_t kSyncBytes = 4 << 20;

}  // namespace

IncomingSnapshot::IncomingSnapshot(FileSystem& files, std::string directory, Position cut)
    : files_(files),
      directory_(std::move(directory)),
      cut_(cut),
      path_(snapshot_path(directory_, cut.lsn)),
      temporary_path_(incoming_snapshot_path(directory_, cut.lsn)) {}

absl::StatusOr<std::unique_ptr<IncomingSnapshot>> IncomingSnapshot::create(
    FileSystem& files, const std::string& directory, Position cut) {
  std::unique_ptr<IncomingSnapshot> snapshot(new IncomingSnapshot(files, directory, cut));
  absl::StatusOr<std::unique_ptr<File>> file = create_anew(files, snapshot->temporary_path_);
  if (!file.ok()) return file.status();
  snapshot->file_ = *std::move(file);
  snapshot->temporary_ = true;
  return snapshot;
}

IncomingSnapshot::~IncomingSnapshot() {
  file_.reset();
  // If it stays, the next start or the next snapshot with this cut removes it.
  if (temporary_) files_.remove(temporary_path_).IgnoreError();
}

absl::Status IncomingSnapshot::write(uint64_t offset, std::string_view bytes) {
  CHECK(file_ != nullptr) << "finished";
  CHECK_EQ(offset, offset_);
  if (absl::Status status = file_->write_at(offset, {&bytes, 1}); !status.ok()) return status;
  offset_ += bytes.size();
  if (offset_ - synced_offset_ < kSyncBytes) return absl::OkStatus();
  if (absl::Status status = file_->sync(); !status.ok()) return status;
  synced_offset_ = offset_;
  return absl::OkStatus();
}

absl::StatusOr<SnapshotReport> IncomingSnapshot::finish(const Identity& identity) {
  CHECK(file_ != nullptr) << "finished twice";
  const std::unique_ptr<File> file = std::move(file_);
  if (absl::Status status = file->sync(); !status.ok()) return status;
  absl::StatusOr<SnapshotReport> report = verify_snapshot(files_, temporary_path_);
  if (!report.ok()) return report;
  const Position position = report->info.position;
  if (position != cut_) {
    return absl::DataLossError(base::concat(temporary_path_, ": a snapshot of lsn ",
                                            position.lsn.value(), " in term ",
                                            position.term.value(), ", announced as of lsn ",
                                            cut_.lsn.value(), " in term ", cut_.term.value()));
  }
  if (report->info.incarnation != identity.incarnation ||
      report->info.hash_seed != identity.hash_seed) {
    return absl::FailedPreconditionError(
        base::concat(temporary_path_, ": a snapshot of another cluster"));
  }
  if (absl::Status status = files_.rename(temporary_path_, path_); !status.ok()) return status;
  temporary_ = false;
  if (absl::Status status = files_.sync_directory(directory_); !status.ok()) return status;
  return report;
}

}  // namespace kvorum::storage
