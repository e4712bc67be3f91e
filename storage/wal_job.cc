#include "storage/wal_job.h"

#include "storage/segment.h"

namespace kvorum::storage {

void WriteJob::run() {
  if (begin_segment_) {
    status_ = writer_->begin_segment(before_, spare_, restart_);
    if (!status_.ok()) return;
    began_segment_ = true;
  }
  if (clean_stop_ && writer_->synced() < writer_->end()) {
    // The marker says that all before it is durable: so it must be, before the marker can be.
    status_ = writer_->sync();
    if (!status_.ok()) return;
  }
  status_ = write_frames();
  if (status_.ok() && sync_ && writer_->synced() < writer_->end()) status_ = writer_->sync();
}

absl::Status WriteJob::write_frames() {
  pieces_.clear();
  uint64_t at = writer_->end();
  if (hard_state_.has_value()) {
    hard_state_frame_.assign(kFrameHeaderBytes + kHardStateBytes, '\0');
    encode_hard_state(*hard_state_, hard_state_frame_.data() + kFrameHeaderBytes);
    add_small_frame(FrameKind::kHardState, before_.last, hard_state_frame_, at);
  }
  if (!records_.empty()) add_records(at);
  if (clean_stop_) {
    stop_frame_.assign(kFrameHeaderBytes, '\0');
    add_small_frame(FrameKind::kCleanStop, last_, stop_frame_, at);
  }
  return pieces_.empty() ? absl::OkStatus() : writer_->write(pieces_);
}

void WriteJob::add_small_frame(FrameKind kind, Position last, std::string& frame, uint64_t& at) {
  FrameHeader header;
  header.kind = kind;
  header.payload_bytes = static_cast<uint32_t>(frame.size() - kFrameHeaderBytes);
  header.first_lsn = last.lsn.next();
  header.last = last;
  header.commit = commit_;
  frame.resize(frame_bytes(header.payload_bytes));
  writer_->seal(header, at, frame.data(), frame.size());
  pieces_.emplace_back(frame);
  at += frame.size();
}

void WriteJob::add_records(uint64_t& at) {
  FrameHeader header;
  header.kind = FrameKind::kRecords;
  header.payload_bytes = static_cast<uint32_t>(records_.size() - kFrameHeaderBytes);
  header.first_lsn = first_lsn_;
  header.last = last_;
  header.commit = commit_;
  records_.resize(frame_bytes(header.payload_bytes));
  writer_->seal(header, at, records_.data(), records_.size());
  pieces_.emplace_back(records_);
  at += records_.size();
}

void RetireJob::run() { status_ = retire(); }

absl::Status RetireJob::retire() {
  // Not found: an earlier try that failed half way got rid of it.
  for (const uint64_t segment : recycle_) {
    absl::Status status = files_->rename(join_path(directory_, segment_file_name(segment)),
                                         join_path(directory_, spare_file_name(segment)));
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  if (absl::Status status = remove(remove_); !status.ok()) return status;
  if (absl::Status status = remove(leftovers_); !status.ok()) return status;
  // Before a spare gets its next name this one is durable: no file is ever seen under two names.
  return files_->sync_directory(directory_);
}

absl::Status RetireJob::remove(const std::vector<uint64_t>& segments) {
  for (const uint64_t segment : segments) {
    absl::Status status = files_->remove(join_path(directory_, segment_file_name(segment)));
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace kvorum::storage
