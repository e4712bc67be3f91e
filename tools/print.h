// What the log holds, as lines of text: one line per frame, record and effect, client bytes
// escaped; or as lines of JSON. Pure functions, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "storage/effect.h"
#include "storage/frame.h"
#include "storage/record.h"
#include "tools/segment_dump.h"

namespace kvorum::tools {

[[nodiscard]] std::string_view name_of(storage::FrameKind kind);
[[nodiscard]] std::string_view name_of(storage::RecordKind kind);
[[nodiscard]] std::string_view name_of(storage::EffectKind kind);
[[nodiscard]] std::string hex(const std::array<uint8_t, 16>& bytes);

// In quotes, with everything but printable ASCII escaped; cut after some hundred bytes.
[[nodiscard]] std::string quoted(std::string_view bytes);

[[nodiscard]] std::string describe(const storage::FrameHeader& header);
[[nodiscard]] std::string describe(const storage::SegmentStart& start);
[[nodiscard]] std::string describe(const storage::HardState& state);
[[nodiscard]] std::string describe(const storage::RecordHeader& header, size_t payload_bytes);
[[nodiscard]] std::string describe(const storage::Effect& effect);

// Prints what it is shown to standard output.
[[nodiscard]] std::unique_ptr<LogVisitor> make_printer(bool json);

}  // namespace kvorum::tools
