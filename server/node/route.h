// Where a command runs: here, at the leader, later, or not at all. Looks, and changes nothing but
// what a session's next read waits for. Belongs to the loop.
#pragma once

#include <cstdint>

#include "server/node/command.h"
#include "server/node/session.h"

namespace kvorum::server {

class Node;

enum class Route : uint8_t {
  kHere,
  kLeader,      // forwarded
  kLater,       // once what is under way is answered, or this node has caught up
  kIndexed,     // once the leader's commit position is known and applied here (read_index.h)
  kReadOnly,    // refused: follower-writes is "readonly"
  kRedirect,    // refused with the leader's address
  kUnreadable,  // refused: this node's keyspace may not be read, and nobody else is known
  kBehind,      // refused: what the read has to see has not come here in time
};

// EXEC, DISCARD and the others that MULTI does not queue.
bool runs_inside_multi(const Command& command);
// The flag; EXEC has those of what it carries.
bool has_flag(const Session& session, const Command& command, uint32_t flag);
// May change the keyspace; EXEC if anything it carries may.
bool writes(const Session& session, const Command& command);
// MEMBER ADD, PROMOTE, REMOVE: no effects, and a gate of their own.
bool changes_membership(const Command& command);
// Reads or changes keys, or waits for what was written.
bool speaks_of_keyspace(const Command& command);
// WAIT, WAITAOF.
bool waits_for_followers(const Command& command);

// Of a command that this node would not refuse by itself. REQUIRES: node.cluster().started().
Route route_of(Node& node, Session& session, const Command& command);

}  // namespace kvorum::server
