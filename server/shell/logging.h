// The process' log, written with spdlog to standard output or to a file that may rotate.
// write_log may be called from any thread, the others from the loop before it is shared.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/node/host.h"
#include "server/node/options.h"

namespace kvorum::server {

// The error says which file cannot be opened.
absl::Status open_log(const Options& options);
void set_log_level(std::string_view level);

// Escapes control bytes and cuts what is over long: a message may carry what a client sent.
void write_log(LogLevel level, std::string_view message);

// Exposed for its test.
std::string printable(std::string_view message);

}  // namespace kvorum::server
