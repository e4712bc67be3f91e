// kvorum-wal: shows and verifies what a data directory holds, without a server and without changing
// anything.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "storage/orphan_file.h"
#include "storage/posix_file_system.h"
#include "storage/segment.h"
#include "storage/snapshot_reader.h"
#include "tools/directory_check.h"
#include "tools/segment_dump.h"

namespace kvorum::tools {
namespace {

constexpr int kGood = 0;
constexpr int kDamaged = 1;
constexpr int kUnusable = 2;

constexpr std::string_view kHelp =
    "usage: kvorum-wal dump DIR|FILE...\n"
    "       kvorum-wal verify DIR|FILE...\n"
    "\n"
    "dump    prints every frame, record and effect of the segments and of the orphaned records of\n"
    "        a data directory, or of such files. Keys and values are escaped; long ones are cut.\n"
    "verify  reads everything and checks every byte: a data directory as a start would (identity,\n"
    "        snapshots, the whole log, orphaned records), a file of it by itself. Damage is\n"
    "        reported with file, offset and reason.\n"
    "\n"
    "orphaned-TERM-LSN.wal holds the records, from that one on, that a returning old leader had\n"
    "to drop: they were never committed.\n"
    "\n"
    "Nothing is changed, no lock is taken; beside a running server the newest batch may look "
    "torn.\n"
    "A log that ends in a torn tail is sound: a power cut leaves that, and nothing in it was "
    "synced.\n"
    "\n"
    "exit status: 0 all is sound, 1 something is damaged, 2 wrong usage or nothing to read\n";

void print_line(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

int report(const absl::Status& status) {
  if (status.ok()) return kGood;
  const std::string message(status.message());
  std::fprintf(stderr, "kvorum-wal: %s\n", message.c_str());
  return absl::IsDataLoss(status) ? kDamaged : kUnusable;
}

bool is_snapshot(const std::string& path) { return path.ends_with(".kvs"); }

bool is_orphan_file(const std::string& path) {
  return storage::is_orphan_file_name(std::string_view(path).substr(path.find_last_of('/') + 1));
}

absl::StatusOr<SegmentSummary> walk(storage::FileSystem& files, const std::string& path,
                                    const std::function<void(std::string_view)>& line) {
  return is_orphan_file(path) ? walk_orphan_file(files, path, line)
                              : walk_segment(files, path, line);
}

int dump_log_file(storage::FileSystem& files, const std::string& path) {
  print_line(base::concat("file ", path));
  return report(walk(files, path, print_line).status());
}

// The segments, then what was orphaned.
int dump_directory(storage::FileSystem& files, const std::string& directory) {
  const auto names = files.list(directory);
  if (!names.ok()) return report(names.status());
  std::vector<std::string> chosen;
  for (const std::string& name : *names) {
    if (storage::parse_segment_file_name(name).has_value()) chosen.push_back(name);
  }
  for (const std::string& name : *names) {
    if (storage::is_orphan_file_name(name)) chosen.push_back(name);
  }
  int result = kGood;
  for (const std::string& name : chosen) {
    result = std::max(result, dump_log_file(files, storage::join_path(directory, name)));
  }
  if (!chosen.empty()) return result;
  return report(absl::NotFoundError(base::concat(directory, ": no segments")));
}

int dump_file(storage::FileSystem& files, const std::string& path) {
  if (!is_snapshot(path)) return dump_log_file(files, path);
  return report(absl::InvalidArgumentError(
      base::concat(path, ": a snapshot; dump shows segments, verify checks both")));
}

int verify_file(storage::FileSystem& files, const std::string& path) {
  if (is_snapshot(path)) {
    const auto snapshot = storage::verify_snapshot(files, path);
    if (!snapshot.ok()) return report(snapshot.status());
    print_line(base::concat(path, ": ok, up to lsn ", snapshot->info.position.lsn.value(), ", ",
                            snapshot->footer.keys, " keys"));
    return kGood;
  }
  const auto segment = walk(files, path, nullptr);
  if (!segment.ok()) return report(segment.status());
  print_line(base::concat(path, ": ok, ", segment->frames, " frames, ", segment->records,
                          " records, valid up to offset ", segment->end, " of ",
                          segment->file_bytes, " (", segment->tail, ")"));
  return kGood;
}

int run(storage::FileSystem& files, std::string_view command, const std::string& path) {
  std::error_code error;
  const bool directory = std::filesystem::is_directory(path, error);
  if (command == "dump") {
    return directory ? dump_directory(files, path) : dump_file(files, path);
  }
  return directory ? report(verify_directory(files, path, print_line)) : verify_file(files, path);
}

int main_with(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument != "--help" && argument != "-h") continue;
    std::fwrite(kHelp.data(), 1, kHelp.size(), stdout);
    return kGood;
  }
  const bool known = arguments.size() >= 2 && (arguments[0] == "dump" || arguments[0] == "verify");
  if (!known) {
    std::fwrite(kHelp.data(), 1, kHelp.size(), stderr);
    return kUnusable;
  }
  const auto files = storage::make_posix_file_system();
  int result = kGood;
  for (size_t i = 1; i < arguments.size(); ++i) {
    result = std::max(result, run(*files, arguments[0], arguments[i]));
  }
  return result;
}

}  // namespace
}  // namespace kvorum::tools

int main(int argc, char** argv) {
  return kvorum::tools::main_with(std::vector<std::string>(argv + 1, argv + argc));
}
