// One node's storage without the node, for tests: opens a data directory, recovers its log, appends
// to it, and remembers what came back. Single-threaded.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "storage/file_system.h"
#include "storage/hlc.h"
#include "storage/identity.h"
#include "storage/recovery.h"
#include "storage/wal.h"

namespace kvorum::storage {

// Always the same identity, for node 1.
[[nodiscard]] Identity test_identity();

// What reading a whole log gave.
struct RecoveredRecords {
  absl::Status status;
  std::vector<std::string> payloads;  // of the records after the cut, in order
  Lsn first_lsn{0};
  std::vector<RecordHeader> headers;  // of the same
  Lsn slice_commit{0};                // as the last slice said
  RecoveredLog log;                   // valid if status is OK
  std::vector<std::string> messages;
};

[[nodiscard]] RecoveredRecords recover_log(FileSystem& files, const RecoveryOptions& options,
                                           size_t slice_bytes = 1 << 16);

class LogDriver {
 public:
  // `options.directory` is the data directory.
  LogDriver(FileSystem& files, WalOptions options);

  // Recover as a member of a cluster does.
  void set_member(bool member) { member_ = member; }
  // Opens the directory, recovers from `cut` on, and begins to write.
  [[nodiscard]] absl::Status start(Position cut = {}, Hlc cut_hlc = {});
  // Forgets everything in memory, as a crash does (also stop() leaves that to the caller).
  void drop();

  // Queues a record of the current term. Returns its lsn.
  Lsn append(std::string_view payload);
  // REQUIRES: the record was appended or recovered by this driver, or is the cut.
  void truncate(Lsn kept);
  void restart_at(Position cut, Hlc cut_hlc);
  // Of a record in the log, or of the cut.
  Position position_of(Lsn lsn) const { return marks_.at(lsn).first; }
  Hlc hlc_of(Lsn lsn) const { return marks_.at(lsn).second; }
  // Takes and runs one job, if there is one. The status of the result; OK if there was none.
  absl::Status run_job(uint64_t now_ms = 0);
  // Runs jobs until nothing is queued.
  absl::Status flush(uint64_t now_ms = 0);
  absl::Status clean_stop(uint64_t now_ms = 0);
  absl::Status retire_before(Lsn lsn, uint64_t wall_ms = 0);

  Wal& wal() { return *wal_; }
  bool running() const { return wal_ != nullptr; }
  const RecoveredRecords& recovered() const { return recovered_; }
  const Identity& identity() const { return directory_.identity; }
  void set_term(Term term) { term_ = term; }
  void set_wall_ms(uint64_t wall_ms) { wall_ms_ = wall_ms; }

 private:
  FileSystem& files_;
  WalOptions options_;
  DataDirectory directory_;
  RecoveredRecords recovered_;
  std::unique_ptr<Wal> wal_;
  HybridLogicalClock clock_;
  bool member_ = false;
  std::map<Lsn, std::pair<Position, Hlc>> marks_;
  Term term_{1};
  uint64_t wall_ms_ = 1'000'000;
  std::string record_;
};

}  // namespace kvorum::storage
