#include "server/node/cluster/birth_file.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/text.h"
#include "resp/parser.h"
#include "server/node/cluster/peer_fields.h"
#include "storage/crc32c.h"
#include "storage/segment.h"

namespace kvorum::server {
namespace {

constexpr std::string_view kName = "birth";
constexpr std::string_view kTemporaryName = "birth.tmp";
constexpr uint64_t kMaxBytes = 1024 * 1024;

// The message as it travels, and the CRC-32C of it in a line of its own.
std::string print(const peer::Birth& birth) {
  std::string text = peer::encode(birth);
  text += base::concat("checksum ", peer::hex(uint64_t{storage::crc32c(text)}), "\n");
  return text;
}

absl::StatusOr<std::string> read(storage::FileSystem& files, const std::string& path) {
  auto file = files.open(path, storage::OpenMode::kRead);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->size();
  if (!size.ok()) return size.status();
  if (*size > kMaxBytes) return std::string();  // not one of ours
  std::string text(*size, '\0');
  const absl::StatusOr<size_t> got = (*file)->read_at(0, text.data(), text.size());
  if (!got.ok()) return got.status();
  text.resize(*got);
  return text;
}

bool parse(std::string_view text, peer::Birth& birth) {
  const size_t end = text.rfind("checksum ");
  if (end == std::string_view::npos) return false;
  peer::PartAssembler assembler;
  const auto whole = assembler.add({.last = true, .bytes = std::string(text.substr(0, end))});
  if (!whole.ok()) return false;
  auto message = peer::decode({}, assembler.arguments());
  if (!message.ok() || !std::holds_alternative<peer::Birth>(*message)) return false;
  birth = std::get<peer::Birth>(*std::move(message));
  return print(birth) == text;  // there is one way to write it
}

}  // namespace

absl::Status save_birth(storage::FileSystem& files, const std::string& directory,
                        const peer::Birth& birth) {
  const std::string temporary = storage::join_path(directory, kTemporaryName);
  const std::string text = print(birth);
  auto file = files.open(temporary, storage::OpenMode::kCreate);
  if (absl::IsAlreadyExists(file.status())) {  // of a birth that was cut short
    if (absl::Status status = files.remove(temporary); !status.ok()) return status;
    file = files.open(temporary, storage::OpenMode::kCreate);
  }
  if (!file.ok()) return file.status();
  const std::array<std::string_view, 1> pieces = {text};
  if (absl::Status status = (*file)->write_at(0, pieces); !status.ok()) return status;
  if (absl::Status status = (*file)->sync(); !status.ok()) return status;
  const std::string path = storage::join_path(directory, kName);
  if (absl::Status status = files.rename(temporary, path); !status.ok()) return status;
  return files.sync_directory(directory);
}

absl::StatusOr<peer::Birth> load_birth(storage::FileSystem& files, const std::string& directory) {
  const std::string path = storage::join_path(directory, kName);
  const absl::StatusOr<std::string> text = read(files, path);
  if (!text.ok()) return text.status();
  peer::Birth birth;
  if (parse(*text, birth)) return birth;
  return absl::DataLossError(base::concat(
      path, ": damaged; copy it from another node of this cluster: all have the same"));
}

}  // namespace kvorum::server
