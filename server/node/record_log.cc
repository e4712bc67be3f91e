#include "server/node/record_log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "storage/orphan_file.h"

namespace kvorum::server {

using storage::Effect;
using storage::EffectKind;
using storage::Hlc;
using storage::Lsn;
using storage::Position;
using storage::RecordKind;
using storage::RecordView;

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
    case EffectKind::kMerge:
    case EffectKind::kForgetTombstones:
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
                      LogStart start) {
  CHECK(wal_ == nullptr);
  keyspace_ = &keyspace;
  wal_ = std::move(wal);
  directory_ = std::move(start.directory);
  identity_ = start.identity;
  hard_state_ = saved_hard_state_ = job_hard_state_ = start.hard_state;
  last_ = start.last;
  last_hlc_ = start.last_hlc;
  applied_ = commit_ = start.applied;
  applied_hlc_ = commit_hlc_ = start.applied_hlc;
  recent_ = std::move(start.recent);
  clock_.observe(start.last_hlc);
}

void RecordLog::save_hard_state(const storage::HardState& state) {
  hard_state_ = state;
  wal_->save_hard_state(state);
}

// --- Leading.

void RecordLog::lead(storage::Term term, uint64_t wall_ms) {
  CHECK(!leading_);
  while (apply_some(SIZE_MAX)) {
  }
  term_ = term;
  uncommitted_bytes_ = 0;
  if (recent_.last().lsn > applied_.lsn) {
    recent_.for_each(applied_.lsn, recent_.last().lsn, [this](const RecordView& record) {
      Uncommitted& each = uncommitted_.emplace_back();
      each.lsn = record.header.lsn;
      each.hlc = record.header.stamp.hlc;
      if (record.header.kind == RecordKind::kEffects) {
        keyspace_->apply_record(record.payload, record.header.stamp, each.inverse);
      }
      each.bytes = record.bytes.size() + each.inverse.memory_bytes() + kRecordOverheadBytes;
      uncommitted_bytes_ += each.bytes;
      return true;
    });
  }
  if (!keep_recent_) recent_.reset(last_);
  newest_removal_ = newest_swap_ = last_.lsn;
  leading_ = true;
  add(RecordKind::kNoop, {}, wall_ms);
}

void RecordLog::change(const Effect& effect, uint64_t wall_ms) {
  CHECK(leading_);
  if (!open_) open_record({clock_.next(wall_ms), identity_.node});
  open_removes_ |= removes(effect.kind);
  open_swaps_ |= effect.kind == EffectKind::kSwapDatabases;
  storage::encode_effect(effect, record_);
  // In its place in the queue from the first, as moving an inverse costs more than filling it.
  keyspace_->apply(effect, open_stamp_, uncommitted_.back().inverse);
}

Position RecordLog::seal() {
  CHECK(open_);
  close_record(RecordKind::kEffects);
  if (std::exchange(open_removes_, false)) newest_removal_ = last_.lsn;
  if (std::exchange(open_swaps_, false)) newest_swap_ = last_.lsn;
  return last_;
}

Position RecordLog::add(RecordKind kind, std::string_view payload, uint64_t wall_ms) {
  CHECK(leading_ && !open_);
  open_record({clock_.next(wall_ms), identity_.node});
  record_ += payload;
  close_record(kind);
  return last_;
}

void RecordLog::open_record(storage::Stamp stamp) {
  open_ = true;
  open_stamp_ = stamp;
  storage::begin_record(record_);
  Uncommitted& record = uncommitted_.emplace_back();
  record.lsn = next().lsn;
  record.hlc = stamp.hlc;
}

void RecordLog::close_record(RecordKind kind) {
  open_ = false;
  last_ = next();
  const storage::RecordHeader header{last_.lsn, last_.term, open_stamp_, kind};
  storage::seal_record(identity_.incarnation, header, record_);
  Uncommitted& record = uncommitted_.back();
  record.bytes = record_.size() + record.inverse.memory_bytes() + kRecordOverheadBytes;
  uncommitted_bytes_ += record.bytes;
  last_hlc_ = open_stamp_.hlc;
  wal_->append(header, record_);
  if (keep_recent_ && record_.capacity() > kKeptScratchBytes) {
    recent_.append(header, std::exchange(record_, {}));
  } else if (keep_recent_) {
    recent_.append(header, std::string_view(record_));
  }
  clear_scratch(record_);
}

Lsn RecordLog::lsn_of(Hlc hlc) const {
  const auto record =
      std::lower_bound(uncommitted_.begin(), uncommitted_.end(), hlc,
                       [](const Uncommitted& each, Hlc wanted) { return each.hlc < wanted; });
  CHECK(record != uncommitted_.end() && record->hlc == hlc);
  return record->lsn;
}

void RecordLog::stop_leading() {
  CHECK(leading_ && !open_);
  undo_above(commit_.lsn);
  leading_ = false;
  applied_ = commit_;
  applied_hlc_ = commit_hlc_;
}

void RecordLog::undo_above(Lsn kept) {
  while (!uncommitted_.empty() && uncommitted_.back().lsn > kept) {
    uncommitted_bytes_ -= uncommitted_.back().bytes;
    keyspace_->undo(std::move(uncommitted_.back().inverse));
    uncommitted_.pop_back();
    ++undone_records_;
  }
  newest_removal_ = std::min(newest_removal_, kept);
  newest_swap_ = std::min(newest_swap_, kept);
}

// --- Following.

void RecordLog::accept(std::span<const RecordView> records) {
  if (records.empty()) return;
  CHECK(!leading_);
  for (const RecordView& record : records) {
    wal_->append(record.header, record.bytes);
    recent_.append(record.header, record.bytes);
  }
  const storage::RecordHeader& newest = records.back().header;
  last_ = Position{newest.term, newest.lsn};
  last_hlc_ = newest.stamp.hlc;
  clock_.observe(last_hlc_);
}

Hlc RecordLog::hlc_at(Position position) const {
  if (position.lsn == applied_.lsn) return applied_hlc_;
  return recent_.header_of(position.lsn).stamp.hlc;
}

std::optional<Hlc> RecordLog::hlc_of(Lsn lsn) const {
  if (lsn <= recent_.base().lsn || lsn > recent_.last().lsn) return std::nullopt;
  return recent_.header_of(lsn).stamp.hlc;
}

void RecordLog::truncate(Position kept) {
  CHECK(!leading_ && kept.lsn >= commit_.lsn && kept.lsn <= last_.lsn);
  if (kept.lsn == last_.lsn) return;
  const Lsn first = kept.lsn.next();
  const Position first_dropped{recent_.header_of(first).term, first};
  last_hlc_ = hlc_at(kept);
  orphaned_records_ += last_.lsn.value() - kept.lsn.value();
  last_ = kept;
  ++saving_;
  save_orphans({first_dropped, std::make_shared<std::string>(recent_.truncate(kept.lsn))});
  wal_->truncate(kept, last_hlc_);
}

// The log waits: what it drops is safe elsewhere before it is dropped.
void RecordLog::save_orphans(Orphans orphans) {
  auto path = std::make_shared<absl::StatusOr<std::string>>();
  host_.run(
      Lane::kBackground,
      [this, orphans, path] {
        *path = storage::write_orphan_file(host_.file_system(), directory_, identity_,
                                           orphans.first, *orphans.bytes);
      },
      [this, orphans, path] { orphans_written(orphans, *path); });
}

void RecordLog::orphans_written(const Orphans& orphans, const absl::StatusOr<std::string>& path) {
  const std::string which = base::concat("records from lsn ", orphans.first.lsn.value(),
                                         " of term ", orphans.first.term.value(),
                                         " on were never committed, the leader has others in "
                                         "their place: ");
  if (absl::IsResourceExhausted(path.status())) {
    if (unsaved_.empty()) {
      host_.log(LogLevel::kError,
                base::concat(which, "this node waits for room to keep them in a file: ",
                             path.status().message()));
    }
    unsaved_.push_back(orphans);
    return;
  }
  if (!path.ok()) {
    // As after a failed write of the log, which still has them: the next start tries again.
    host_.log(LogLevel::kError, base::concat(which, "they cannot be kept in a file"));
    failed_ = true;
    return events_.fatal(path.status());
  }
  --saving_;
  host_.log(LogLevel::kWarning, base::concat(which, "they are kept in ", *path));
  events_.orphans_saved(*path);
  start_write();
}

void RecordLog::install(storage::Keyspace& keyspace, Position cut, Hlc hlc, bool keep_log) {
  CHECK(!leading_);
  if (!keep_log && last_.lsn > commit_.lsn && commit_.lsn >= recent_.base().lsn) {
    const Lsn first = commit_.lsn.next();
    const Position first_dropped{recent_.header_of(first).term, first};
    orphaned_records_ += last_.lsn.value() - commit_.lsn.value();
    ++saving_;
    save_orphans({first_dropped, std::make_shared<std::string>(recent_.truncate(commit_.lsn))});
  }
  keyspace_ = &keyspace;
  if (cut.lsn > applied_.lsn) {
    applied_ = cut;
    applied_hlc_ = hlc;
  }
  if (!keep_log) {
    wal_->restart_at(cut, hlc);
    recent_.reset(cut);
    last_ = cut;
    last_hlc_ = hlc;
    clock_.observe(hlc);
  }
  if (cut.lsn > commit_.lsn) {
    commit_ = cut;
    commit_hlc_ = hlc;
    wal_->set_commit(told_commit_ = cut.lsn);
  }
}

void RecordLog::replace_keyspace(storage::Keyspace& keyspace, Position cut, Hlc hlc) {
  CHECK(!leading_ && cut.lsn >= recent_.base().lsn && cut.lsn <= commit_.lsn);
  keyspace_ = &keyspace;
  applied_ = cut;
  applied_hlc_ = hlc;
}

void RecordLog::commit_to(Position commit) {
  if (commit.lsn <= commit_.lsn) return;
  commit_ = commit;
  // A full disk may have cost records that were known to be committed.
  const Lsn held = std::min(commit.lsn, last_.lsn);
  if (held > told_commit_) wal_->set_commit(told_commit_ = held);
  if (leading_) forget_committed();
}

void RecordLog::forget_committed() {
  while (!uncommitted_.empty() && uncommitted_.front().lsn <= commit_.lsn) {
    uncommitted_bytes_ -= uncommitted_.front().bytes;
    commit_hlc_ = uncommitted_.front().hlc;
    uncommitted_.pop_front();
  }
}

bool RecordLog::apply_some(size_t budget) {
  if (leading_) return false;
  const Lsn end = std::min(commit_.lsn, recent_.last().lsn);
  if (end <= applied_.lsn) return false;
  recent_.for_each(applied_.lsn, end, [&](const RecordView& record) {
    apply(record);
    return --budget > 0;
  });
  commit_hlc_ = std::max(commit_hlc_, applied_hlc_);
  return applied_.lsn < end;
}

void RecordLog::apply(const RecordView& record) {
  if (record.header.kind == RecordKind::kEffects) {
    storage::Inverse inverse;
    keyspace_->apply_record(record.payload, record.header.stamp, inverse);
  }
  applied_ = Position{record.header.term, record.header.lsn};
  applied_hlc_ = record.header.stamp.hlc;
  if (record.header.kind == RecordKind::kDigest) {
    events_.digest_reached(record.header.lsn, keyspace_->digest());
  }
}

// --- The disk.

void RecordLog::start_write() {
  if (wal_ == nullptr || job_ != nullptr || closed_ != nullptr || failed_ || disk_full_ ||
      saving_ > 0) {
    return;
  }
  run_job(wal_->take_job(monotonic_ms()));
}

void RecordLog::run_job(std::unique_ptr<storage::WriteJob> job) {
  if (job == nullptr) return;
  job_ = std::move(job);
  job_hard_state_ = hard_state_;
  job_started_us_ = host_.monotonic_us();
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
  if (!disk_full_) saved_hard_state_ = job_hard_state_;
  if (disk_full_ && last_.lsn > result.written.lsn) lose_tail(result.written, result.status);
  events_.persisted(std::min(result.durable, last_), saved_hard_state_);
  if (closed_ != nullptr) {
    close_further();
  } else {
    start_write();
  }
}

void RecordLog::lose_tail(Position kept, const absl::Status& reason) {
  CHECK(!open_);
  if (leading_) undo_above(std::max(kept.lsn, commit_.lsn));
  if (kept.lsn >= recent_.base().lsn && recent_.last().lsn > kept.lsn) {
    recent_.truncate(kept.lsn);
  } else if (kept.lsn < recent_.base().lsn) {
    recent_.reset(kept);
  }
  last_ = kept;
  const bool held = recent_.last() == kept && kept.lsn > recent_.base().lsn;
  last_hlc_ = held                   ? recent_.header_of(kept.lsn).stamp.hlc
              : uncommitted_.empty() ? commit_hlc_
                                     : uncommitted_.back().hlc;
  events_.tail_lost(kept, reason);
}

void RecordLog::close_cleanly(std::function<void(const absl::Status&)> done) {
  CHECK(quiet());
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

void RecordLog::probe() {
  for (Orphans& orphans : std::exchange(unsaved_, {})) save_orphans(std::move(orphans));
  if (job_ != nullptr || closed_ != nullptr || failed_ || saving_ > 0) return;
  wal_->save_hard_state(hard_state_);
  run_job(wal_->take_job(monotonic_ms()));
}

uint64_t RecordLog::monotonic_ms() const {
  return static_cast<uint64_t>(host_.monotonic_us()) / 1000;
}

bool RecordLog::idle() const { return quiet() && commit_ == last_; }

}  // namespace kvorum::server
