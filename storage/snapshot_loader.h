// Puts the blocks of a snapshot into an empty keyspace and checks that they make up what was cut.
// After an error the keyspace holds a part: throw it away.
// Belongs to the node's loop.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "storage/keyspace.h"
#include "storage/snapshot_checker.h"
#include "storage/snapshot_reader.h"

namespace kvorum::storage {

class SnapshotLoader {
 public:
  // Makes room for all keys. `now_ms` (Unix time) becomes the time of each key's last access.
  // REQUIRES: keyspace is empty, has the hash seed of reader.info(), and outlives this.
  SnapshotLoader(Keyspace& keyspace, const SnapshotReader& reader, uint64_t now_ms);

  // Blocks in file order, the footer too.
  [[nodiscard]] absl::Status add(const SnapshotBlock& block);
  // After the footer: counts and digest are right.
  [[nodiscard]] absl::Status finish() const;

  struct Progress {
    uint64_t bytes = 0;
    uint64_t total_bytes = 0;
    uint64_t keys = 0;
    uint64_t total_keys = 0;
  };
  [[nodiscard]] Progress progress() const;

 private:
  Keyspace& keyspace_;
  SnapshotChecker checker_;
  const uint64_t now_seconds_;
  const uint64_t total_bytes_;
  const uint64_t total_keys_;
  uint64_t bytes_ = 0;
};

}  // namespace kvorum::storage
