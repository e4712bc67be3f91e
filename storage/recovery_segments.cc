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
  // A start whose sync has failed did not begin a segment: another one may take its place.
  (*file)->forget_cached(0, buffer.size());
  const auto got = (*file)->read_at(0, buffer.data(), buffer.size());
  if (options.member && absl::IsDataLoss(got.status())) return segment;
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
  (*file)->forget_cached(0, 0);
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

absl::Status begins_late(const RecoveryOptions& options, const SegmentFile& oldest) {
  return absl::DataLossError(base::concat(oldest.path, ": the log begins with lsn ",
                                          oldest.header.first_lsn.value(), ", but records from ",
                                          options.cut.lsn.next().value(),
                                          " on are needed: older segments are missing"));
}

// Segments that continue each other, newest first: indices into all files.
struct Chain {
  std::vector<size_t> links;
  absl::Status status;  // why it does not reach the first record wanted
  size_t broken = 0;    // if not OK: the files from here on are of no use
};

// The file that `segment` continues. Its number if there is none.
uint64_t predecessor(const SegmentFile& segment) {
  if (segment.start.previous_end == 0) return 0;
  return segment.start.previous_segment != 0 ? segment.start.previous_segment : segment.number - 1;
}

std::optional<size_t> find_number(const std::vector<SegmentFile>& all, uint64_t number) {
  const auto found = std::find_if(
      all.begin(), all.end(), [number](const SegmentFile& file) { return file.number == number; });
  if (found == all.end()) return std::nullopt;
  return static_cast<size_t>(found - all.begin());
}

// From the newest of the first `count` files back to the one with the first record wanted: the last
// that begins at or before it.
Chain walk_back(const RecoveryOptions& options, const std::vector<SegmentFile>& all, size_t count) {
  const Lsn wanted = options.cut.lsn.next();
  Chain chain;
  size_t at = count - 1;
  chain.broken = at;
  if (!all[at].begun) {
    chain.status = no_start(all[at]);
    return chain;
  }
  while (true) {
    chain.links.push_back(at);
    chain.broken = at;
    const SegmentFile& segment = all[at];
    if (segment.header.first_lsn <= wanted) return chain;
    const uint64_t number = predecessor(segment);
    const auto before = find_number(all, number);
    if (!before.has_value() || *before >= at) {
      const bool oldest = number == 0 || at == 0;
      chain.status = oldest ? begins_late(options, segment) : missing(options, number);
      return chain;
    }
    if (!all[*before].begun) {
      chain.status = no_start(all[*before]);
      return chain;
    }
    at = *before;
  }
}

// What is before it and hangs together with it is history that retention keeps.
void extend_back(const std::vector<SegmentFile>& all, Chain& chain) {
  while (true) {
    const auto before = find_number(all, predecessor(all[chain.links.back()]));
    if (!before.has_value() || *before >= chain.links.back() || !all[*before].begun) return;
    chain.links.push_back(*before);
  }
}

absl::Status log_missing(const RecoveryOptions& options) {
  return absl::DataLossError(base::concat(options.directory, ": the log from lsn ",
                                          options.cut.lsn.next().value(), " on is missing"));
}

absl::StatusOr<std::vector<SegmentFile>> read_starts(FileSystem& files,
                                                     const RecoveryOptions& options,
                                                     std::vector<uint64_t>& spares) {
  const auto names = files.list(options.directory);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> numbers;
  for (const std::string& name : *names) {
    if (const auto number = parse_segment_file_name(name)) numbers.push_back(*number);
    if (const auto number = parse_spare_file_name(name)) spares.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  std::vector<SegmentFile> all;
  for (const uint64_t number : numbers) {
    auto segment = read_segment_start(files, options, number);
    if (!segment.ok()) return segment.status();
    all.push_back(*std::move(segment));
  }
  return all;
}

// Sorts the files into the list. The chain's are the log.
void take_chain(std::vector<SegmentFile>& all, const Chain& chain, size_t wanted_link,
                SegmentList& list) {
  const size_t end = chain.links.front() + 1;
  for (size_t i = 0, link = chain.links.size(); i < all.size(); ++i) {
    if (i >= end) {
      list.beyond.push_back(std::move(all[i]));
    } else if (link > 0 && chain.links[link - 1] == i) {
      list.begun.push_back(std::move(all[i]));
      --link;
    } else if (link == chain.links.size()) {
      list.older.push_back(std::move(all[i]));
    } else {
      list.taken_out.push_back(all[i].number);
    }
  }
  list.first = chain.links.size() - 1 - wanted_link;
}

// Judges a last file without a valid start.
absl::Status take_unbegun(FileSystem& files, const RecoveryOptions& options,
                          std::vector<SegmentFile>& all, SegmentList& list) {
  if (all.empty() || all.back().begun) return absl::OkStatus();
  if (absl::Status status = check_unbegun(files, options, all.back()); !status.ok()) {
    if (!options.member || !absl::IsDataLoss(status)) return status;
    list.damage = std::string(status.message());
    list.next_segment = all.back().number + 1;
    return absl::OkStatus();
  }
  list.unbegun = std::move(all.back());
  list.next_segment = list.unbegun->number;
  all.pop_back();
  const bool follows = all.empty() || list.unbegun->number == all.back().number + 1;
  if (follows) return absl::OkStatus();
  const absl::Status status = missing(options, all.back().number + 1);
  if (!options.member) return status;
  list.damage = std::string(status.message());
  list.claim_unknown = true;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SegmentList> list_segments(FileSystem& files, const RecoveryOptions& options) {
  SegmentList list;
  auto found = read_starts(files, options, list.spares);
  if (!found.ok()) return found.status();
  std::vector<SegmentFile> all = *std::move(found);
  if (!all.empty()) list.next_segment = all.back().number + 1;
  if (absl::Status status = take_unbegun(files, options, all, list); !status.ok()) return status;
  if (all.empty()) {
    const bool newborn = options.cut.lsn == Lsn{0} && list.next_segment == 1;
    if (newborn) return list;
    if (!options.member) return log_missing(options);
    list.damage = std::string(log_missing(options).message());
    list.claim_unknown = true;
    return list;
  }
  Chain chain = walk_back(options, all, all.size());
  while (!chain.status.ok()) {
    if (!options.member) return chain.status;
    if (list.damage.empty()) list.damage = std::string(chain.status.message());
    if (chain.broken == 0) {
      list.beyond = std::move(all);
      return list;
    }
    chain = walk_back(options, all, chain.broken);
  }
  const size_t wanted_link = chain.links.size() - 1;
  extend_back(all, chain);
  take_chain(all, chain, wanted_link, list);
  return list;
}

}  // namespace kvorum::storage
