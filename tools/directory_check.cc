#include "tools/directory_check.h"

#include "base/text.h"
#include "storage/identity.h"
#include "storage/orphan_file.h"
#include "storage/recovery.h"
#include "storage/recovery_segments.h"
#include "storage/segment.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_reader.h"
#include "tools/segment_dump.h"

namespace kvorum::tools {
namespace {

constexpr size_t kSliceBytes = size_t{1} << 20;

// The newest good snapshot's position is put into `cut`.
absl::Status verify_snapshots(storage::FileSystem& files, const std::string& directory,
                              const std::function<void(std::string_view)>& line,
                              storage::Position& cut) {
  const auto names = list_snapshots(files, directory);
  if (!names.ok()) return names.status();
  absl::Status result;
  for (const storage::SnapshotName& name : *names) {
    const auto report = verify_snapshot(files, name.path);
    if (!report.ok()) {
      result.Update(report.status());
      continue;
    }
    cut = report->info.position;
    line(base::concat(name.path, ": ok, up to lsn ", cut.lsn.value(), ", ", report->footer.keys,
                      " keys, ", report->bytes, " bytes"));
  }
  return result;
}

absl::Status verify_log(storage::FileSystem& files, storage::RecoveryOptions options,
                        const std::function<void(std::string_view)>& line, Progress& progress) {
  const storage::Position snapshot = options.cut;
  const auto list = list_segments(files, options);
  if (!list.ok()) return list.status();
  // Everything that is there, not only what a start would need.
  if (!list->begun.empty()) options.cut = list->begun.front().header.last;
  const auto reader = storage::RecoveryReader::open(files, options);
  if (!reader.ok()) return reader.status();
  storage::RecoverySlice slice;
  uint64_t records = 0;
  progress.begin(base::concat("verify ", options.directory), (*reader)->progress().bytes_total);
  while (true) {
    progress.reach((*reader)->progress().bytes_read);
    const auto more = (*reader)->read_some(kSliceBytes, slice);
    if (!more.ok()) return more.status();
    if (!*more) break;
    records += slice.records().size();
  }
  progress.clear();
  const storage::RecoveredLog& log = (*reader)->result();
  if (log.last.lsn < snapshot.lsn) {
    return absl::DataLossError(base::concat(options.directory, ": the log ends with lsn ",
                                            log.last.lsn.value(), ", before the snapshot's ",
                                            snapshot.lsn.value()));
  }
  line(base::concat(options.directory, ": log ok, ", log.segments.size(), " segments, ", records,
                    " records up to lsn ", log.last.lsn.value(), " of term ", log.last.term.value(),
                    log.clean_stop ? ", cleanly stopped" : ""));
  return absl::OkStatus();
}

absl::Status verify_orphan_files(storage::FileSystem& files, const std::string& directory,
                                 const std::function<void(std::string_view)>& line,
                                 Progress& progress) {
  const auto names = files.list(directory);
  if (!names.ok()) return names.status();
  absl::Status result;
  LogVisitor nobody;
  for (const std::string& name : *names) {
    if (!storage::is_orphan_file_name(name)) continue;
    const std::string path = storage::join_path(directory, name);
    const auto summary = walk_orphan_file(files, path, nobody, progress);
    result.Update(summary.status());
    if (!summary.ok()) continue;
    line(base::concat(path, ": ok, ", summary->records, " orphaned records"));
  }
  return result;
}

}  // namespace

absl::Status verify_directory(storage::FileSystem& files, const std::string& directory,
                              const std::function<void(std::string_view)>& line,
                              Progress& progress) {
  const auto identity = storage::read_identity(files, directory);
  if (absl::IsNotFound(identity.status())) {
    return absl::FailedPreconditionError(
        base::concat(directory, ": not a kvorum data directory: it has no identity file"));
  }
  if (!identity.ok()) return identity.status();
  line(base::concat(storage::join_path(directory, "identity"), ": ok, node ",
                    identity->node.value(), ", boot ", identity->boot,
                    identity->restored ? ", a backup or restored: not started yet" : ""));
  storage::RecoveryOptions options;
  options.directory = directory;
  options.identity = *identity;
  options.read_only = true;
  options.log = line;
  absl::Status result = verify_snapshots(files, directory, line, options.cut);
  if (identity->restored) {
    if (result.ok() && options.cut == storage::Position()) {
      result = absl::DataLossError(
          base::concat(directory, ": a backup or a restored directory without its snapshot"));
    }
    return result;  // there is no log
  }
  result.Update(verify_log(files, options, line, progress));
  result.Update(verify_orphan_files(files, directory, line, progress));
  return result;
}

}  // namespace kvorum::tools
