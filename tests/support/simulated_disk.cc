#include "tests/support/simulated_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace kvorum::storage {
namespace {

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

std::string sector_of(const std::string& data, size_t sector) {
  std::string bytes;
  const size_t begin = sector * SimulatedDisk::kSectorBytes;
  if (begin < data.size()) bytes = data.substr(begin, SimulatedDisk::kSectorBytes);
  bytes.resize(SimulatedDisk::kSectorBytes, '\0');
  return bytes;
}

// What a power cut leaves of one unsynced sector.
std::string torn_sector(const std::string& before, const std::string& after,
                        std::mt19937_64& random) {
  constexpr size_t kHalf = SimulatedDisk::kSectorBytes / 2;
  switch (random() % 3) {
    case 0:
      return after.substr(0, kHalf) + before.substr(kHalf);
    case 1:
      return before.substr(0, kHalf) + after.substr(kHalf);
    default: {
      std::string garbage(SimulatedDisk::kSectorBytes, '\0');
      for (char& byte : garbage) byte = static_cast<char>(random());
      return garbage;
    }
  }
}

}  // namespace

class SimulatedFile final : public File {
 public:
  SimulatedFile(SimulatedDisk& disk, std::shared_ptr<SimulatedDisk::Inode> inode, std::string path)
      : disk_(disk),
        inode_(std::move(inode)),
        path_(std::move(path)),
        generation_(disk.generation_) {}

  absl::Status write_at(uint64_t offset, std::span<const std::string_view> pieces) override {
    const std::lock_guard<std::mutex> guard(disk_.mutex_);
    if (absl::Status status = check_alive(); !status.ok()) return status;
    return disk_.write(*inode_, path_, offset, pieces);
  }

  absl::StatusOr<size_t> read_at(uint64_t offset, char* buffer, size_t size) const override {
    const std::lock_guard<std::mutex> guard(disk_.mutex_);
    if (absl::Status status = begin(DiskOperation::kRead); !status.ok()) return status;
    if (offset >= inode_->data.size()) return size_t{0};
    const size_t count = std::min<uint64_t>(size, inode_->data.size() - offset);
    if (count > 0) std::memcpy(buffer, inode_->data.data() + offset, count);
    return count;
  }

  absl::Status sync() override {
    const std::lock_guard<std::mutex> guard(disk_.mutex_);
    if (absl::Status status = begin(DiskOperation::kSync); !status.ok()) {
      // As Linux does it: what could not be written counts as clean from now on.
      inode_->lost_sectors.merge(inode_->dirty_sectors);
      inode_->dirty_sectors.clear();
      return status;
    }
    SimulatedDisk::sync(*inode_);
    return absl::OkStatus();
  }

  void forget_cached(uint64_t offset, uint64_t size) override {
    const std::lock_guard<std::mutex> guard(disk_.mutex_);
    SimulatedDisk::forget_lost(*inode_, offset, size);
  }

  absl::Status truncate(uint64_t size) override {
    const std::lock_guard<std::mutex> guard(disk_.mutex_);
    if (absl::Status status = begin(DiskOperation::kTruncate); !status.ok()) return status;
    const uint64_t old_size = inode_->data.size();
    inode_->data.resize(size, '\0');
    SimulatedDisk::mark_dirty(*inode_, std::min(old_size, size), std::max(old_size, size));
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> size() const override {
    const std::lock_guard<std::mutex> guard(disk_.mutex_);
    if (absl::Status status = begin(DiskOperation::kSize); !status.ok()) return status;
    return inode_->data.size();
  }

 private:
  absl::Status check_alive() const {
    if (generation_ == disk_.generation_) return absl::OkStatus();
    return absl::InternalError(base::concat(path_, ": opened by a process that is dead"));
  }
  absl::Status begin(DiskOperation operation) const {
    if (absl::Status status = check_alive(); !status.ok()) return status;
    return disk_.begin(operation, path_);
  }

  SimulatedDisk& disk_;
  std::shared_ptr<SimulatedDisk::Inode> inode_;
  std::string path_;
  uint64_t generation_;
};

class SimulatedLock final : public FileLock {
 public:
  SimulatedLock(SimulatedDisk& disk, std::string path)
      : disk_(disk), path_(std::move(path)), generation_(disk.generation_) {}
  ~SimulatedLock() override {
    const std::lock_guard<std::mutex> guard(disk_.mutex_);
    if (generation_ == disk_.generation_) disk_.locked_.erase(path_);
  }

 private:
  SimulatedDisk& disk_;
  std::string path_;
  uint64_t generation_;
};

absl::Status SimulatedDisk::begin(DiskOperation operation, const std::string& path) const {
  ++calls_[static_cast<size_t>(operation)];
  return fault_ == nullptr ? absl::OkStatus() : fault_(operation, path);
}

uint64_t SimulatedDisk::used() const {
  uint64_t sum = 0;
  for (const auto& [path, inode] : names_) sum += inode->data.size();
  return sum;
}

void SimulatedDisk::mark_dirty(Inode& inode, uint64_t begin, uint64_t end) {
  for (uint64_t sector = begin / kSectorBytes; sector * kSectorBytes < end; ++sector) {
    inode.dirty_sectors.insert(sector);
    inode.lost_sectors.erase(sector);
  }
}

absl::Status SimulatedDisk::write(Inode& inode, const std::string& path, uint64_t offset,
                                  std::span<const std::string_view> pieces) {
  absl::Status status = begin(DiskOperation::kWrite, path);
  std::string bytes;
  for (const std::string_view piece : pieces) bytes += piece;
  size_t count = status.ok() ? bytes.size() : bytes.size() / 2;
  const uint64_t others = used() - std::min<uint64_t>(used(), inode.data.size());
  const uint64_t room = capacity_ > others ? capacity_ - others : 0;
  const uint64_t allowed = std::max<uint64_t>(room, inode.data.size());
  if (offset + count > allowed) {
    count = allowed > offset ? allowed - offset : 0;
    if (status.ok())
      status = absl::ResourceExhaustedError(base::concat(path, ": simulated disk full"));
  }
  if (inode.data.size() < offset + count) inode.data.resize(offset + count, '\0');
  std::memcpy(inode.data.data() + offset, bytes.data(), count);
  mark_dirty(inode, offset, offset + count);
  return status;
}

void SimulatedDisk::sync(Inode& inode) {
  inode.durable.resize(inode.data.size(), '\0');
  for (const size_t sector : inode.dirty_sectors) {
    const size_t begin = sector * kSectorBytes;
    if (begin >= inode.data.size()) continue;
    const size_t count = std::min(kSectorBytes, inode.data.size() - begin);
    std::memcpy(inode.durable.data() + begin, inode.data.data() + begin, count);
  }
  inode.dirty_sectors.clear();
}

// Readers see what the medium has.
void SimulatedDisk::forget_lost(Inode& inode, uint64_t offset, uint64_t size) {
  for (auto lost = inode.lost_sectors.begin(); lost != inode.lost_sectors.end();) {
    const size_t sector = *lost;
    const size_t begin = sector * kSectorBytes;
    const bool wanted = begin + kSectorBytes > offset && (size == 0 || begin < offset + size);
    if (!wanted) {
      ++lost;
      continue;
    }
    lost = inode.lost_sectors.erase(lost);
    if (begin >= inode.data.size()) continue;
    const std::string medium = sector_of(inode.durable, sector);
    std::memcpy(inode.data.data() + begin, medium.data(),
                std::min(kSectorBytes, inode.data.size() - begin));
  }
}

void SimulatedDisk::cut(Inode& inode, std::mt19937_64& random) {
  inode.dirty_sectors.merge(inode.lost_sectors);
  inode.lost_sectors.clear();
  if (!inode.dirty()) return;
  const uint64_t keep = random() % 101;  // per cent of the sectors, this time
  const uint64_t tear = random() % 101;  // of the others
  const std::string before = inode.durable;
  std::string& medium = inode.durable;
  const uint64_t smaller = std::min(before.size(), inode.data.size());
  const uint64_t larger = std::max(before.size(), inode.data.size());
  medium.resize(larger, '\0');
  for (const size_t sector : inode.dirty_sectors) {
    const size_t begin = sector * kSectorBytes;
    if (begin >= larger) continue;
    const std::string old_bytes = sector_of(before, sector);
    std::string bytes = sector_of(inode.data, sector);
    if (random() % 100 >= keep) {
      bytes = random() % 100 < tear ? torn_sector(old_bytes, bytes, random) : old_bytes;
    }
    std::memcpy(medium.data() + begin, bytes.data(),
                std::min<size_t>(kSectorBytes, larger - begin));
  }
  const std::array<uint64_t, 3> sizes = {before.size(), inode.data.size(),
                                         smaller + random() % (larger - smaller + 1)};
  medium.resize(sizes[random() % sizes.size()]);
  inode.dirty_sectors.clear();
  inode.data = medium;
}

void SimulatedDisk::apply(const NameChange& change, Names& names) {
  if (!change.from.empty()) {
    const auto found = names.find(change.from);
    if (found != names.end() && found->second == change.inode) names.erase(found);
  }
  if (change.to.empty()) return;
  // Never under two names: if an earlier change was lost that this one builds on, so is this one.
  for (const auto& [name, inode] : names) {
    if (inode == change.inode) return;
  }
  names[change.to] = change.inode;
}

absl::StatusOr<std::unique_ptr<File>> SimulatedDisk::open(const std::string& path, OpenMode mode) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const bool creates = mode == OpenMode::kCreate;
  const auto operation = creates ? DiskOperation::kCreate : DiskOperation::kOpen;
  if (absl::Status status = begin(operation, path); !status.ok()) return status;
  const auto found = names_.find(path);
  if (creates && found != names_.end()) {
    return absl::AlreadyExistsError(base::concat(path, " exists"));
  }
  if (creates && !directories_.contains(parent_of(path))) {
    return absl::NotFoundError(base::concat(path, ": no such directory"));
  }
  if (!creates && found == names_.end())
    return absl::NotFoundError(base::concat(path, ": not found"));
  std::shared_ptr<Inode> inode;
  if (creates) {
    inode = std::make_shared<Inode>();
    names_[path] = inode;
    unsynced_names_.push_back({"", path, inode});
  } else {
    inode = found->second;
  }
  return std::make_unique<SimulatedFile>(*this, std::move(inode), path);
}

absl::Status SimulatedDisk::create_directory(const std::string& path) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (absl::Status status = begin(DiskOperation::kCreateDirectory, path); !status.ok()) {
    return status;
  }
  for (std::string part = path; directories_.insert(part).second;) {
    if (part.find('/') == std::string::npos) break;
    part = parent_of(part);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SimulatedDisk::list(const std::string& directory) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (absl::Status status = begin(DiskOperation::kList, directory); !status.ok()) return status;
  if (!directories_.contains(directory)) {
    return absl::NotFoundError(base::concat(directory, ": no such directory"));
  }
  std::vector<std::string> names;
  for (const auto& [path, inode] : names_) {
    if (parent_of(path) == directory) names.push_back(path.substr(directory.size() + 1));
  }
  return names;
}

absl::Status SimulatedDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (absl::Status status = begin(DiskOperation::kRename, to); !status.ok()) return status;
  const auto found = names_.find(from);
  if (found == names_.end()) return absl::NotFoundError(base::concat(from, ": not found"));
  const NameChange change{from, to, found->second};
  apply(change, names_);
  unsynced_names_.push_back(change);
  return absl::OkStatus();
}

absl::Status SimulatedDisk::remove(const std::string& path) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (absl::Status status = begin(DiskOperation::kRemove, path); !status.ok()) return status;
  const auto found = names_.find(path);
  if (found == names_.end()) return absl::NotFoundError(base::concat(path, ": not found"));
  unsynced_names_.push_back({path, "", found->second});
  names_.erase(found);
  return absl::OkStatus();
}

absl::Status SimulatedDisk::sync_directory(const std::string& path) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (absl::Status status = begin(DiskOperation::kSyncDirectory, path); !status.ok()) return status;
  const auto in_directory = [&path](const NameChange& change) {
    return parent_of(change.to.empty() ? change.from : change.to) == path;
  };
  for (const NameChange& change : unsynced_names_) {
    if (in_directory(change)) apply(change, durable_names_);
  }
  std::erase_if(unsynced_names_, in_directory);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileLock>> SimulatedDisk::lock(const std::string& path) {
  const std::lock_guard<std::mutex> guard(mutex_);
  if (absl::Status status = begin(DiskOperation::kLock, path); !status.ok()) return status;
  if (!locked_.insert(path).second) return absl::UnavailableError(base::concat(path, " is locked"));
  if (!names_.contains(path)) {
    auto inode = std::make_shared<Inode>();
    names_[path] = inode;
    unsynced_names_.push_back({"", path, inode});
  }
  return std::make_unique<SimulatedLock>(*this, path);
}

void SimulatedDisk::crash() {
  const std::lock_guard<std::mutex> guard(mutex_);
  ++generation_;
  locked_.clear();
}

void SimulatedDisk::power_cut(std::mt19937_64& random) {
  const std::lock_guard<std::mutex> guard(mutex_);
  ++generation_;
  locked_.clear();
  // Also files that have lost their name: a lost removal brings it back.
  std::vector<std::shared_ptr<Inode>> inodes;
  const auto add = [&inodes](const std::shared_ptr<Inode>& inode) {
    if (std::find(inodes.begin(), inodes.end(), inode) == inodes.end()) inodes.push_back(inode);
  };
  for (const auto& [path, inode] : durable_names_) add(inode);
  for (const NameChange& change : unsynced_names_) add(change.inode);
  for (const auto& [path, inode] : names_) add(inode);
  for (const auto& inode : inodes) cut(*inode, random);
  for (const NameChange& change : unsynced_names_) {
    if (random() % 2 == 0) apply(change, durable_names_);
  }
  unsynced_names_.clear();
  names_ = durable_names_;
}

void SimulatedDisk::set_fault(
    std::function<absl::Status(DiskOperation, const std::string& path)> fault) {
  const std::lock_guard<std::mutex> guard(mutex_);
  fault_ = std::move(fault);
}

void SimulatedDisk::set_capacity(uint64_t bytes) {
  const std::lock_guard<std::mutex> guard(mutex_);
  capacity_ = bytes;
}

uint64_t SimulatedDisk::used_bytes() const {
  const std::lock_guard<std::mutex> guard(mutex_);
  return used();
}

uint64_t SimulatedDisk::calls(DiskOperation operation) const {
  const std::lock_guard<std::mutex> guard(mutex_);
  return calls_[static_cast<size_t>(operation)];
}

void SimulatedDisk::set_contents(const std::string& path, std::string contents) {
  const std::lock_guard<std::mutex> guard(mutex_);
  auto inode = std::make_shared<Inode>();
  inode->data = contents;
  inode->durable = std::move(contents);
  names_[path] = inode;
  durable_names_[path] = inode;
  directories_.insert(parent_of(path));
}

void SimulatedDisk::flip_bit(const std::string& path, uint64_t offset, int bit) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto found = names_.find(path);
  CHECK(found != names_.end());
  Inode& inode = *found->second;
  const auto mask = static_cast<char>(1 << bit);
  if (offset < inode.data.size()) inode.data[offset] ^= mask;
  if (offset < inode.durable.size()) inode.durable[offset] ^= mask;
}

std::string SimulatedDisk::contents(const std::string& path) const {
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto found = names_.find(path);
  CHECK(found != names_.end()) << path;
  return found->second->data;
}

bool SimulatedDisk::exists(const std::string& path) const {
  const std::lock_guard<std::mutex> guard(mutex_);
  return names_.contains(path);
}

}  // namespace kvorum::storage
