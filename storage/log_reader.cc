#include "storage/log_reader.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "storage/segment.h"

namespace kvorum::storage {
namespace {

constexpr uint64_t kReadBytes = 1 << 20;
// A buffer that one long record has made longer than this is not kept.
constexpr uint64_t kMaxKeptBytes = 4 << 20;

}  // namespace

LogReader::LogReader(FileSystem& files, LogPlan plan, Lsn first)
    : files_(files), plan_(std::move(plan)), next_(first) {}

void LogReader::extend(LogPlan plan) {
  plan_ = std::move(plan);
  limit_ = Lsn{0};
}

absl::StatusOr<bool> LogReader::read_some(size_t max_bytes, Slice& slice) {
  slice.bytes.clear();
  bool full = false;
  while (!full && next_ <= plan_.last.lsn) {
    if (next_ >= limit_) {
      if (absl::Status status = locate(); !status.ok()) return status;
    }
    if (payload_.empty()) {
      if (absl::Status status = find_frame(); !status.ok()) return status;
    }
    if (slice.bytes.empty()) {
      if (delivered_.has_value() && *delivered_ != at_) {
        return absl::AbortedError(
            base::concat(path_, ": the log was cut before lsn ", next_.value()));
      }
      slice.previous = at_;
      slice.first = next_;
    }
    const auto more = take_records(max_bytes, slice);
    if (!more.ok()) return more.status();
    full = !*more;
  }
  if (slice.bytes.empty()) return false;
  slice.last = at_;
  delivered_ = at_;
  return true;
}

absl::Status LogReader::locate() {
  // The last segment that begins at or below a record has it: earlier ones were cut there.
  const auto& segments = plan_.segments;
  const auto found =
      std::find_if(segments.rbegin(), segments.rend(),
                   [this](const LogPlan::Segment& segment) { return segment.first_lsn <= next_; });
  if (found == segments.rend()) {
    return absl::NotFoundError(base::concat(plan_.directory, ": the log does not go back to lsn ",
                                            next_.value(), " any more"));
  }
  if (file_ == nullptr || segment_ != found->number) {
    if (absl::Status status = enter(*found); !status.ok()) return status;
  }
  end_ = found->end;
  limit_ = Lsn::max();
  for (auto later = segments.rbegin(); later != found; ++later) {
    limit_ = std::min(limit_, later->first_lsn);
  }
  return absl::OkStatus();
}

absl::Status LogReader::enter(const LogPlan::Segment& segment) {
  file_ = nullptr;
  payload_ = {};
  buffer_bytes_ = 0;
  segment_ = segment.number;
  end_ = segment.end;
  offset_ = 0;
  path_ = join_path(plan_.directory, segment_file_name(segment_));
  auto file = files_.open(path_, OpenMode::kRead);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  const auto start = read_header();
  if (!start.ok()) return start.status();
  if (start->kind != FrameKind::kSegmentStart || start->first_lsn != segment.first_lsn) {
    return damaged("not the start of this segment");
  }
  boot_ = start->boot;
  at_ = start->last;
  offset_ = frame_bytes(start->payload_bytes);
  return absl::OkStatus();
}

absl::Status LogReader::find_frame() {
  while (true) {
    if (offset_ >= end_) {
      return damaged(base::concat("lsn ", next_.value(), " is missing before the segment's end"));
    }
    const auto header = read_header();
    if (!header.ok()) return header.status();
    const bool follows = header->kind != FrameKind::kSegmentStart && header->boot == boot_ &&
                         header->first_lsn == at_.lsn.next();
    if (!follows) return damaged("a frame that does not follow the one before");
    if (header->last.lsn >= next_) return load_frame(*header);
    offset_ += frame_bytes(header->payload_bytes);
    at_ = header->last;
  }
}

absl::StatusOr<FrameHeader> LogReader::read_header() {
  if (absl::Status status = fill(kSectorBytes); !status.ok()) return status;
  FrameHeader header;
  const bool valid = decode_frame_header(plan_.instance, buffered(), header) == FrameError::kNone &&
                     header.segment == segment_ && header.offset == offset_;
  if (!valid) return damaged("no valid frame");
  return header;
}

absl::Status LogReader::load_frame(const FrameHeader& header) {
  if (absl::Status status = fill(frame_bytes(header.payload_bytes)); !status.ok()) return status;
  if (check_frame_payload(plan_.instance, header, buffered()) != FrameError::kNone) {
    return damaged("a frame does not verify");
  }
  frame_ = header;
  payload_ = buffered().substr(kFrameHeaderBytes, header.payload_bytes);
  while (at_.lsn.next() < next_) {
    const auto record = decode(payload_);
    if (!record.ok()) return record.status();
    at_ = Position{record->header.term, record->header.lsn};
  }
  return absl::OkStatus();
}

absl::StatusOr<RecordView> LogReader::decode(std::string_view& payload) const {
  RecordView record;
  if (decode_record(plan_.incarnation, payload, record) != RecordError::kNone) {
    return damaged("a record inside a valid frame does not verify");
  }
  if (record.header.lsn != at_.lsn.next() || record.header.term < at_.term) {
    return damaged("a record that does not follow the one before");
  }
  return record;
}

absl::StatusOr<bool> LogReader::take_records(size_t max_bytes, Slice& slice) {
  while (!payload_.empty()) {
    if (next_ >= limit_ || next_ > plan_.last.lsn) return true;
    std::string_view rest = payload_;
    const auto record = decode(rest);
    if (!record.ok()) return record.status();
    const size_t bytes = slice.bytes.size() + record->bytes.size();
    if (bytes > max_bytes && !slice.bytes.empty()) return false;
    slice.bytes.append(record->bytes);
    payload_ = rest;
    at_ = Position{record->header.term, record->header.lsn};
    ++next_;
  }
  if (at_ != frame_.last) return damaged("a frame's records are not those its header names");
  offset_ += frame_bytes(frame_.payload_bytes);
  return true;
}

absl::Status LogReader::fill(uint64_t size) {
  const uint64_t buffered_end = buffer_offset_ + buffer_bytes_;
  if (offset_ >= buffer_offset_ && offset_ + size <= buffered_end) return absl::OkStatus();
  if (size > end_ - offset_) return damaged("a frame reaches beyond the segment's end");
  const uint64_t want = std::min(std::max(size, kReadBytes), end_ - offset_);
  if (buffer_.size() < want || (buffer_.size() > kMaxKeptBytes && want <= kReadBytes)) {
    buffer_ = std::string(std::max(want, kReadBytes), '\0');
  }
  buffer_offset_ = offset_;
  buffer_bytes_ = 0;
  const auto got = file_->read_at(offset_, buffer_.data(), want);
  if (!got.ok()) return got.status();
  if (*got < want) return damaged("the file is shorter than what was written");
  buffer_bytes_ = *got;
  return absl::OkStatus();
}

std::string_view LogReader::buffered() const {
  return std::string_view(buffer_).substr(0, buffer_bytes_).substr(offset_ - buffer_offset_);
}

absl::Status LogReader::damaged(std::string_view reason) const {
  // A retired segment loses its name before it is written over.
  if (const auto file = files_.open(path_, OpenMode::kRead); absl::IsNotFound(file.status())) {
    return absl::NotFoundError(base::concat(path_, ": retired while it was read"));
  }
  return absl::DataLossError(base::concat(path_, ": corrupt at offset ", offset_, ": ", reason));
}

}  // namespace kvorum::storage
