#include "tools/print.h"

#include <array>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "storage/hlc.h"

namespace kvorum::tools {
namespace {

using storage::Effect;
using storage::EffectKind;

constexpr size_t kMaxShownBytes = 200;

std::string hex(const std::array<uint8_t, 16>& bytes) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string_view name_of(storage::FrameKind kind) {
  switch (kind) {
    case storage::FrameKind::kSegmentStart:
      return "segment-start";
    case storage::FrameKind::kRecords:
      return "records";
    case storage::FrameKind::kHardState:
      return "hard-state";
    case storage::FrameKind::kCleanStop:
      return "clean-stop";
  }
  return "unknown";
}

std::string_view name_of(storage::RecordKind kind) {
  switch (kind) {
    case storage::RecordKind::kEffects:
      return "effects";
    case storage::RecordKind::kNoop:
      return "noop";
    case storage::RecordKind::kMembership:
      return "membership";
    case storage::RecordKind::kDigest:
      return "digest";
  }
  return "unknown";
}

std::string expiry(const Effect& effect) {
  return effect.expiry_ms == 0 ? "none" : std::to_string(effect.expiry_ms) + " ms";
}

// Database and key.
std::string place(int database, std::string_view key) {
  return base::concat("db ", database, " ", quoted(key));
}

}  // namespace

std::string quoted(std::string_view bytes) {
  const std::string_view shown = bytes.substr(0, kMaxShownBytes);
  std::string text = base::concat("\"", absl::CHexEscape({shown.data(), shown.size()}), "\"");
  if (shown.size() < bytes.size()) text += base::concat("... (", bytes.size(), " bytes)");
  return text;
}

std::string describe(const storage::FrameHeader& header) {
  std::string text = base::concat("frame ", name_of(header.kind), " segment ", header.segment,
                                  " offset ", header.offset, " boot ", header.boot, " batch ",
                                  header.batch, " synced-up-to ", header.synced_up_to, " commit ",
                                  header.commit.value(), " bytes ", header.payload_bytes);
  if (header.kind == storage::FrameKind::kRecords) {
    text += base::concat(" lsn ", header.first_lsn.value(), " to ", header.last.lsn.value(),
                         " term ", header.last.term.value());
  }
  return text;
}

std::string describe(const storage::SegmentStart& start) {
  return base::concat("format ", start.format_version, " node ", start.node.value(),
                      " incarnation ", hex(start.incarnation), " instance ", hex(start.instance),
                      " kernel-boot ", hex(start.kernel_boot), " ", describe(start.hard_state),
                      " previous-segment ", start.previous_segment, " previous-end ",
                      start.previous_end, " last-hlc ", start.last_hlc.value(), " recycled-bytes ",
                      start.recycled_bytes, " claim ", start.claim.lsn.value(), " of term ",
                      start.claim.term.value(), start.claim_unknown ? " and unknown" : "");
}

std::string describe(const storage::HardState& state) {
  return base::concat("term ", state.term.value(), " voted-for ", state.voted_for.value());
}

std::string describe(const storage::RecordHeader& header, size_t payload_bytes) {
  const uint64_t hlc = header.stamp.hlc.value();
  return base::concat("record ", header.lsn.value(), " term ", header.term.value(), " time ",
                      storage::HybridLogicalClock::wall_ms(header.stamp.hlc), " ms logic ",
                      hlc & 0xffff, " origin ", header.stamp.origin.value(), " ",
                      name_of(header.kind), " bytes ", payload_bytes);
}

std::string describe(const Effect& effect) {
  const std::string from = place(effect.database, effect.key);
  switch (effect.kind) {
    case EffectKind::kSet:
      return base::concat("set ", from, " = ", quoted(effect.value), " expiry ", expiry(effect),
                          effect.raw ? " raw" : "");
    case EffectKind::kSplice:
      return base::concat("splice ", from, " offset ", effect.offset, " bytes ",
                          quoted(effect.value), " new length ", effect.length);
    case EffectKind::kSetExpiry:
      return base::concat("set-expiry ", from, " expiry ", expiry(effect));
    case EffectKind::kDelete:
      return base::concat("delete ", from);
    case EffectKind::kRename:
      return base::concat("rename ", from, " to ", quoted(effect.other_key));
    case EffectKind::kMove:
      return base::concat("move ", from, " to db ", static_cast<int>(effect.other_database));
    case EffectKind::kCopy:
      return base::concat("copy ", from, " to ", place(effect.other_database, effect.other_key));
    case EffectKind::kSwapDatabases:
      return base::concat("swap-databases ", static_cast<int>(effect.database), " ",
                          static_cast<int>(effect.other_database));
    case EffectKind::kFlush:
      return effect.database == storage::kAllDatabases
                 ? std::string("flush all databases")
                 : base::concat("flush db ", static_cast<int>(effect.database));
  }
  return "unknown effect";
}

}  // namespace kvorum::tools
