#include "tools/log_cursor.h"

#include <utility>

#include "base/text.h"
#include "storage/recovery_segments.h"

namespace kvorum::tools {
namespace {

constexpr size_t kSliceBytes = size_t{1} << 20;

}  // namespace

absl::StatusOr<storage::Identity> identity_of(storage::FileSystem& files,
                                              const std::string& directory) {
  auto identity = storage::read_identity(files, directory);
  if (!absl::IsNotFound(identity.status())) return identity;
  return absl::FailedPreconditionError(
      base::concat(directory, ": not a kvorum data directory: it has no identity file"));
}

absl::StatusOr<std::unique_ptr<LogCursor>> LogCursor::open(storage::FileSystem& files,
                                                           const std::string& directory,
                                                           const From& from) {
  const auto identity = identity_of(files, directory);
  if (!identity.ok()) return identity.status();
  storage::RecoveryOptions options;
  options.directory = directory;
  options.identity = *identity;
  options.read_only = true;
  options.member = from.damage_ends;
  options.cut = from.behind;
  options.cut_hlc = from.hlc;
  if (from.oldest) {
    const auto list = storage::list_segments(files, options);
    if (!list.ok()) return list.status();
    if (!list->begun.empty()) options.cut = list->begun.front().header.last;
  }
  auto reader = storage::RecoveryReader::open(files, options);
  if (!reader.ok()) return reader.status();
  std::unique_ptr<LogCursor> cursor(new LogCursor());
  cursor->identity_ = *identity;
  cursor->reader_ = *std::move(reader);
  return cursor;
}

absl::StatusOr<const storage::RecordView*> LogCursor::next() {
  if (index_ == slice_.records().size()) {
    index_ = 0;
    const auto more = reader_->read_some(kSliceBytes, slice_);
    if (!more.ok()) return more.status();
    if (!*more) return nullptr;
  }
  return &slice_.records()[index_++];
}

}  // namespace kvorum::tools
