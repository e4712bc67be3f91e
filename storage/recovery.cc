#include "storage/recovery.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "storage/frame.h"
#include "storage/recovery_history.h"
#include "storage/recovery_scan.h"
#include "storage/recovery_segments.h"
#include "storage/recovery_survey.h"
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
  absl::Status check_start(const SegmentFile& next) const;
  absl::Status read_frames(uint64_t& want, RecoverySlice& slice);
  absl::Status fill(uint64_t size, RecoverySlice& slice, std::string_view& bytes);
  absl::StatusOr<Parsed> parse(std::string_view bytes, RecoverySlice& slice);
  absl::Status take_frame(const FrameHeader& header, std::string_view frame, RecoverySlice& slice);
  absl::Status take_records(const FrameHeader& header, std::string_view payload,
                            RecoverySlice& slice);
  absl::Status take_record(const RecordView& record, RecoverySlice& slice);
  absl::Status check_cut();
  // What the table says about position_, done.
  absl::Status judge_end();
  absl::StatusOr<TailScan> scan_end() const;
  absl::Status end_log();
  void note_tail(const TailScan& scan, const RecoveryRow& row);
  void log(const std::string& message) const;

  // Members: damage does not refuse the start.
  absl::Status end_damaged(const std::string& reason);
  void take_out_rest(uint64_t offset, const std::string& reason);
  void restart_at_cut();
  void keep_claim();

  FileSystem& files_;
  RecoveryOptions options_;
  SegmentList list_;
  LogHistory history_;
  size_t index_ = 0;
  std::unique_ptr<File> file_;
  uint64_t position_ = 0;       // in the segment
  uint64_t earlier_bytes_ = 0;  // of the segments before it
  uint64_t total_bytes_ = 0;
  bool joined_ = true;     // the log and the snapshot's cut are of one history, as far as is known
  bool replaced_ = false;  // not joined, and that is no damage
  bool done_ = false;
  // `last` is the newest record as it was written, superseded or not, until the end.
  RecoveredLog result_;
};

absl::Status RecoveryReader::Implementation::open() {
  auto list = list_segments(files_, options_);
  if (!list.ok()) return list.status();
  list_ = *std::move(list);
  history_ = LogHistory(list_);
  result_.spares = list_.spares;
  for (const SegmentFile& older : list_.older) result_.leftovers.push_back(older.number);
  result_.set_aside = list_.taken_out;
  result_.next_segment = list_.next_segment;
  result_.next_segment_exists = list_.unbegun.has_value();
  if (list_.begun.empty()) {
    if (!list_.damage.empty()) {
      joined_ = false;
      take_out_rest(0, list_.damage);
    }
    return end_log();
  }
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
  result_.kernel_boot = list_.begun.back().start.kernel_boot;
  absl::Status status = enter_segment(list_.first);
  if (status.ok()) status = check_cut();
  if (options_.member && absl::IsDataLoss(status))
    return end_damaged(std::string(status.message()));
  return status;
}

// Does the segment continue what was read so far?
absl::Status RecoveryReader::Implementation::check_start(const SegmentFile& next) const {
  const FrameHeader& header = next.header;
  LogHistory::Place place{result_.last, result_.last_hlc};
  if (header.last.lsn < place.last.lsn) {
    // A truncation: it goes back to a record that was passed.
    const LogHistory::Place* passed = history_.at(header.last.lsn);
    if (passed != nullptr) place = *passed;
  }
  if (header.last != place.last || header.first_lsn != header.last.lsn.next()) {
    return corrupt(
        next, 0,
        base::concat("the segment continues after lsn ", header.last.lsn.value(), " of term ",
                     header.last.term.value(), ", the log before it has lsn ",
                     place.last.lsn.value(), " of term ", place.last.term.value()));
  }
  if (next.start.last_hlc != place.last_hlc) {
    return corrupt(next, 0, "the segment continues another history");
  }
  return absl::OkStatus();
}

absl::Status RecoveryReader::Implementation::enter_segment(size_t index) {
  const SegmentFile& next = list_.begun[index];
  auto file = files_.open(next.path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  if (absl::Status status = check_start(next); !status.ok()) return status;
  if (index > list_.first) earlier_bytes_ += position_;
  index_ = index;
  file_ = *std::move(file);
  // Only the newest can hold what a process whose sync failed has left behind.
  if (!has_successor()) file_->forget_cached(0, 0);
  result_.last = next.header.last;
  result_.last_hlc = next.start.last_hlc;
  history_.enter({result_.last, result_.last_hlc});
  result_.hard_state = next.start.hard_state;
  result_.claim = next.start.claim;
  result_.claim_unknown = next.start.claim_unknown;
  result_.commit = std::max(result_.commit, next.header.commit);
  result_.clean_stop = false;
  position_ = kStartFrameBytes;
  return absl::OkStatus();
}

absl::Status RecoveryReader::Implementation::check_cut() {
  if (result_.last.lsn != options_.cut.lsn) return absl::OkStatus();
  joined_ = false;
  // The snapshot of a later leader was installed, and a crash came before the log was restarted.
  replaced_ = result_.last.term < options_.cut.term;
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
  joined_ = true;
  replaced_ = false;
  return absl::OkStatus();
}

absl::StatusOr<bool> RecoveryReader::Implementation::read_some(size_t max_bytes,
                                                               RecoverySlice& slice) {
  slice.records_.clear();
  uint64_t want = std::max<uint64_t>(max_bytes, kSectorBytes);
  while (!done_ && slice.records_.empty()) {
    absl::Status status = read_frames(want, slice);
    if (options_.member && absl::IsDataLoss(status))
      status = end_damaged(std::string(status.message()));
    if (!status.ok()) return status;
  }
  slice.commit_ = result_.commit;
  return !slice.records_.empty();
}

// One buffer of frames; at the end of a segment, what comes after it.
absl::Status RecoveryReader::Implementation::read_frames(uint64_t& want, RecoverySlice& slice) {
  std::string_view bytes;
  const uint64_t end = std::max(limit(), position_);
  if (absl::Status status = fill(std::min(want, end - position_), slice, bytes); !status.ok()) {
    return status;
  }
  const auto parsed = parse(bytes, slice);
  if (!parsed.ok()) return parsed.status();
  if (parsed->need > 0) want = parsed->need;
  if (!slice.records_.empty() || parsed->need > 0 || !parsed->stopped) return absl::OkStatus();
  return judge_end();
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
  if (header.first_lsn != result_.last.lsn.next()) {
    return corrupt(segment(), position_,
                   base::concat("a frame that begins with lsn ", header.first_lsn.value(),
                                " follows lsn ", result_.last.lsn.value()));
  }
  if (header.kind == FrameKind::kRecords) {
    const LogHistory::Place before{result_.last, result_.last_hlc};
    const size_t count = slice.records_.size();
    if (absl::Status status = take_records(header, payload, slice); !status.ok()) {
      // A frame counts whole or not at all.
      slice.records_.resize(count);
      result_.last = before.last;
      result_.last_hlc = before.last_hlc;
      return status;
    }
  } else if (header.kind == FrameKind::kHardState &&
             !decode_hard_state(payload, result_.hard_state)) {
    return corrupt(segment(), position_, "not a hard state");
  }
  result_.commit = std::max(result_.commit, header.commit);
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
  history_.pass(result_.last, result_.last_hlc);
  if (header.lsn >= history_.limit(index_)) return absl::OkStatus();
  if (header.lsn <= options_.cut.lsn) return check_cut();
  slice.records_.push_back(record);
  return absl::OkStatus();
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
  if (!list_.damage.empty()) return end_damaged(list_.damage);
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
    result_.claim = std::max(result_.claim, scan.claim);
    // A vote counts where it can be read: one too many does no harm. One that was lost is doubt
    // that nothing names.
    result_.hard_state = std::max(result_.hard_state, scan.hard_state);
    result_.claim_unknown |= scan.claim_unknown || scan.missed;
    message = base::concat(segment().path, ": torn tail at offset ", position_, ": ", row.reason,
                           "; nothing of it was synced; ", scan.torn_end - position_,
                           options_.read_only ? " bytes do not count" : " bytes are put aside in ",
                           options_.read_only ? "" : torn_file_name(segment().number, position_));
  } else if (bytes_left > 0 && scan.at != AtEnd::kZeros) {  // a file that has grown ahead
    message = base::concat(segment().path, ": the log ends at offset ", position_, ", before ",
                           bytes_left, " bytes: ", row.reason);
  }
  if (!message.empty()) log(message);
}

void RecoveryReader::Implementation::log(const std::string& message) const {
  if (options_.log != nullptr) options_.log(message);
}

absl::Status RecoveryReader::Implementation::end_log() {
  done_ = true;
  earlier_bytes_ += position_;
  position_ = 0;
  total_bytes_ = earlier_bytes_;
  if (!list_.begun.empty() && result_.last.lsn >= history_.limit(index_)) {
    // A segment that is not part of the log any more had truncated it.
    const LogHistory::Place* place = history_.at(history_.limit(index_).previous());
    joined_ &= place != nullptr;
    if (place != nullptr) {
      result_.last = place->last;
      result_.last_hlc = place->last_hlc;
    }
  }
  if (!joined_ || result_.last.lsn < options_.cut.lsn) {
    if (!options_.member) {
      return absl::DataLossError(base::concat(options_.directory, ": the log ends with lsn ",
                                              result_.last.lsn.value(), ", before the snapshot's ",
                                              options_.cut.lsn.value()));
    }
    restart_at_cut();
  }
  result_.commit = std::min(result_.commit, result_.last.lsn);
  keep_claim();
  return absl::OkStatus();
}

// A claim that the log reaches is none.
void RecoveryReader::Implementation::keep_claim() {
  if (result_.claim <= result_.last) result_.claim = Position{};
}

// The log ends at position_, before damage, unless what is damaged is void anyway.
absl::Status RecoveryReader::Implementation::end_damaged(const std::string& reason) {
  const Lsn limit = history_.limit(index_);
  const std::optional<size_t> next = history_.superseder(index_);
  if (joined_ && next.has_value() && result_.last.lsn.next() >= limit) {
    log(base::concat(reason, "; nothing there counts any more"));
    // What lies between is not there for the check of its start.
    const LogHistory::Place* place = history_.at(limit.previous());
    if (place != nullptr) {
      result_.last = place->last;
      result_.last_hlc = place->last_hlc;
      const absl::Status status = enter_segment(*next);
      if (!absl::IsDataLoss(status)) return status;
    }
  }
  const bool whole = has_successor() ? position_ == this->limit()
                                     : !list_.damage.empty() && reason == list_.damage;
  take_out_rest(position_, reason);
  result_.segments.resize(index_ + 1);
  result_.segments.back().end = position_;
  result_.segments.back().last_hlc = result_.last_hlc;
  if (!whole && !replaced_) result_.damaged_segment = segment().number;
  return end_log();
}

// Asks what is not log any more for its claim, and has it put aside.
void RecoveryReader::Implementation::take_out_rest(uint64_t offset, const std::string& reason) {
  log(base::concat(reason, replaced_ ? "; the snapshot counts, the log begins anew behind it"
                                     : "; the log ends before it, other members have the rest"));
  if (!replaced_) {
    result_.damaged = true;
    result_.damage = reason;
  }
  result_.clean_stop = false;
  std::vector<const SegmentFile*> rest;
  for (size_t i = index_; i < list_.begun.size(); ++i) rest.push_back(&list_.begun[i]);
  for (const SegmentFile& file : list_.beyond) rest.push_back(&file);
  for (const SegmentFile* file : rest) {
    const bool still_log = !list_.begun.empty() && file == &segment();
    if (!still_log) (replaced_ ? result_.leftovers : result_.set_aside).push_back(file->number);
    if (file->begun) result_.kernel_boot = file->start.kernel_boot;
  }
  const Survey survey = survey_rest(files_, options_.identity.instance, rest, offset);
  result_.claim = std::max(result_.claim, survey.claim);
  result_.claim_unknown |= survey.claim_unknown || list_.claim_unknown;
  result_.hard_state = std::max(result_.hard_state, survey.hard_state);
}

// The snapshot is all there is: nothing in the segments counts.
void RecoveryReader::Implementation::restart_at_cut() {
  result_.restart_needed = true;
  result_.claim = std::max(result_.claim, result_.last);
  result_.last = options_.cut;
  result_.last_hlc = options_.cut_hlc;
  result_.commit = options_.cut.lsn;
  result_.torn_segment = result_.torn_begin = result_.torn_end = 0;
  if (result_.damaged_segment != 0) result_.set_aside.push_back(result_.damaged_segment);
  for (const RecoveredLog::Segment& segment : result_.segments) {
    if (segment.number != result_.damaged_segment) result_.leftovers.push_back(segment.number);
  }
  result_.damaged_segment = 0;
  result_.segments.clear();
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

absl::StatusOr<RecoveredLog> restored_log(FileSystem& files, const std::string& directory,
                                          Position cut, Hlc cut_hlc) {
  const auto names = files.list(directory);
  if (!names.ok()) return names.status();
  RecoveredLog log;
  log.hard_state.term = cut.term;
  log.last = cut;
  log.last_hlc = cut_hlc;
  log.commit = cut.lsn;
  log.clean_stop = true;  // nothing was acknowledged here that could be missing
  log.next_segment = 1;
  for (const std::string& name : *names) {
    const auto number = parse_segment_file_name(name);
    if (!number.has_value()) continue;
    log.set_aside.push_back(*number);
    log.next_segment = std::max(log.next_segment, *number + 1);
  }
  return log;
}

}  // namespace kvorum::storage
