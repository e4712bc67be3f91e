#include "tests/unit/storage/snapshot_test_files.h"

#include <gtest/gtest.h>

#include <utility>

namespace kvorum::storage {

SnapshotInfo test_info(uint64_t hlc) {
  SnapshotInfo info;
  for (size_t i = 0; i < info.incarnation.size(); ++i) {
    info.incarnation[i] = static_cast<uint8_t>(i + 1);
  }
  info.node = NodeId{3};
  info.position = {Term{2}, Lsn{7}};
  info.hlc = Hlc{hlc};
  info.wall_ms = 1'700'000'000'000;
  info.membership = "members";
  return info;
}

std::string write_snapshot(FileSystem& files, const std::vector<UnwrittenBlock>& blocks,
                           uint64_t lsn) {
  EXPECT_TRUE(files.create_directory("d").ok());
  auto file = SnapshotFile::create(files, "d", Lsn{lsn});
  EXPECT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->write(blocks).ok());
  EXPECT_TRUE((*file)->sync().ok());
  EXPECT_TRUE((*file)->publish().ok());
  return (*file)->path();
}

std::vector<UnwrittenBlock> all_blocks(SnapshotWriter& writer) {
  while (writer.step(100)) {
  }
  return writer.take_blocks();
}

absl::StatusOr<std::unique_ptr<Keyspace>> load_snapshot(FileSystem& files,
                                                        const std::string& path) {
  auto reader = SnapshotReader::open(files, path);
  if (!reader.ok()) return reader.status();
  auto keyspace = std::make_unique<Keyspace>((*reader)->info().hash_seed);
  SnapshotLoader loader(*keyspace, **reader, 1'700'000'000'000);
  for (SnapshotBlock block;;) {
    const absl::StatusOr<bool> more = (*reader)->read_block(block);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (absl::Status status = loader.add(block); !status.ok()) return status;
  }
  if (absl::Status status = loader.finish(); !status.ok()) return status;
  return keyspace;
}

}  // namespace kvorum::storage
