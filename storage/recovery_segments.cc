#include "storage/recovery_segments.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "storage/recovery_scan.h"
#include "storage/segment.h"

namespace kvorum::storage {
namespace {

template <size_t size>
std::string hex(const std::array<uint8_t, size>& bytes) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

absl::Status check_owner(const SegmentFile& segment, const RecoveryOptions& options) {
  const SegmentStart& start = segment.start;
  const Identity& identity = options.identity;
  if (start.format_version > kWalFormatVersion) {
    return absl::FailedPreconditionError(
        base::concat(segment.path, ": written by a newer version (log format ",
                     start.format_version, ", this program knows up to ", kWalFormatVersion, ")"));
  }
  if (start.incarnation != identity.incarnation) {
    return absl::FailedPreconditionError(
        base::concat(segment.path, ": belongs to another cluster (", hex(start.incarnation),
                     ", this one is ", hex(identity.incarnation), ")"));
  }
  if (start.node != identity.node || start.instance != identity.instance) {
    return absl::FailedPreconditionError(
        base::concat(segment.path, ": belongs to node ", start.node.value(), " (instance ",
                     hex(start.instance), "), this directory to node ", identity.node.value(),
                     " (instance ", hex(identity.instance), ")"));
  }
  const bool from_the_future = options.read_only ? segment.header.boot > identity.boot
                                                 : segment.header.boot >= identity.boot;
  if (from_the_future) {
    return absl::FailedPreconditionError(
        base::concat(segment.path, ": written in boot ", segment.header.boot,
                     ", but the identity file counts only ", identity.boot,
                     ": it is older than the log (restored from a copy?)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SegmentFile> read_segment_start(FileSystem& files, const RecoveryOptions& options,
                                               uint64_t number) {
  SegmentFile segment;
  segment.number = number;
  segment.path = join_path(options.directory, segment_file_name(number));
  auto file = files.open(segment.path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  segment.file_bytes = *size;
  std::array<char, frame_bytes(kSegmentStartBytes)> buffer{};
  const auto got = (*file)->read_at(0, buffer.data(), buffer.size());
  if (!got.ok()) return got.status();
  const std::string_view bytes(buffer.data(), *got);
  FrameHeader& header = segment.header;
  const InstanceId& instance = options.identity.instance;
  const bool is_start =
      decode_frame_header(instance, bytes, header) == FrameError::kNone &&
      header.kind == FrameKind::kSegmentStart &&
      check_frame_payload(instance, header, bytes) == FrameError::kNone &&
      decode_segment_start(bytes.substr(kFrameHeaderBytes, header.payload_bytes), segment.start);
  if (!is_start) return segment;
  const bool recycled = segment.start.instance == instance && header.segment != number;
  if (recycled) return segment;
  if (absl::Status status = check_owner(segment, options); !status.ok()) return status;
  segment.begun = header.segment == number && header.offset == 0;
  return segment;
}

// A file without a valid start may be the last one only, and only if nothing in it was ever synced.
absl::Status check_unbegun(FileSystem& files, const RecoveryOptions& options,
                           const SegmentFile& segment) {
  auto file = files.open(segment.path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  ScanPlace place;
  place.instance = options.identity.instance;
  place.segment = segment.number;
  place.recycled_bytes = segment.file_bytes;
  place.file_bytes = segment.file_bytes;
  const auto scan = scan_tail(**file, place);
  if (!scan.ok()) return scan.status();
  const RecoveryRow& row = judge(scan->at, scan->beyond, Successor::kNone);
  if (row.verdict == Verdict::kCorrupt) {
    return absl::DataLossError(base::concat(segment.path, ": corrupt at offset 0: ", row.reason));
  }
  if (row.verdict == Verdict::kTornTail && options.log != nullptr) {
    options.log(
        base::concat(segment.path, ": begun, but its start did not reach the disk: passed over"));
  }
  return absl::OkStatus();
}

absl::Status no_start(const SegmentFile& segment) {
  return absl::DataLossError(base::concat(
      segment.path, ": corrupt at offset 0: no valid start, though later segments exist"));
}

absl::Status missing(const RecoveryOptions& options, uint64_t segment) {
  return absl::DataLossError(
      base::concat(join_path(options.directory, segment_file_name(segment)), ": missing"));
}

// Where to begin: the last segment that begins at or before the first record wanted.
absl::StatusOr<size_t> find_first(const RecoveryOptions& options,
                                  const std::vector<SegmentFile>& segments) {
  const Lsn wanted = options.cut.lsn.next();
  std::optional<size_t> first;
  for (size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].begun && segments[i].header.first_lsn <= wanted) first = i;
  }
  if (first.has_value()) return *first;
  const auto oldest = std::find_if(segments.begin(), segments.end(),
                                   [](const SegmentFile& segment) { return segment.begun; });
  if (oldest == segments.end()) {
    return absl::DataLossError(
        base::concat(options.directory, ": the log from lsn ", wanted.value(), " on is missing"));
  }
  if (oldest != segments.begin()) return no_start(*std::prev(oldest));
  return absl::DataLossError(base::concat(
      oldest->path, ": the log begins with lsn ", oldest->header.first_lsn.value(),
      ", but records from ", wanted.value(), " on are needed: older segments are missing"));
}

}  // namespace

absl::StatusOr<SegmentList> list_segments(FileSystem& files, const RecoveryOptions& options) {
  const auto names = files.list(options.directory);
  if (!names.ok()) return names.status();
  SegmentList result;
  std::vector<uint64_t> numbers;
  for (const std::string& name : *names) {
    if (const auto number = parse_segment_file_name(name)) numbers.push_back(*number);
    if (const auto number = parse_spare_file_name(name)) result.spares.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  std::vector<SegmentFile> all;
  for (const uint64_t number : numbers) {
    auto segment = read_segment_start(files, options, number);
    if (!segment.ok()) return segment.status();
    all.push_back(*std::move(segment));
  }
  if (!all.empty() && !all.back().begun) {
    if (absl::Status status = check_unbegun(files, options, all.back()); !status.ok()) {
      return status;
    }
    result.unbegun = std::move(all.back());
    all.pop_back();
  }
  const bool newborn = all.empty() && options.cut.lsn == Lsn{0} &&
                       (!result.unbegun.has_value() || result.unbegun->number == 1);
  if (newborn) return result;
  const auto first = find_first(options, all);
  if (!first.ok()) return first.status();
  for (size_t i = *first + 1; i < all.size(); ++i) {
    if (all[i].number != all[i - 1].number + 1) return missing(options, all[i - 1].number + 1);
    if (!all[i].begun) return no_start(all[i]);
  }
  if (result.unbegun.has_value() && result.unbegun->number != all.back().number + 1) {
    return missing(options, all.back().number + 1);
  }
  // What is before it and hangs together with it is history that retention keeps.
  size_t oldest = *first;
  while (oldest > 0 && all[oldest - 1].begun && all[oldest - 1].number + 1 == all[oldest].number) {
    --oldest;
  }
  result.first = *first - oldest;
  result.older.assign(std::make_move_iterator(all.begin()),
                      std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(oldest)));
  result.begun.assign(std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(oldest)),
                      std::make_move_iterator(all.end()));
  return result;
}

}  // namespace kvorum::storage
