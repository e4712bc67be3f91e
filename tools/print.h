// What the log holds, as lines of text: one line per frame, record and effect, client bytes
// escaped. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>

#include "storage/effect.h"
#include "storage/frame.h"
#include "storage/record.h"

namespace kvorum::tools {

// In quotes, with everything but printable ASCII escaped; cut after some hundred bytes.
[[nodiscard]] std::string quoted(std::string_view bytes);

[[nodiscard]] std::string describe(const storage::FrameHeader& header);
[[nodiscard]] std::string describe(const storage::SegmentStart& start);
[[nodiscard]] std::string describe(const storage::HardState& state);
[[nodiscard]] std::string describe(const storage::RecordHeader& header, size_t payload_bytes);
[[nodiscard]] std::string describe(const storage::Effect& effect);

}  // namespace kvorum::tools
