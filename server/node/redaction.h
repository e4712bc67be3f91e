// What of a command may be shown to others: MONITOR, SLOWLOG. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "resp/parser.h"

namespace kvorum::server {

// The arguments with every secret replaced by "(redacted)": AUTH, HELLO … AUTH, CONFIG SET of a
// secret option. The views point into the arguments.
std::vector<std::string_view> redact(resp::Arguments arguments);

// Appends the bytes in double quotes, whatever is not printable ASCII escaped, as Redis shows them.
void append_quoted(std::string& out, std::string_view bytes);

}  // namespace kvorum::server
