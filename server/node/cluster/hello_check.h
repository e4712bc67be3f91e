// Whether a node that says HELLO is who it has to be, asked on both ends of a connection before
// anything is kept for it. Errors name both sides' values; they are printable. Pure functions, any
// thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/node/cluster/peer_message.h"
#include "storage/types.h"

namespace kvorum::server::peer {

// A node that has dialled us. `known`: the nodes that may, of the configuration and the membership;
// ours does not count. kUnauthenticated: the secret; nothing of what is here is told then.
// kFailedPrecondition: version (too old for this build), cluster id, node id, instance or
// incarnation. Two incarnations go together if either is zeros (not yet a member of any cluster).
[[nodiscard]] absl::Status check_hello(const Hello& ours, const Hello& theirs,
                                       std::span<const storage::NodeId> known);
// The answer of the node we have dialled, which has to be `expected`. It has no secret.
[[nodiscard]] absl::Status check_answer(const Hello& ours, const Hello& theirs,
                                        storage::NodeId expected);

// How the refusal of a node begins that was a member.
inline constexpr std::string_view kRemoved = "REMOVED ";
// The error line that refuses the node, without its '-': "NOAUTH wrong cluster secret",
// "ERR cluster id "x" here, "y" there"; kNotFound, of who is no member any more: "REMOVED …".
// REQUIRES: !status.ok().
[[nodiscard]] std::string refusal(const absl::Status& status);

// What one process has seen of one peer over its connections, both ways.
class PeerSightings {
 public:
  // kFailedPrecondition: its boot counter has fallen, so it is a copy restored from a backup; or it
  // is another instance than the one that `connected` says is there now. Else it is remembered.
  [[nodiscard]] absl::Status admit(const Hello& theirs, bool connected);

 private:
  struct Sighting {
    storage::InstanceId instance{};
    uint64_t boot = 0;  // highest
  };
  std::vector<Sighting> sightings_;  // the newest last, and no more than a few
};

}  // namespace kvorum::server::peer
