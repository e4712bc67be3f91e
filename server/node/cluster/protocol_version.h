// Which versions of the protocol between nodes this build speaks. A connection speaks the lower of
// both sides' newest ones, so that builds can be replaced one node after the other. Pure, any
// thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace kvorum::server::peer {

inline constexpr uint32_t kOldestProtocolVersion = 1;
// What HELLO says. Never below the oldest.
[[nodiscard]] uint32_t newest_protocol_version();

// What two nodes speak with each other, given their newest ones: below kOldestProtocolVersion,
// nothing.
[[nodiscard]] inline uint32_t spoken_protocol_version(uint32_t ours, uint32_t theirs) {
  return std::min(ours, theirs);
}

}  // namespace kvorum::server::peer
