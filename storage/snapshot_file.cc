#include "storage/snapshot_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "storage/crc32c.h"

namespace kvorum::storage {

namespace {

constexpr uint64_t kSyncBytes = 4 << 20;
constexpr std::string_view kPrefix = "snapshot-";
constexpr std::string_view kIncomingPrefix = "incoming-";
constexpr std::string_view kSuffix = ".kvs";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr size_t kLsnDigits = 16;

std::string file_path(const std::string& directory, std::string_view prefix, Lsn lsn,
                      std::string_view suffix) {
  std::array<char, kLsnDigits> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), lsn.value(), 16).ptr;
  const auto count = static_cast<size_t>(end - digits.data());
  return base::concat(directory, "/", prefix, std::string(kLsnDigits - count, '0'),
                      std::string_view(digits.data(), count), suffix);
}

// False if `name` is not that of a snapshot with this prefix and suffix.
bool parse_name(std::string_view name, std::string_view prefix, std::string_view suffix, Lsn& lsn) {
  if (name.size() != prefix.size() + kLsnDigits + suffix.size()) return false;
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return false;
  const std::string_view digits = name.substr(prefix.size(), kLsnDigits);
  if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) return false;
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  lsn = Lsn{value};
  return true;
}

}  // namespace

SnapshotFile::SnapshotFile(FileSystem& files, std::string directory, Lsn cut)
    : files_(files),
      directory_(std::move(directory)),
      path_(snapshot_path(directory_, cut)),
      temporary_path_(file_path(directory_, kPrefix, cut, kTemporarySuffix)),
      seed_(crc32c(kSnapshotMagic)) {}

absl::StatusOr<std::unique_ptr<SnapshotFile>> SnapshotFile::create(FileSystem& files,
                                                                   const std::string& directory,
                                                                   Lsn cut) {
  std::unique_ptr<SnapshotFile> snapshot(new SnapshotFile(files, directory, cut));
  absl::StatusOr<std::unique_ptr<File>> file = create_anew(files, snapshot->temporary_path_);
  if (!file.ok()) return file.status();
  snapshot->file_ = *std::move(file);
  const std::string_view magic = kSnapshotMagic;
  if (absl::Status status = snapshot->file_->write_at(0, {&magic, 1}); !status.ok()) return status;
  snapshot->offset_ = magic.size();
  return snapshot;
}

SnapshotFile::~SnapshotFile() {
  if (published_ || file_ == nullptr) return;
  file_.reset();
  // If it stays, the next start or the next snapshot of this cut removes it.
  files_.remove(temporary_path_).IgnoreError();
}

absl::Status SnapshotFile::write(const std::vector<UnwrittenBlock>& blocks) {
  for (const UnwrittenBlock& block : blocks) {
    if (absl::Status status = write_block(block); !status.ok()) return status;
    if (offset_ - synced_offset_ < kSyncBytes) continue;
    if (absl::Status status = file_->sync(); !status.ok()) return status;
    synced_offset_ = offset_;
  }
  return absl::OkStatus();
}

absl::Status SnapshotFile::write_block(const UnwrittenBlock& block) {
  CHECK(!footer_written_) << "a block after the footer";
  CHECK_EQ(block.kind == SnapshotBlockKind::kInfo, next_number_ == 0);
  const std::string_view value = block.value == nullptr ? std::string_view() : block.value->view();
  const SnapshotBlockHeader header{.kind = block.kind,
                                   .database = block.database,
                                   .entries = block.entries,
                                   .number = next_number_,
                                   .payload_bytes = static_cast<uint32_t>(block.size()),
                                   .payload_crc = crc32c(value, crc32c(block.bytes))};
  const SnapshotBlockHeaderBytes head = encode_block_header(header, seed_);
  const std::string_view head_bytes(head.data(), head.size());
  if (next_number_ == 0) seed_ = block_header_crc(head_bytes);

  const std::array<std::string_view, 3> pieces = {head_bytes, block.bytes, value};
  const std::span<const std::string_view> used(pieces.data(), value.empty() ? 2 : 3);
  if (absl::Status status = file_->write_at(offset_, used); !status.ok()) return status;
  offset_ += head.size() + block.size();
  ++next_number_;
  footer_written_ = block.kind == SnapshotBlockKind::kFooter;
  return absl::OkStatus();
}

absl::Status SnapshotFile::sync() {
  CHECK(footer_written_) << "a snapshot without its footer";
  absl::Status status = file_->sync();
  synced_ = status.ok();
  return status;
}

absl::Status SnapshotFile::publish() {
  CHECK(synced_) << "a snapshot that may not survive";
  if (absl::Status status = files_.rename(temporary_path_, path_); !status.ok()) return status;
  published_ = true;
  return files_.sync_directory(directory_);
}

absl::StatusOr<std::vector<SnapshotName>> list_snapshots(FileSystem& files,
                                                         const std::string& directory) {
  absl::StatusOr<std::vector<std::string>> names = files.list(directory);
  if (!names.ok()) return names.status();
  std::vector<SnapshotName> snapshots;
  for (const std::string& name : *names) {
    Lsn lsn;
    if (!parse_name(name, kPrefix, kSuffix, lsn)) continue;
    snapshots.push_back({lsn, base::concat(directory, "/", name)});
  }
  std::sort(snapshots.begin(), snapshots.end(),
            [](const SnapshotName& a, const SnapshotName& b) { return a.lsn < b.lsn; });
  return snapshots;
}

std::string snapshot_path(const std::string& directory, Lsn cut) {
  return file_path(directory, kPrefix, cut, kSuffix);
}

std::string incoming_snapshot_path(const std::string& directory, Lsn cut) {
  return file_path(directory, kIncomingPrefix, cut, kTemporarySuffix);
}

absl::Status remove_unfinished_snapshots(FileSystem& files, const std::string& directory) {
  absl::StatusOr<std::vector<std::string>> names = files.list(directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    Lsn lsn;
    const bool unfinished = parse_name(name, kPrefix, kTemporarySuffix, lsn) ||
                            parse_name(name, kIncomingPrefix, kTemporarySuffix, lsn);
    if (!unfinished) continue;
    absl::Status status = files.remove(base::concat(directory, "/", name));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace kvorum::storage
