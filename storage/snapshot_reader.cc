#include "storage/snapshot_reader.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "storage/crc32c.h"

namespace kvorum::storage {

SnapshotReader::SnapshotReader(std::string path, std::unique_ptr<File> file, uint64_t file_bytes)
    : path_(std::move(path)),
      file_(std::move(file)),
      file_bytes_(file_bytes),
      seed_(crc32c(kSnapshotMagic)) {}

absl::StatusOr<std::unique_ptr<SnapshotReader>> SnapshotReader::open(FileSystem& files,
                                                                     const std::string& path) {
  absl::StatusOr<std::unique_ptr<File>> file = files.open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->size();
  if (!size.ok()) return size.status();
  std::unique_ptr<SnapshotReader> reader(new SnapshotReader(path, *std::move(file), *size));
  if (absl::Status status = reader->open_info(); !status.ok()) return status;
  return reader;
}

absl::Status SnapshotReader::damaged(uint64_t offset, std::string_view reason) const {
  return absl::DataLossError(base::concat(path_, ": offset ", offset, ": ", reason));
}

absl::Status SnapshotReader::read_exactly(uint64_t offset, char* to, size_t size) {
  if (offset > file_bytes_ || size > file_bytes_ - offset) {
    return damaged(offset, base::concat("cut short: ", size, " bytes expected, ",
                                        file_bytes_ - std::min(offset, file_bytes_), " there"));
  }
  const absl::StatusOr<size_t> read = file_->read_at(offset, to, size);
  if (!read.ok()) return read.status();
  if (*read != size) return damaged(offset + *read, "cut short while it is read");
  return absl::OkStatus();
}

absl::Status SnapshotReader::open_info() {
  std::string magic(kSnapshotMagic.size(), '\0');
  if (file_bytes_ < magic.size()) return damaged(0, "too short to be a snapshot");
  if (absl::Status status = read_exactly(0, magic.data(), magic.size()); !status.ok()) {
    return status;
  }
  if (magic != kSnapshotMagic) {
    return absl::FailedPreconditionError(base::concat(path_, ": offset 0: not a kvorum snapshot"));
  }
  offset_ = magic.size();
  SnapshotBlock block;
  if (absl::Status status = read_next(block); !status.ok()) return status;
  switch (decode_snapshot_info(block.payload, info_)) {
    case SnapshotInfoError::kNone:
      return absl::OkStatus();
    case SnapshotInfoError::kMalformed:
      return damaged(block.offset, "malformed first block");
    case SnapshotInfoError::kVersion:
      return absl::FailedPreconditionError(
          base::concat(path_, ": a snapshot of another version; this program reads version ",
                       kSnapshotFormatVersion));
    case SnapshotInfoError::kPartitionCount:
      return absl::FailedPreconditionError(
          base::concat(path_, ": made with another number of partitions than ", kPartitionCount));
  }
  return absl::InternalError("unreachable");
}

absl::StatusOr<bool> SnapshotReader::read_block(SnapshotBlock& block) {
  if (footer_read_) {
    if (offset_ != file_bytes_) return damaged(offset_, "bytes after the footer");
    return false;
  }
  if (absl::Status status = read_next(block); !status.ok()) return status;
  return true;
}

absl::Status SnapshotReader::read_next(SnapshotBlock& block) {
  SnapshotBlockHeaderBytes bytes;
  if (absl::Status status = read_exactly(offset_, bytes.data(), bytes.size()); !status.ok()) {
    return status;
  }
  const std::string_view head(bytes.data(), bytes.size());
  SnapshotBlockHeader header;
  if (!decode_block_header(head, seed_, header)) {
    return damaged(offset_, "wrong checksum of a block header");
  }
  if (header.number != next_number_) {
    return damaged(
        offset_, base::concat("block ", header.number, " where block ", next_number_, " belongs"));
  }
  if ((header.kind == SnapshotBlockKind::kInfo) != (next_number_ == 0)) {
    return damaged(offset_, "a block of the wrong kind");
  }
  const uint64_t payload_offset = offset_ + bytes.size();
  if (header.payload_bytes > file_bytes_ - payload_offset) {  // before allocating
    return damaged(payload_offset, base::concat("cut short: a block of ", header.payload_bytes,
                                                " bytes begins here"));
  }
  block.payload.resize(header.payload_bytes);
  absl::Status status = read_exactly(payload_offset, block.payload.data(), block.payload.size());
  if (!status.ok()) return status;
  if (crc32c(block.payload) != header.payload_crc) {
    return damaged(payload_offset, "wrong checksum of a block");
  }
  if (next_number_ == 0) seed_ = block_header_crc(head);
  ++next_number_;
  offset_ = payload_offset + header.payload_bytes;
  footer_read_ = header.kind == SnapshotBlockKind::kFooter;
  block.kind = header.kind;
  block.database = header.database;
  block.entries = header.entries;
  block.offset = payload_offset;
  block.end_offset = offset_;
  return absl::OkStatus();
}

}  // namespace kvorum::storage
