#include "server/node/cluster/membership_change.h"

#include <algorithm>

#include "base/text.h"

namespace kvorum::server {

using replication::Member;
using replication::Membership;
using replication::Replica;
using storage::NodeId;

namespace {

constexpr uint64_t kCaughtUpRecords = 1000;

template <class... Parts>
absl::Status refused(const Parts&... parts) {
  return absl::FailedPreconditionError(base::concat(parts...));
}

Member* find(Membership& membership, NodeId id) {
  const auto member = std::find_if(membership.members.begin(), membership.members.end(),
                                   [id](const Member& each) { return each.id == id; });
  return member == membership.members.end() ? nullptr : &*member;
}

absl::Status not_a_member(NodeId id) { return refused("node ", id.value(), " is not a member"); }

size_t reachable(const Replica& replica, const Membership& membership) {
  size_t count = membership.is_voter(replica.id()) ? 1 : 0;
  for (const auto& [id, progress] : replica.progress()) {
    if (progress.counts && progress.active && membership.is_voter(id)) ++count;
  }
  return count;
}

// Whether those who remain are enough: to elect a leader and commit, and for every write.
absl::Status check_remaining(const Replica& replica, const Membership& changed) {
  const size_t before = replica.membership().voters().size();
  const size_t voters = changed.voters().size();
  const size_t up = reachable(replica, changed);
  if (voters == 0) return refused("it is the last voter");
  if (up < voters / 2 + 1) {
    return refused("of the ", voters, " voters that would remain only ", up,
                   " can be reached, and that is no majority");
  }
  const replication::WriteQuorum quorum = changed.write_quorum;
  if (quorum.needed(before) <= before && quorum.needed(voters) > voters) {
    return refused("the write quorum is ", quorum.text(), " and ", voters,
                   " voters would remain: no write could be answered any more");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status may_change_membership(const Replica& replica) {
  if (!replica.settled()) {
    return absl::UnavailableError("this leader has not committed a record of its term yet");
  }
  if (!replica.membership_committed()) {
    return absl::UnavailableError("another change of the membership is under way");
  }
  return absl::OkStatus();
}

absl::StatusOr<Membership> add_member(const Replica& replica, NodeId id, const std::string& address,
                                      bool stays_learner) {
  if (absl::Status status = may_change_membership(replica); !status.ok()) return status;
  Membership changed = replica.membership();
  for (const Member& member : changed.members) {
    if (member.address.empty()) {
      return refused(
          "this node runs alone, and the option peers gives it no address that another "
          "one could reach");
    }
    if (member.id == id) {
      return refused("node ", id.value(), " is a member already, at ", member.address);
    }
    if (base::equal_ignoring_case(member.address, address)) {
      return refused("node ", member.id.value(), " has the address ", address);
    }
  }
  Member added{.id = id, .address = address, .voter = false, .stays_learner = stays_learner};
  const auto place = std::find_if(changed.members.begin(), changed.members.end(),
                                  [id](const Member& member) { return member.id > id; });
  changed.members.insert(place, std::move(added));
  return changed;
}

absl::StatusOr<Membership> promote_member(const Replica& replica, NodeId id) {
  if (absl::Status status = may_change_membership(replica); !status.ok()) return status;
  Membership changed = replica.membership();
  Member* member = find(changed, id);
  if (member == nullptr) return not_a_member(id);
  if (member->voter) return refused("node ", id.value(), " is a voter already");
  member->stays_learner = false;
  const auto progress = replica.progress().find(id);
  const bool bound = progress != replica.progress().end() && progress->second.instance &&
                     *progress->second.instance == member->instance;
  member->voter = bound && caught_up(replica, id);
  return changed;
}

absl::StatusOr<Membership> remove_member(const Replica& replica, NodeId id) {
  if (absl::Status status = may_change_membership(replica); !status.ok()) return status;
  Membership changed = replica.membership();
  const Member* member = find(changed, id);
  if (member == nullptr) return not_a_member(id);
  const bool voter = member->voter;
  std::erase_if(changed.members, [id](const Member& each) { return each.id == id; });
  if (voter) {
    if (absl::Status status = check_remaining(replica, changed); !status.ok()) return status;
  }
  return changed;
}

bool caught_up(const Replica& replica, NodeId id) {
  const auto progress = replica.progress().find(id);
  return progress != replica.progress().end() && progress->second.active &&
         progress->second.match.lsn.value() + kCaughtUpRecords >=
             replica.log().last().lsn.value() &&
         progress->second.match.lsn >= replica.membership_lsn();
}

}  // namespace kvorum::server
