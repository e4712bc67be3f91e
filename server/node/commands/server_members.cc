// MEMBER: who belongs to the cluster. Executed by the leader.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/cluster/follower_view.h"
#include "server/node/cluster/membership_change.h"
#include "server/node/cluster_options.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {

namespace {

using replication::Member;
using replication::Membership;
using storage::NodeId;

bool read_id(CommandContext& context, NodeId& id) {
  int64_t number = 0;
  if (!read_integer_between(context, context.arguments[2], 1, UINT16_MAX, number,
                            "ERR a node's id is a number from 1 to 65535")) {
    return false;
  }
  id = NodeId{static_cast<uint16_t>(number)};
  return true;
}

// Makes the change a record, whose commit the reply then waits for.
void propose(CommandContext& context, const absl::StatusOr<Membership>& changed) {
  Cluster& cluster = context.node.cluster();
  if (!changed.ok()) {
    const bool later = absl::IsUnavailable(changed.status());
    context.reply.error(base::concat(later ? "TRYAGAIN " : "ERR ", changed.status().message()));
    return;
  }
  if (*changed != cluster.membership()) {
    context.node.made_record(cluster.change_membership(*changed));
  }
  context.reply.ok();
}

// What the leader knows of a member's progress.
struct MemberView {
  std::string_view role, state;
  int64_t lag_records = -1;  // not known
};

MemberView view_of(Node& node, const Member& member, const FollowerView* follower) {
  const Cluster& cluster = node.cluster();
  MemberView view;
  const bool leads = member.id == cluster.leader();
  view.role = leads ? "leader" : member.voter ? "voter" : "learner";
  if (leads) {
    view.state = "online";
    if (cluster.leads()) view.lag_records = 0;
  } else if (follower == nullptr) {
    view.state = "unknown";
  } else if (member.instance == storage::InstanceId{}) {
    view.state = "never-seen";
  } else {
    view.state = follower->connected ? follower->state : "lost";
    view.lag_records = static_cast<int64_t>(follower->lag_records);
  }
  return view;
}

}  // namespace

// MEMBER ADD id host:port [LEARNER]
void member_add_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  NodeId id{0};
  if (!read_id(context, id)) return;
  const bool stays_learner = arguments.size() == 5 && is_word(arguments[4], "learner");
  if (arguments.size() > 5 || (arguments.size() == 5 && !stays_learner)) {
    context.reply.error(kSyntaxError);
    return;
  }
  if (!split_address(arguments[3])) {
    context.reply.error("ERR the address of a node is written host:port");
    return;
  }
  propose(context, add_member(context.node.cluster().replica(), id, std::string(arguments[3]),
                              stays_learner));
}

// MEMBER HELP
void member_help_command(CommandContext& context) { reply_help(context, "member"); }

// MEMBER LIST
void member_list_command(CommandContext& context) {
  const Cluster& cluster = context.node.cluster();
  const std::vector<FollowerView> followers = followers_of(context.node);
  const Membership& membership = cluster.membership();
  if (cluster.leads()) context.node.depend_on(cluster.replica().membership_lsn());
  context.reply.array(membership.members.size());
  for (const Member& member : membership.members) {
    const auto follower =
        std::find_if(followers.begin(), followers.end(),
                     [&](const FollowerView& each) { return each.id == member.id; });
    const MemberView view =
        view_of(context.node, member, follower == followers.end() ? nullptr : &*follower);
    context.reply.map(6);
    context.reply.bulk("id");
    context.reply.integer(member.id.value());
    context.reply.bulk("address");
    context.reply.bulk(member.address);
    context.reply.bulk("role");
    context.reply.bulk(view.role);
    context.reply.bulk("state");
    context.reply.bulk(view.state);
    context.reply.bulk("lag-records");
    context.reply.integer(view.lag_records);
    context.reply.bulk("promotion");
    context.reply.bulk(member.voter || member.stays_learner ? "none" : "under-way");
  }
}

// MEMBER PROMOTE id
void member_promote_command(CommandContext& context) {
  NodeId id{0};
  if (!read_id(context, id)) return;
  propose(context, promote_member(context.node.cluster().replica(), id));
}

// MEMBER REMOVE id
void member_remove_command(CommandContext& context) {
  NodeId id{0};
  if (!read_id(context, id)) return;
  propose(context, remove_member(context.node.cluster().replica(), id));
}

}  // namespace kvorum::server
