// A disk in memory that behaves as badly as real ones may: what was not synced is lost, kept or
// torn sector by sector at a power cut, in any order; names not synced come and go; calls fail on
// demand. Any thread; a File by one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/file_system.h"

namespace kvorum::storage {

enum class DiskOperation : uint8_t {
  kOpen,
  kCreate,
  kRead,
  kWrite,
  kSync,
  kTruncate,
  kSize,
  kRename,
  kRemove,
  kSyncDirectory,
  kCreateDirectory,
  kList,
  kLock,
};
inline constexpr size_t kDiskOperationCount = 13;

class SimulatedDisk final : public FileSystem {
 public:
  static constexpr size_t kSectorBytes = 512;

  SimulatedDisk() = default;
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  absl::StatusOr<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  absl::Status create_directory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> list(const std::string& directory) override;
  absl::Status rename(const std::string& from, const std::string& to) override;
  absl::Status remove(const std::string& path) override;
  absl::Status sync_directory(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  // The process dies, the machine lives: locks are free, files opened before fail every call.
  void crash();
  // The machine dies. Of everything unsynced, `random` decides: each 512-byte sector is lost, kept
  // or torn (half old and half new, or garbage), sizes and names are the old or the new ones.
  void power_cut(std::mt19937_64& random);

  // Called before every operation: what is not OK becomes its result. A write that is refused
  // writes a part first, as real ones do. Null: nothing fails.
  void set_fault(std::function<absl::Status(DiskOperation, const std::string& path)> fault);
  // Bytes that all files together may have; a write beyond ends in kResourceExhausted with as much
  // written as fits.
  void set_capacity(uint64_t bytes);
  uint64_t used_bytes() const;
  uint64_t calls(DiskOperation operation) const;

  // Straight to the medium: durable, and seen by readers at once.
  void set_contents(const std::string& path, std::string contents);
  void flip_bit(const std::string& path, uint64_t offset, int bit);
  // REQUIRES: the file exists.
  std::string contents(const std::string& path) const;
  bool exists(const std::string& path) const;

 private:
  friend class SimulatedFile;
  friend class SimulatedLock;

  struct Inode {
    std::string data;     // as readers see it
    std::string durable;  // as the medium has it
    std::set<size_t> dirty_sectors;
    std::set<size_t> lost_sectors;  // a sync of them failed: no other one tries again
    bool dirty() const { return !dirty_sectors.empty() || data.size() != durable.size(); }
  };
  // One change to a directory that no sync has covered. Create has no `from`, remove no `to`.
  struct NameChange {
    std::string from;
    std::string to;
    std::shared_ptr<Inode> inode;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  absl::Status begin(DiskOperation operation, const std::string& path) const;
  absl::Status write(Inode& inode, const std::string& path, uint64_t offset,
                     std::span<const std::string_view> pieces);
  uint64_t used() const;
  static void mark_dirty(Inode& inode, uint64_t begin, uint64_t end);
  static void sync(Inode& inode);
  static void forget_lost(Inode& inode, uint64_t offset, uint64_t size);
  static void cut(Inode& inode, std::mt19937_64& random);
  static void apply(const NameChange& change, Names& names);

  mutable std::mutex mutex_;
  uint64_t generation_ = 0;  // of the process: open files and locks of earlier ones are dead
  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_names_;
  std::set<std::string> directories_;
  std::set<std::string> locked_;
  std::function<absl::Status(DiskOperation, const std::string&)> fault_;
  uint64_t capacity_ = UINT64_MAX;
  mutable std::array<uint64_t, kDiskOperationCount> calls_{};
};

}  // namespace kvorum::storage
