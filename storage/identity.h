// The data directory: whose it is, and that nobody else has it. Its `identity` file holds what is
// fixed when the directory is born (node, incarnation, instance, hash seed, partition count) and
// the boot counter, raised and synced at every start. docs/wal-format.md has the text. Called once
// at start, from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/frame.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::storage {

inline constexpr uint32_t kIdentityFormatVersion = 1;

struct Identity {
  NodeId node{0};
  Incarnation incarnation{};  // zeros: never a member of any cluster
  InstanceId instance{};
  uint64_t hash_seed = 0;
  uint32_t partition_count = 0;  // per database
  uint64_t boot = 0;             // 1 at the first start
  bool has_log = false;          // a log was begun here: if it is not there any more, it vanished
  // Made by a backup or a restore, and no log was begun here since: the log begins behind the
  // snapshot. The first start draws the instance, so that no copy of it remembers less than it
  // promised.
  bool restored = false;

  bool operator==(const Identity&) const = default;
};

// Held as long as the process uses the directory: dropping it lets the next one in.
struct DataDirectory {
  std::string path;
  Identity identity;
  bool born = false;  // this start made it
  std::unique_ptr<FileLock> lock;
};

// Opens the data directory `path` for `newborn.node`, making it where there is none (an empty one
// counts as none) with the contents of `newborn`, whose random members the caller has drawn; its
// boot is ignored. A restored one becomes that node's, and takes the instance of `newborn` if it
// has none. The returned identity is durable, its boot counter raised.
// Errors say what is wrong and what to do: kUnavailable: another process holds the directory;
// kFailedPrecondition: another node's, a newer version's, or not a data directory at all;
// kDataLoss: damaged; else what the file system said.
[[nodiscard]] absl::StatusOr<DataDirectory> open_data_directory(FileSystem& files,
                                                                const std::string& path,
                                                                const Identity& newborn);

// True if the directory is, or was, a member of a cluster.
[[nodiscard]] bool is_member(const Identity& identity);

// Rewrite the identity, durably: when they return OK, `directory` and the disk have the change.
// After an error the disk may have it or not; end the process. They block; any thread.

// Makes it a member of the cluster. REQUIRES: !is_member, no log, `incarnation` not zeros.
[[nodiscard]] absl::Status join_cluster(FileSystem& files, DataDirectory& directory,
                                        const Incarnation& incarnation, uint64_t hash_seed);
// A log has been begun (call it after Wal::start, before anything is acknowledged): the directory
// is not a restored one any more. No write if it was noted before.
[[nodiscard]] absl::Status note_log(FileSystem& files, DataDirectory& directory);
// For a directory whose log has vanished: it is another instance now, as a wiped node's, and has no
// log. It stays in its cluster, where no membership binds this instance. REQUIRES: no segment is
// left in it: those of the old instance would be refused.
[[nodiscard]] absl::Status renew_instance(FileSystem& files, DataDirectory& directory,
                                          const InstanceId& instance);

// Begin and end a directory that a server can be started on: between them its one snapshot (and a
// cluster's `birth`) are put there, durably. A directory without its identity is refused by every
// start, so what a crash leaves in between is taken for nothing. They block; any thread.

// Makes the directory. kAlreadyExists: there is one that is not empty.
[[nodiscard]] absl::Status begin_restored_directory(FileSystem& files, const std::string& path);
// Writes the identity: node, incarnation and hash seed count, the rest is made up.
[[nodiscard]] absl::Status finish_restored_directory(FileSystem& files, const std::string& path,
                                                     Identity identity);

// For one that could not be finished: removes the files in it. Nothing if it has an identity: then
// somebody else has finished it.
[[nodiscard]] absl::Status remove_restored_directory(FileSystem& files, const std::string& path);

// Reads the identity file without lock or change, for tools. kNotFound if there is none.
[[nodiscard]] absl::StatusOr<Identity> read_identity(FileSystem& files, const std::string& path);

}  // namespace kvorum::storage
