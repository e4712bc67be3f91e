#include "storage/frame.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "storage/byte_order.h"
#include "storage/crc32c.h"

namespace kvorum::storage {
namespace {

constexpr uint32_t kMagic = 0x3157564b;  // "KVW1" in the file

// docs/wal-format.md, "Frame".
constexpr size_t kHeaderCrcAt = 0;
constexpr size_t kMagicAt = 4;
constexpr size_t kPayloadBytesAt = 8;
constexpr size_t kPayloadCrcAt = 12;
constexpr size_t kKindAt = 16;
constexpr size_t kSegmentAt = 24;
constexpr size_t kOffsetAt = 32;
constexpr size_t kBootAt = 40;
constexpr size_t kBatchAt = 48;
constexpr size_t kFirstLsnAt = 56;
constexpr size_t kLastLsnAt = 64;
constexpr size_t kLastTermAt = 72;
constexpr size_t kSyncedAt = 80;
constexpr size_t kCommitAt = 88;
static_assert(kCommitAt + 8 == kFrameHeaderBytes);

// docs/wal-format.md, "Segment start".
constexpr size_t kVersionAt = 0;
constexpr size_t kNodeAt = 4;
constexpr size_t kIncarnationAt = 8;
constexpr size_t kInstanceAt = 24;
constexpr size_t kKernelBootAt = 40;
constexpr size_t kStartHardStateAt = 56;
constexpr size_t kPreviousEndAt = 72;
constexpr size_t kLastHlcAt = 80;
constexpr size_t kRecycledAt = 88;
constexpr size_t kPreviousSegmentAt = 96;
constexpr size_t kClaimTermAt = 104;
constexpr size_t kClaimLsnAt = 112;
constexpr size_t kClaimUnknownAt = 120;
static_assert(kRecycledAt + 8 == kShortSegmentStartBytes);
static_assert(kClaimUnknownAt + 8 == kSegmentStartBytes);

uint32_t seed_of(const InstanceId& instance, uint64_t kind) {
  if (kind == static_cast<uint64_t>(FrameKind::kSegmentStart)) return 0;
  return crc32c({reinterpret_cast<const char*>(instance.data()), instance.size()});
}

bool is_frame_kind(uint64_t kind) {
  return kind >= static_cast<uint64_t>(FrameKind::kSegmentStart) &&
         kind <= static_cast<uint64_t>(FrameKind::kCleanStop);
}

bool all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; });
}

}  // namespace

void seal_frame(const InstanceId& instance, const FrameHeader& header, char* frame, size_t size) {
  CHECK(size == frame_bytes(header.payload_bytes));
  const auto kind = static_cast<uint64_t>(header.kind);
  const uint32_t seed = seed_of(instance, kind);
  store_little_endian(frame + kMagicAt, kMagic);
  store_little_endian(frame + kPayloadBytesAt, header.payload_bytes);
  store_little_endian(frame + kPayloadCrcAt,
                      crc32c({frame + kFrameHeaderBytes, size - kFrameHeaderBytes}, seed));
  store_little_endian(frame + kKindAt, kind);
  store_little_endian(frame + kSegmentAt, header.segment);
  store_little_endian(frame + kOffsetAt, header.offset);
  store_little_endian(frame + kBootAt, header.boot);
  store_little_endian(frame + kBatchAt, header.batch);
  store_little_endian(frame + kFirstLsnAt, header.first_lsn.value());
  store_little_endian(frame + kLastLsnAt, header.last.lsn.value());
  store_little_endian(frame + kLastTermAt, header.last.term.value());
  store_little_endian(frame + kSyncedAt, header.synced_up_to);
  store_little_endian(frame + kCommitAt, header.commit.value());
  store_little_endian(frame + kHeaderCrcAt,
                      crc32c({frame + kMagicAt, kFrameHeaderBytes - kMagicAt}, seed));
}

FrameError decode_frame_header(const InstanceId& instance, std::string_view bytes,
                               FrameHeader& header) {
  if (bytes.size() < kFrameHeaderBytes) return FrameError::kNoHeader;
  const char* from = bytes.data();
  if (load_little_endian<uint32_t>(from + kMagicAt) != kMagic) return FrameError::kNoHeader;
  const auto kind = load_little_endian<uint64_t>(from + kKindAt);
  const uint32_t crc =
      crc32c({from + kMagicAt, kFrameHeaderBytes - kMagicAt}, seed_of(instance, kind));
  if (load_little_endian<uint32_t>(from + kHeaderCrcAt) != crc) return FrameError::kNoHeader;
  header.payload_bytes = load_little_endian<uint32_t>(from + kPayloadBytesAt);
  if (!is_frame_kind(kind) || header.payload_bytes > kMaxFramePayloadBytes) {
    return FrameError::kNoHeader;
  }
  header.kind = static_cast<FrameKind>(kind);
  header.segment = load_little_endian<uint64_t>(from + kSegmentAt);
  header.offset = load_little_endian<uint64_t>(from + kOffsetAt);
  header.boot = load_little_endian<uint64_t>(from + kBootAt);
  header.batch = load_little_endian<uint64_t>(from + kBatchAt);
  header.first_lsn = Lsn{load_little_endian<uint64_t>(from + kFirstLsnAt)};
  header.last.lsn = Lsn{load_little_endian<uint64_t>(from + kLastLsnAt)};
  header.last.term = Term{load_little_endian<uint64_t>(from + kLastTermAt)};
  header.synced_up_to = load_little_endian<uint64_t>(from + kSyncedAt);
  header.commit = Lsn{load_little_endian<uint64_t>(from + kCommitAt)};
  return FrameError::kNone;
}

bool resembles_frame_header(std::string_view bytes, uint64_t segment, uint64_t offset,
                            uint64_t boot) {
  if (bytes.size() < kFrameHeaderBytes) return false;
  const char* from = bytes.data();
  const int matches = (load_little_endian<uint32_t>(from + kMagicAt) == kMagic ? 1 : 0) +
                      (load_little_endian<uint64_t>(from + kSegmentAt) == segment ? 1 : 0) +
                      (load_little_endian<uint64_t>(from + kOffsetAt) == offset ? 1 : 0) +
                      (load_little_endian<uint64_t>(from + kBootAt) == boot ? 1 : 0);
  return matches >= 3;
}

FrameError check_frame_payload(const InstanceId& instance, const FrameHeader& header,
                               std::string_view bytes) {
  const uint64_t size = frame_bytes(header.payload_bytes);
  if (bytes.size() < size) return FrameError::kPayload;
  const std::string_view rest = bytes.substr(kFrameHeaderBytes, size - kFrameHeaderBytes);
  const uint32_t crc = crc32c(rest, seed_of(instance, static_cast<uint64_t>(header.kind)));
  if (load_little_endian<uint32_t>(bytes.data() + kPayloadCrcAt) != crc) {
    return FrameError::kPayload;
  }
  return all_zero(rest.substr(header.payload_bytes)) ? FrameError::kNone : FrameError::kPayload;
}

void encode_segment_start(const SegmentStart& start, char* to) {
  std::memset(to, 0, kSegmentStartBytes);
  store_little_endian(to + kVersionAt, start.format_version);
  store_little_endian(to + kNodeAt, start.node.value());
  std::memcpy(to + kIncarnationAt, start.incarnation.data(), start.incarnation.size());
  std::memcpy(to + kInstanceAt, start.instance.data(), start.instance.size());
  std::memcpy(to + kKernelBootAt, start.kernel_boot.data(), start.kernel_boot.size());
  encode_hard_state(start.hard_state, to + kStartHardStateAt);
  store_little_endian(to + kPreviousEndAt, start.previous_end);
  store_little_endian(to + kLastHlcAt, start.last_hlc.value());
  store_little_endian(to + kRecycledAt, start.recycled_bytes);
  store_little_endian(to + kPreviousSegmentAt, start.previous_segment);
  store_little_endian(to + kClaimTermAt, start.claim.term.value());
  store_little_endian(to + kClaimLsnAt, start.claim.lsn.value());
  to[kClaimUnknownAt] = start.claim_unknown ? 1 : 0;
}

bool decode_segment_start(std::string_view payload, SegmentStart& start) {
  // A later version may be longer: the caller sees its number and refuses it by that.
  const bool is_short = payload.size() == kShortSegmentStartBytes;
  if (!is_short && payload.size() < kSegmentStartBytes) return false;
  const char* from = payload.data();
  start.format_version = load_little_endian<uint32_t>(from + kVersionAt);
  start.node = NodeId{load_little_endian<uint16_t>(from + kNodeAt)};
  std::memcpy(start.incarnation.data(), from + kIncarnationAt, start.incarnation.size());
  std::memcpy(start.instance.data(), from + kInstanceAt, start.instance.size());
  std::memcpy(start.kernel_boot.data(), from + kKernelBootAt, start.kernel_boot.size());
  start.previous_end = load_little_endian<uint64_t>(from + kPreviousEndAt);
  start.last_hlc = Hlc{load_little_endian<uint64_t>(from + kLastHlcAt)};
  start.recycled_bytes = load_little_endian<uint64_t>(from + kRecycledAt);
  start.previous_segment = 0;
  start.claim = Position{};
  start.claim_unknown = false;
  if (!is_short) {
    start.previous_segment = load_little_endian<uint64_t>(from + kPreviousSegmentAt);
    start.claim = Position{Term{load_little_endian<uint64_t>(from + kClaimTermAt)},
                           Lsn{load_little_endian<uint64_t>(from + kClaimLsnAt)}};
    start.claim_unknown = from[kClaimUnknownAt] != 0;
  }
  return decode_hard_state(payload.substr(kStartHardStateAt, kHardStateBytes), start.hard_state);
}

void encode_hard_state(const HardState& state, char* to) {
  std::memset(to, 0, kHardStateBytes);
  store_little_endian(to, state.term.value());
  store_little_endian(to + 8, state.voted_for.value());
}

bool decode_hard_state(std::string_view payload, HardState& state) {
  if (payload.size() != kHardStateBytes) return false;
  state.term = Term{load_little_endian<uint64_t>(payload.data())};
  state.voted_for = NodeId{load_little_endian<uint16_t>(payload.data() + 8)};
  return true;
}

}  // namespace kvorum::storage
