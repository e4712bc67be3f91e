#include "server/node/cluster/protocol_version.h"

// Tests build this file once more as that of a later build, which speaks so many versions more.
#ifndef KVORUM_LATER_PROTOCOL_VERSIONS
#define KVORUM_LATER_PROTOCOL_VERSIONS 0
#endif

namespace kvorum::server::peer {

// A file of its own, and nothing else in it: a program that links another one takes that.
uint32_t newest_protocol_version() { return 1 + KVORUM_LATER_PROTOCOL_VERSIONS; }

}  // namespace kvorum::server::peer
