// Waiting for a condition, with a deadline.
#pragma once

#include <functional>

namespace kvorum::integration {

// Far beyond what anything here takes, on a busy machine and under a sanitizer too.
inline constexpr int kPatienceMs = 60'000;

// Looks again and again until `condition` holds; false when it has not within the time.
bool eventually(const std::function<bool()>& condition, int timeout_ms = kPatienceMs);

}  // namespace kvorum::integration
