// What a node was born with, in the file `birth` of its data directory, to be offered to nodes that
// come later. It is written before the identity names the incarnation, so a member always has it;
// one beside an identity without an incarnation is of a birth that was cut short, and void.
// Called at birth and at start; blocks.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/node/cluster/peer_message.h"
#include "storage/file_system.h"

namespace kvorum::server {

// Durable when it returns OK; replaces what was there.
[[nodiscard]] absl::Status save_birth(storage::FileSystem& files, const std::string& directory,
                                      const peer::Birth& birth);

// kNotFound: there is none. kDataLoss: it is damaged.
[[nodiscard]] absl::StatusOr<peer::Birth> load_birth(storage::FileSystem& files,
                                                     const std::string& directory);

}  // namespace kvorum::server
