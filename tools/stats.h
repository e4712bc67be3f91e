// What is in a log, counted. Blocks on the disk; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "storage/file_system.h"
#include "storage/snapshot_format.h"
#include "tools/progress.h"
#include "tools/segment_dump.h"

namespace kvorum::tools {

class Stats final : public LogVisitor {
 public:
  // A data directory, or one file of a log. Everything that is written there counts, records that a
  // later segment has superseded too. kDataLoss: the figures end before damage.
  [[nodiscard]] absl::Status add(storage::FileSystem& files, const std::string& path,
                                 bool directory, Progress& progress);

  [[nodiscard]] std::string text() const;  // some lines, the last one without its end
  [[nodiscard]] std::string json() const;

  void frame(const storage::FrameHeader& header) override;
  void record(const storage::RecordView& record) override;
  void effect(const storage::Effect& effect) override;

 private:
  struct Snapshot {
    std::string path;
    uint64_t bytes = 0;
    storage::SnapshotInfo info;
  };
  struct Files {
    uint64_t files = 0;
    uint64_t bytes = 0;
  };

  absl::Status add_directory(storage::FileSystem& files, const std::string& directory,
                             Progress& progress);
  absl::Status add_log_file(storage::FileSystem& files, const std::string& path, Files& kind,
                            Progress& progress);
  absl::Status add_snapshot(storage::FileSystem& files, const std::string& path);
  absl::Status add_size(storage::FileSystem& files, const std::string& path, Files& kind);

  Files segments_, orphaned_, spare_, aside_;
  uint64_t valid_bytes_ = 0;  // of segments and orphaned records
  std::vector<Snapshot> snapshots_;
  std::map<std::string_view, uint64_t> frames_, records_, effects_;  // by kind
  uint64_t record_count_ = 0, record_bytes_ = 0;
  uint64_t largest_bytes_ = 0;
  storage::Lsn largest_{0}, first_{0}, last_{0};
  storage::Term first_term_{0}, last_term_{0};
  uint64_t first_ms_ = 0, last_ms_ = 0;  // Unix time
};

}  // namespace kvorum::tools
