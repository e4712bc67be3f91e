// Who belongs to the cluster: whom this node dials, whom it lets in, and what it does when it is a
// member no more. docs/replication.md, Membership.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/cluster/hello_check.h"
#include "server/node/cluster_options.h"
#include "server/node/node.h"

namespace kvorum::server {

using storage::Lsn;
using storage::NodeId;

namespace {

constexpr NodeId kNobody{0};
constexpr storage::Incarnation kUnborn{};
// How long the link to a removed node stays: for the answers that are on their way, and the news.
constexpr int64_t kFarewellUs = 1'000'000;
// The record of the birth: everybody has it.
constexpr Lsn kBirth{1};

}  // namespace

void Cluster::do_membership_change() {
  voters_ = membership().voters().size();
  // A single member may be joined by others, unless nobody could reach it: so it keeps for them
  // what it appends.
  const auto& members = membership().members;
  node_.log().set_keep_recent(
      std::any_of(members.begin(), members.end(),
                  [](const replication::Member& each) { return !each.address.empty(); }));
  node_.keyspace().keep_tombstones(membership().merges(), node_.log().applied_hlc());
  review_links();
}

// --- Links.

// Its own log may say less than it has been told: it was away, or has just joined.
std::map<NodeId, std::string> Cluster::known_addresses() const {
  std::map<NodeId, std::string> known;
  const bool member = replica_ != nullptr && membership().find(identity_.node) != nullptr;
  if (!member) {
    const auto configured = parse_peers(node_.options().values().peers);
    CHECK(configured.ok());  // checked at start
    for (const PeerAddress& peer : *configured) known[peer.id] = peer.address;
  }
  if (replica_ != nullptr) {
    for (const replication::Member& each : membership().members) known[each.id] = each.address;
    // Whoever a record removes that may be cut off again may be the one to say so.
    if (const replication::Membership* earlier = replica_->earlier_membership()) {
      for (const replication::Member& each : earlier->members) {
        known.emplace(each.id, each.address);
      }
    }
  }
  if (told_ && (replica_ == nullptr || told_->lsn > replica_->membership_lsn())) {
    for (const replication::Member& each : told_->membership.members) known[each.id] = each.address;
  }
  known.erase(identity_.node);
  return known;
}

void Cluster::review_links() {
  const std::map<NodeId, std::string> known = known_addresses();
  std::vector<NodeId> moved;
  for (const auto& [peer, link] : links_) {
    const auto found = known.find(peer);
    if (found == known.end()) {
      leaving_.try_emplace(peer, 0);
      continue;
    }
    leaving_.erase(peer);
    if (link->address() != found->second) moved.push_back(peer);
  }
  for (const NodeId peer : moved) drop_link(peer);
  for (const auto& [peer, address] : known) open_link(peer, address);
}

void Cluster::drop_link(NodeId peer) {
  links_.erase(peer);
  link_lost(peer);
}

// They were let in while nobody led, or are members no more: now somebody can tell them so.
void Cluster::drop_strangers() {
  for (const auto& [id, session] : node_.sessions()) {
    const NodeId peer = session->peer;
    if (peer == kNobody || peer == leader() || links_.contains(peer)) continue;
    session->close_now = true;
    node_.make_ready(*session);
  }
}

void Cluster::look_at_members() {
  look_at_removal();
  if (!replica_->membership_committed()) return;
  if (std::exchange(reviewed_, replica_->membership_lsn()) != replica_->membership_lsn()) {
    review_links();
  }
  if (leads() && announced_ != replica_->membership_lsn()) {
    announced_ = replica_->membership_lsn();
    for (const auto& [peer, link] : links_) tell_members(peer);
  }
  const int64_t now_us = node_.monotonic_us();
  std::vector<NodeId> over;
  for (auto& [peer, until_us] : leaving_) {
    if (until_us == 0) {
      until_us = now_us + kFarewellUs;
      tell_members(peer);
    } else if (now_us >= until_us) {
      over.push_back(peer);
    }
  }
  for (const NodeId peer : over) {
    leaving_.erase(peer);
    drop_link(peer);
  }
  if (!over.empty()) drop_strangers();
}

// --- The news of a change.

void Cluster::tell_members(NodeId peer) {
  const bool news = replica_->membership_lsn() > kBirth && replica_->membership_committed();
  PeerLink* link = ready_link(peer);
  if (news && link != nullptr) {
    link->send(peer::Members{replica_->membership_lsn(), membership()});
  }
}

void Cluster::handle(Session&, const peer::Members& members) {
  if (told_ && members.lsn <= told_->lsn) return;
  told_ = members;
  if (replica_ == nullptr) {
    review_links();
    return;
  }
  if (members.lsn <= replica_->membership_lsn()) return;
  if (!leads() && members.membership.find(identity_.node) == nullptr) {
    told_removed_ = true;
    replica_->step_down();
    do_ready();
  }
  look_at_removal();
  review_links();
}

// --- Whom this node lets in.

absl::Status Cluster::check_dialler(const peer::Hello& ours, const peer::Hello& theirs) const {
  std::vector<NodeId> known;
  for (const auto& [peer, link] : links_) {
    if (!leaving_.contains(peer)) known.push_back(peer);
  }
  const bool stranger = std::find(known.begin(), known.end(), theirs.node) == known.end();
  const bool judged = ours.incarnation != kUnborn || theirs.incarnation != kUnborn;
  if (stranger && judged) known.push_back(theirs.node);
  absl::Status status = peer::check_hello(ours, theirs, known);
  return status.ok() && stranger ? judge_stranger(theirs) : status;
}

// One that belongs to this cluster, or to none. It may know more of the members than this node:
// while nobody leads this one, whoever says it is a member may be the one who will.
absl::Status Cluster::judge_stranger(const peer::Hello& theirs) const {
  if (identity_.incarnation == kUnborn) return absl::OkStatus();
  const std::string id = std::to_string(theirs.node.value());
  if (theirs.incarnation == kUnborn) {
    return absl::FailedPreconditionError(
        base::concat("node id ", id, " is no member: MEMBER ADD lets it in"));
  }
  // The leader that this node follows is a member, if of a membership that has not come here yet.
  if (replica_ != nullptr && (leader() == kNobody || leader() == theirs.node)) {
    return absl::OkStatus();
  }
  if (replica_ == nullptr || !replica_->membership_committed()) {
    return absl::FailedPreconditionError(base::concat("node id ", id, " is perhaps no member"));
  }
  return absl::NotFoundError(base::concat("node id ", id, " is no member of the cluster"));
}

// --- This node is no member.

void Cluster::link_refused(NodeId peer, std::string_view error) {
  if (replica_ != nullptr) {
    // Who is on its way in is not known everywhere yet.
    const bool was_member =
        membership().find(identity_.node) != nullptr || !replica_->membership_committed();
    if (!error.starts_with(peer::kRemoved) || leader() != kNobody || !was_member) return;
    told_removed_ = true;
    look_at_removal();
    return;
  }
  if (waits_for_add_ || error.find("MEMBER ADD") == std::string_view::npos) return;
  waits_for_add_ = true;
  host_.log(LogLevel::kWarning,
            base::concat("node ", peer.value(), " is a member of a cluster that knows no node ",
                         identity_.node.value(), ": MEMBER ADD ", identity_.node.value(),
                         " <host:port>, said to any of its members, lets it in"));
}

std::string Cluster::forming_waits_for() const {
  if (!waits_for_add_) return birth_->waiting_for();
  return base::concat("MEMBER ADD ", identity_.node.value(),
                      " <host:port> on a member of the cluster");
}

void Cluster::look_at_removal() {
  const bool known = replica_->membership_lsn() != Lsn{0} && replica_->membership_committed();
  const bool no_member = known && membership().find(identity_.node) == nullptr;
  const bool removed = leader() == kNobody && (no_member || told_removed_);
  if (removed == removed_) return;
  removed_ = removed;
  if (removed) {
    host_.log(LogLevel::kWarning,
              "this node is no member of its cluster any more: it answers neither reads nor writes "
              "and does not campaign (docs/operations.md, Removing a node)");
  } else {
    host_.log(LogLevel::kInfo, "this node is a member of its cluster again");
  }
  node_.wake_sessions();
}

}  // namespace kvorum::server
