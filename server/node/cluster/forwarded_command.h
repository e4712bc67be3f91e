// Executes what a peer::Forward carries, in the session that stands for its client. Belongs to the
// loop.
#pragma once

#include "server/node/cluster/peer_message.h"
#include "server/node/node.h"

namespace kvorum::server {

// kComeAgain: not executed, call again. REQUIRES: this node leads; the session neither waits nor is
// inside MULTI.
Execution execute_forwarded(Node& node, Session& session, const peer::Forward& forward);

}  // namespace kvorum::server
