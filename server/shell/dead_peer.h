// A machine that has lost its power closes no connection. Between nodes that has to be noticed: a
// replacement for a node is let in only when the old one's connection is gone. Any thread.
#pragma once

#include <uv.h>

namespace kvorum::server {

// The system ends the connection after about five seconds without a sign of the other machine. (A
// process that hangs is no such case: its system goes on answering, while there is room.)
// REQUIRES: connected. Does nothing to what is no TCP connection.
void end_when_machine_is_silent(uv_stream_t* stream);

}  // namespace kvorum::server
