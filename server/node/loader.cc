#include "server/node/loader.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "storage/inverse.h"

namespace kvorum::server {

namespace {

constexpr size_t kSliceBytes = 512 * 1024;
constexpr int64_t kShowIntervalUs = 500'000;

}  // namespace

Loader::Loader(Host& host, storage::Keyspace& keyspace, Settings settings, Done done)
    : host_(host), keyspace_(&keyspace), settings_(std::move(settings)), done_(std::move(done)) {}

void Loader::start() {
  started_us_ = shown_us_ = host_.monotonic_us();
  progress_.loading = true;
  progress_.started_ms = host_.wall_us() / 1000;
  load_snapshot();
}

void Loader::load_snapshot() {
  run_on_lane([this](Slot& slot) { slot.status = open_snapshot(); },
              [this](Slot&) {
                if (absl::Status status = check_restored(); !status.ok()) return finish(status);
                if (snapshot_ == nullptr) return begin_log();
                if (absl::Status status = check_snapshot(); !status.ok()) return finish(status);
                snapshot_loader_ = std::make_unique<storage::SnapshotLoader>(
                    *keyspace_, *snapshot_, static_cast<uint64_t>(host_.wall_us() / 1000));
                read_block();
              });
}

bool Loader::put_snapshot_aside(const absl::Status& status) {
  const bool loading_snapshot = log_ == nullptr && !result_.snapshots.empty();
  // A restored directory has nothing else to begin with.
  const bool may = settings_.member && !settings_.identity.restored;
  if (!may || !loading_snapshot || !absl::IsDataLoss(status)) return false;
  const std::string path = result_.snapshots.back().path;
  host_.log(LogLevel::kError,
            base::concat("ALARM: ", status.message(), "; the snapshot is put aside as ", path,
                         ".damaged, what it held comes from the other nodes"));
  result_.snapshots.clear();
  ++attempt_;  // a block that is being read is for nobody
  run_on_lane(
      [this, path](Slot& slot) {
        storage::FileSystem& files = host_.file_system();
        slot.status = files.rename(path, path + ".damaged");
        if (slot.status.ok()) slot.status = files.sync_directory(settings_.directory);
      },
      [this](Slot&) {
        snapshot_loader_ = nullptr;
        snapshot_ = nullptr;
        keyspace_ = &settings_.reset();
        load_snapshot();
      });
  return true;
}

void Loader::run_on_lane(std::function<void(Slot&)> work, std::function<void(Slot&)> next) {
  Slot& slot = slots_[turn_++ % slots_.size()];
  slot.status = absl::OkStatus();
  host_.run(
      Lane::kBackground, [work = std::move(work), &slot] { work(slot); },
      [this, next = std::move(next), &slot, attempt = attempt_] {
        if (attempt != attempt_) return;
        if (!slot.status.ok()) return finish(slot.status);
        next(slot);
      });
}

absl::Status Loader::open_snapshot() {
  storage::FileSystem& files = host_.file_system();
  if (absl::Status status = storage::remove_unfinished_snapshots(files, settings_.directory);
      !status.ok()) {
    return status;
  }
  const auto names = storage::list_snapshots(files, settings_.directory);
  if (!names.ok()) return names.status();
  for (const storage::SnapshotName& name : *names) {
    PublishedSnapshot& snapshot =
        result_.snapshots.emplace_back(PublishedSnapshot{.path = name.path, .lsn = name.lsn});
    auto reader = storage::SnapshotReader::open(files, name.path);
    if (!reader.ok()) return reader.status();
    snapshot.wall_ms = (*reader)->info().wall_ms;
    snapshot.bytes = (*reader)->file_bytes();
    snapshot.names_members = !(*reader)->info().membership.empty();
    snapshot_ = *std::move(reader);
  }
  return absl::OkStatus();
}

absl::Status Loader::check_restored() const {
  if (!settings_.identity.restored || snapshot_ != nullptr) return absl::OkStatus();
  return absl::DataLossError(
      base::concat(settings_.directory, ": a restored directory, and its snapshot is missing"));
}

absl::Status Loader::check_snapshot() const {
  const storage::SnapshotInfo& info = snapshot_->info();
  if (info.incarnation == settings_.identity.incarnation &&
      info.hash_seed == settings_.identity.hash_seed) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      base::concat(snapshot_->path(), " belongs to another data directory"));
}

void Loader::read_block() {
  run_on_lane(
      [this](Slot& slot) {
        const absl::StatusOr<bool> more = snapshot_->read_block(slot.block);
        slot.status = more.status();
        slot.more = more.ok() && *more;
      },
      [this](Slot& slot) { block_read(slot); });
}

void Loader::block_read(Slot& slot) {
  if (!slot.more) {
    if (absl::Status status = snapshot_loader_->finish(); !status.ok()) return finish(status);
    snapshot_bytes_ = snapshot_->file_bytes();
    return begin_log();
  }
  read_block();  // into the other slot, while this one is added
  if (absl::Status status = snapshot_loader_->add(slot.block); !status.ok()) return finish(status);
  const storage::SnapshotLoader::Progress loaded = snapshot_loader_->progress();
  progress_.loaded_bytes = loaded.bytes;
  progress_.total_bytes = loaded.total_bytes;
  update_progress();
}

void Loader::begin_log() {
  if (snapshot_ != nullptr) {
    const storage::SnapshotInfo& info = snapshot_->info();
    result_.applied = info.position;
    result_.applied_hlc = info.hlc;
    replication::Membership membership;
    if (replication::decode_membership(info.membership, membership)) {
      keyspace_->keep_tombstones(membership.merges(), info.hlc);
      result_.memberships.emplace_back(info.position.lsn, std::move(membership));
    }
  }
  result_.terms = replication::TermIndex(result_.applied);
  result_.recent.reset(result_.applied);
  load_log();
}

void Loader::load_log() {
  if (settings_.identity.restored) return begin_restored_log();
  run_on_lane([this](Slot& slot) { slot.status = open_log(); }, [this](Slot&) { read_slice(); });
}

void Loader::begin_restored_log() {
  run_on_lane(
      [this](Slot& slot) {
        auto log = storage::restored_log(host_.file_system(), settings_.directory, result_.applied,
                                         result_.applied_hlc);
        slot.status = log.status();
        if (log.ok()) result_.log = *std::move(log);
      },
      [this](Slot&) { finish(absl::OkStatus()); });
}

absl::Status Loader::open_log() {
  storage::RecoveryOptions options;
  options.directory = settings_.directory;
  options.identity = settings_.identity;
  options.member = settings_.member;
  if (snapshot_ != nullptr) {
    options.cut = snapshot_->info().position;
    options.cut_hlc = snapshot_->info().hlc;
  }
  // Host::log may be called from a lane.
  options.log = [this](std::string_view message) { host_.log(LogLevel::kWarning, message); };
  auto reader = storage::RecoveryReader::open(host_.file_system(), std::move(options));
  if (!reader.ok()) return reader.status();
  log_ = *std::move(reader);
  return absl::OkStatus();
}

void Loader::read_slice() {
  run_on_lane(
      [this](Slot& slot) {
        const absl::StatusOr<bool> more = log_->read_some(kSliceBytes, slot.slice);
        slot.status = more.status();
        slot.more = more.ok() && *more;
      },
      [this](Slot& slot) { slice_read(slot); });
}

void Loader::slice_read(Slot& slot) {
  const storage::RecoveryProgress read = log_->progress();
  progress_.loaded_bytes = snapshot_bytes_ + read.bytes_read;
  progress_.total_bytes = snapshot_bytes_ + read.bytes_total;
  if (!slot.more) {
    result_.log = log_->result();
    apply_committed(result_.log.commit);
    return finish(absl::OkStatus());
  }
  read_slice();  // into the other slot, while this one is applied
  for (const storage::RecordView& record : slot.slice.records()) take_record(record);
  apply_committed(slot.slice.commit());
  update_progress();
}

void Loader::take_record(const storage::RecordView& record) {
  const storage::Position position{record.header.term, record.header.lsn};
  if (record.header.kind == storage::RecordKind::kMembership) {
    replication::Membership membership;
    if (replication::decode_membership(record.payload, membership)) {
      keyspace_->keep_tombstones(membership.merges(), result_.applied_hlc);
      result_.memberships.emplace_back(position.lsn, std::move(membership));
    }
  }
  result_.terms.append(position);
  result_.recent.append(record.header, record.bytes);
}

void Loader::apply_committed(storage::Lsn commit) {
  const storage::Lsn end = std::min(commit, result_.recent.last().lsn);
  if (end <= result_.applied.lsn) return;
  result_.recent.for_each(result_.applied.lsn, end, [this](const storage::RecordView& record) {
    apply(record);
    return true;
  });
  result_.recent.trim(0, result_.applied.lsn);
}

void Loader::apply(const storage::RecordView& record) {
  if (record.header.kind == storage::RecordKind::kEffects) {
    storage::Inverse inverse;
    keyspace_->apply_record(record.payload, record.header.stamp, inverse);
  }
  result_.applied = storage::Position{record.header.term, record.header.lsn};
  result_.applied_hlc = record.header.stamp.hlc;
}

void Loader::update_progress() {
  const int64_t now_us = host_.monotonic_us();
  const double elapsed_s = static_cast<double>(std::max<int64_t>(now_us - started_us_, 1)) / 1e6;
  progress_.bytes_per_second = static_cast<double>(progress_.loaded_bytes) / elapsed_s;
  progress_.seconds_left =
      progress_.bytes_per_second > 0
          ? static_cast<double>(progress_.total_bytes - progress_.loaded_bytes) /
                progress_.bytes_per_second
          : 0;
  progress_.loaded_keys = 0;
  for (int database = 0; database < storage::kDatabaseCount; ++database) {
    progress_.loaded_keys += keyspace_->size(database);
  }
  if (now_us - shown_us_ < kShowIntervalUs) return;
  shown_us_ = now_us;
  host_.show_loading(progress_);
}

void Loader::finish(const absl::Status& status) {
  if (!progress_.loading) return;  // an earlier slice has failed already
  if (!status.ok() && put_snapshot_aside(status)) return;
  update_progress();
  progress_.loading = false;
  if (status.ok()) {
    progress_.loaded_bytes = progress_.total_bytes;
    host_.show_loading(progress_);
    // Nothing is on the lane any more: give back files and buffers.
    snapshot_loader_ = nullptr;
    snapshot_ = nullptr;
    log_ = nullptr;
    slots_ = {};
  }
  done_(status, std::move(result_));
}

}  // namespace kvorum::server
