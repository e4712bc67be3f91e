// The batch frame: what one write puts around the shared record bytes, so that recovery can tell an
// ordinary power cut from corruption. docs/wal-format.md has the bytes and the reasons.
// Pure functions, any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::storage {

// Frames begin and end on these boundaries: no write ever touches a sector with synced bytes in it.
inline constexpr size_t kSectorBytes = 512;
inline constexpr size_t kFrameHeaderBytes = 96;
inline constexpr size_t kMaxFramePayloadBytes = kMaxRecordPayloadBytes + kRecordHeaderBytes;
inline constexpr uint32_t kWalFormatVersion = 1;

enum class FrameKind : uint8_t {
  kSegmentStart = 1,  // payload: SegmentStart; the first frame of a segment, and only that
  kRecords = 2,       // payload: records with first_lsn … last_lsn
  kHardState = 3,     // payload: HardState
  kCleanStop = 4,     // no payload: the log was synced and closed here on purpose
};

struct FrameHeader {
  FrameKind kind = FrameKind::kRecords;
  uint32_t payload_bytes = 0;  // without the padding
  uint64_t segment = 0;
  uint64_t offset = 0;  // of this header in its segment
  uint64_t boot = 0;    // boot counter of the process that wrote it
  uint64_t batch = 0;   // counts up within a boot
  Lsn first_lsn{0};     // of the records inside; without records: that of the next record to come
  Position last;        // newest record up to and including this frame
  uint64_t synced_up_to = 0;  // bytes of this segment known to be synced when this was written
  Lsn commit{0};
};

struct SegmentStart {
  uint32_t format_version = kWalFormatVersion;
  NodeId node{0};
  Incarnation incarnation{};
  InstanceId instance{};
  std::array<uint8_t, 16> kernel_boot{};  // the kernel's boot id; zeros where unknown
  HardState hard_state;
  // Where the valid part of the preceding segment ends; 0: none precedes, the log begins here.
  uint64_t previous_end = 0;
  Hlc last_hlc{0};              // of the newest record before this segment
  uint64_t recycled_bytes = 0;  // size of the file that this segment overwrites; 0: a new one
  // The preceding segment's number; 0: one less than this one's. Those in between are void.
  uint64_t previous_segment = 0;
  // What the node may have acknowledged and lost before (RecoveredLog::claim), not yet resolved.
  Position claim;
  bool claim_unknown = false;
};

inline constexpr size_t kSegmentStartBytes = 128;
// Without previous_segment and what follows, as starts were written at first.
inline constexpr size_t kShortSegmentStartBytes = 96;
inline constexpr size_t kHardStateBytes = 16;

// Size of a frame on disk, padding included.
[[nodiscard]] constexpr uint64_t frame_bytes(uint64_t payload_bytes) {
  return (kFrameHeaderBytes + payload_bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}

// Fills in the header of a frame, both checksums included. REQUIRES: size == frame_bytes(
// header.payload_bytes), the payload at `frame` + kFrameHeaderBytes, zeros after it.
void seal_frame(const InstanceId& instance, const FrameHeader& header, char* frame, size_t size);

enum class FrameError : uint8_t {
  kNone,
  kNoHeader,  // no header that this data directory wrote: too short, wrong magic or checksum
  kPayload,   // the header is whole; the payload is cut short, or its checksum or padding is wrong
};

// Reads the header at the front of `bytes`. kNone or kNoHeader. The checksum of a segment start
// does not depend on `instance`: a foreign one is recognised, not taken for damage.
[[nodiscard]] FrameError decode_frame_header(const InstanceId& instance, std::string_view bytes,
                                             FrameHeader& header);

// True if `bytes` look like a header for that place with a field or two damaged.
[[nodiscard]] bool resembles_frame_header(std::string_view bytes, uint64_t segment, uint64_t offset,
                                          uint64_t boot);

// Checks the payload of the frame at the front of `bytes`, whose header was decoded into `header`.
[[nodiscard]] FrameError check_frame_payload(const InstanceId& instance, const FrameHeader& header,
                                             std::string_view bytes);

// Payloads. The decoders check sizes and reserved bytes.
void encode_segment_start(const SegmentStart& start, char* to);
[[nodiscard]] bool decode_segment_start(std::string_view payload, SegmentStart& start);
void encode_hard_state(const HardState& state, char* to);
[[nodiscard]] bool decode_hard_state(std::string_view payload, HardState& state);

}  // namespace kvorum::storage
