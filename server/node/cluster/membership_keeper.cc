#include "server/node/cluster/membership_keeper.h"

namespace kvorum::server {

using replication::Member;
using replication::Membership;

namespace {

// Close enough to the log's end that it will not hold up commits as a voter.
constexpr uint64_t kCaughtUpRecords = 1000;

bool caught_up(const replication::Replica& replica, storage::NodeId id) {
  const auto progress = replica.progress().find(id);
  return progress != replica.progress().end() && progress->second.active &&
         progress->second.match.lsn.value() + kCaughtUpRecords >=
             replica.log().last().lsn.value() &&
         progress->second.match.lsn >= replica.membership_lsn();
}

}  // namespace

std::optional<Membership> MembershipKeeper::next(const replication::Replica& replica,
                                                 const InstanceOf& instance_of) {
  if (replica.membership_lsn() > replica.commit().lsn) return std::nullopt;
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
    if (!member.voter && caught_up(replica, member.id)) {
      member.voter = true;
      return changed;
    }
  }
  return std::nullopt;
}

}  // namespace kvorum::server
