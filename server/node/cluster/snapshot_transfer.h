// Snapshots on their way between nodes: a leader sends its newest one to followers whose log ends
// before the leader's begins, and to one whose keyspace differs; a follower receives, makes it
// durable and takes its keyspace over. Belongs to the loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "replication/replica.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/cluster/snapshot_receiver.h"
#include "server/node/cluster/snapshot_sender.h"

namespace kvorum::server {

class Cluster;
class Node;

class SnapshotTransfer {
 public:
  SnapshotTransfer(Node& node, Cluster& cluster);
  ~SnapshotTransfer();

  // Leading, every tick: begins and goes on with what followers need. A snapshot is taken if the
  // newest is too old.
  void serve();
  // Leading no more, or of another term: nothing is sent on.
  void stop_sending();
  void link_lost(storage::NodeId follower);
  void handle(storage::NodeId from, const peer::SnapshotAck& ack);
  void handle(storage::NodeId from, const peer::SnapshotWanted& wanted);

  // Following.
  void handle(storage::NodeId from, peer::SnapshotChunk&& chunk);
  // Our keyspace differs: asks the leader for another one, every second until it comes.
  void want_keyspace(storage::Lsn at_least);
  void tick();
  bool receiving() const { return receiver_ != nullptr; }

  // For INFO.
  struct Progress {
    uint64_t total_bytes = 0;
    uint64_t done_bytes = 0;
    int64_t last_io_us = 0;
  };
  // Of what is being received; zeros: nothing.
  Progress received() const;
  // Of what is being sent to the follower; nullptr: nothing. `waiting`: the snapshot is being
  // taken.
  struct Sending {
    bool waiting = false;
    Progress progress;
  };
  std::optional<Sending> sending(storage::NodeId follower) const;

 private:
  struct Order {
    bool keyspace_only = false;
    storage::Lsn at_least{0};
    std::unique_ptr<SnapshotSender> sender;  // null: waits for a snapshot
    int64_t begin_us = 0;                    // not before: the last one has failed
  };

  void start_sending(storage::NodeId follower, Order& order);
  void finished(storage::NodeId follower, const absl::Status& status);
  void acknowledge(storage::NodeId leader, const peer::SnapshotAck& ack);
  void installed(std::unique_ptr<storage::Keyspace> keyspace, const storage::SnapshotInfo& info,
                 const std::string& path, uint64_t bytes);

  Node& node_;
  Cluster& cluster_;
  std::map<storage::NodeId, Order> orders_;
  std::unique_ptr<SnapshotReceiver> receiver_;
  bool over_ = false;  // the receiver has ended: the next tick lets go of it
  int64_t heard_us_ = 0;
  storage::Lsn wanted_{0};  // 0: our keyspace is right
  int64_t asked_us_ = 0;
};

}  // namespace kvorum::server
