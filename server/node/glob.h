// Redis' glob patterns: * ? [a-z] [^x] and \ escapes. Linear in pattern × text at worst.
// Pure function, any thread.
#pragma once

#include <string_view>

namespace kvorum::server {

bool glob_matches(std::string_view pattern, std::string_view text, bool ignore_case = false);

}  // namespace kvorum::server
