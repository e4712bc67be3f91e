// Receives a snapshot from the leader: chunks go to a file on the background lane and are
// acknowledged when they are there; when the file is whole, verified and durable, it is loaded into
// a keyspace of its own, in slices beside the loop's other work. Knows nothing of sockets.
// Belongs to the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/host.h"
#include "storage/identity.h"
#include "storage/keyspace.h"
#include "storage/snapshot_format.h"

namespace kvorum::server {

class SnapshotReceiver {
 public:
  // Called on the loop. Only `installed` may destroy the receiver.
  struct Events {
    // Also from inside receive().
    std::function<void(const peer::SnapshotAck& ack)> acknowledge;
    // The file `path`, of `bytes`, is durable under its name, and `keyspace` holds it. When this
    // has returned the whole is acknowledged: by then the log goes on at the cut.
    std::function<void(std::unique_ptr<storage::Keyspace> keyspace,
                       const storage::SnapshotInfo& info, const std::string& path, uint64_t bytes)>
        installed;
    // The transfer is over, and the leader was told so. The message names what is wrong.
    std::function<void(const absl::Status& status)> failed;
  };

  // `identity`: of the cluster whose snapshots are taken. `host` outlives the receiver.
  SnapshotReceiver(Host& host, const storage::Identity& identity, std::string directory,
                   Events events);
  ~SnapshotReceiver();
  SnapshotReceiver(const SnapshotReceiver&) = delete;
  SnapshotReceiver& operator=(const SnapshotReceiver&) = delete;

  // Another cut, or a later term, begins a new transfer in place of the one under way; a chunk of
  // an earlier term is passed over. A repeated chunk is acknowledged again; one that leaves a gap
  // is answered with where to go on.
  void receive(peer::SnapshotChunk&& chunk);

  // Of the transfer under way.
  bool keyspace_only() const { return keyspace_only_; }
  uint64_t total_bytes() const { return total_bytes_; }
  uint64_t read_bytes() const { return received_; }
  uint64_t left_bytes() const { return total_bytes_ - received_; }
  int64_t last_io_us() const { return last_io_us_; }  // monotonic: of a chunk

 private:
  enum class Stage : uint8_t { kNone, kReceiving, kLoading, kInstalled };
  struct Transfer;

  void begin(const peer::SnapshotChunk& chunk);
  void abandon();
  void write_on();
  void verify();
  void load();
  void read_block();
  void block_read();
  void install();
  void acknowledge();
  void fail(const absl::Status& status);
  // Runs on the lane, then `next` on the loop if the transfer is still the one under way and went
  // well.
  void run_on_lane(std::function<absl::Status(Transfer&)> work, std::function<void()> next);

  Host& host_;
  const storage::Identity identity_;
  const std::string directory_;
  const Events events_;

  Stage stage_ = Stage::kNone;
  storage::Term term_{0};
  storage::Position cut_;
  uint64_t total_bytes_ = 0;
  bool keyspace_only_ = false;
  std::shared_ptr<Transfer> transfer_;  // shared with the job that is on the lane
  std::vector<std::string> queue_;      // chunks for the next job
  uint64_t received_ = 0;               // everything before it is in the file or on its way there
  uint64_t written_ = 0;                // everything before it is in the file
  int64_t last_io_us_ = 0;
  bool writing_ = false;
};

}  // namespace kvorum::server
