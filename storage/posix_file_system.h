// Real files. Any thread; a File by one thread at a time.
#pragma once

#include <memory>

#include "storage/file_system.h"

namespace kvorum::storage {

[[nodiscard]] std::unique_ptr<FileSystem> make_posix_file_system();

}  // namespace kvorum::storage
