#include "tools/segment_dump.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"
#include "storage/recovery_scan.h"
#include "storage/recovery_table.h"

namespace kvorum::tools {
namespace {

using storage::FrameError;
using storage::FrameHeader;
using storage::FrameKind;

class SegmentWalker {
 public:
  SegmentWalker(std::string path, std::unique_ptr<storage::File> file, LogVisitor& visitor,
                Progress& progress)
      : path_(std::move(path)), file_(std::move(file)), visitor_(visitor), progress_(progress) {}

  absl::StatusOr<SegmentSummary> walk();

 private:
  absl::Status damaged(std::string_view reason) const {
    return absl::DataLossError(
        base::concat(path_, ": corrupt at offset ", summary_.end, ": ", reason));
  }

  // Reads the frame at the end of the valid part; false if there is none.
  absl::StatusOr<bool> read_frame(FrameHeader& header);
  absl::Status take_frame(const FrameHeader& header);
  absl::Status take_start(const FrameHeader& header, std::string_view payload);
  absl::Status take_records(const FrameHeader& header, std::string_view payload);
  absl::Status take_effects(std::string_view payload);
  absl::Status judge_tail();

  const std::string path_;
  const std::unique_ptr<storage::File> file_;
  LogVisitor& visitor_;
  Progress& progress_;
  SegmentSummary summary_;
  storage::SegmentStart start_;
  FrameHeader start_header_;
  std::string buffer_;
};

absl::StatusOr<bool> SegmentWalker::read_frame(FrameHeader& header) {
  const auto read = [this](uint64_t size) -> absl::Status {
    const uint64_t left = summary_.file_bytes - summary_.end;
    buffer_.resize(std::min(size, left));
    const auto got = file_->read_at(summary_.end, buffer_.data(), buffer_.size());
    if (!got.ok()) return got.status();
    buffer_.resize(*got);
    return absl::OkStatus();
  };
  if (absl::Status status = read(storage::kSectorBytes); !status.ok()) return status;
  if (decode_frame_header(start_.instance, buffer_, header) != FrameError::kNone) return false;
  const bool in_place = header.offset == summary_.end &&
                        (header.kind == FrameKind::kSegmentStart) == (summary_.end == 0) &&
                        (!summary_.begun || (header.segment == start_header_.segment &&
                                             header.boot == start_header_.boot));
  const uint64_t size = storage::frame_bytes(header.payload_bytes);
  if (!in_place || size > summary_.file_bytes - summary_.end) return false;
  if (absl::Status status = read(size); !status.ok()) return status;
  return check_frame_payload(start_.instance, header, buffer_) == FrameError::kNone;
}

absl::Status SegmentWalker::take_frame(const FrameHeader& header) {
  const std::string_view payload =
      std::string_view(buffer_).substr(storage::kFrameHeaderBytes, header.payload_bytes);
  ++summary_.frames;
  summary_.clean_stop = header.kind == FrameKind::kCleanStop;
  visitor_.frame(header);
  switch (header.kind) {
    case FrameKind::kSegmentStart:
      return take_start(header, payload);
    case FrameKind::kRecords:
      return take_records(header, payload);
    case FrameKind::kHardState: {
      storage::HardState state;
      if (!decode_hard_state(payload, state)) return damaged("not a hard state");
      visitor_.hard_state(state);
      return absl::OkStatus();
    }
    case FrameKind::kCleanStop:
      break;
  }
  return absl::OkStatus();
}

absl::Status SegmentWalker::take_start(const FrameHeader& header, std::string_view payload) {
  storage::SegmentStart start;
  if (!decode_segment_start(payload, start)) return damaged("not a segment start");
  if (start.format_version > storage::kWalFormatVersion) {
    return absl::FailedPreconditionError(base::concat(
        path_, ": written by a newer version (log format ", start.format_version, ")"));
  }
  start_ = start;
  start_header_ = header;
  summary_.begun = true;
  visitor_.start(start);
  return absl::OkStatus();
}

absl::Status SegmentWalker::take_records(const FrameHeader& header, std::string_view payload) {
  storage::Lsn expected = header.first_lsn;
  while (!payload.empty()) {
    storage::RecordView record;
    if (decode_record(start_.incarnation, payload, record) != storage::RecordError::kNone) {
      return damaged("a record inside a valid frame does not verify");
    }
    if (record.header.lsn != expected) return damaged("lsns inside a frame are not consecutive");
    expected = expected.next();
    ++summary_.records;
    visitor_.record(record);
    if (record.header.kind != storage::RecordKind::kEffects) continue;
    if (absl::Status status = take_effects(record.payload); !status.ok()) return status;
  }
  if (expected != header.last.lsn.next()) return damaged("records do not match the frame's header");
  return absl::OkStatus();
}

absl::Status SegmentWalker::take_effects(std::string_view payload) {
  storage::Effect effect;
  while (!payload.empty()) {
    if (!decode_effect(payload, effect))
      return damaged("an effect inside a valid record is not one");
    visitor_.effect(effect);
  }
  return absl::OkStatus();
}

absl::Status SegmentWalker::judge_tail() {
  storage::ScanPlace place;
  place.instance = start_.instance;
  place.segment = start_header_.segment;
  place.boot = start_header_.boot;
  place.recycled_bytes = start_.recycled_bytes;
  place.file_bytes = summary_.file_bytes;
  place.offset = summary_.end;
  const auto scan = scan_tail(*file_, place);
  if (!scan.ok()) return scan.status();
  const storage::RecoveryRow& row = judge(scan->at, scan->beyond, storage::Successor::kNone);
  if (row.verdict == storage::Verdict::kCorrupt) return damaged(row.reason);
  summary_.tail = row.reason;
  if (row.verdict == storage::Verdict::kTornTail) {
    summary_.tail =
        base::concat("torn tail, ", scan->torn_end - summary_.end, " bytes: ", row.reason);
  }
  visitor_.end(summary_.end, summary_.tail);
  return absl::OkStatus();
}

absl::StatusOr<SegmentSummary> SegmentWalker::walk() {
  const auto size = file_->size();
  if (!size.ok()) return size.status();
  summary_.file_bytes = *size;
  progress_.begin(path_, *size);
  while (true) {
    FrameHeader header;
    const auto found = read_frame(header);
    if (!found.ok()) return found.status();
    if (!*found) break;
    if (absl::Status status = take_frame(header); !status.ok()) return status;
    summary_.end += storage::frame_bytes(header.payload_bytes);
    progress_.reach(summary_.end);
  }
  if (!summary_.begun) return damaged("no valid segment start");
  if (absl::Status status = judge_tail(); !status.ok()) return status;
  return summary_;
}

}  // namespace

absl::StatusOr<SegmentSummary> walk_segment(storage::FileSystem& files, const std::string& path,
                                            LogVisitor& visitor, Progress& progress) {
  auto file = files.open(path, storage::OpenMode::kRead);
  if (!file.ok()) return file.status();
  auto summary = SegmentWalker(path, *std::move(file), visitor, progress).walk();
  progress.clear();
  return summary;
}

absl::StatusOr<SegmentSummary> walk_orphan_file(storage::FileSystem& files, const std::string& path,
                                                LogVisitor& visitor, Progress& progress) {
  auto summary = walk_segment(files, path, visitor, progress);
  if (!summary.ok() || (summary->clean_stop && summary->end == summary->file_bytes)) return summary;
  return absl::DataLossError(base::concat(path, ": corrupt at offset ", summary->end,
                                          ": orphaned records are missing from here on"));
}

}  // namespace kvorum::tools
