// What the system and the allocator say of this process, for INFO. Any thread.
#pragma once

#include "server/node/host.h"

namespace kvorum::server {

// Leaves alone what only the server knows: network, executable, configuration file.
ProcessFigures read_process_figures();

}  // namespace kvorum::server
