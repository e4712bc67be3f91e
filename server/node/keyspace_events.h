// notify-keyspace-events: Redis' letters as a bit set. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvorum::server {

inline constexpr uint32_t kKeyspaceChannel = 1u << 0;  // K
inline constexpr uint32_t kKeyeventChannel = 1u << 1;  // E

// Nothing if a letter is unknown.
std::optional<uint32_t> parse_keyspace_events(std::string_view letters);
// Redis' canonical spelling: "AKE".
std::string format_keyspace_events(uint32_t flags);
// Whether an event of this class has a channel to go to.
bool keyspace_event_wanted(uint32_t flags, char event_class);

}  // namespace kvorum::server
