#include "server/node/persistence.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "server/node/node.h"
#include "storage/wal.h"

namespace kvorum::server {

namespace {

// How often a due snapshot is looked for, and how long a failed one is not tried again.
constexpr int64_t kCheckIntervalUs = 1'000'000;
constexpr int64_t kRetryIntervalUs = 30'000'000;

// A fresh identity, for a directory that has none yet.
storage::Identity newborn(const Options& options, Host& host) {
  storage::Identity identity;
  identity.node = storage::NodeId{static_cast<uint16_t>(options.id)};
  for (uint8_t& byte : identity.incarnation) byte = static_cast<uint8_t>(host.random() >> 32);
  for (uint8_t& byte : identity.instance) byte = static_cast<uint8_t>(host.random() >> 32);
  identity.hash_seed = host.random();
  identity.partition_count = storage::kPartitionCount;
  return identity;
}

// 40 hex digits, as Redis' replication ids have, made of the incarnation.
std::string replication_id(const storage::Incarnation& incarnation) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < 20; ++i) {
    const uint8_t byte = incarnation[i % incarnation.size()];
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

uint64_t keep_for_ms(const Options& options) {
  return static_cast<uint64_t>(options.keep_for_s) * 1000;
}

storage::WalOptions wal_options(const Options& options, Host& host) {
  storage::WalOptions result;
  result.directory = options.data_dir;
  result.segment_bytes = options.segment_size;
  result.fsync = options.fsync;
  result.keep_for_ms = keep_for_ms(options);
  result.keep_bytes = options.keep_bytes;
  result.kernel_boot = host.kernel_boot();
  result.monotonic_us = host.lane_clock_us();
  return result;
}

std::string_view fsync_name(storage::FsyncPolicy policy) {
  switch (policy) {
    case storage::FsyncPolicy::kAlways:
      return "always";
    case storage::FsyncPolicy::kEverySecond:
      return "everysec";
    case storage::FsyncPolicy::kNever:
      return "never";
  }
  return "unknown";
}

}  // namespace

Persistence::Persistence(Node& node)
    : node_(node), taker_(node.host(), node.log(), [this](const SnapshotTaker::Outcome& outcome) {
        snapshot_taken(outcome);
      }) {}

Persistence::~Persistence() = default;

absl::Status Persistence::open() {
  const Options& options = node_.options().values();
  absl::StatusOr<storage::DataDirectory> directory = storage::open_data_directory(
      node_.host().file_system(), options.data_dir, newborn(options, node_.host()));
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  node_.reset_keyspace(directory_.identity.hash_seed);
  node_.set_replication_id(replication_id(directory_.identity.incarnation));
  loader_ = std::make_unique<Loader>(
      node_.host(), node_.keyspace(), directory_.identity, directory_.path,
      [this](const absl::Status& status, const Loader::Result& result) { loaded(status, result); });
  loader_->start();
  return absl::OkStatus();
}

void Persistence::loaded(const absl::Status& status, const Loader::Result& result) {
  absl::Status outcome = status;
  if (outcome.ok()) outcome = start_log(result);
  if (!outcome.ok()) {
    node_.host().log(LogLevel::kError, base::concat("cannot load the data directory ",
                                                    directory_.path, ": ", outcome.message()));
    node_.host().stopped(1);
  }
}

absl::Status Persistence::start_log(const Loader::Result& result) {
  absl::StatusOr<std::unique_ptr<storage::Wal>> wal = storage::Wal::start(
      node_.host().file_system(), wal_options(node_.options().values(), node_.host()),
      directory_.identity, result.log);
  if (!wal.ok()) return wal.status();
  LogStart start;
  start.incarnation = directory_.identity.incarnation;
  start.origin = directory_.identity.node;
  start.term = result.log.hard_state.term.next();
  start.last = result.log.last;
  start.last_hlc = result.log.last_hlc;
  node_.refresh_clock();
  node_.log().start(node_.keyspace(), *std::move(wal), start,
                    static_cast<uint64_t>(node_.now_ms()));
  if (!directory_.born && result.log.segments.empty() && result.snapshots.empty()) {
    node_.host().log(
        LogLevel::kWarning,
        base::concat(directory_.path,
                     " was used before and holds no log and no snapshot: if files were "
                     "removed, what they held is gone"));
  }
  snapshots_ = result.snapshots;
  last_check_us_ = node_.monotonic_us();
  last_save_ms_ =
      snapshots_.empty() ? static_cast<uint64_t>(node_.now_ms()) : snapshots_.back().wall_ms;
  node_.host().log(LogLevel::kInfo,
                   base::concat("ready: ", loader_->progress().loaded_keys, " keys, lsn ",
                                start.last.lsn.value(), ", term ", start.term.value()));
  return absl::OkStatus();
}

bool Persistence::step() {
  if (!node_.log().started()) return false;
  if (taker_.in_progress()) return taker_.step();
  if (wanted_) return start_snapshot().ok();
  if (node_.monotonic_us() - last_check_us_ < kCheckIntervalUs) return false;
  last_check_us_ = node_.monotonic_us();
  if (!node_.shutting_down() && snapshot_due() && start_snapshot().ok()) return true;
  return false;
}

bool Persistence::snapshot_due() const {
  if (changes_since_snapshot() == 0 || node_.log().disk_full()) return false;
  if (!last_ok_ && node_.monotonic_us() - failed_us_ < kRetryIntervalUs) return false;
  const Options& options = node_.options().values();
  const uint64_t last_bytes = snapshots_.empty() ? 0 : snapshots_.back().bytes;
  const uint64_t log_bytes = node_.log().wal().bytes_since(snapshot_lsn());
  if (options.snapshot_wal_size != 0 &&
      log_bytes > std::max(options.snapshot_wal_size, last_bytes)) {
    return true;
  }
  const int64_t age_ms = node_.now_ms() - static_cast<int64_t>(last_save_ms_);
  return options.snapshot_interval_s != 0 && age_ms > options.snapshot_interval_s * 1000;
}

absl::Status Persistence::start_snapshot() {
  if (!node_.log().started()) return absl::UnavailableError("the data is being loaded");
  if (taker_.in_progress()) return absl::UnavailableError("Background save already in progress");
  // Inside a transaction the cut has to wait for the end of its record.
  wanted_ = node_.log().record_open();
  if (wanted_) return absl::OkStatus();
  storage::SnapshotInfo info;
  info.incarnation = directory_.identity.incarnation;
  info.node = directory_.identity.node;
  info.position = node_.log().last();
  info.hlc = node_.log().last_hlc();
  info.wall_ms = static_cast<uint64_t>(node_.now_ms());
  started_us_ = node_.monotonic_us();
  taker_.start(node_.keyspace(), std::move(info), directory_.path);
  return absl::OkStatus();
}

bool Persistence::snapshot_in_progress() const { return wanted_ || taker_.in_progress(); }

void Persistence::snapshot_taken(const SnapshotTaker::Outcome& outcome) {
  last_seconds_ = (node_.host().monotonic_us() - started_us_) / 1'000'000;
  last_ok_ = outcome.status.ok();
  if (!last_ok_) {
    failed_us_ = node_.host().monotonic_us();
    node_.host().log(LogLevel::kError,
                     base::concat("snapshot at lsn ", outcome.info.position.lsn.value(),
                                  " failed: ", outcome.status.message()));
    return;
  }
  ++taken_;
  last_save_ms_ = outcome.info.wall_ms;
  // Of the same cut: it has taken the place of the one before, under the same name.
  if (!snapshots_.empty() && snapshots_.back().path == outcome.path) snapshots_.pop_back();
  snapshots_.push_back(
      {outcome.path, outcome.info.position.lsn, outcome.info.wall_ms, outcome.bytes});
  node_.host().log(LogLevel::kInfo,
                   base::concat("snapshot at lsn ", outcome.info.position.lsn.value(), ": ",
                                outcome.info.total_keys(), " keys, ", outcome.bytes, " bytes, ",
                                last_seconds_, " s"));
  retire();
}

void Persistence::retire() {
  if (retire_job_ != nullptr) return;  // the next snapshot will try again
  // What is kept must start with a snapshot: the newest one that is as old as the options want.
  const Options& options = node_.options().values();
  storage::Wal& wal = node_.log().wal();
  size_t first = 0;
  for (size_t i = 0; i < snapshots_.size(); ++i) {
    const bool old_enough =
        snapshots_[i].wall_ms + keep_for_ms(options) <= static_cast<uint64_t>(node_.now_ms());
    if (old_enough && wal.bytes_since(snapshots_[i].lsn) >= options.keep_bytes) first = i;
  }
  const storage::Lsn needed{snapshots_[first].lsn.value() + 1};
  std::vector<std::string> old_files;
  for (size_t i = 0; i < first; ++i) old_files.push_back(snapshots_[i].path);
  snapshots_.erase(snapshots_.begin(), snapshots_.begin() + static_cast<ptrdiff_t>(first));

  retire_job_ = wal.retire_before(needed, static_cast<uint64_t>(node_.now_ms()));
  auto removed = std::make_shared<absl::Status>();
  node_.host().run(
      Lane::kBackground,
      [this, old_files = std::move(old_files), removed] {
        if (retire_job_ != nullptr) retire_job_->run();
        for (const std::string& path : old_files) {
          removed->Update(node_.host().file_system().remove(path));
        }
      },
      [this, removed] {
        if (retire_job_ != nullptr) {
          removed->Update(node_.log().wal().finish(std::move(retire_job_)));
        }
        if (!removed->ok()) {
          node_.host().log(LogLevel::kWarning,
                           base::concat("old files could not be removed: ", removed->message()));
        }
      });
}

void Persistence::options_changed() {
  if (!node_.log().started()) return;
  const Options& options = node_.options().values();
  node_.log().wal().set_fsync(options.fsync);
  node_.log().wal().set_retention(keep_for_ms(options), options.keep_bytes);
}

storage::Lsn Persistence::snapshot_lsn() const {
  return snapshots_.empty() ? storage::Lsn{0} : snapshots_.back().lsn;
}

uint64_t Persistence::changes_since_snapshot() const {
  return node_.log().last().lsn.value() - snapshot_lsn().value();
}

PersistenceFigures Persistence::figures() const {
  PersistenceFigures figures;
  figures.fsync_policy = fsync_name(node_.options().values().fsync);
  if (loader_ != nullptr) figures.loading = loader_->progress();
  figures.snapshot_in_progress = taker_.in_progress();
  figures.snapshot_last_ok = last_ok_;
  figures.snapshot_last_save_s = static_cast<int64_t>(last_save_ms_ / 1000);
  figures.snapshot_last_seconds = last_seconds_;
  if (taker_.in_progress()) {
    figures.snapshot_current_seconds = (node_.monotonic_us() - started_us_) / 1'000'000;
    figures.snapshot_keys_done = taker_.keys_done();
    figures.snapshot_keys_total = taker_.keys_total();
  }
  figures.snapshots_taken = taken_;
  figures.snapshot_last_bytes = snapshots_.empty() ? 0 : snapshots_.back().bytes;
  if (!node_.log().started()) return figures;
  figures.changes_since_snapshot = changes_since_snapshot();
  const storage::WalStats wal = node_.log().wal().stats();
  figures.wal_last_write_ok = !node_.log().disk_full();
  figures.wal_last_error = figures.wal_last_write_ok ? "" : "No space left on device";
  figures.wal_current_bytes = wal.current_bytes;
  figures.wal_base_bytes = wal.base_bytes;
  figures.wal_pending_bytes = wal.pending_bytes;
  figures.wal_segments = wal.segments;
  figures.wal_fsyncs = wal.syncs;
  figures.wal_batches = wal.batches;
  figures.wal_last_fsync_us = wal.last_sync_us;
  return figures;
}

}  // namespace kvorum::server
