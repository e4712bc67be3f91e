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

Loader::Loader(Host& host, storage::Keyspace& keyspace, storage::Identity identity,
               std::string directory, Done done)
    : host_(host),
      keyspace_(keyspace),
      identity_(identity),
      directory_(std::move(directory)),
      done_(std::move(done)) {}

void Loader::start() {
  started_us_ = shown_us_ = host_.monotonic_us();
  progress_.loading = true;
  progress_.started_ms = host_.wall_us() / 1000;
  run_on_lane([this](Slot& slot) { slot.status = open_snapshot(); },
              [this](Slot&) {
                if (snapshot_ == nullptr) return load_log();
                if (absl::Status status = check_snapshot(); !status.ok()) return finish(status);
                snapshot_loader_ = std::make_unique<storage::SnapshotLoader>(
                    keyspace_, *snapshot_, static_cast<uint64_t>(host_.wall_us() / 1000));
                read_block();
              });
}

void Loader::run_on_lane(std::function<void(Slot&)> work, std::function<void(Slot&)> next) {
  Slot& slot = slots_[turn_++ % slots_.size()];
  slot.status = absl::OkStatus();
  host_.run(
      Lane::kBackground, [work = std::move(work), &slot] { work(slot); },
      [this, next = std::move(next), &slot] {
        if (!slot.status.ok()) return finish(slot.status);
        next(slot);
      });
}

absl::Status Loader::open_snapshot() {
  storage::FileSystem& files = host_.file_system();
  if (absl::Status status = storage::remove_unfinished_snapshots(files, directory_); !status.ok()) {
    return status;
  }
  const auto names = storage::list_snapshots(files, directory_);
  if (!names.ok()) return names.status();
  for (const storage::SnapshotName& name : *names) {
    auto reader = storage::SnapshotReader::open(files, name.path);
    if (!reader.ok()) return reader.status();
    result_.snapshots.push_back(
        {name.path, name.lsn, (*reader)->info().wall_ms, (*reader)->file_bytes()});
    snapshot_ = *std::move(reader);
  }
  return absl::OkStatus();
}

absl::Status Loader::check_snapshot() const {
  const storage::SnapshotInfo& info = snapshot_->info();
  if (info.incarnation == identity_.incarnation && info.hash_seed == identity_.hash_seed) {
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
    return load_log();
  }
  read_block();  // into the other slot, while this one is added
  if (absl::Status status = snapshot_loader_->add(slot.block); !status.ok()) return finish(status);
  const storage::SnapshotLoader::Progress loaded = snapshot_loader_->progress();
  progress_.loaded_bytes = loaded.bytes;
  progress_.total_bytes = loaded.total_bytes;
  update_progress();
}

void Loader::load_log() {
  run_on_lane([this](Slot& slot) { slot.status = open_log(); }, [this](Slot&) { read_slice(); });
}

absl::Status Loader::open_log() {
  storage::RecoveryOptions options;
  options.directory = directory_;
  options.identity = identity_;
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
    return finish(absl::OkStatus());
  }
  read_slice();  // into the other slot, while this one is applied
  for (const storage::RecordView& record : slot.slice.records()) {
    if (record.header.kind != storage::RecordKind::kEffects) continue;
    storage::Inverse inverse;
    keyspace_.apply_record(record.payload, record.header.stamp, inverse);
  }
  update_progress();
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
    progress_.loaded_keys += keyspace_.size(database);
  }
  if (now_us - shown_us_ < kShowIntervalUs) return;
  shown_us_ = now_us;
  host_.show_loading(progress_);
}

void Loader::finish(const absl::Status& status) {
  if (!progress_.loading) return;  // an earlier slice has failed already
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
  done_(status, result_);
}

}  // namespace kvorum::server
