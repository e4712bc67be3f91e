#include "server/node/cluster/follower_view.h"

#include <algorithm>

#include "server/node/cluster/cluster.h"
#include "server/node/node.h"

namespace kvorum::server {

using replication::Progress;

namespace {

std::string_view state_of(const Cluster& cluster, storage::NodeId id, const Progress& progress) {
  if (const auto sending = cluster.snapshots().sending(id)) {
    return sending->waiting ? "wait_bgsave" : "send_bulk";
  }
  return progress.state == Progress::State::kSnapshot ? "wait_bgsave" : "online";
}

// Exact for what is kept in memory; of the rest, whole segments.
uint64_t bytes_after(const RecordLog& log, storage::Lsn lsn) {
  if (lsn < log.recent().base().lsn) return log.wal().bytes_since(lsn);
  uint64_t bytes = 0;
  while (const auto block = log.recent().from(lsn.next())) {
    bytes += block->bytes->size();
    lsn = block->last.lsn;
  }
  return bytes;
}

}  // namespace

HostAndPort address_of(std::string_view text) {
  return split_address(text).value_or(HostAndPort());
}

std::vector<FollowerView> followers_of(Node& node) {
  std::vector<FollowerView> followers;
  const Cluster& cluster = node.cluster();
  if (!cluster.started() || !cluster.leads()) return followers;
  const storage::Lsn last = node.log().last().lsn;
  const int64_t now_us = node.monotonic_us();
  for (const auto& [id, progress] : cluster.replica().progress()) {
    FollowerView follower;
    follower.id = id;
    if (const replication::Member* member = cluster.membership().find(id)) {
      follower.full_address = member->address;
      follower.address = address_of(member->address);
      follower.voter = member->voter;
    }
    follower.state = state_of(cluster, id, progress);
    follower.connected = progress.active;
    follower.durable_lsn = progress.match.lsn;
    follower.lag_records = last.value() - std::min(last, progress.match.lsn).value();
    if (follower.lag_records > 0) follower.lag_bytes = bytes_after(node.log(), progress.match.lsn);
    follower.silent_us = std::max<int64_t>(0, now_us - progress.heard_us);
    const int64_t behind_us = follower.lag_records > 0 ? now_us - progress.acked_sent_us : 0;
    follower.lag_ms = std::max<int64_t>(0, behind_us) / 1000;
    followers.push_back(std::move(follower));
  }
  return followers;
}

std::vector<FollowerView> connected_followers(Node& node) {
  std::vector<FollowerView> followers = followers_of(node);
  std::erase_if(followers, [](const FollowerView& follower) { return !follower.connected; });
  return followers;
}

}  // namespace kvorum::server
