#include "server/node/record_log.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"

namespace kvorum::server {

using storage::Effect;
using storage::EffectKind;
using storage::Hlc;
using storage::Lsn;
using storage::Position;

namespace {

// A scratch buffer that grew beyond this is given back after the record.
constexpr size_t kKeptScratchBytes = 1 << 20;
// What a record costs in memory until it is committed, besides its bytes and its inverse.
constexpr size_t kRecordOverheadBytes = 128;

bool removes(EffectKind kind) {
  switch (kind) {
    case EffectKind::kSet:
    case EffectKind::kSplice:
    case EffectKind::kSetExpiry:
    case EffectKind::kCopy:
      return false;
    case EffectKind::kDelete:
    case EffectKind::kRename:
    case EffectKind::kMove:
    case EffectKind::kSwapDatabases:
    case EffectKind::kFlush:
      return true;
  }
  return true;
}

void clear_scratch(std::string& scratch) {
  scratch.clear();
  if (scratch.capacity() > kKeptScratchBytes) scratch.shrink_to_fit();
}

}  // namespace

RecordLog::RecordLog(Host& host, Events events) : host_(host), events_(std::move(events)) {}

void RecordLog::start(storage::Keyspace& keyspace, std::unique_ptr<storage::Wal> wal,
                      const LogStart& start, uint64_t wall_ms) {
  CHECK(wal_ == nullptr);
  keyspace_ = &keyspace;
  wal_ = std::move(wal);
  incarnation_ = start.incarnation;
  origin_ = start.origin;
  term_ = start.term;
  last_ = commit_ = start.last;
  commit_hlc_ = last_hlc_ = start.last_hlc;
  newest_removal_ = last_.lsn;
  durable_.emplace(std::span(&origin_, 1));
  durable_->update(origin_, start.last);
  clock_.observe(start.last_hlc);
  wal_->save_hard_state({term_, origin_});
  open_record({clock_.next(wall_ms), origin_});
  close_record(storage::RecordKind::kNoop);
}

void RecordLog::change(const Effect& effect, uint64_t wall_ms) {
  if (!open_) open_record({clock_.next(wall_ms), origin_});
  open_removes_ |= removes(effect.kind);
  open_swaps_ |= effect.kind == EffectKind::kSwapDatabases;
  storage::encode_effect(effect, payload_);
  // In its place in the queue from the first, as moving an inverse costs more than filling it.
  keyspace_->apply(effect, open_stamp_, uncommitted_.back().inverse);
}

Position RecordLog::seal() {
  CHECK(open_);
  close_record(storage::RecordKind::kEffects);
  if (std::exchange(open_removes_, false)) newest_removal_ = last_.lsn;
  if (std::exchange(open_swaps_, false)) newest_swap_ = last_.lsn;
  return last_;
}

void RecordLog::open_record(storage::Stamp stamp) {
  open_ = true;
  open_stamp_ = stamp;
  Uncommitted& record = uncommitted_.emplace_back();
  record.lsn = next().lsn;
  record.hlc = stamp.hlc;
}

void RecordLog::close_record(storage::RecordKind kind) {
  open_ = false;
  last_ = next();
  const storage::RecordHeader header{last_.lsn, last_.term, open_stamp_, kind};
  storage::encode_record(incarnation_, header, payload_, encoded_);
  wal_->append(header, encoded_);
  Uncommitted& record = uncommitted_.back();
  record.bytes = encoded_.size() + record.inverse.memory_bytes() + kRecordOverheadBytes;
  uncommitted_bytes_ += record.bytes;
  last_hlc_ = open_stamp_.hlc;
  clear_scratch(payload_);
  clear_scratch(encoded_);
}

Lsn RecordLog::lsn_of(Hlc hlc) const {
  const auto record =
      std::lower_bound(uncommitted_.begin(), uncommitted_.end(), hlc,
                       [](const Uncommitted& each, Hlc wanted) { return each.hlc < wanted; });
  CHECK(record != uncommitted_.end() && record->hlc == hlc);
  return record->lsn;
}

void RecordLog::start_write() {
  if (wal_ == nullptr || job_ != nullptr || closed_ != nullptr || failed_ || disk_full_) return;
  run_job(wal_->take_job(monotonic_ms()));
}

void RecordLog::run_job(std::unique_ptr<storage::WriteJob> job) {
  if (job == nullptr) return;
  job_ = std::move(job);
  host_.run(
      Lane::kWal, [job = job_.get()] { job->run(); }, [this] { write_finished(); });
}

void RecordLog::write_finished() {
  const storage::WriteResult result = wal_->finish(std::move(job_));
  if (!result.status.ok() && !absl::IsResourceExhausted(result.status)) {
    // Nothing is known about the disk any more: neither written nor synced again.
    failed_ = true;
    events_.fatal(result.status);
    return;
  }
  disk_full_ = !result.status.ok();
  durable_->update(origin_, result.durable);
  advance();
  if (disk_full_ && last_.lsn > result.written.lsn) undo_above(result.written, result.status);
  if (closed_ != nullptr) {
    close_further();
  } else {
    start_write();
  }
}

void RecordLog::close_cleanly(std::function<void(const absl::Status&)> done) {
  CHECK(idle());
  closed_ = std::move(done);
  run_job(wal_->take_stop_job(monotonic_ms()));
}

void RecordLog::close_further() {
  if (disk_full_) {
    closed_(absl::ResourceExhaustedError("the disk is full: the log could not be marked as ended"));
  } else if (wal_->queued_bytes() > 0) {
    run_job(wal_->take_stop_job(monotonic_ms()));
  } else {
    closed_(absl::OkStatus());
  }
}

void RecordLog::advance() {
  const Position commit = durable_->on_majority();
  if (commit.lsn <= commit_.lsn) return;
  while (!uncommitted_.empty() && uncommitted_.front().lsn <= commit.lsn) {
    uncommitted_bytes_ -= uncommitted_.front().bytes;
    commit_hlc_ = uncommitted_.front().hlc;
    uncommitted_.pop_front();
  }
  commit_ = commit;
  wal_->set_commit(commit_.lsn);
  events_.committed(commit_);
}

void RecordLog::undo_above(Position kept, const absl::Status& reason) {
  CHECK(!open_);
  CHECK(kept.lsn >= commit_.lsn);
  while (!uncommitted_.empty() && uncommitted_.back().lsn > kept.lsn) {
    uncommitted_bytes_ -= uncommitted_.back().bytes;
    keyspace_->undo(std::move(uncommitted_.back().inverse));
    uncommitted_.pop_back();
    ++undone_records_;
  }
  last_ = kept;
  last_hlc_ = uncommitted_.empty() ? commit_hlc_ : uncommitted_.back().hlc;
  newest_removal_ = std::min(newest_removal_, kept.lsn);
  newest_swap_ = std::min(newest_swap_, kept.lsn);
  events_.undone(kept.lsn, reason);
}

void RecordLog::probe() {
  if (job_ != nullptr || closed_ != nullptr || failed_) return;
  wal_->save_hard_state({term_, origin_});
  run_job(wal_->take_job(monotonic_ms()));
}

uint64_t RecordLog::monotonic_ms() const {
  return static_cast<uint64_t>(host_.monotonic_us()) / 1000;
}

bool RecordLog::idle() const {
  return job_ == nullptr && commit_ == last_ && wal_->queued_bytes() == 0;
}

}  // namespace kvorum::server
