// What the reads of a connection promise; docs/consistency.md says it for users. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kvorum::server {

enum class Consistency : uint8_t {
  kLinearizable,  // everything that was answered, by any node, before the read was asked for
  kSession,       // the connection's own writes, and nothing older than it has seen
  kPrefix,        // what the asked node has applied
};

// "linearizable", "session" or "prefix", in lower case.
[[nodiscard]] constexpr std::optional<Consistency> parse_consistency(std::string_view text) {
  if (text == "linearizable") return Consistency::kLinearizable;
  if (text == "session") return Consistency::kSession;
  if (text == "prefix") return Consistency::kPrefix;
  return std::nullopt;
}

}  // namespace kvorum::server
