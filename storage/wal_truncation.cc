// How the log loses its end, or all of it: what has not been written is forgotten, what has been is
// made void by the next segment's start.
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "storage/record.h"
#include "storage/wal.h"

namespace kvorum::storage {

void Wal::truncate(Position kept, Hlc kept_hlc) {
  CHECK(kept.lsn >= commit_) << "what is committed stays";
  CHECK(kept <= last_ && kept.lsn <= last_.lsn);
  if (kept == last_) return;
  cut_queue(kept, kept_hlc);
  last_ = kept;
  // Newest record that would be in the log if the next segment just went on.
  Lsn in_file = written_.lsn;
  if (cut_.has_value()) {
    in_file = cut_->last.lsn;
  } else if (job_is_out_) {
    in_file = std::max(in_file, job_last_);
  }
  if (kept.lsn >= in_file) return;
  cut_ = Cut{kept, kept_hlc, cut_.has_value() && cut_->restart};
  if (kept.lsn < written_.lsn) {
    written_ = kept;
    written_hlc_ = kept_hlc;
  }
  if (kept.lsn < synced_.lsn) synced_ = kept;
}

void Wal::restart_at(Position cut, Hlc cut_hlc) {
  CHECK(cut.lsn >= commit_) << "what is committed stays";
  for (Batch& batch : queue_) give_back_buffer(std::move(batch.bytes));
  queue_.clear();
  queued_bytes_ = 0;
  cut_ = Cut{cut, cut_hlc, true};
  last_ = cut;
  clip_to_cut();
  synced_ = cut;  // the snapshot is
  commit_ = cut.lsn;
  floor_ = cut.lsn.next();
}

void Wal::end_doubt() {
  const bool was_doubtful = doubtful();
  claim_ = Position{};
  claim_unknown_ = false;
  if (was_doubtful) must_begin_segment_ = true;
}

void Wal::cut_queue(Position kept, Hlc kept_hlc) {
  while (!queue_.empty() && queue_.back().first_lsn > kept.lsn) {
    queued_bytes_ -= queue_.back().bytes.size() - kFrameHeaderBytes;
    give_back_buffer(std::move(queue_.back().bytes));
    queue_.pop_back();
  }
  if (queue_.empty() || queue_.back().last.lsn <= kept.lsn) return;
  Batch& batch = queue_.back();
  size_t end = kFrameHeaderBytes;
  for (Lsn lsn = batch.first_lsn; lsn <= kept.lsn; lsn = lsn.next()) {
    end += record_bytes(std::string_view(batch.bytes).substr(end));
  }
  queued_bytes_ -= batch.bytes.size() - end;
  batch.bytes.resize(end);
  batch.last = kept;
  batch.last_hlc = kept_hlc;
}

// After a job that found the disk full. (One that did not has made its cut; what was asked for
// since goes out with the next.)
void Wal::settle_cut(const WriteJob& job) {
  if (job.makes_cut_ && !job.began_segment_) {
    // The disk was full: the cut is still to be made, and with it any higher one asked for since.
    const bool keep = cut_.has_value() && (cut_->restart || cut_->last.lsn < job.before_.last.lsn);
    if (!keep) cut_ = Cut{job.before_.last, job.before_.last_hlc, false};
    cut_->restart |= job.restart_;
    return;
  }
  // What the job would have written is not in the file. Was anything above the cut, before?
  if (cut_.has_value() && !cut_->restart && job.before_.last.lsn <= cut_->last.lsn) cut_.reset();
}

// The file has what it has; the log ends at the cut.
void Wal::clip_to_cut() {
  if (!cut_.has_value()) return;
  written_ = cut_->last;
  written_hlc_ = cut_->last_hlc;
  if (cut_->restart || synced_.lsn > written_.lsn) synced_ = written_;
}

std::vector<Lsn> Wal::limits() const {
  std::vector<Lsn> result(segments_.size());
  Lsn limit{UINT64_MAX};
  for (size_t i = segments_.size(); i > 0; --i) {
    result[i - 1] = limit;
    limit = std::min(limit, segments_[i - 1].first_lsn);
  }
  return result;
}

}  // namespace kvorum::storage
