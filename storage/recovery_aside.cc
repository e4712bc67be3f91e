#include "storage/recovery_aside.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "storage/segment.h"

namespace kvorum::storage {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{1} << 20;

// Copies [begin, end) of one file to the front of another.
absl::Status copy_range(FileSystem& files, const std::string& from, const std::string& to,
                        uint64_t begin, uint64_t end) {
  auto source = files.open(from, OpenMode::kRead);
  if (!source.ok()) return source.status();
  auto target = files.open(to, OpenMode::kCreate);
  if (absl::IsAlreadyExists(target.status())) {
    target = files.open(to, OpenMode::kReadWrite);  // from a start that did not get far
  }
  if (!target.ok()) return target.status();
  std::string piece;
  for (uint64_t at = begin; at < end; at += piece.size()) {
    piece.resize(std::min(kPieceBytes, end - at));
    const auto got = (*source)->read_at(at, piece.data(), piece.size());
    if (absl::IsDataLoss(got.status())) break;  // the medium gives no more
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    piece.resize(*got);
    const std::array<std::string_view, 1> pieces = {piece};
    if (absl::Status status = (*target)->write_at(at - begin, pieces); !status.ok()) return status;
  }
  return (*target)->sync();
}

}  // namespace

absl::Status keep_copies(FileSystem& files, const std::string& directory,
                         const RecoveredLog& recovered) {
  if (recovered.torn_begin < recovered.torn_end) {
    const uint64_t segment = recovered.torn_segment;
    absl::Status status =
        copy_range(files, join_path(directory, segment_file_name(segment)),
                   join_path(directory, torn_file_name(segment, recovered.torn_begin)),
                   recovered.torn_begin, recovered.torn_end);
    if (!status.ok()) return status;
  }
  if (recovered.damaged_segment == 0) return absl::OkStatus();
  return copy_range(files, join_path(directory, segment_file_name(recovered.damaged_segment)),
                    join_path(directory, damaged_file_name(recovered.damaged_segment)), 0,
                    UINT64_MAX);
}

absl::Status set_aside(FileSystem& files, const std::string& directory,
                       const std::vector<uint64_t>& segments) {
  if (segments.empty()) return absl::OkStatus();
  for (const uint64_t segment : segments) {
    absl::Status status = files.rename(join_path(directory, segment_file_name(segment)),
                                       join_path(directory, damaged_file_name(segment)));
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return files.sync_directory(directory);
}

}  // namespace kvorum::storage
