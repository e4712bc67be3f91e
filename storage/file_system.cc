#include "storage/file_system.h"

namespace kvorum::storage {

absl::StatusOr<std::unique_ptr<File>> create_anew(FileSystem& files, const std::string& path) {
  absl::Status removed = files.remove(path);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  return files.open(path, OpenMode::kCreate);
}

}  // namespace kvorum::storage
