// What a leader does about members whose data directory is not the one that the membership knows (a
// wiped or restored voter): it is a learner until it has caught up, and then a voter again, in two
// records, each of which changes one voter (Raft dissertation, section 4.2.2). Pure; belongs to the
// loop.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "replication/replica.h"

namespace kvorum::server {

class MembershipKeeper {
 public:
  // The instance that a member's links have proven, if any is up.
  using InstanceOf = std::function<const storage::InstanceId*(storage::NodeId)>;

  // The membership to propose next; nullopt: all is well, or a change is under way.
  // REQUIRES: replica.settled().
  static std::optional<replication::Membership> next(const replication::Replica& replica,
                                                     const InstanceOf& instance_of);
};

}  // namespace kvorum::server
