#include "tools/print.h"

#include <cstdio>

#include "absl/strings/escaping.h"
#include "base/text.h"
#include "storage/hlc.h"
#include "tools/json.h"

namespace kvorum::tools {
namespace {

using storage::Effect;
using storage::EffectKind;

constexpr size_t kMaxShownBytes = 200;

std::string time(storage::Hlc hlc) {
  return base::concat("time ", storage::HybridLogicalClock::wall_ms(hlc), " ms logic ",
                      hlc.value() & 0xffff);
}

std::string expiry(const Effect& effect) {
  return effect.expiry_ms == 0 ? "none" : std::to_string(effect.expiry_ms) + " ms";
}

// Database and key.
std::string place(int database, std::string_view key) {
  return base::concat("db ", database, " ", quoted(key));
}

void print_line(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

}  // namespace

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

std::string_view name_of(EffectKind kind) {
  switch (kind) {
    case EffectKind::kSet:
      return "set";
    case EffectKind::kSplice:
      return "splice";
    case EffectKind::kSetExpiry:
      return "set-expiry";
    case EffectKind::kDelete:
      return "delete";
    case EffectKind::kRename:
      return "rename";
    case EffectKind::kMove:
      return "move";
    case EffectKind::kCopy:
      return "copy";
    case EffectKind::kSwapDatabases:
      return "swap-databases";
    case EffectKind::kFlush:
      return "flush";
    case EffectKind::kMerge:
      return "merge";
    case EffectKind::kForgetTombstones:
      return "forget-tombstones";
  }
  return "unknown";
}

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
  return base::concat("record ", header.lsn.value(), " term ", header.term.value(), " ",
                      time(header.stamp.hlc), " origin ", header.stamp.origin.value(), " ",
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
    case EffectKind::kMerge:
      return base::concat("merge of an orphan's ", time(effect.stamp.hlc), " origin ",
                          effect.stamp.origin.value());
    case EffectKind::kForgetTombstones:
      return base::concat("forget-tombstones up to ", time(effect.stamp.hlc));
  }
  return "unknown effect";
}

namespace {

class TextPrinter final : public LogVisitor {
 public:
  void frame(const storage::FrameHeader& header) override { print_line(describe(header)); }
  void start(const storage::SegmentStart& start) override { print_line("  " + describe(start)); }
  void hard_state(const storage::HardState& state) override { print_line("  " + describe(state)); }
  void record(const storage::RecordView& record) override {
    print_line("  " + describe(record.header, record.payload.size()));
  }
  void effect(const Effect& effect) override { print_line("    " + describe(effect)); }
  void end(uint64_t offset, std::string_view tail) override {
    print_line(base::concat("end offset ", offset, ": ", tail));
  }
};

// One object a line. What is in a frame has lines of its own, as has every effect of a record.
class JsonPrinter final : public LogVisitor {
 public:
  void frame(const storage::FrameHeader& header) override {
    JsonObject object;
    object.text("frame", name_of(header.kind)).number("segment", header.segment);
    object.number("offset", header.offset).number("boot", header.boot);
    object.number("batch", header.batch).number("bytes", header.payload_bytes);
    object.number("first_lsn", header.first_lsn.value());
    object.number("last_lsn", header.last.lsn.value()).number("term", header.last.term.value());
    object.number("synced_up_to", header.synced_up_to).number("commit", header.commit.value());
    print_line(object.str());
  }
  void start(const storage::SegmentStart& start) override {
    JsonObject object;
    object.number("format", start.format_version).number("node", start.node.value());
    object.text("incarnation", hex(start.incarnation)).text("instance", hex(start.instance));
    object.text("kernel_boot", hex(start.kernel_boot)).json("hard_state", json(start.hard_state));
    object.number("previous_segment", start.previous_segment);
    object.number("previous_end", start.previous_end).number("last_hlc", start.last_hlc.value());
    object.number("recycled_bytes", start.recycled_bytes);
    object.number("claim_lsn", start.claim.lsn.value());
    object.number("claim_term", start.claim.term.value());
    object.flag("claim_unknown", start.claim_unknown);
    print_line(JsonObject().json("start", object.str()).str());
  }
  void hard_state(const storage::HardState& state) override {
    print_line(JsonObject().json("hard_state", json(state)).str());
  }
  void record(const storage::RecordView& record) override {
    const storage::RecordHeader& header = record.header;
    lsn_ = header.lsn;
    JsonObject object;
    object.number("record", lsn_.value()).number("term", header.term.value());
    object.number("unix_ms", storage::HybridLogicalClock::wall_ms(header.stamp.hlc));
    object.number("hlc", header.stamp.hlc.value()).number("origin", header.stamp.origin.value());
    object.text("kind", name_of(header.kind)).number("bytes", record.payload.size());
    print_line(object.str());
  }
  void effect(const Effect& effect) override;
  void end(uint64_t offset, std::string_view tail) override {
    print_line(JsonObject().number("end", offset).text("tail", tail).str());
  }

 private:
  static std::string json(const storage::HardState& state) {
    JsonObject object;
    object.number("term", state.term.value()).number("voted_for", state.voted_for.value());
    return object.str();
  }

  storage::Lsn lsn_{0};  // of the newest record
};

void JsonPrinter::effect(const Effect& effect) {
  const EffectKind kind = effect.kind;
  JsonObject object;
  object.text("effect", name_of(kind)).number("lsn", lsn_.value());
  if (kind == EffectKind::kMerge || kind == EffectKind::kForgetTombstones) {
    object.number("hlc", effect.stamp.hlc.value());
    if (kind == EffectKind::kMerge) object.number("origin", effect.stamp.origin.value());
    print_line(object.str());
    return;
  }
  const bool everywhere = kind == EffectKind::kFlush && effect.database == storage::kAllDatabases;
  if (!everywhere) object.number("db", effect.database);
  const bool whole = kind == EffectKind::kFlush || kind == EffectKind::kSwapDatabases;
  if (!whole) object.text("key", effect.key);
  if (kind == EffectKind::kSet || kind == EffectKind::kSplice) object.text("value", effect.value);
  if (kind == EffectKind::kSplice) {
    object.number("offset", effect.offset).number("length", effect.length);
  }
  const bool expires = kind == EffectKind::kSet || kind == EffectKind::kSetExpiry;
  if (expires && effect.expiry_ms != 0) object.number("expiry_unix_ms", effect.expiry_ms);
  const bool to_database =
      kind == EffectKind::kMove || kind == EffectKind::kCopy || kind == EffectKind::kSwapDatabases;
  if (to_database) object.number("to_db", effect.other_database);
  const bool to_key = kind == EffectKind::kRename || kind == EffectKind::kCopy;
  if (to_key) object.text("to_key", effect.other_key);
  print_line(object.str());
}

}  // namespace

std::unique_ptr<LogVisitor> make_printer(bool json) {
  if (json) return std::make_unique<JsonPrinter>();
  return std::make_unique<TextPrinter>();
}

}  // namespace kvorum::tools
