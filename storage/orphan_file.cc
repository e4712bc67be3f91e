#include "storage/orphan_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "storage/frame.h"
#include "storage/record.h"
#include "storage/segment.h"

namespace kvorum::storage {
namespace {

constexpr std::string_view kPrefix = "orphaned-";
constexpr std::string_view kOfferedPrefix = "offered-";
constexpr std::string_view kSuffix = ".wal";
constexpr std::string_view kTemporaryName = "orphaned.tmp";
constexpr size_t kFrameBytes = size_t{1} << 20;
constexpr size_t kMinDigits = 10;

// Receives the file's contents in order.
using Sink = std::function<absl::Status(uint64_t offset, std::string_view bytes)>;

// Makes the frames. The same records give the same bytes at every start: boot is left at 0.
class OrphanEncoder {
 public:
  OrphanEncoder(const Identity& identity, const Sink& sink) : identity_(identity), sink_(sink) {}

  absl::Status encode(Position first, std::string_view records) {
    last_.lsn = first.lsn.previous();
    if (absl::Status status = put_start(); !status.ok()) return status;
    CHECK(!records.empty());
    while (!records.empty()) {
      if (absl::Status status = put_records(first, records); !status.ok()) return status;
    }
    return put(FrameKind::kCleanStop, last_.lsn.next(), {});
  }

 private:
  absl::Status put_start() {
    SegmentStart start;
    start.node = identity_.node;
    start.incarnation = identity_.incarnation;
    start.instance = identity_.instance;
    std::array<char, kSegmentStartBytes> payload;
    encode_segment_start(start, payload.data());
    return put(FrameKind::kSegmentStart, last_.lsn.next(), {payload.data(), payload.size()});
  }

  // Takes one frame's worth from the front.
  absl::Status put_records(Position first, std::string_view& records) {
    const std::string_view all = records;
    const Lsn frame_first = last_.lsn.next();
    size_t size = 0;
    while (!records.empty()) {
      std::string_view rest = records;
      RecordView record;
      CHECK(decode_record(identity_.incarnation, rest, record) == RecordError::kNone);
      CHECK_EQ(record.header.lsn, last_.lsn.next());
      CHECK(record.header.lsn != first.lsn || record.header.term == first.term);
      if (size > 0 && size + record.bytes.size() > kFrameBytes) break;
      size += record.bytes.size();
      last_ = Position{record.header.term, record.header.lsn};
      records = rest;
    }
    return put(FrameKind::kRecords, frame_first, all.substr(0, size));
  }

  absl::Status put(FrameKind kind, Lsn first_lsn, std::string_view payload) {
    FrameHeader header;
    header.kind = kind;
    header.payload_bytes = static_cast<uint32_t>(payload.size());
    header.offset = offset_;
    header.batch = ++batch_;
    header.first_lsn = first_lsn;
    header.last = last_;
    frame_.assign(frame_bytes(payload.size()), '\0');
    if (!payload.empty()) {
      std::memcpy(frame_.data() + kFrameHeaderBytes, payload.data(), payload.size());
    }
    seal_frame(identity_.instance, header, frame_.data(), frame_.size());
    if (absl::Status status = sink_(offset_, frame_); !status.ok()) return status;
    offset_ += frame_.size();
    return absl::OkStatus();
  }

  const Identity& identity_;
  const Sink& sink_;
  Position last_;
  uint64_t offset_ = 0;
  uint64_t batch_ = 0;
  std::string frame_;
};

std::string digits(uint64_t number) {
  std::string text = std::to_string(number);
  if (text.size() < kMinDigits) text.insert(0, kMinDigits - text.size(), '0');
  return text;
}

// `copy` is 1, 2, 3 …
std::string file_name(Position first, uint64_t copy) {
  return base::concat(kPrefix, digits(first.term.value()), "-", digits(first.lsn.value()),
                      copy == 1 ? "" : base::concat("-", copy), kSuffix);
}

// Whether the file at `path` is what `temporary`, of `size` bytes, is; kNotFound if there is none.
absl::StatusOr<bool> same_contents(FileSystem& files, const std::string& path,
                                   const File& temporary, uint64_t size) {
  const auto file = files.open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  const auto existing_size = (*file)->size();
  if (!existing_size.ok()) return existing_size.status();
  if (*existing_size != size) return false;
  std::string ours(kFrameBytes, '\0');
  std::string theirs(kFrameBytes, '\0');
  for (uint64_t at = 0; at < size; at += kFrameBytes) {
    const auto got = temporary.read_at(at, ours.data(), ours.size());
    if (!got.ok()) return got.status();
    const auto existing = (*file)->read_at(at, theirs.data(), theirs.size());
    if (!existing.ok()) return existing.status();
    if (*got != *existing || std::memcmp(ours.data(), theirs.data(), *got) != 0) return false;
  }
  return true;
}

// Gives the temporary file its name, unless a file with the same contents has one already.
absl::Status publish(FileSystem& files, const std::string& directory, Position first,
                     const File& temporary, std::string& path) {
  const std::string temporary_path = join_path(directory, kTemporaryName);
  const auto size = temporary.size();
  if (!size.ok()) return size.status();
  for (uint64_t copy = 1;; ++copy) {
    path = join_path(directory, file_name(first, copy));
    const auto same = same_contents(files, path, temporary, *size);
    absl::Status status = same.status();
    if (absl::IsNotFound(status)) {
      status = files.rename(temporary_path, path);
    } else if (same.ok()) {
      if (!*same) continue;
      status = files.remove(temporary_path);
    }
    if (!status.ok()) return status;
    // Also where the file was there: perhaps from a start that did not get to this.
    return files.sync_directory(directory);
  }
}

}  // namespace

absl::StatusOr<std::string> write_orphan_file(FileSystem& files, const std::string& directory,
                                              const Identity& identity, Position first,
                                              std::string_view records) {
  const std::string temporary_path = join_path(directory, kTemporaryName);
  auto file = create_anew(files, temporary_path);
  if (!file.ok()) return file.status();
  const Sink write = [&file](uint64_t offset, std::string_view bytes) {
    return (*file)->write_at(offset, {&bytes, 1});
  };
  absl::Status status = OrphanEncoder(identity, write).encode(first, records);
  if (status.ok()) status = (*file)->sync();
  std::string path;
  if (status.ok()) status = publish(files, directory, first, **file, path);
  if (status.ok()) return path;
  files.remove(temporary_path).IgnoreError();
  return status;
}

absl::StatusOr<std::string> read_orphan_file(FileSystem& files, const std::string& path,
                                             const Identity& identity) {
  const auto file = files.open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  std::string contents(*size, '\0');
  const auto read = (*file)->read_at(0, contents.data(), contents.size());
  if (!read.ok()) return read.status();
  std::string records;
  FrameHeader header;
  for (size_t at = 0; at < *read; at += frame_bytes(header.payload_bytes)) {
    const std::string_view rest = std::string_view(contents).substr(at, *read - at);
    const bool valid = decode_frame_header(identity.instance, rest, header) == FrameError::kNone &&
                       check_frame_payload(identity.instance, header, rest) == FrameError::kNone &&
                       header.offset == at;
    if (!valid) return absl::DataLossError(base::concat(path, ": damaged at offset ", at));
    if (header.kind == FrameKind::kCleanStop) return records;
    if (header.kind != FrameKind::kRecords) continue;
    std::string_view payload = rest.substr(kFrameHeaderBytes, header.payload_bytes);
    records += payload;
    for (RecordView record; !payload.empty();) {
      if (decode_record(identity.incarnation, payload, record) == RecordError::kNone) continue;
      return absl::DataLossError(base::concat(path, ": a damaged record at offset ", at));
    }
  }
  return absl::DataLossError(base::concat(path, ": cut short"));
}

absl::StatusOr<std::string> mark_offered(FileSystem& files, const std::string& directory,
                                         const std::string& path) {
  const size_t name = path.rfind(kPrefix);
  CHECK(name != std::string::npos) << path;
  const std::string offered =
      join_path(directory, base::concat(kOfferedPrefix, path.substr(name + kPrefix.size())));
  absl::Status status = files.rename(path, offered);
  if (status.ok()) status = files.sync_directory(directory);
  if (!status.ok()) return status;
  return offered;
}

absl::StatusOr<std::vector<std::string>> list_orphan_files(FileSystem& files,
                                                           const std::string& directory) {
  const auto names = files.list(directory);
  if (!names.ok()) return names.status();
  std::vector<std::string> paths;
  for (const std::string& name : *names) {
    if (is_orphan_file_name(name) && name.starts_with(kPrefix)) {
      paths.push_back(join_path(directory, name));
    }
  }
  return paths;
}

bool is_orphan_file_name(std::string_view name) {
  const std::string_view prefix = name.starts_with(kOfferedPrefix) ? kOfferedPrefix : kPrefix;
  if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) return false;
  name.remove_prefix(prefix.size());
  if (name.size() <= kSuffix.size()) return false;
  name.remove_suffix(kSuffix.size());
  return name.find_first_not_of("0123456789-") == std::string_view::npos;
}

}  // namespace kvorum::storage
