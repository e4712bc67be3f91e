#include "storage/recovery.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "storage/frame.h"
#include "storage/recovery_scan.h"
#include "storage/recovery_segments.h"
#include "storage/recovery_table.h"
#include "storage/segment.h"

namespace kvorum::storage {
namespace {

constexpr uint64_t kStartFrameBytes = frame_bytes(kSegmentStartBytes);

absl::Status corrupt(const SegmentFile& segment, uint64_t offset, std::string_view reason) {
  return absl::DataLossError(
      base::concat(segment.path, ": corrupt at offset ", offset, ": ", reason));
}

}  // namespace

class RecoveryReader::Implementation {
 public:
  Implementation(FileSystem& files, RecoveryOptions options)
      : files_(files), options_(std::move(options)) {}

  absl::Status open();
  absl::StatusOr<bool> read_some(size_t max_bytes, RecoverySlice& slice);
  RecoveryProgress progress() const;
  const RecoveredLog& result() const {
    CHECK(done_);
    return result_;
  }

 private:
  // How parsing a buffer ended.
  struct Parsed {
    bool stopped = false;  // no valid frame at position_
    uint64_t need = 0;     // bytes from position_ that the next frame takes, if it is cut short
  };

  const SegmentFile& segment() const { return list_.begun[index_]; }
  bool has_successor() const { return index_ + 1 < list_.begun.size(); }
  // No byte from here on belongs to the segment's valid part.
  uint64_t limit() const {
    return has_successor() ? list_.begun[index_ + 1].start.previous_end : segment().file_bytes;
  }

  absl::Status enter_segment(size_t index);
  absl::Status fill(uint64_t size, RecoverySlice& slice, std::string_view& bytes);
  absl::StatusOr<Parsed> parse(std::string_view bytes, RecoverySlice& slice);
  absl::Status take_frame(const FrameHeader& header, std::string_view frame, RecoverySlice& slice);
  absl::Status take_records(const FrameHeader& header, std::string_view payload,
                            RecoverySlice& slice);
  absl::Status take_record(const RecordView& record, RecoverySlice& slice);
  absl::Status check_cut() const;
  // What the table says about position_, done.
  absl::Status judge_end();
  absl::StatusOr<TailScan> scan_end() const;
  absl::Status end_log();
  void note_tail(const TailScan& scan, const RecoveryRow& row);

  FileSystem& files_;
  RecoveryOptions options_;
  SegmentList list_;
  size_t index_ = 0;
  std::unique_ptr<File> file_;
  uint64_t position_ = 0;       // in the segment
  uint64_t earlier_bytes_ = 0;  // of the segments before it
  uint64_t total_bytes_ = 0;
  bool done_ = false;
  RecoveredLog result_;
};

absl::Status RecoveryReader::Implementation::open() {
  auto list = list_segments(files_, options_);
  if (!list.ok()) return list.status();
  list_ = *std::move(list);
  result_.spares = list_.spares;
  for (const SegmentFile& older : list_.older) result_.leftovers.push_back(older.number);
  if (list_.unbegun.has_value()) {
    result_.next_segment = list_.unbegun->number;
    result_.next_segment_exists = true;
  } else if (!list_.begun.empty()) {
    result_.next_segment = list_.begun.back().number + 1;
  }
  if (list_.begun.empty()) return end_log();
  for (size_t i = 0; i < list_.begun.size(); ++i) {
    const SegmentFile& file = list_.begun[i];
    const bool last = i + 1 == list_.begun.size();
    const uint64_t end = last ? file.file_bytes : list_.begun[i + 1].start.previous_end;
    const Hlc last_hlc = last ? Hlc{0} : list_.begun[i + 1].start.last_hlc;
    result_.segments.push_back(
        {file.number, file.header.first_lsn, last_hlc, end, file.file_bytes});
    if (i >= list_.first) total_bytes_ += end;
  }
  index_ = list_.first;
  const SegmentFile& first = segment();
  result_.last = first.header.last;
  result_.last_hlc = first.start.last_hlc;
  if (absl::Status status = check_cut(); !status.ok()) return status;
  return enter_segment(list_.first);
}

absl::Status RecoveryReader::Implementation::enter_segment(size_t index) {
  if (index > list_.first) earlier_bytes_ += position_;
  index_ = index;
  auto file = files_.open(segment().path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  // Only the newest can hold what a process whose sync failed has left behind.
  if (!has_successor()) file_->forget_cached();
  const FrameHeader& header = segment().header;
  if (header.last != result_.last || header.first_lsn != result_.last.lsn.next()) {
    return corrupt(segment(), 0,
                   base::concat("the segment continues after lsn ", header.last.lsn.value(),
                                ", the log before it ends with ", result_.last.lsn.value()));
  }
  if (segment().start.last_hlc != result_.last_hlc) {
    return corrupt(segment(), 0, "the segment continues another history");
  }
  result_.hard_state = segment().start.hard_state;
  result_.commit = std::max(result_.commit, header.commit);
  result_.clean_stop = false;
  position_ = kStartFrameBytes;
  return absl::OkStatus();
}

absl::Status RecoveryReader::Implementation::check_cut() const {
  if (result_.last.lsn != options_.cut.lsn) return absl::OkStatus();
  if (result_.last.term != options_.cut.term) {
    return corrupt(segment(), position_,
                   base::concat("the snapshot ends with lsn ", options_.cut.lsn.value(),
                                " of term ", options_.cut.term.value(),
                                ", the log has that lsn in term ", result_.last.term.value()));
  }
  if (options_.cut_hlc != Hlc{0} && result_.last_hlc != options_.cut_hlc) {
    return corrupt(segment(), position_,
                   base::concat("the snapshot and the log have different records with lsn ",
                                options_.cut.lsn.value()));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> RecoveryReader::Implementation::read_some(size_t max_bytes,
                                                               RecoverySlice& slice) {
  slice.records_.clear();
  uint64_t want = std::max<uint64_t>(max_bytes, kSectorBytes);
  while (!done_) {
    std::string_view bytes;
    const uint64_t end = std::max(limit(), position_);
    if (absl::Status status = fill(std::min(want, end - position_), slice, bytes); !status.ok()) {
      return status;
    }
    const auto parsed = parse(bytes, slice);
    if (!parsed.ok()) return parsed.status();
    if (!slice.records_.empty()) return true;
    if (parsed->need > 0) {
      want = parsed->need;
    } else if (parsed->stopped) {
      if (absl::Status status = judge_end(); !status.ok()) return status;
    }
  }
  return false;
}

absl::Status RecoveryReader::Implementation::fill(uint64_t size, RecoverySlice& slice,
                                                  std::string_view& bytes) {
  if (slice.capacity_ < size) {
    slice.buffer_.reset(new char[size]);
    slice.capacity_ = size;
  }
  const auto got = file_->read_at(position_, slice.buffer_.get(), size);
  if (!got.ok()) return got.status();
  if (*got < size) {
    return absl::DataLossError(base::concat(segment().path, ": the file shrank while it was read"));
  }
  bytes = std::string_view(slice.buffer_.get(), size);
  return absl::OkStatus();
}

absl::StatusOr<RecoveryReader::Implementation::Parsed> RecoveryReader::Implementation::parse(
    std::string_view bytes, RecoverySlice& slice) {
  const InstanceId& instance = options_.identity.instance;
  while (true) {
    FrameHeader header;
    if (decode_frame_header(instance, bytes, header) != FrameError::kNone) {
      // At the end of a buffer, not of the segment, the header may just not have been read.
      const bool cut_short = bytes.size() < kFrameHeaderBytes && position_ + bytes.size() < limit();
      return Parsed{.stopped = !cut_short, .need = cut_short ? kSectorBytes : 0};
    }
    const uint64_t size = frame_bytes(header.payload_bytes);
    const bool ours = header.segment == segment().number && header.offset == position_ &&
                      header.boot == segment().header.boot &&
                      header.kind != FrameKind::kSegmentStart;
    if (!ours || size > limit() - position_) return Parsed{.stopped = true};
    if (size > bytes.size()) return Parsed{.need = size};
    if (check_frame_payload(instance, header, bytes) != FrameError::kNone) {
      return Parsed{.stopped = true};
    }
    if (absl::Status status = take_frame(header, bytes.substr(0, size), slice); !status.ok()) {
      return status;
    }
    position_ += size;
    bytes.remove_prefix(size);
  }
}

absl::Status RecoveryReader::Implementation::take_frame(const FrameHeader& header,
                                                        std::string_view frame,
                                                        RecoverySlice& slice) {
  const std::string_view payload = frame.substr(kFrameHeaderBytes, header.payload_bytes);
  result_.clean_stop = header.kind == FrameKind::kCleanStop;
  result_.commit = std::max(result_.commit, header.commit);
  if (header.first_lsn != result_.last.lsn.next()) {
    return corrupt(segment(), position_,
                   base::concat("a frame that begins with lsn ", header.first_lsn.value(),
                                " follows lsn ", result_.last.lsn.value()));
  }
  switch (header.kind) {
    case FrameKind::kRecords:
      return take_records(header, payload, slice);
    case FrameKind::kHardState:
      if (decode_hard_state(payload, result_.hard_state)) return absl::OkStatus();
      return corrupt(segment(), position_, "not a hard state");
    case FrameKind::kCleanStop:
    case FrameKind::kSegmentStart:
      break;
  }
  return absl::OkStatus();
}

absl::Status RecoveryReader::Implementation::take_records(const FrameHeader& header,
                                                          std::string_view payload,
                                                          RecoverySlice& slice) {
  while (!payload.empty()) {
    RecordView record;
    if (decode_record(options_.identity.incarnation, payload, record) != RecordError::kNone) {
      return corrupt(segment(), position_, "a record inside a valid frame does not verify");
    }
    if (absl::Status status = take_record(record, slice); !status.ok()) return status;
  }
  if (result_.last != header.last) {
    return corrupt(segment(), position_, "a frame's records are not those its header names");
  }
  return absl::OkStatus();
}

absl::Status RecoveryReader::Implementation::take_record(const RecordView& record,
                                                         RecoverySlice& slice) {
  const RecordHeader& header = record.header;
  const bool follows = header.lsn == result_.last.lsn.next() && header.term >= result_.last.term &&
                       header.stamp.hlc > result_.last_hlc;
  if (!follows) {
    return corrupt(segment(), position_,
                   base::concat("record ", header.lsn.value(), " (term ", header.term.value(),
                                ") does not follow record ", result_.last.lsn.value(), " (term ",
                                result_.last.term.value(), ")"));
  }
  result_.last = Position{header.term, header.lsn};
  result_.last_hlc = header.stamp.hlc;
  if (header.lsn > options_.cut.lsn) {
    slice.records_.push_back(record);
    return absl::OkStatus();
  }
  return check_cut();
}

absl::StatusOr<TailScan> RecoveryReader::Implementation::scan_end() const {
  ScanPlace place;
  place.instance = options_.identity.instance;
  place.segment = segment().number;
  place.boot = segment().header.boot;
  place.recycled_bytes = segment().start.recycled_bytes;
  place.file_bytes = segment().file_bytes;
  place.offset = position_;
  return scan_tail(*file_, place);
}

absl::Status RecoveryReader::Implementation::judge_end() {
  TailScan scan;
  Successor successor = Successor::kNone;
  if (has_successor()) {
    const uint64_t end = list_.begun[index_ + 1].start.previous_end;
    successor = position_ == end  ? Successor::kHere
                : position_ < end ? Successor::kFurther
                                  : Successor::kBefore;
  } else {
    const auto scanned = scan_end();
    if (!scanned.ok()) return scanned.status();
    scan = *scanned;
  }
  const RecoveryRow& row = judge(scan.at, scan.beyond, successor);
  switch (row.verdict) {
    case Verdict::kCorrupt:
      return corrupt(segment(), position_, row.reason);
    case Verdict::kNextSegment:
      return enter_segment(index_ + 1);
    case Verdict::kTornTail:
    case Verdict::kEndOfLog:
      break;
  }
  note_tail(scan, row);
  RecoveredLog::Segment& last = result_.segments.back();
  last.end = position_;
  last.last_hlc = result_.last_hlc;
  return end_log();
}

void RecoveryReader::Implementation::note_tail(const TailScan& scan, const RecoveryRow& row) {
  const uint64_t bytes_left = segment().file_bytes - position_;
  std::string message;
  if (row.verdict == Verdict::kTornTail) {
    result_.torn_segment = segment().number;
    result_.torn_begin = position_;
    result_.torn_end = scan.torn_end;
    message = base::concat(segment().path, ": torn tail at offset ", position_, ": ", row.reason,
                           "; nothing of it was synced; ", scan.torn_end - position_,
                           options_.read_only ? " bytes do not count" : " bytes are put aside in ",
                           options_.read_only ? "" : torn_file_name(segment().number, position_));
  } else if (bytes_left > 0) {
    message = base::concat(segment().path, ": the log ends at offset ", position_, ", before ",
                           bytes_left, " bytes: ", row.reason);
  }
  if (!message.empty() && options_.log != nullptr) options_.log(message);
}

absl::Status RecoveryReader::Implementation::end_log() {
  done_ = true;
  earlier_bytes_ += position_;
  position_ = 0;
  total_bytes_ = earlier_bytes_;
  if (result_.last.lsn >= options_.cut.lsn) return absl::OkStatus();
  return absl::DataLossError(base::concat(options_.directory, ": the log ends with lsn ",
                                          result_.last.lsn.value(), ", before the snapshot's ",
                                          options_.cut.lsn.value()));
}

RecoveryProgress RecoveryReader::Implementation::progress() const {
  const uint64_t read = earlier_bytes_ + position_;
  return RecoveryProgress{read, std::max(read, total_bytes_), result_.last.lsn};
}

RecoveryReader::RecoveryReader(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}

RecoveryReader::~RecoveryReader() = default;

absl::StatusOr<std::unique_ptr<RecoveryReader>> RecoveryReader::open(FileSystem& files,
                                                                     RecoveryOptions options) {
  auto implementation = std::make_unique<Implementation>(files, std::move(options));
  if (absl::Status status = implementation->open(); !status.ok()) return status;
  return std::unique_ptr<RecoveryReader>(new RecoveryReader(std::move(implementation)));
}

absl::StatusOr<bool> RecoveryReader::read_some(size_t max_bytes, RecoverySlice& slice) {
  return implementation_->read_some(max_bytes, slice);
}

RecoveryProgress RecoveryReader::progress() const { return implementation_->progress(); }

const RecoveredLog& RecoveryReader::result() const { return implementation_->result(); }

}  // namespace kvorum::storage
