// What the words of MEMBER make of the membership in force. A change is one record: it adds,
// promotes or removes one member, and another one has to be committed first (Raft dissertation,
// section 4.1). Pure functions; belong to the loop.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replication/membership.h"
#include "replication/replica.h"
#include "storage/types.h"

namespace kvorum::server {

// kUnavailable: not now, and perhaps later: another change is under way, or this leader has not
// committed a record of its term. REQUIRES, of all: replica.leading().
[[nodiscard]] absl::Status may_change_membership(const replication::Replica& replica);

// Errors of these three are may_change_membership's, or kFailedPrecondition: what speaks against
// it. The membership in force is returned as it is where nothing has to change.

// A learner: `stays_learner` for good, else until it has caught up. Its instance is not known yet.
[[nodiscard]] absl::StatusOr<replication::Membership> add_member(
    const replication::Replica& replica, storage::NodeId id, const std::string& address,
    bool stays_learner);
// A voter now if it has caught up, else as soon as it has.
[[nodiscard]] absl::StatusOr<replication::Membership> promote_member(
    const replication::Replica& replica, storage::NodeId id);
// Not the last voter, and not if the voters that remain could not go on.
[[nodiscard]] absl::StatusOr<replication::Membership> remove_member(
    const replication::Replica& replica, storage::NodeId id);

// Close enough to the log's end that as a voter it will not hold up commits.
[[nodiscard]] bool caught_up(const replication::Replica& replica, storage::NodeId id);

}  // namespace kvorum::server
