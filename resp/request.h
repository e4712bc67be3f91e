// Encodes a command as clients send it: an array of bulk strings.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace kvorum::resp {

// Appends the command to `out`.
void append_request(std::string& out, std::span<const std::string_view> arguments);

std::string encode_request(std::initializer_list<std::string_view> arguments);

}  // namespace kvorum::resp
