// INFO's sections about the cluster: replication, as Redis shows it, and quorum, our own.
#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"
#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/cluster/follower_view.h"
#include "server/node/info_section.h"
#include "server/node/node.h"
#include "storage/tombstones.h"

namespace kvorum::server {
namespace {

using storage::NodeId;

int64_t seconds_since(const Node& node, int64_t then_us) {
  return then_us == 0 ? -1 : std::max<int64_t>(0, node.monotonic_us() - then_us) / 1'000'000;
}

void write_sync(Node& node, InfoLines& lines) {
  const SnapshotTransfer::Progress sync = node.cluster().snapshots().received();
  const uint64_t left = sync.total_bytes - std::min(sync.total_bytes, sync.done_bytes);
  const double percent = sync.total_bytes == 0 ? 0
                                               : 100 * static_cast<double>(sync.done_bytes) /
                                                     static_cast<double>(sync.total_bytes);
  lines.add("master_sync_total_bytes", sync.total_bytes);
  lines.add("master_sync_read_bytes", sync.done_bytes);
  lines.add("master_sync_left_bytes", left);
  lines.add_real("master_sync_perc", percent, 2);
  lines.add("master_sync_last_io_seconds_ago", seconds_since(node, sync.last_io_us));
}

void write_leader_link(Node& node, InfoLines& lines) {
  const Cluster& cluster = node.cluster();
  const HostAndPort leader = address_of(cluster.leader_address());
  const bool up = cluster.leader() != NodeId{0};
  const bool syncing = cluster.snapshots().receiving();
  lines.add("master_host", std::string_view(leader.host));
  lines.add("master_port", leader.port);
  lines.add("master_link_status", up ? "up" : "down");
  lines.add("master_last_io_seconds_ago",
            up ? seconds_since(node, cluster.leader_heard_us()) : int64_t{-1});
  lines.add("master_sync_in_progress", syncing ? 1 : 0);
  lines.add("slave_read_repl_offset", node.last_position().lsn.value());
  lines.add("slave_repl_offset", node.log().applied().lsn.value());
  if (syncing) write_sync(node, lines);
  if (!up) {
    lines.add("master_link_down_since_seconds",
              std::max<int64_t>(0, seconds_since(node, cluster.leader_lost_us())));
  }
  lines.add("slave_priority", 100);
  lines.add("slave_read_only", node.options().values().follower_writes == "readonly" ? 1 : 0);
  lines.add("replica_announced", 1);
}

void write_recent(Node& node, InfoLines& lines) {
  const Cluster& cluster = node.cluster();
  const bool kept = cluster.started() && cluster.membership().members.size() > 1;
  const RecentRecords& recent = node.log().recent();
  lines.add("repl_backlog_active", kept ? 1 : 0);
  lines.add("repl_backlog_size", kept ? recent.bytes() : 0);
  lines.add("repl_backlog_first_byte_offset", kept ? recent.base().lsn.next().value() : 0);
  lines.add("repl_backlog_histlen",
            kept ? recent.last().lsn.value() - recent.base().lsn.value() : 0);
}

std::string_view role_text(const Cluster& cluster) {
  if (!cluster.replica().is_voter()) return "learner";
  switch (cluster.replica().role()) {
    case replication::Role::kLeader:
      return "leader";
    case replication::Role::kCandidate:
    case replication::Role::kPreCandidate:
      return "candidate";
    case replication::Role::kFollower:
      break;
  }
  return "follower";
}

std::string digest_text(storage::Digest digest) { return absl::StrFormat("%016x", digest); }

void write_followers(Node& node, InfoLines& lines) {
  const auto& reports = node.cluster().digests().reports();
  for (const FollowerView& follower : followers_of(node)) {
    const auto report = reports.find(follower.id);
    const bool reported = report != reports.end();
    lines.add(
        base::concat("follower", follower.id.value()),
        std::string_view(base::concat(
            "address=", follower.full_address,
            ",state=", follower.connected ? follower.state : std::string_view("lost"),
            ",durable_lsn=", follower.durable_lsn.value(), ",lag_records=", follower.lag_records,
            ",lag_bytes=", follower.lag_bytes, ",lag_ms=", follower.lag_ms,
            ",last_digest=", reported ? digest_text(report->second.digest) : std::string("none"),
            ",digest_lsn=", reported ? report->second.lsn.value() : 0)));
  }
}

// What an operator must know before trusting a failover.
bool survives_failover(Node& node, size_t needed) {
  return needed >= node.cluster().voters() / 2 + 1 &&
         node.options().values().fsync == storage::FsyncPolicy::kAlways;
}

void write_membership(Node& node, InfoLines& lines) {
  const Cluster& cluster = node.cluster();
  const replication::WriteQuorum quorum = cluster.membership().write_quorum;
  const size_t needed = quorum.needed(cluster.voters());
  lines.add("node_role", role_text(cluster));  // "role" is Redis' word above
  lines.add("leader_id", cluster.leader().value());
  lines.add("term", cluster.term().value());
  lines.add("voters", cluster.voters());
  if (cluster.leads()) lines.add("reachable_voters", cluster.replica().reachable_voters());
  lines.add("write_quorum", std::string_view(quorum.text()));
  lines.add("write_quorum_voters", needed);
  lines.add("acknowledged_writes_survive_failover", survives_failover(node, needed) ? "yes" : "no");
  lines.add("doubtful", cluster.replica().doubtful() ? "yes" : "no");
}

// What deposed leaders had to drop, and what became of it.
void write_divergence(Node& node, InfoLines& lines) {
  if (!node.cluster().started() || !node.cluster().membership().merges()) {
    lines.add("divergence", "save");
    return;
  }
  const storage::Tombstones* tombstones = node.keyspace().tombstones();
  lines.add("divergence", "merge");
  lines.add("orphan_files_to_offer", node.cluster().orphan_offer().files_left());
  lines.add("merged_records", node.cluster().orphan_merge().merged_records());
  lines.add("tombstones", tombstones == nullptr ? 0 : tombstones->size());
  lines.add("tombstone_bytes", tombstones == nullptr ? 0 : tombstones->memory_bytes());
}

}  // namespace

void write_replication_section(Node& node, InfoLines& lines) {
  const bool follower = node.cluster().follows();
  lines.add("role", follower ? "slave" : "master");
  if (follower) write_leader_link(node, lines);
  const std::vector<FollowerView> followers = connected_followers(node);
  lines.add("connected_slaves", followers.size());
  for (size_t i = 0; i < followers.size(); ++i) {
    const FollowerView& each = followers[i];
    lines.add(base::concat("slave", i),
              std::string_view(base::concat(
                  "ip=", each.address.host, ",port=", each.address.port, ",state=", each.state,
                  ",offset=", each.durable_lsn.value(), ",lag=", each.silent_us / 1'000'000)));
  }
  lines.add("master_failover_state", node.cluster().started()
                                         ? HandOver::state(node.cluster().replica())
                                         : std::string_view("no-failover"));
  lines.add("master_replid", node.replication_id());
  lines.add("master_replid2", std::string_view(std::string(40, '0')));
  lines.add("master_repl_offset", node.commit_position().lsn.value());
  lines.add("second_repl_offset", -1);
  write_recent(node, lines);
}

void write_quorum_section(Node& node, InfoLines& lines) {
  lines.add("node_id", node.options().values().id);
  if (node.cluster().started()) write_membership(node, lines);
  lines.add("commit_lsn", node.commit_position().lsn.value());
  lines.add("applied_lsn", node.log().applied().lsn.value());
  lines.add("last_lsn", node.last_position().lsn.value());
  lines.add("uncommitted_bytes", node.uncommitted_bytes());
  lines.add("undone_records", node.log().undone_records());
  lines.add("orphaned_records", node.log().orphaned_records());
  write_divergence(node, lines);
  const auto& reports = node.cluster().digests().reports();
  const auto own = reports.find(NodeId{static_cast<uint16_t>(node.options().values().id)});
  lines.add("digest", std::string_view(digest_text(node.keyspace().digest())));
  if (own != reports.end()) {
    lines.add("last_digest", std::string_view(digest_text(own->second.digest)));
    lines.add("digest_lsn", own->second.lsn.value());
  }
  write_followers(node, lines);
}

}  // namespace kvorum::server
