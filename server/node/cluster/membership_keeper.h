// What a leader does about its members by itself. One whose data directory is not the one that the
// membership knows (it is new, wiped or restored) is bound as a learner, and a learner that is not
// to stay one is a voter when it has caught up: each a record that changes one voter (Raft
// dissertation, section 4.2.2). Pure; belongs to the loop.
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
