// Sends one snapshot file to one follower, in chunks, while no more than a window of them is
// unacknowledged. The file is read on the background lane. Knows nothing of sockets: chunks leave
// through a callback, acknowledgements come in. Belongs to the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/host.h"
#include "storage/types.h"

namespace kvorum::server {

class SnapshotSender {
 public:
  static constexpr uint64_t kChunkBytes = 64 << 10;
  static constexpr uint64_t kWindowBytes = 1 << 20;
  // After so long without an acknowledgement what was not acknowledged is sent again.
  static constexpr int64_t kResendUs = 2'000'000;

  struct Source {
    std::string path;  // of a published snapshot; may be removed once it is open
    storage::Position cut;
    uint64_t bytes = 0;
  };
  // Called on the loop; each may destroy the sender.
  struct Events {
    // Never from inside start(), acknowledged() or tick().
    std::function<void(peer::SnapshotChunk&& chunk)> send;
    // The follower has verified and loaded all of it (OK), or why that will not be: nothing more is
    // sent. kNotFound: the file is gone; kAborted: the follower could not.
    std::function<void(const absl::Status& status)> finished;
  };

  // `term`: in which this node leads. `host` outlives the sender.
  SnapshotSender(Host& host, Source source, storage::Term term, bool keyspace_only, Events events);
  ~SnapshotSender();
  SnapshotSender(const SnapshotSender&) = delete;
  SnapshotSender& operator=(const SnapshotSender&) = delete;

  // Call once.
  void start();
  // One of another term or cut is passed over. One below an earlier one: the follower has restarted
  // and begins anew.
  void acknowledged(const peer::SnapshotAck& ack);
  // Resends if it is time to: chunks and acknowledgements are lost with links.
  void tick();

  const Source& source() const { return source_; }
  uint64_t total_bytes() const { return source_.bytes; }
  uint64_t sent_bytes() const { return sent_; }
  uint64_t acknowledged_bytes() const { return acknowledged_; }
  int64_t last_io_us() const { return last_io_us_; }  // monotonic: of a chunk or acknowledgement

 private:
  struct Reading;

  void read_on();
  void send_chunks();
  void finish(const absl::Status& status);

  Host& host_;
  const Source source_;
  const storage::Term term_;
  const bool keyspace_only_;
  const Events events_;
  const std::shared_ptr<Reading> reading_;  // shared with the job that is on the lane
  uint64_t sent_ = 0;                       // everything before it was given to `send`
  uint64_t acknowledged_ = 0;
  int64_t acknowledged_us_ = 0;  // when that moved, or was sent again
  int64_t last_io_us_ = 0;
  bool busy_ = false;
  bool finished_ = false;
};

}  // namespace kvorum::server
