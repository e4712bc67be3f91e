#include "storage/wal.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "storage/hlc.h"
#include "storage/recovery_aside.h"
#include "storage/segment.h"

namespace kvorum::storage {
namespace {

// A batch frame is closed when it reaches this, unless one record alone is larger: the disk's
// throughput is reached long before, and recovery reads a frame whole.
constexpr size_t kMaxBatchBytes = size_t{1} << 20;
constexpr size_t kMaxFreeBuffers = 4;
constexpr uint64_t kSyncIntervalMs = 1000;  // everysec
constexpr uint64_t kSegmentStartFrameBytes = frame_bytes(kSegmentStartBytes);

}  // namespace

Wal::Wal(FileSystem& files, WalOptions options, const Identity& identity,
         const RecoveredLog& recovered)
    : files_(files),
      options_(std::move(options)),
      writer_(
          files,
          WalWriter::Options{
              .directory = options_.directory,
              .identity = identity,
              .kernel_boot = options_.kernel_boot,
              .monotonic_us = options_.monotonic_us,
              .segment_bytes = options_.segment_bytes,
              .grow_bytes = options_.grow_bytes,
              .next_segment = recovered.next_segment,
              .next_segment_exists = recovered.next_segment_exists,
              .previous_segment = recovered.segments.empty() ? 0 : recovered.segments.back().number,
              .previous_end = recovered.segments.empty() ? 0 : recovered.segments.back().end,
          }),
      hard_state_(recovered.hard_state),
      commit_(recovered.commit),
      last_(recovered.last),
      written_(recovered.last),
      synced_(recovered.last),
      written_hlc_(recovered.last_hlc),
      claim_(recovered.claim),
      claim_unknown_(recovered.claim_unknown),
      spares_(recovered.spares),
      leftovers_(recovered.leftovers) {
  for (const RecoveredLog::Segment& segment : recovered.segments) {
    segments_.push_back(
        {segment.number, segment.first_lsn, segment.last_hlc, segment.end, segment.file_bytes});
  }
}

absl::StatusOr<std::unique_ptr<Wal>> Wal::start(FileSystem& files, WalOptions options,
                                                const Identity& identity,
                                                const RecoveredLog& recovered) {
  const std::string directory = options.directory;
  if (absl::Status status = keep_copies(files, directory, recovered); !status.ok()) return status;
  if (!recovered.segments.empty()) {
    // What recovery read may be in the page cache only; it is about to be served.
    auto file =
        files.open(join_path(directory, segment_file_name(recovered.segments.back().number)),
                   OpenMode::kReadWrite);
    if (!file.ok()) return file.status();
    if (absl::Status status = (*file)->sync(); !status.ok()) return status;
  }
  std::unique_ptr<Wal> wal(new Wal(files, std::move(options), identity, recovered));
  if (absl::Status status = wal->begin_first_segment(recovered); !status.ok()) return status;
  // Only now, as until now these files were what the claim was read from.
  if (absl::Status status = set_aside(files, directory, recovered.set_aside); !status.ok()) {
    return status;
  }
  return wal;
}

absl::Status Wal::begin_first_segment(const RecoveredLog& recovered) {
  std::optional<uint64_t> spare;
  if (!spares_.empty() && !recovered.next_segment_exists) {
    spare = spares_.back();
    spares_.pop_back();
  }
  if (absl::Status status = writer_.begin_segment(state(), spare, false); !status.ok()) {
    return status;
  }
  segments_.push_back(
      {writer_.segment(), last_.lsn.next(), written_hlc_, writer_.end(), writer_.file_bytes()});
  syncs_ = writer_.syncs();
  last_sync_us_ = writer_.last_sync_us();
  base_bytes_ = stats().current_bytes;
  return absl::OkStatus();
}

bool Wal::doubtful() const { return claim_unknown_ || claim_ > written_; }

LogState Wal::state() const {
  LogState state;
  state.hard_state = hard_state_;
  state.last = written_;
  state.last_hlc = written_hlc_;
  state.commit = std::min(commit_, written_.lsn);
  if (claim_ > written_) state.claim = claim_;
  state.claim_unknown = claim_unknown_;
  return state;
}

std::string Wal::take_buffer() {
  std::string buffer;
  if (!free_buffers_.empty()) {
    buffer = std::move(free_buffers_.back());
    free_buffers_.pop_back();
  }
  buffer.assign(kFrameHeaderBytes, '\0');
  return buffer;
}

void Wal::give_back_buffer(std::string buffer) {
  if (free_buffers_.size() < kMaxFreeBuffers && buffer.capacity() <= 2 * kMaxBatchBytes) {
    free_buffers_.push_back(std::move(buffer));
  }
}

Wal::Batch& Wal::open_batch(size_t record_bytes) {
  if (queue_.empty() || queue_.back().bytes.size() + record_bytes > kMaxBatchBytes) {
    Batch& batch = queue_.emplace_back();
    batch.bytes = take_buffer();
    batch.first_lsn = last_.lsn.next();
  }
  return queue_.back();
}

void Wal::append(const RecordHeader& header, std::string_view record) {
  CHECK(header.lsn == last_.lsn.next()) << "lsn " << header.lsn << " after " << last_.lsn;
  CHECK(header.term >= last_.term);
  Batch& batch = open_batch(record.size());
  batch.bytes.append(record);
  batch.last = Position{header.term, header.lsn};
  batch.last_hlc = header.stamp.hlc;
  last_ = batch.last;
  queued_bytes_ += record.size();
}

void Wal::save_hard_state(const HardState& state) { pending_hard_state_ = state; }

void Wal::set_commit(Lsn commit) {
  CHECK(commit >= commit_ && commit <= last_.lsn);
  commit_ = commit;
}

void Wal::request_sync() { sync_requested_ = true; }

void Wal::set_retention(uint64_t keep_for_ms, uint64_t keep_bytes) {
  options_.keep_for_ms = keep_for_ms;
  options_.keep_bytes = keep_bytes;
}

std::optional<uint64_t> Wal::sync_due_ms() const {
  if (job_is_out_ || !unsynced_since_ms_.has_value()) return std::nullopt;
  switch (options_.fsync) {
    case FsyncPolicy::kAlways:
      return *unsynced_since_ms_;  // the policy was changed under an unsynced tail
    case FsyncPolicy::kEverySecond:
      return *unsynced_since_ms_ + kSyncIntervalMs;
    case FsyncPolicy::kNever:
      break;
  }
  return std::nullopt;
}

bool Wal::sync_is_due(uint64_t now_ms) const {
  if (options_.fsync == FsyncPolicy::kAlways || sync_requested_) return true;
  const std::optional<uint64_t> due = sync_due_ms();
  return due.has_value() && now_ms >= *due;
}

std::unique_ptr<WriteJob> Wal::take_job(uint64_t now_ms) {
  if (job_is_out_) return nullptr;
  if (queue_.empty() && !pending_hard_state_.has_value() && !cut_.has_value()) {
    const bool unsynced = unsynced_since_ms_.has_value();
    if (!unsynced) sync_requested_ = false;
    if (!unsynced || !sync_is_due(now_ms)) return nullptr;
  }
  return make_job(now_ms, false);
}

std::unique_ptr<WriteJob> Wal::take_stop_job(uint64_t now_ms) {
  CHECK(!job_is_out_);
  return make_job(now_ms, queue_.size() <= 1);
}

bool Wal::needs_segment(uint64_t job_bytes) const {
  if (must_begin_segment_ || cut_.has_value()) return true;
  const uint64_t end = segments_.back().end;
  return end > kSegmentStartFrameBytes && end + job_bytes > options_.segment_bytes;
}

std::unique_ptr<WriteJob> Wal::make_job(uint64_t now_ms, bool stop) {
  std::unique_ptr<WriteJob> job = std::move(free_job_);
  if (job == nullptr) job = std::make_unique<WriteJob>();
  job->writer_ = &writer_;
  job->before_ = state();
  job->hard_state_ = std::exchange(pending_hard_state_, std::nullopt);
  job->last_ = written_;
  job->last_hlc_ = written_hlc_;
  job->records_.clear();
  job_bytes_ = 0;
  if (!queue_.empty()) {
    Batch& batch = queue_.front();
    job_bytes_ = batch.bytes.size() - kFrameHeaderBytes;
    job->records_ = std::move(batch.bytes);
    job->first_lsn_ = batch.first_lsn;
    job->last_ = batch.last;
    job->last_hlc_ = batch.last_hlc;
    queue_.erase(queue_.begin());
    queued_bytes_ -= job_bytes_;
  }
  job->commit_ = std::min(commit_, job->last_.lsn);
  job->clean_stop_ = stop;
  job->sync_ = stop || job->hard_state_.has_value() || sync_is_due(now_ms);
  if (job->sync_) sync_requested_ = false;
  job->began_segment_ = false;
  const uint64_t small_frames = (job->hard_state_.has_value() ? 1 : 0) + (stop ? 1 : 0);
  job->begin_segment_ = needs_segment((job->records_.empty() ? 0 : frame_bytes(job_bytes_)) +
                                      small_frames * kSectorBytes);
  CHECK(!cut_.has_value() || cut_->last == written_);
  job->makes_cut_ = job_has_cut_ = cut_.has_value();
  job->restart_ = cut_.has_value() && cut_->restart;
  cut_.reset();
  job_last_ = job->last_.lsn;
  job->spare_ = std::nullopt;
  if (job->begin_segment_ && !spares_.empty()) {
    job->spare_ = spares_.back();
    spares_.pop_back();
  }
  if (!job->sync_ && !unsynced_since_ms_.has_value()) unsynced_since_ms_ = now_ms;
  job_is_out_ = true;
  return job;
}

WriteResult Wal::finish(std::unique_ptr<WriteJob> job) {
  CHECK(job_is_out_);
  job_is_out_ = false;
  job_has_cut_ = false;
  syncs_ = writer_.syncs();
  last_sync_us_ = writer_.last_sync_us();
  const absl::Status status = std::exchange(job->status_, absl::OkStatus());
  if (status.ok() || absl::IsResourceExhausted(status)) {
    if (!status.ok()) settle_cut(*job);
    note_segment(*job);
    if (status.ok()) {
      note_success(*job);
    } else {
      note_disk_full(*job);
    }
  }
  if (!job->records_.empty()) give_back_buffer(std::move(job->records_));
  job->records_ = std::string();
  job_bytes_ = 0;
  free_job_ = std::move(job);
  return WriteResult{written_, durable(), status};
}

void Wal::note_segment(const WriteJob& job) {
  if (job.began_segment_) {
    if (job.restart_) {
      for (const Segment& segment : segments_) leftovers_.push_back(segment.number);
      segments_.clear();
    }
    synced_ = job.before_.last;  // the old segment was synced before
    segments_.push_back(
        {writer_.segment(), job.before_.last.lsn.next(), job.before_.last_hlc, 0, 0});
  }
  if (writer_.open()) {
    segments_.back().end = writer_.end();
    segments_.back().file_bytes = writer_.file_bytes();
  }
}

void Wal::note_success(const WriteJob& job) {
  if (!job.records_.empty()) ++batches_;
  if (job.hard_state_.has_value()) hard_state_ = *job.hard_state_;
  if (job.began_segment_) {
    // Doubt that ended meanwhile is in the new segment's start still.
    const bool began_doubtful = job.before_.claim_unknown || job.before_.claim != Position{};
    must_begin_segment_ = began_doubtful && !doubtful();
  }
  written_ = job.last_;
  written_hlc_ = job.last_hlc_;
  segments_.back().last_hlc = written_hlc_;
  if (writer_.synced() == writer_.end()) {
    synced_ = written_;
    unsynced_since_ms_.reset();
  }
  clip_to_cut();
}

void Wal::note_disk_full(WriteJob& job) {
  // What was cut off was synced away, or the old segment was before the next could not begin.
  synced_ = written_;
  unsynced_since_ms_.reset();
  // A segment with nothing but its start can be appended to: what was cut off it is durably gone.
  must_begin_segment_ = !writer_.open() || writer_.end() > kSegmentStartFrameBytes;
  if (job.hard_state_.has_value() && !pending_hard_state_.has_value()) {
    pending_hard_state_ = job.hard_state_;
  }
  for (Batch& batch : queue_) give_back_buffer(std::move(batch.bytes));
  queue_.clear();
  queued_bytes_ = 0;
  clip_to_cut();
  last_ = written_;
  commit_ = std::min(commit_, last_.lsn);
}

size_t Wal::retirable(Lsn lsn, uint64_t wall_ms) const {
  // Oldest first, so that the log stays in one piece. The segment being written always stays.
  size_t count = 0;
  uint64_t bytes = 0;
  const std::vector<Lsn> limit = limits();
  while (count + 1 < segments_.size() && limit[count] <= lsn) {
    bytes += segments_[count++].end;
  }
  size_t retire = 0;
  for (; retire < count; ++retire) {
    const Segment& segment = segments_[retire];
    const uint64_t newest_ms = HybridLogicalClock::wall_ms(segment.last_hlc);
    if (options_.keep_for_ms > 0 && newest_ms + options_.keep_for_ms > wall_ms) break;
    if (options_.keep_bytes > 0 && bytes - segment.end < options_.keep_bytes) break;
    bytes -= segment.end;
  }
  return retire;
}

std::unique_ptr<RetireJob> Wal::retire_before(Lsn lsn, uint64_t wall_ms) {
  CHECK(lsn <= synced_.lsn.next()) << "a snapshot's cut is synced in the log first";
  if (retire_is_out_) return nullptr;
  const size_t count = retirable(lsn, wall_ms);
  if (count == 0 && leftovers_.empty()) return nullptr;
  auto job = std::make_unique<RetireJob>();
  job->files_ = &files_;
  job->directory_ = options_.directory;
  for (size_t i = 0; i < count; ++i) {
    const Segment& segment = segments_[i];
    const bool useful = segment.file_bytes >= options_.segment_bytes / 2 &&
                        segment.file_bytes <= options_.segment_bytes * 2;
    const bool recycle = useful && spares_.size() + job->recycle_.size() < options_.max_spares;
    (recycle ? job->recycle_ : job->remove_).push_back(segment.number);
  }
  job->leftovers_ = leftovers_;
  retire_is_out_ = true;
  return job;
}

absl::Status Wal::finish(std::unique_ptr<RetireJob> job) {
  CHECK(retire_is_out_);
  retire_is_out_ = false;
  if (!job->status_.ok()) return job->status_;
  // By number: meanwhile a restart may have made leftovers of segments.
  const auto gone = [&job](uint64_t number) {
    const auto in = [number](const std::vector<uint64_t>& numbers) {
      return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
    };
    return in(job->recycle_) || in(job->remove_) || in(job->leftovers_);
  };
  std::erase_if(segments_, [&gone](const Segment& segment) { return gone(segment.number); });
  std::erase_if(leftovers_, gone);
  spares_.insert(spares_.end(), job->recycle_.begin(), job->recycle_.end());
  base_bytes_ = stats().current_bytes;
  return absl::OkStatus();
}

Lsn Wal::oldest_lsn() const {
  Lsn oldest = segments_.front().first_lsn;
  for (const Segment& segment : segments_) oldest = std::min(oldest, segment.first_lsn);
  return std::max(oldest, floor_);
}

LogPlan Wal::plan(Lsn first) const {
  LogPlan plan;
  plan.directory = options_.directory;
  plan.incarnation = writer_.identity().incarnation;
  plan.instance = writer_.identity().instance;
  plan.last = written_;
  if (first < oldest_lsn()) return plan;
  for (const Segment& segment : segments_) {
    // The last one that begins at or below a record has it.
    if (segment.first_lsn <= first) plan.segments.clear();
    plan.segments.push_back({segment.number, segment.first_lsn, segment.end});
  }
  return plan;
}

WalStats Wal::stats() const {
  WalStats stats;
  for (const Segment& segment : segments_) stats.current_bytes += segment.end;
  stats.base_bytes = base_bytes_;
  stats.segments = segments_.size();
  stats.spares = spares_.size();
  stats.pending_bytes = queued_bytes_ + job_bytes_;
  stats.batches = batches_;
  stats.syncs = syncs_;
  stats.last_sync_us = last_sync_us_;
  return stats;
}

uint64_t Wal::bytes_since(Lsn lsn) const {
  uint64_t bytes = 0;
  const std::vector<Lsn> limit = limits();
  for (size_t i = 0; i < segments_.size(); ++i) {
    const bool is_void = limit[i] <= segments_[i].first_lsn;
    if (!is_void && limit[i] > lsn.next()) bytes += segments_[i].end;
  }
  return bytes;
}

}  // namespace kvorum::storage
