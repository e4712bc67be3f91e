#include "storage/identity.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/check.h"
#include "base/text.h"
#include "storage/crc32c.h"
#include "storage/segment.h"

namespace kvorum::storage {
namespace {

constexpr std::string_view kIdentityName = "identity";
constexpr std::string_view kTemporaryName = "identity.tmp";
constexpr std::string_view kLockName = "lock";
constexpr std::string_view kTitle = "kvorum data directory, format ";
constexpr std::string_view kSnapshotSuffix = ".kvs";
constexpr size_t kMaxIdentityBytes = 4096;

std::string hex(std::string_view bytes) {
  return absl::BytesToHexString({bytes.data(), bytes.size()});
}

template <size_t size>
std::string hex(const std::array<uint8_t, size>& bytes) {
  return hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(number));
  return text;
}

std::string hex(uint32_t number) {
  char text[9];
  std::snprintf(text, sizeof(text), "%08x", number);
  return text;
}

// Text, so that people can read it; the last line is the CRC-32C of the lines before it.
std::string print_identity(const Identity& identity) {
  std::string text =
      base::concat(kTitle, kIdentityFormatVersion, "\nnode ", identity.node.value(),
                   "\nincarnation ", hex(identity.incarnation), "\ninstance ",
                   hex(identity.instance), "\nhash-seed ", hex(identity.hash_seed), "\npartitions ",
                   identity.partition_count, "\nboot ", identity.boot, "\n");
  if (identity.has_log) text += "log 1\n";
  if (identity.restored) text += "restored 1\n";
  text += base::concat("checksum ", hex(crc32c(text)), "\n");
  return text;
}

// Takes "<name> <value>\n" from the front of `text`.
bool take_line(std::string_view& text, std::string_view name, std::string_view& value) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(name)) return false;
  value = text.substr(name.size(), end - name.size());
  if (!value.starts_with(' ')) return false;
  value.remove_prefix(1);
  text.remove_prefix(end + 1);
  return true;
}

template <typename Integer>
bool parse_number(std::string_view text, int base, Integer& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size();
}

template <size_t size>
bool parse_hex(std::string_view text, std::array<uint8_t, size>& bytes) {
  if (text.size() != 2 * size) return false;
  for (size_t i = 0; i < size; ++i) {
    if (!parse_number(text.substr(2 * i, 2), 16, bytes[i])) return false;
  }
  return true;
}

absl::StatusOr<Identity> parse_identity(const std::string& path, std::string_view text) {
  const absl::Status damaged = absl::DataLossError(base::concat(
      path, ": damaged; restore it from a copy: without it the log beside it cannot be read"));
  const size_t title_end = text.find('\n');
  uint32_t version = 0;
  if (title_end == std::string_view::npos || !text.starts_with(kTitle) ||
      !parse_number(text.substr(kTitle.size(), title_end - kTitle.size()), 10, version)) {
    return damaged;
  }
  if (version > kIdentityFormatVersion) {
    return absl::FailedPreconditionError(base::concat(path, ": written by a newer version (format ",
                                                      version, ", this program knows up to ",
                                                      kIdentityFormatVersion, ")"));
  }
  std::string_view rest = text.substr(title_end + 1);
  Identity identity;
  uint16_t node = 0;
  std::string_view value;
  const bool parsed =
      take_line(rest, "node", value) && parse_number(value, 10, node) &&
      take_line(rest, "incarnation", value) && parse_hex(value, identity.incarnation) &&
      take_line(rest, "instance", value) && parse_hex(value, identity.instance) &&
      take_line(rest, "hash-seed", value) && parse_number(value, 16, identity.hash_seed) &&
      take_line(rest, "partitions", value) && parse_number(value, 10, identity.partition_count) &&
      take_line(rest, "boot", value) && parse_number(value, 10, identity.boot);
  if (take_line(rest, "log", value)) identity.has_log = value == "1";
  if (take_line(rest, "restored", value)) identity.restored = value == "1";
  identity.node = NodeId{node};
  // There is one way to write an identity: what prints otherwise is not what was written.
  if (!parsed || print_identity(identity) != text) return damaged;
  return identity;
}

absl::Status write_identity(FileSystem& files, const std::string& path, const Identity& identity) {
  const std::string temporary = join_path(path, kTemporaryName);
  const std::string text = print_identity(identity);
  auto file = create_anew(files, temporary);
  if (!file.ok()) return file.status();
  const std::array<std::string_view, 1> pieces = {text};
  if (absl::Status status = (*file)->write_at(0, pieces); !status.ok()) return status;
  if (absl::Status status = (*file)->sync(); !status.ok()) return status;
  if (absl::Status status = files.rename(temporary, join_path(path, kIdentityName)); !status.ok()) {
    return status;
  }
  return files.sync_directory(path);
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// Makes the directory and what is missing above it, and all their names durable.
absl::Status make_directory(FileSystem& files, const std::string& path) {
  std::vector<std::string> parents = {parent_of(path)};
  while (parents.back().size() > 1 && absl::IsNotFound(files.list(parents.back()).status())) {
    parents.push_back(parent_of(parents.back()));
  }
  if (absl::Status status = files.create_directory(path); !status.ok()) return status;
  for (const std::string& parent : parents) {
    if (absl::Status status = files.sync_directory(parent); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Without an identity file, only a directory with nothing of anybody else's may become ours.
absl::Status check_empty(const std::string& path, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name == kLockName || name == kTemporaryName || name == "lost+found") continue;
    return absl::FailedPreconditionError(base::concat(
        path, ": not a kvorum data directory: it has no identity file and is not empty (",
        absl::CHexEscape(name), "); give an empty or a new directory"));
  }
  return absl::OkStatus();
}

// Directories of the first versions do not say so.
absl::StatusOr<bool> holds_log(FileSystem& files, const std::string& path) {
  const auto names = files.list(path);
  if (!names.ok()) return names.status();
  return std::any_of(names->begin(), names->end(), [](const std::string& name) {
    return parse_segment_file_name(name).has_value() || name.ends_with(kSnapshotSuffix);
  });
}

absl::Status rewrite(FileSystem& files, DataDirectory& directory, const Identity& identity) {
  absl::Status status = write_identity(files, directory.path, identity);
  if (status.ok()) directory.identity = identity;
  return status;
}

// A backup of one node restores any.
void take_over(Identity& restored, const Identity& newborn) {
  restored.node = newborn.node;
  if (restored.instance == InstanceId{}) restored.instance = newborn.instance;
}

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

absl::StatusOr<Identity> read_or_bear(FileSystem& files, const std::string& path,
                                      const Identity& newborn, bool& born) {
  auto identity = read_identity(files, path);
  born = absl::IsNotFound(identity.status());
  if (!born) return identity;
  const auto names = files.list(path);
  if (!names.ok()) return names.status();
  if (absl::Status status = check_empty(path, *names); !status.ok()) return status;
  Identity result = newborn;
  result.boot = 0;
  result.has_log = false;
  return result;
}

}  // namespace

absl::StatusOr<Identity> read_identity(FileSystem& files, const std::string& path) {
  const std::string name = join_path(path, kIdentityName);
  auto file = files.open(name, OpenMode::kRead);
  if (!file.ok()) return file.status();
  std::string text(kMaxIdentityBytes, '\0');
  const auto got = (*file)->read_at(0, text.data(), text.size());
  if (!got.ok()) return got.status();
  return parse_identity(name, std::string_view(text).substr(0, *got));
}

absl::StatusOr<DataDirectory> open_data_directory(FileSystem& files, const std::string& path,
                                                  const Identity& newborn) {
  const std::string trimmed = without_slashes(path);
  DataDirectory directory;
  directory.path = trimmed;
  const auto before = files.list(trimmed);
  if (absl::IsNotFound(before.status())) {
    if (absl::Status status = make_directory(files, trimmed); !status.ok()) return status;
  } else if (!before.ok()) {
    return before.status();
  } else {
    // Looked at before the lock file is made: not even that goes into somebody else's directory.
    const auto identity = read_or_bear(files, trimmed, newborn, directory.born);
    if (!identity.ok()) return identity.status();
  }
  auto lock = files.lock(join_path(trimmed, kLockName));
  if (absl::IsUnavailable(lock.status())) {
    return absl::UnavailableError(base::concat("another process holds the data directory ", trimmed,
                                               " (its file `lock` is locked)"));
  }
  if (!lock.ok()) return lock.status();
  directory.lock = *std::move(lock);
  const auto identity = read_or_bear(files, trimmed, newborn, directory.born);
  if (!identity.ok()) return identity.status();
  directory.identity = *identity;
  if (identity->restored) take_over(directory.identity, newborn);
  if (directory.identity.node != newborn.node) {
    return absl::FailedPreconditionError(base::concat(
        trimmed, ": belongs to node ", identity->node.value(), ", this is node ",
        newborn.node.value(), ": give the directory of this node, or the id of that one"));
  }
  if (!directory.identity.has_log && !directory.identity.restored) {
    const auto held = holds_log(files, trimmed);
    if (!held.ok()) return held.status();
    directory.identity.has_log = *held;
  }
  ++directory.identity.boot;
  if (absl::Status status = write_identity(files, trimmed, directory.identity); !status.ok()) {
    return status;
  }
  return directory;
}

bool is_member(const Identity& identity) { return identity.incarnation != Incarnation{}; }

absl::Status join_cluster(FileSystem& files, DataDirectory& directory,
                          const Incarnation& incarnation, uint64_t hash_seed) {
  CHECK(!is_member(directory.identity) && !directory.identity.has_log);
  CHECK(incarnation != Incarnation{});
  Identity identity = directory.identity;
  identity.incarnation = incarnation;
  identity.hash_seed = hash_seed;
  return rewrite(files, directory, identity);
}

absl::Status note_log(FileSystem& files, DataDirectory& directory) {
  if (directory.identity.has_log) return absl::OkStatus();
  Identity identity = directory.identity;
  identity.has_log = true;
  identity.restored = false;
  return rewrite(files, directory, identity);
}

absl::Status renew_instance(FileSystem& files, DataDirectory& directory,
                            const InstanceId& instance) {
  CHECK(instance != directory.identity.instance);
  Identity identity = directory.identity;
  identity.instance = instance;
  identity.has_log = false;
  return rewrite(files, directory, identity);
}

absl::Status begin_restored_directory(FileSystem& files, const std::string& path) {
  const std::string trimmed = without_slashes(path);
  const auto names = files.list(trimmed);
  if (names.ok() && !names->empty()) {
    return absl::AlreadyExistsError(
        base::concat(trimmed, ": exists and is not empty; give a new directory"));
  }
  if (!names.ok() && !absl::IsNotFound(names.status())) return names.status();
  return make_directory(files, trimmed);
}

absl::Status finish_restored_directory(FileSystem& files, const std::string& path,
                                       Identity identity) {
  CHECK(is_member(identity));
  identity.instance = InstanceId{};
  identity.boot = 0;
  identity.has_log = false;
  identity.restored = true;
  return write_identity(files, without_slashes(path), identity);
}

absl::Status remove_restored_directory(FileSystem& files, const std::string& path) {
  const std::string trimmed = without_slashes(path);
  const auto names = files.list(trimmed);
  if (!names.ok()) return names.status();
  if (std::find(names->begin(), names->end(), kIdentityName) != names->end()) {
    return absl::OkStatus();
  }
  absl::Status result;
  for (const std::string& name : *names) result.Update(files.remove(join_path(trimmed, name)));
  return result;
}

}  // namespace kvorum::storage
