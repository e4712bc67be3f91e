// Loading's progress for people: a line for the log, a bar for a terminal. Any thread.
#pragma once

#include <string>

#include "server/node/loading_progress.h"

namespace kvorum::server {

// "loading: 45 %, 1200 of 2600 MB, 250 MB/s, 6 s left, 1000000 keys"
std::string loading_text(const LoadingProgress& progress);
// Draws over itself on standard error; ends the line when loading has ended.
void draw_loading_bar(const LoadingProgress& progress);

}  // namespace kvorum::server
