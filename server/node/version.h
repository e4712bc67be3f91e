// Versions that HELLO, INFO, LOLWUT and --version show.
#pragma once

#include <string_view>

namespace kvorum::server {

inline constexpr std::string_view kVersion = "0.1.0";
// The Redis whose manners we have; clients choose what they may send by it.
inline constexpr std::string_view kRedisVersion = "7.0.15";

}  // namespace kvorum::server
