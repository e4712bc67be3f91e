#include "storage/recovery_scan.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace kvorum::storage {
namespace {

constexpr size_t kScanBytes = size_t{1} << 20;

bool all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; });
}

class TailScanner {
 public:
  explicit TailScanner(const ScanPlace& place) : place_(place), expected_(place.offset) {
    result_.torn_end = place.offset;
  }

  // `sector` is shorter than a sector only at the end of the file.
  void look_at(uint64_t offset, std::string_view sector) {
    FrameHeader header;
    const bool decodes = decode_frame_header(place_.instance, sector, header) == FrameError::kNone;
    const bool ours = decodes && belongs(header, offset);
    if (offset == place_.offset) {
      result_.at = classify(offset, sector, decodes, ours);
      in_torn_ = result_.at == AtEnd::kDamagedHeader || result_.at == AtEnd::kUnknown;
    } else if (ours) {
      const bool vouches = header.synced_up_to > place_.offset;
      result_.beyond = vouches ? Beyond::kSynced : std::max(result_.beyond, Beyond::kUnsynced);
      in_torn_ = false;
    } else if (decodes || all_zero(sector)) {
      in_torn_ = false;
    }
    if (ours) {
      const uint64_t end = offset + frame_bytes(header.payload_bytes);
      result_.torn_end = std::max(result_.torn_end, std::min(end, place_.file_bytes));
      take_claim(header, sector);
    } else if (offset == expected_) {
      result_.claim_unknown = classify(offset, sector, decodes, ours) == AtEnd::kDamagedHeader;
    }
    if (in_torn_) result_.torn_end = std::max(result_.torn_end, offset + sector.size());
  }

  const TailScan& result() const { return result_; }

 private:
  bool belongs(const FrameHeader& header, uint64_t offset) const {
    return header.segment == place_.segment && header.offset == offset &&
           (place_.boot == 0 || header.boot == place_.boot);
  }

  void take_claim(const FrameHeader& header, std::string_view sector) {
    result_.claim = std::max(result_.claim, header.last);
    if (header.offset >= expected_) {
      if (header.offset > expected_) result_.missed = true;
      result_.claim_unknown = false;
      expected_ = header.offset + frame_bytes(header.payload_bytes);
    }
    take_hard_state(header, sector);
  }

  void take_hard_state(const FrameHeader& header, std::string_view sector) {
    const bool is_start = header.kind == FrameKind::kSegmentStart;
    if (!is_start && header.kind != FrameKind::kHardState) return;
    // Either fits into the header's sector.
    HardState state;
    SegmentStart start;
    bool readable = check_frame_payload(place_.instance, header, sector) == FrameError::kNone;
    if (readable) {
      const std::string_view payload = sector.substr(kFrameHeaderBytes, header.payload_bytes);
      readable =
          is_start ? decode_segment_start(payload, start) : decode_hard_state(payload, state);
      if (is_start) state = start.hard_state;
    }
    if (readable) result_.hard_state = std::max(result_.hard_state, state);
    if (!readable) result_.missed = true;
  }

  AtEnd classify(uint64_t offset, std::string_view sector, bool decodes, bool ours) const {
    if (ours) return AtEnd::kTornFrame;
    if (decodes) return AtEnd::kLeftover;
    if (all_zero(sector)) {
      return sector.size() < kSectorBytes ? AtEnd::kEndOfFile : AtEnd::kZeros;
    }
    const bool damaged =
        offset >= place_.recycled_bytes || sector.size() < kSectorBytes ||
        (place_.boot != 0 && resembles_frame_header(sector, place_.segment, offset, place_.boot));
    return damaged ? AtEnd::kDamagedHeader : AtEnd::kUnknown;
  }

  const ScanPlace& place_;
  TailScan result_;
  uint64_t expected_;     // where the next header should be
  bool in_torn_ = false;  // no zero or foreign sector since a damaged header
};

}  // namespace

absl::StatusOr<TailScan> scan_tail(const File& file, const ScanPlace& place) {
  TailScanner scanner(place);
  std::string buffer(kScanBytes, '\0');
  for (uint64_t at = place.offset; at < place.file_bytes;) {
    const auto got = file.read_at(at, buffer.data(), buffer.size());
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    for (size_t i = 0; i < *got; i += kSectorBytes) {
      scanner.look_at(at + i, std::string_view(buffer).substr(i, std::min(kSectorBytes, *got - i)));
    }
    at += *got;
  }
  return scanner.result();
}

}  // namespace kvorum::storage
