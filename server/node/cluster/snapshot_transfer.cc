#include "server/node/cluster/snapshot_transfer.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/node.h"
#include "server/node/persistence.h"

namespace kvorum::server {

using storage::Lsn;
using storage::NodeId;

namespace {
constexpr int64_t kAskIntervalUs = 1'000'000;
}

SnapshotTransfer::SnapshotTransfer(Node& node, Cluster& cluster) : node_(node), cluster_(cluster) {}

SnapshotTransfer::~SnapshotTransfer() = default;

// --- Leading.

void SnapshotTransfer::serve() {
  for (const auto& [follower, progress] : cluster_.replica().progress()) {
    if (progress.state == replication::Progress::State::kSnapshot) orders_.try_emplace(follower);
  }
  for (auto& [follower, order] : orders_) {
    if (order.sender == nullptr) {
      start_sending(follower, order);
    } else {
      order.sender->tick();
    }
  }
}

void SnapshotTransfer::start_sending(NodeId follower, Order& order) {
  if (cluster_.ready_link(follower) == nullptr || node_.monotonic_us() < order.begin_us) return;
  const PublishedSnapshot* snapshot = node_.persistence().newest_snapshot();
  const Lsn oldest = node_.log().wal().oldest_lsn();
  const bool useful =
      snapshot != nullptr && snapshot->lsn.next() >= oldest && snapshot->lsn >= order.at_least;
  if (!useful) {
    if (!node_.persistence().snapshot_in_progress()) {
      // It fails only while another one is in progress: the next tick looks again.
      node_.persistence().start_snapshot().IgnoreError();
    }
    return;
  }
  const auto term = cluster_.replica().log().term_at(snapshot->lsn);
  if (!term.has_value()) return;
  SnapshotSender::Source source{snapshot->path, {*term, snapshot->lsn}, snapshot->bytes};
  SnapshotSender::Events events;
  events.send = [this, follower = follower](peer::SnapshotChunk&& chunk) {
    if (PeerLink* link = cluster_.ready_link(follower)) link->send_bulk(std::move(chunk));
  };
  events.finished = [this, follower = follower](const absl::Status& status) {
    finished(follower, status);
  };
  node_.host().log(LogLevel::kInfo,
                   base::concat("sending node ", follower.value(), " the snapshot at lsn ",
                                snapshot->lsn.value(), ", ", snapshot->bytes, " bytes"));
  order.sender = std::make_unique<SnapshotSender>(node_.host(), std::move(source), cluster_.term(),
                                                  order.keyspace_only, std::move(events));
  order.sender->start();
}

void SnapshotTransfer::finished(NodeId follower, const absl::Status& status) {
  const auto found = orders_.find(follower);
  if (found == orders_.end()) return;
  const storage::Position cut = found->second.sender->source().cut;
  const bool keyspace_only = found->second.keyspace_only;
  if (!status.ok()) {
    // The follower waits in the same state, for another try.
    node_.host().log(LogLevel::kWarning, base::concat("the snapshot for node ", follower.value(),
                                                      " did not arrive: ", status.message()));
    found->second.sender = nullptr;
    found->second.begin_us = node_.monotonic_us() + kAskIntervalUs;
    return;
  }
  orders_.erase(found);
  if (!keyspace_only) cluster_.snapshot_sent(follower, cut);
}

void SnapshotTransfer::stop_sending() { orders_.clear(); }

void SnapshotTransfer::link_lost(NodeId follower) { orders_.erase(follower); }

void SnapshotTransfer::handle(NodeId from, const peer::SnapshotAck& ack) {
  const auto order = orders_.find(from);
  if (order != orders_.end() && order->second.sender != nullptr) {
    order->second.sender->acknowledged(ack);
  }
}

void SnapshotTransfer::handle(NodeId from, const peer::SnapshotWanted& wanted) {
  if (!cluster_.leads() || orders_.contains(from)) return;
  Order& order = orders_[from];
  order.keyspace_only = true;
  order.at_least = wanted.at_least;
}

std::optional<SnapshotTransfer::Sending> SnapshotTransfer::sending(NodeId follower) const {
  const auto order = orders_.find(follower);
  if (order == orders_.end()) return std::nullopt;
  Sending sending;
  const SnapshotSender* sender = order->second.sender.get();
  sending.waiting = sender == nullptr;
  if (sender != nullptr) {
    sending.progress = {sender->total_bytes(), sender->acknowledged_bytes(), sender->last_io_us()};
  }
  return sending;
}

// --- Following.

void SnapshotTransfer::handle(NodeId from, peer::SnapshotChunk&& chunk) {
  // Only of the leader in office: it alone knows what is committed.
  if (from != cluster_.leader() || chunk.term != cluster_.term() || cluster_.leads()) return;
  if (receiver_ == nullptr) {
    const Lsn here = std::min(node_.log().applied().lsn, node_.log().last().lsn);
    if (chunk.keyspace_only ? wanted_ == Lsn{0} : chunk.cut.lsn <= here) {
      // What it holds is here already: it would take the keyspace back.
      acknowledge(from, {chunk.term, chunk.cut, chunk.total_bytes, false});
      return;
    }
    SnapshotReceiver::Events events;
    events.acknowledge = [this](const peer::SnapshotAck& ack) {
      acknowledge(cluster_.leader(), ack);
    };
    events.installed = [this](std::unique_ptr<storage::Keyspace> keyspace,
                              const storage::SnapshotInfo& info, const std::string& path,
                              uint64_t bytes) {
      installed(std::move(keyspace), info, path, bytes);
    };
    events.failed = [this](const absl::Status& status) {
      node_.host().log(LogLevel::kWarning,
                       base::concat("a snapshot could not be received: ", status.message()));
      over_ = true;
    };
    receiver_ = std::make_unique<SnapshotReceiver>(
        node_.host(), cluster_.identity(), node_.options().values().data_dir, std::move(events));
    node_.host().log(LogLevel::kInfo,
                     base::concat("receiving the snapshot at lsn ", chunk.cut.lsn.value(),
                                  " from node ", from.value(), ", ", chunk.total_bytes, " bytes"));
  }
  heard_us_ = node_.monotonic_us();
  receiver_->receive(std::move(chunk));
}

void SnapshotTransfer::acknowledge(NodeId leader, const peer::SnapshotAck& ack) {
  if (PeerLink* link = cluster_.ready_link(leader)) link->send(ack);
}

void SnapshotTransfer::installed(std::unique_ptr<storage::Keyspace> keyspace,
                                 const storage::SnapshotInfo& info, const std::string& path,
                                 uint64_t bytes) {
  over_ = true;
  const Lsn cut = info.position.lsn;
  const RecordLog& log = node_.log();
  const bool keyspace_only = receiver_->keyspace_only();
  if (keyspace_only) {
    // Our log goes on from it, so it must reach from there to what is committed.
    if (cut < log.recent().base().lsn || cut > log.commit().lsn || cut < wanted_) return;
    wanted_ = Lsn{0};
  } else if (cut <= std::min(log.applied().lsn, log.last().lsn) || cluster_.leads()) {
    return;
  }
  node_.host().log(LogLevel::kInfo, base::concat("installed the snapshot at lsn ", cut.value(),
                                                 ": ", info.total_keys(), " keys"));
  cluster_.snapshot_installed(std::move(keyspace), info, keyspace_only);
  node_.persistence().snapshot_installed({path, cut, info.wall_ms, bytes});
}

void SnapshotTransfer::want_keyspace(Lsn at_least) {
  wanted_ = at_least;
  asked_us_ = node_.monotonic_us() - kAskIntervalUs;
}

void SnapshotTransfer::tick() {
  if (over_) {
    over_ = false;
    receiver_ = nullptr;
  }
  const int64_t now_us = node_.monotonic_us();
  // The leader is gone, or has something else to do: another one begins anew.
  constexpr int64_t kSilenceUs = 10'000'000;
  if (receiver_ != nullptr && (cluster_.leads() || now_us - heard_us_ > kSilenceUs)) {
    receiver_ = nullptr;
  }
  if (wanted_ == Lsn{0} || receiver_ != nullptr || now_us - asked_us_ < kAskIntervalUs) return;
  PeerLink* link = cluster_.ready_link(cluster_.leader());
  if (link == nullptr) return;
  asked_us_ = now_us;
  link->send(peer::SnapshotWanted{std::max(wanted_, node_.log().recent().base().lsn)});
}

SnapshotTransfer::Progress SnapshotTransfer::received() const {
  if (receiver_ == nullptr) return {};
  return {receiver_->total_bytes(), receiver_->read_bytes(), receiver_->last_io_us()};
}

}  // namespace kvorum::server
