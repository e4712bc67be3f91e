#include "storage/wal_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "storage/segment.h"

namespace kvorum::storage {
namespace {

// A failure after which the process ends, even if its reason was a full disk.
absl::Status fatal(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::InternalError(status.message());
}

}  // namespace

WalWriter::WalWriter(FileSystem& files, Options options)
    : files_(files), options_(std::move(options)) {}

absl::Status WalWriter::sync() {
  const uint64_t begin_us = options_.monotonic_us != nullptr ? options_.monotonic_us() : 0;
  if (absl::Status status = file_->sync(); !status.ok()) return fatal(status);
  if (options_.monotonic_us != nullptr) last_sync_us_ = options_.monotonic_us() - begin_us;
  ++syncs_;
  synced_ = end_;
  return absl::OkStatus();
}

absl::Status WalWriter::begin_segment(const LogState& state, std::optional<uint64_t> spare,
                                      bool restart) {
  if (file_ != nullptr) {
    // Nothing of the next segment may be on disk before all of this one is.
    if (synced_ < end_) {
      if (absl::Status status = sync(); !status.ok()) return status;
    }
    file_.reset();
    options_.previous_segment = segment_;
    options_.previous_end = end_;
  }
  if (restart) {
    options_.previous_segment = 0;
    options_.previous_end = 0;
  }
  if (absl::Status status = open_next(spare); !status.ok()) return status;
  return write_start(state);
}

absl::Status WalWriter::open_next(std::optional<uint64_t> spare) {
  const std::string path = join_path(options_.directory, segment_file_name(options_.next_segment));
  if (spare.has_value() && !options_.next_segment_exists) {
    const std::string from = join_path(options_.directory, spare_file_name(*spare));
    const absl::Status status = files_.rename(from, path);
    if (status.ok()) {
      options_.next_segment_exists = true;
    } else if (!absl::IsNotFound(status)) {  // a spare is a convenience: without it, a new file
      return status;
    }
  }
  const OpenMode mode = options_.next_segment_exists ? OpenMode::kReadWrite : OpenMode::kCreate;
  auto file = files_.open(path, mode);
  if (!file.ok()) return file.status();
  options_.next_segment_exists = true;
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  // The name is durable before anything in the file is acknowledged.
  if (absl::Status status = files_.sync_directory(options_.directory); !status.ok()) {
    return fatal(status);
  }
  file_ = *std::move(file);
  file_bytes_ = *size;
  may_grow_ = true;
  return absl::OkStatus();
}

absl::Status WalWriter::write_start(const LogState& state) {
  segment_ = options_.next_segment;
  end_ = 0;
  synced_ = 0;
  std::array<char, frame_bytes(kSegmentStartBytes)> frame{};
  SegmentStart start;
  start.node = options_.identity.node;
  start.incarnation = options_.identity.incarnation;
  start.instance = options_.identity.instance;
  start.kernel_boot = options_.kernel_boot;
  start.hard_state = state.hard_state;
  start.previous_segment = options_.previous_segment;
  start.previous_end = options_.previous_end;
  start.last_hlc = state.last_hlc;
  start.recycled_bytes = file_bytes_;
  start.claim = state.claim;
  start.claim_unknown = state.claim_unknown;
  encode_segment_start(start, frame.data() + kFrameHeaderBytes);
  FrameHeader header;
  header.kind = FrameKind::kSegmentStart;
  header.payload_bytes = kSegmentStartBytes;
  header.first_lsn = state.last.lsn.next();
  header.last = state.last;
  header.commit = state.commit;
  seal(header, 0, frame.data(), frame.size());
  const std::array<std::string_view, 1> pieces = {std::string_view(frame.data(), frame.size())};
  if (absl::Status status = file_->write_at(0, pieces); !status.ok()) {
    // Without its start nothing in the file counts: the next try writes it again.
    file_.reset();
    return status;
  }
  end_ = frame.size();
  if (absl::Status status = grow_ahead(); !status.ok()) return status;
  if (absl::Status status = sync(); !status.ok()) return status;
  ++options_.next_segment;
  options_.next_segment_exists = false;
  return absl::OkStatus();
}

void WalWriter::seal(FrameHeader header, uint64_t at, char* frame, size_t size) {
  header.segment = segment_;
  header.offset = at;
  header.boot = options_.identity.boot;
  header.batch = ++batch_;
  header.synced_up_to = synced_;
  seal_frame(options_.identity.instance, header, frame, size);
}

absl::Status WalWriter::write(std::span<const std::string_view> frames) {
  CHECK(file_ != nullptr) << "a segment has begun";
  uint64_t size = 0;
  for (const std::string_view frame : frames) size += frame.size();
  CHECK(size % kSectorBytes == 0);
  absl::Status status = file_->write_at(end_, frames);
  if (status.ok()) {
    end_ += size;
    return grow_ahead();
  }
  if (!absl::IsResourceExhausted(status)) return status;
  if (absl::Status cut = file_->truncate(end_); !cut.ok()) return fatal(cut);
  if (absl::Status cut = sync(); !cut.ok()) return cut;
  file_bytes_ = end_;
  return status;
}

// A sync of a file that grew has its new size to bring to the disk too, in the file system's
// journal: twice the work of one that finds its blocks written. So a file grows by many frames at
// a time, and the syncs between find it large enough.
absl::Status WalWriter::grow_ahead() {
  if (end_ <= file_bytes_) return absl::OkStatus();
  file_bytes_ = end_;
  const uint64_t target = std::min(end_ + options_.grow_bytes, options_.segment_bytes);
  if (!may_grow_ || target <= end_) return absl::OkStatus();
  static constexpr std::array<char, 64 * 1024> kZeros{};
  std::vector<std::string_view> pieces;
  for (uint64_t left = target - end_; left > 0; left -= pieces.back().size()) {
    pieces.emplace_back(kZeros.data(), std::min<uint64_t>(left, kZeros.size()));
  }
  const absl::Status status = file_->write_at(end_, pieces);
  if (status.ok()) file_bytes_ = target;
  // It is a convenience. What there is room for is for frames.
  may_grow_ = status.ok();
  return absl::IsResourceExhausted(status) ? absl::OkStatus() : status;
}

}  // namespace kvorum::storage
