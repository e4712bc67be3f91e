// kvorum-wal: shows, verifies and compares what data directories hold, and restores them, without a
// server and without changing them.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "storage/orphan_file.h"
#include "storage/posix_file_system.h"
#include "storage/segment.h"
#include "storage/snapshot_reader.h"
#include "tools/arguments.h"
#include "tools/directory_check.h"
#include "tools/json.h"
#include "tools/log_diff.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/restore.h"
#include "tools/segment_dump.h"
#include "tools/stats.h"

namespace kvorum::tools {
namespace {

constexpr int kGood = 0;
constexpr int kDamaged = 1;
constexpr int kUnusable = 2;

void print_line(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

bool is_snapshot(const std::string& path) { return path.ends_with(".kvs"); }

bool is_directory(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

class Tool {
 public:
  explicit Tool(Arguments arguments)
      : arguments_(std::move(arguments)), progress_(somebody_watches()) {}

  int run();

 private:
  int report(const absl::Status& status);
  int dump(const std::string& path);
  int dump_directory(const std::string& directory);
  int dump_log_file(const std::string& path);
  int verify(const std::string& path);
  absl::Status verify_file(const std::string& path,
                           const std::function<void(std::string_view)>& line);
  absl::StatusOr<SegmentSummary> walk(const std::string& path, LogVisitor& visitor);
  int stats();
  int diff();
  int restore_directory();

  const Arguments arguments_;
  Progress progress_;
  const std::unique_ptr<storage::FileSystem> files_ = storage::make_posix_file_system();
};

int Tool::report(const absl::Status& status) {
  progress_.clear();
  if (status.ok()) return kGood;
  const std::string message(status.message());
  std::fprintf(stderr, "kvorum-wal: %s\n", message.c_str());
  return absl::IsDataLoss(status) ? kDamaged : kUnusable;
}

int Tool::run() {
  const std::string& command = arguments_.command;
  if (command == "stats") return stats();
  if (command == "diff") return diff();
  if (command == "restore") return restore_directory();
  int result = kGood;
  for (const std::string& path : arguments_.paths) {
    result = std::max(result, command == "dump" ? dump(path) : verify(path));
  }
  return result;
}

int Tool::dump(const std::string& path) {
  if (is_directory(path)) return dump_directory(path);
  if (!is_snapshot(path)) return dump_log_file(path);
  return report(absl::InvalidArgumentError(
      base::concat(path, ": a snapshot; dump shows segments, verify checks both")));
}

// The segments, then what was orphaned.
int Tool::dump_directory(const std::string& directory) {
  const auto names = files_->list(directory);
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
    result = std::max(result, dump_log_file(storage::join_path(directory, name)));
  }
  if (!chosen.empty()) return result;
  return report(absl::NotFoundError(base::concat(directory, ": no segments")));
}

int Tool::dump_log_file(const std::string& path) {
  print_line(arguments_.json ? JsonObject().text("file", path).str() : "file " + path);
  return report(walk(path, *make_printer(arguments_.json)).status());
}

absl::StatusOr<SegmentSummary> Tool::walk(const std::string& path, LogVisitor& visitor) {
  // Lines go where the bar would be.
  Progress none(false);
  Progress& progress = arguments_.command == "dump" ? none : progress_;
  const std::string_view name = std::string_view(path).substr(path.find_last_of('/') + 1);
  return storage::is_orphan_file_name(name) ? walk_orphan_file(*files_, path, visitor, progress)
                                            : walk_segment(*files_, path, visitor, progress);
}

int Tool::verify(const std::string& path) {
  std::vector<std::string> found;
  const auto line = [&](std::string_view text) {
    progress_.clear();
    if (arguments_.json) {
      found.push_back(json_text(text));
    } else {
      print_line(text);
    }
  };
  const absl::Status status = is_directory(path) ? verify_directory(*files_, path, line, progress_)
                                                 : verify_file(path, line);
  if (arguments_.json) {
    JsonObject object;
    object.text("path", path).flag("sound", status.ok()).json("found", json_list(found));
    if (!status.ok()) object.text("error", base::view(status.message()));
    print_line(object.str());
  }
  return report(status);
}

absl::Status Tool::verify_file(const std::string& path,
                               const std::function<void(std::string_view)>& line) {
  if (is_snapshot(path)) {
    const auto snapshot = storage::verify_snapshot(*files_, path);
    if (!snapshot.ok()) return snapshot.status();
    line(base::concat(path, ": ok, up to lsn ", snapshot->info.position.lsn.value(), ", ",
                      snapshot->footer.keys, " keys"));
    return absl::OkStatus();
  }
  LogVisitor nobody;
  const auto segment = walk(path, nobody);
  if (!segment.ok()) return segment.status();
  line(base::concat(path, ": ok, ", segment->frames, " frames, ", segment->records,
                    " records, valid up to offset ", segment->end, " of ", segment->file_bytes,
                    " (", segment->tail, ")"));
  return absl::OkStatus();
}

int Tool::stats() {
  Stats stats;
  int result = kGood;
  for (const std::string& path : arguments_.paths) {
    result = std::max(result, report(stats.add(*files_, path, is_directory(path), progress_)));
  }
  if (result == kUnusable) return result;
  print_line(arguments_.json ? stats.json() : stats.text());
  return result;
}

int Tool::diff() {
  const auto found = diff_logs(*files_, {arguments_.paths[0], arguments_.paths[1]}, progress_);
  if (!found.ok()) return report(found.status());
  print_line(arguments_.json ? found->json() : found->text());
  return found->impossible() ? kDamaged : kGood;
}

int Tool::restore_directory() {
  RestoreOptions options;
  options.from = arguments_.from;
  options.to = arguments_.to;
  options.snapshots = arguments_.snapshots;
  options.until = arguments_.until;
  options.rejoin = arguments_.rejoin;
  std::random_device random;
  for (uint8_t& byte : options.incarnation) byte = static_cast<uint8_t>(random());
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  options.now_ms =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  const auto done = restore(*files_, options, progress_);
  if (!done.ok()) return report(done.status());
  for (const std::string& damage : done->passed_over) {
    std::fprintf(stderr, "kvorum-wal: passed over: %s\n", damage.c_str());
  }
  const uint64_t lsn = done->position.lsn.value();
  if (arguments_.json) {
    JsonObject object;
    object.text("directory", options.to).number("lsn", lsn);
    object.number("term", done->position.term.value()).number("unix_ms", done->unix_ms);
    object.number("snapshot_lsn", done->base.value()).number("records", done->records);
    object.number("keys", done->keys).number("bytes", done->bytes);
    print_line(object.number("commit", done->commit.value()).str());
    return kGood;
  }
  print_line(base::concat(
      options.to, ": restored up to lsn ", lsn, " of term ", done->position.term.value(), ", of ",
      time_text(done->unix_ms), ": ", done->keys, " keys, from ",
      done->base.value() == 0 ? std::string("the log's beginning")
                              : base::concat("the snapshot of lsn ", done->base.value()),
      " and ", done->records, " records"));
  if (done->commit < done->position.lsn) {
    print_line(base::concat("the log calls only lsn ", done->commit.value(),
                            " and what is before committed; what is after may never have been "
                            "answered"));
  }
  return kGood;
}

int main_with(const std::vector<std::string>& words) {
  const auto arguments = parse_arguments(words);
  if (!arguments.ok()) {
    const std::string message(arguments.status().message());
    std::fprintf(stderr, "kvorum-wal: %s\n%.*s", message.c_str(), static_cast<int>(kHelp.size()),
                 kHelp.data());
    return kUnusable;
  }
  if (!arguments->help) return Tool(*arguments).run();
  std::fwrite(kHelp.data(), 1, kHelp.size(), stdout);
  return kGood;
}

}  // namespace
}  // namespace kvorum::tools

int main(int argc, char** argv) {
  return kvorum::tools::main_with(std::vector<std::string>(argv + 1, argv + argc));
}
