#include "storage/fail_point.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"

namespace kvorum::storage {
namespace {

constexpr std::array<std::string_view, 6> kKinds = {"wal",       "snapshot", "identity",
                                                    "directory", "other",    "any"};
constexpr std::array<std::string_view, 14> kOperations = {
    "open", "create",        "read",   "write", "sync", "truncate",
    "size", "rename",        "remove", "list",  "lock", "create_directory",
    "any",  "sync_directory"};
constexpr std::array<std::string_view, 5> kActions = {"kill", "kill-after", "kill-half", "enospc",
                                                      "eio"};

struct FailPoint {
  std::string_view kind;  // of the arrays above
  std::string_view operation;
  std::string_view action;
  uint64_t after = 0;
  uint64_t times = 1;
  uint64_t calls = 0;  // that matched so far
};

template <size_t size>
std::optional<std::string_view> find_word(const std::array<std::string_view, size>& words,
                                          std::string_view word) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return *found;
}

bool parse_count(std::string_view text, uint64_t& count) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc() && end == text.data() + text.size();
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool parse_counts(const std::vector<std::string_view>& parts, FailPoint& point) {
  if (parts.size() % 2 == 0) return false;
  for (size_t i = 1; i < parts.size(); i += 2) {
    if (parts[i] == "after" && parse_count(parts[i + 1], point.after)) continue;
    if (parts[i] != "times") return false;
    if (parts[i + 1] == "always") {
      point.times = std::numeric_limits<uint64_t>::max();
    } else if (!parse_count(parts[i + 1], point.times)) {
      return false;
    }
  }
  return true;
}

std::optional<FailPoint> parse_fail_point(std::string_view text) {
  const size_t equals = text.find('=');
  const size_t dot = text.find('.');
  if (equals == std::string_view::npos || dot == std::string_view::npos || dot > equals) {
    return std::nullopt;
  }
  const auto parts = split(text.substr(dot + 1, equals - dot - 1), ':');
  const auto kind = find_word(kKinds, text.substr(0, dot));
  const auto operation = find_word(kOperations, parts[0]);
  const auto action = find_word(kActions, text.substr(equals + 1));
  if (!kind || !operation || !action) return std::nullopt;
  FailPoint point{.kind = *kind, .operation = *operation, .action = *action};
  if (!parse_counts(parts, point)) return std::nullopt;
  return point;
}

std::string_view kind_of(std::string_view path) {
  const std::string_view name = path.substr(path.find_last_of('/') + 1);
  if (name.starts_with("segment-") || name.starts_with("spare-") || name.starts_with("torn-")) {
    return "wal";
  }
  if (name.starts_with("snapshot")) return "snapshot";
  if (name.starts_with("identity")) return "identity";
  return "other";
}

// The points and their counters, shared by the file system and its files.
class FailPoints {
 public:
  explicit FailPoints(std::vector<FailPoint> points) : points_(std::move(points)) {}

  // The action due at this call; empty for none.
  std::string_view next(std::string_view kind, std::string_view operation) {
    const std::lock_guard<std::mutex> guard(mutex_);
    std::string_view action;
    for (FailPoint& point : points_) {
      if (point.kind != "any" && point.kind != kind) continue;
      if (point.operation != "any" && point.operation != operation) continue;
      const uint64_t call = point.calls++;
      if (call >= point.after && call - point.after < point.times && action.empty()) {
        action = point.action;
      }
    }
    return action;
  }

  // Runs `call`, or what a fail point puts in its place.
  template <typename Call>
  auto run(std::string_view kind, std::string_view operation, const std::string& path,
           const Call& call) -> decltype(call()) {
    const std::string_view action = next(kind, operation);
    if (action == "kill" || action == "kill-half") die();
    if (action == "enospc" || action == "eio") return error(action, operation, path);
    auto result = call();
    if (action == "kill-after") die();
    return result;
  }

  [[noreturn]] static void die() {
    ::kill(::getpid(), SIGKILL);
    while (true) ::pause();
  }

  static absl::Status error(std::string_view action, std::string_view operation,
                            const std::string& path) {
    const std::string message = base::concat("fail point: ", operation, " of ", path);
    if (action == "enospc") return absl::ResourceExhaustedError(message + ": no space left");
    return absl::DataLossError(message + ": input/output error");
  }

 private:
  std::mutex mutex_;
  std::vector<FailPoint> points_;
};

class FailPointFile final : public File {
 public:
  FailPointFile(FailPoints& points, std::unique_ptr<File> file, std::string path)
      : points_(points), file_(std::move(file)), path_(std::move(path)), kind_(kind_of(path_)) {}

  absl::Status write_at(uint64_t offset, std::span<const std::string_view> pieces) override {
    const std::string_view action = points_.next(kind_, "write");
    if (action == "kill") FailPoints::die();
    if (action == "kill-half" || action == "enospc") {
      const absl::Status status = write_half(offset, pieces);
      if (action == "kill-half") FailPoints::die();
      return status.ok() ? FailPoints::error(action, "write", path_) : status;
    }
    if (action == "eio") return FailPoints::error(action, "write", path_);
    absl::Status status = file_->write_at(offset, pieces);
    if (action == "kill-after") FailPoints::die();
    return status;
  }
  absl::StatusOr<size_t> read_at(uint64_t offset, char* buffer, size_t size) const override {
    return points_.run(kind_, "read", path_, [&] { return file_->read_at(offset, buffer, size); });
  }
  absl::Status sync() override {
    return points_.run(kind_, "sync", path_, [&] { return file_->sync(); });
  }
  void forget_cached(uint64_t offset, uint64_t size) override {
    file_->forget_cached(offset, size);
  }

  absl::Status truncate(uint64_t size) override {
    return points_.run(kind_, "truncate", path_, [&] { return file_->truncate(size); });
  }
  absl::StatusOr<uint64_t> size() const override {
    return points_.run(kind_, "size", path_, [&] { return file_->size(); });
  }

 private:
  absl::Status write_half(uint64_t offset, std::span<const std::string_view> pieces) {
    std::string bytes;
    for (const std::string_view piece : pieces) bytes += piece;
    bytes.resize(bytes.size() / 2);
    const std::array<std::string_view, 1> half = {bytes};
    return file_->write_at(offset, half);
  }

  FailPoints& points_;
  std::unique_ptr<File> file_;
  std::string path_;
  std::string_view kind_;
};

class FailPointFileSystem final : public FileSystem {
 public:
  FailPointFileSystem(FileSystem& files, std::vector<FailPoint> points)
      : files_(files), points_(std::move(points)) {}

  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const std::string_view operation = mode == OpenMode::kCreate ? "create" : "open";
    auto file =
        points_.run(kind_of(path), operation, path, [&] { return files_.open(path, mode); });
    if (!file.ok()) return file;
    return std::make_unique<FailPointFile>(points_, *std::move(file), path);
  }
  absl::Status create_directory(const std::string& path) override {
    return points_.run("directory", "create_directory", path,
                       [&] { return files_.create_directory(path); });
  }
  absl::StatusOr<std::vector<std::string>> list(const std::string& directory) override {
    return points_.run("directory", "list", directory, [&] { return files_.list(directory); });
  }
  absl::Status rename(const std::string& from, const std::string& to) override {
    return points_.run(kind_of(to), "rename", to, [&] { return files_.rename(from, to); });
  }
  absl::Status remove(const std::string& path) override {
    return points_.run(kind_of(path), "remove", path, [&] { return files_.remove(path); });
  }
  absl::Status sync_directory(const std::string& path) override {
    return points_.run("directory", "sync_directory", path,
                       [&] { return files_.sync_directory(path); });
  }
  absl::StatusOr<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return points_.run(kind_of(path), "lock", path, [&] { return files_.lock(path); });
  }

 private:
  FileSystem& files_;
  FailPoints points_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FileSystem>> make_fail_point_file_system(
    FileSystem& files, std::string_view specification) {
  std::vector<FailPoint> points;
  for (const std::string_view part : split(specification, ';')) {
    if (part.empty()) continue;
    const auto point = parse_fail_point(part);
    if (!point.has_value()) {
      return absl::InvalidArgumentError(
          base::concat("not a fail point: \"", part,
                       "\"; expected <kind>.<operation>[:after:<calls>][:times:<n>]=<action>"));
    }
    points.push_back(*point);
  }
  return std::make_unique<FailPointFileSystem>(files, std::move(points));
}

}  // namespace kvorum::storage
