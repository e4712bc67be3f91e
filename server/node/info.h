// INFO: what the server says about itself, section by section. Belongs to the loop.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace kvorum::server {

class Node;

// Appends every section for which `wanted` holds, in Redis' order. It is asked with the section's
// name in lower case and whether the section is one of those that a plain INFO shows.
void write_info(Node& node, const std::function<bool(std::string_view, bool)>& wanted,
                std::string& out);

}  // namespace kvorum::server
