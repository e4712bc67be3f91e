#include "tools/restore.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "base/text.h"
#include "storage/hlc.h"
#include "storage/identity.h"
#include "storage/inverse.h"
#include "storage/keyspace.h"
#include "storage/segment.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_loader.h"
#include "storage/snapshot_reader.h"
#include "storage/snapshot_writer.h"
#include "tools/log_cursor.h"

namespace kvorum::tools {
namespace {

constexpr std::string_view kBirthName = "birth";
constexpr size_t kCopyBytes = size_t{1} << 20;
constexpr size_t kStepEntries = 4096;
constexpr size_t kReclaimEntries = 4096;

class Restore {
 public:
  Restore(storage::FileSystem& files, const RestoreOptions& options, Progress& progress)
      : files_(files), options_(options), progress_(progress) {}

  absl::StatusOr<RestoreReport> run();

 private:
  absl::Status build();
  absl::StatusOr<std::vector<std::string>> snapshot_files() const;
  absl::Status begin_with_snapshot();
  // Finds the newest sound snapshot at or before the point.
  absl::Status choose_snapshot(const std::vector<std::string>& paths);
  absl::Status load_snapshot();
  // The commit that the whole log knows of, for --rejoin.
  absl::Status find_commit();
  absl::StatusOr<std::unique_ptr<LogCursor>> open_log() const;
  absl::Status apply_log();
  bool wanted(const storage::RecordView& record) const;
  void apply(const storage::RecordView& record);
  absl::Status check_end(const storage::RecoveredLog& log) const;
  absl::Status write_snapshot();
  absl::Status copy_birth();

  storage::FileSystem& files_;
  const RestoreOptions& options_;
  Progress& progress_;
  storage::Identity identity_;
  bool alone_ = false;                             // `from` is of a node that has no cluster
  std::unique_ptr<storage::SnapshotReader> base_;  // null: from the log's first record on
  std::optional<storage::Lsn> oldest_snapshot_;    // behind the point
  std::unique_ptr<storage::Keyspace> keyspace_;
  storage::Lsn committed_ = storage::Lsn::max();
  storage::Hlc hlc_{0};
  std::string membership_;  // in force at the point
  RestoreReport report_;
};

absl::StatusOr<RestoreReport> Restore::run() {
  const auto identity = identity_of(files_, options_.from);
  if (!identity.ok()) return identity.status();
  identity_ = *identity;
  if (!is_member(identity_)) {
    return absl::FailedPreconditionError(
        base::concat(options_.from, ": never a member of a cluster; there is nothing in it"));
  }
  const std::string birth = storage::join_path(options_.from, kBirthName);
  alone_ = absl::IsNotFound(files_.open(birth, storage::OpenMode::kRead).status());
  if (alone_ && options_.rejoin) {
    return absl::FailedPreconditionError(base::concat(
        options_.from, ": of a node alone; there is no cluster that it could come back to"));
  }
  if (absl::Status status = begin_restored_directory(files_, options_.to); !status.ok()) {
    return status;
  }
  absl::Status status = build();
  progress_.clear();
  if (status.ok()) return report_;
  status.Update(remove_restored_directory(files_, options_.to));
  return status;
}

absl::Status Restore::build() {
  if (absl::Status status = begin_with_snapshot(); !status.ok()) return status;
  if (!identity_.restored) {
    if (absl::Status status = find_commit(); !status.ok()) return status;
    if (absl::Status status = apply_log(); !status.ok()) return status;
  } else if (options_.until.lsn.value_or(report_.position.lsn) != report_.position.lsn) {
    return absl::OutOfRangeError(base::concat(options_.from, ": a backup of lsn ",
                                              report_.position.lsn.value(), ", without a log"));
  }
  // A node alone commits what it writes.
  if (alone_) report_.commit = report_.position.lsn;
  if (report_.position.lsn == storage::Lsn{0}) {
    return absl::NotFoundError(
        base::concat(options_.from, ": nothing happened until ", options_.until.text()));
  }
  if (absl::Status status = write_snapshot(); !status.ok()) return status;
  if (options_.rejoin) {
    if (absl::Status status = copy_birth(); !status.ok()) return status;
  } else {
    identity_.incarnation = options_.incarnation;
  }
  return finish_restored_directory(files_, options_.to, identity_);
}

absl::StatusOr<std::vector<std::string>> Restore::snapshot_files() const {
  std::vector<std::string> paths;
  std::vector<std::string> directories = {options_.from};
  for (const std::string& given : options_.snapshots) {
    if (files_.list(given).ok()) {
      directories.push_back(given);
    } else {
      paths.push_back(given);
    }
  }
  for (const std::string& directory : directories) {
    const auto names = list_snapshots(files_, directory);
    if (!names.ok()) return names.status();
    for (const storage::SnapshotName& name : *names) paths.push_back(name.path);
  }
  return paths;
}

// A damaged snapshot is no loss as long as there is one before it and the log since then.
absl::Status Restore::begin_with_snapshot() {
  auto paths = snapshot_files();
  if (!paths.ok()) return paths.status();
  while (true) {
    base_ = nullptr;
    if (absl::Status status = choose_snapshot(*paths); !status.ok()) return status;
    const absl::Status status = load_snapshot();
    if (base_ == nullptr || !absl::IsDataLoss(status)) return status;
    report_.passed_over.emplace_back(base::view(status.message()));
    std::erase(*paths, base_->path());
  }
}

absl::Status Restore::choose_snapshot(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    auto reader = storage::SnapshotReader::open(files_, path);
    if (absl::IsDataLoss(reader.status())) {
      report_.passed_over.emplace_back(base::view(reader.status().message()));
      continue;
    }
    if (!reader.ok()) return reader.status();
    const storage::SnapshotInfo& info = (*reader)->info();
    if (info.incarnation != identity_.incarnation || info.hash_seed != identity_.hash_seed) {
      return absl::FailedPreconditionError(
          base::concat(path, ": a snapshot of another cluster than ", options_.from));
    }
    const storage::Lsn lsn = info.position.lsn;
    if (!options_.until.includes(lsn, info.hlc)) {
      oldest_snapshot_ = std::min(oldest_snapshot_.value_or(lsn), lsn);
    } else if (base_ == nullptr || lsn > base_->info().position.lsn) {
      base_ = *std::move(reader);
    }
  }
  return absl::OkStatus();
}

absl::Status Restore::load_snapshot() {
  keyspace_ = std::make_unique<storage::Keyspace>(identity_.hash_seed);
  if (base_ == nullptr) {
    if (!identity_.restored) return absl::OkStatus();
    return absl::NotFoundError(
        base::concat(options_.from, ": a backup that was taken after ", options_.until.text()));
  }
  const storage::SnapshotInfo& info = base_->info();
  storage::SnapshotLoader loader(*keyspace_, *base_, options_.now_ms);
  progress_.begin("restore: the snapshot", base_->file_bytes());
  storage::SnapshotBlock block;
  while (true) {
    const auto more = base_->read_block(block);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (absl::Status status = loader.add(block); !status.ok()) return status;
    progress_.reach(block.end_offset);
  }
  if (absl::Status status = loader.finish(); !status.ok()) return status;
  report_.position = info.position;
  report_.base = info.position.lsn;
  report_.commit = info.position.lsn;
  hlc_ = info.hlc;
  membership_ = info.membership;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LogCursor>> Restore::open_log() const {
  LogCursor::From from;
  from.oldest = false;
  if (base_ != nullptr) {
    from.behind = base_->info().position;
    from.hlc = base_->info().hlc;
  }
  from.damage_ends = true;  // behind the point it does no harm
  return LogCursor::open(files_, options_.from, from);
}

absl::Status Restore::find_commit() {
  if (!options_.rejoin) return absl::OkStatus();
  const auto log = open_log();
  if (!log.ok()) return log.status();
  progress_.begin("restore: looking for the commit", (*log)->progress().bytes_total);
  while (true) {
    const auto record = (*log)->next();
    if (!record.ok()) return record.status();
    if (*record == nullptr) break;
    progress_.reach((*log)->progress().bytes_read);
  }
  committed_ = std::max((*log)->log().commit, report_.position.lsn);
  return absl::OkStatus();
}

bool Restore::wanted(const storage::RecordView& record) const {
  return record.header.lsn <= committed_ &&
         options_.until.includes(record.header.lsn, record.header.stamp.hlc);
}

absl::Status Restore::apply_log() {
  const auto log = open_log();
  if (!log.ok()) return log.status();
  progress_.begin("restore: the log", (*log)->progress().bytes_total);
  while (true) {
    const auto record = (*log)->next();
    if (!record.ok()) return record.status();
    report_.commit = std::max(report_.commit, (*log)->commit());
    if (*record == nullptr) return check_end((*log)->log());
    if (!wanted(**record)) return absl::OkStatus();
    apply(**record);
    // Damage behind it is of no interest.
    if (options_.until.lsn == report_.position.lsn) return absl::OkStatus();
    progress_.reach((*log)->progress().bytes_read);
  }
}

void Restore::apply(const storage::RecordView& record) {
  const storage::RecordHeader& header = record.header;
  if (header.kind == storage::RecordKind::kEffects) {
    storage::Inverse inverse;
    keyspace_->apply_record(record.payload, header.stamp, inverse);
  } else if (header.kind == storage::RecordKind::kMembership) {
    membership_ = record.payload;
  }
  keyspace_->reclaim(kReclaimEntries);
  report_.position = {header.term, header.lsn};
  ++report_.records;
  hlc_ = header.stamp.hlc;
}

// The log has ended before the point.
absl::Status Restore::check_end(const storage::RecoveredLog& log) const {
  if (log.damaged && report_.position.lsn < committed_) {
    if (report_.position.lsn > storage::Lsn{0}) {
      return absl::DataLossError(base::concat(log.damage, "; what is before it can be restored: ",
                                              "--until ", report_.position.lsn.value()));
    }
    return absl::NotFoundError(base::concat(
        log.damage, "; and there is no snapshot of ", options_.until.text(), " or before",
        oldest_snapshot_.has_value()
            ? base::concat(", the oldest is of lsn ", oldest_snapshot_->value())
            : std::string()));
  }
  if (options_.until.lsn.has_value() && report_.position.lsn < *options_.until.lsn) {
    return absl::OutOfRangeError(base::concat(
        options_.from, options_.rejoin ? ": what is known to be committed" : ": the log",
        " ends with lsn ", report_.position.lsn.value(), ", before ", options_.until.lsn->value()));
  }
  return absl::OkStatus();
}

absl::Status Restore::write_snapshot() {
  storage::SnapshotInfo info;
  info.incarnation = options_.rejoin ? identity_.incarnation : options_.incarnation;
  info.node = identity_.node;
  info.position = report_.position;
  info.hlc = hlc_;
  info.wall_ms = options_.now_ms;
  // A cluster founded anew finds its members by itself.
  if (options_.rejoin) info.membership = membership_;
  storage::SnapshotWriter writer(*keyspace_, std::move(info));
  report_.keys = writer.info().total_keys();
  report_.unix_ms = storage::HybridLogicalClock::wall_ms(hlc_);
  auto file = storage::SnapshotFile::create(files_, options_.to, report_.position.lsn);
  if (!file.ok()) return file.status();
  progress_.begin("restore: writing", report_.keys);
  while (!writer.complete()) {
    writer.step(kStepEntries);
    if (absl::Status status = (*file)->write(writer.take_blocks()); !status.ok()) return status;
    progress_.reach(writer.keys_done());
  }
  report_.bytes = (*file)->bytes();
  if (absl::Status status = (*file)->sync(); !status.ok()) return status;
  return (*file)->publish();
}

// It is the same on every node of the cluster.
absl::Status Restore::copy_birth() {
  const auto from =
      files_.open(storage::join_path(options_.from, kBirthName), storage::OpenMode::kRead);
  if (!from.ok()) return from.status();
  std::string bytes(kCopyBytes, '\0');
  const auto got = (*from)->read_at(0, bytes.data(), bytes.size());
  if (!got.ok()) return got.status();
  const auto to = storage::create_anew(files_, storage::join_path(options_.to, kBirthName));
  if (!to.ok()) return to.status();
  const std::array<std::string_view, 1> pieces = {std::string_view(bytes).substr(0, *got)};
  if (absl::Status status = (*to)->write_at(0, pieces); !status.ok()) return status;
  return (*to)->sync();
}

}  // namespace

absl::StatusOr<RestoreReport> restore(storage::FileSystem& files, const RestoreOptions& options,
                                      Progress& progress) {
  return Restore(files, options, progress).run();
}

}  // namespace kvorum::tools
