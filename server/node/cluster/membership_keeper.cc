#include "server/node/cluster/membership_keeper.h"

#include "server/node/cluster/membership_change.h"

namespace kvorum::server {

using replication::Member;
using replication::Membership;

std::optional<Membership> MembershipKeeper::next(const replication::Replica& replica,
                                                 const InstanceOf& instance_of) {
  if (!may_change_membership(replica).ok()) return std::nullopt;
  Membership changed = replica.membership();
  for (Member& member : changed.members) {
    if (member.id == replica.id()) continue;
    const storage::InstanceId* instance = instance_of(member.id);
    if (instance == nullptr) continue;
    if (member.instance != *instance) {
      member.instance = *instance;
      member.voter = false;
      return changed;
    }
    if (!member.voter && !member.stays_learner && caught_up(replica, member.id)) {
      member.voter = true;
      return changed;
    }
  }
  return std::nullopt;
}

}  // namespace kvorum::server
