#include "storage/effect.h"

#include <cstring>

#include "base/check.h"
#include "storage/byte_order.h"

namespace kvorum::storage {
namespace {

// docs/wal-format.md, "Effect". A set's flags:
constexpr uint8_t kRawFlag = 1;
constexpr uint8_t kExpiryFlag = 2;

constexpr size_t kPrefixBytes = 2;  // kind, database
constexpr size_t kHlcBytes = 8;
constexpr size_t kOriginBytes = 2;

size_t string_size(std::string_view text) { return varint_size(text.size()) + text.size(); }

char* store_string(char* to, std::string_view text) {
  to = store_varint(to, text.size());
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

char* store_byte(char* to, uint8_t byte) {
  *to = static_cast<char>(byte);
  return to + 1;
}

char* store_expiry(char* to, ExpiryMs expiry_ms) {
  store_little_endian(to, expiry_ms);
  return to + sizeof(expiry_ms);
}

size_t encoded_size(const Effect& effect) {
  switch (effect.kind) {
    case EffectKind::kSet:
      return kPrefixBytes + 2 + string_size(effect.key) +
             (effect.expiry_ms != 0 ? sizeof(effect.expiry_ms) : 0) + string_size(effect.value);
    case EffectKind::kSplice:
      return kPrefixBytes + string_size(effect.key) + varint_size(effect.offset) +
             varint_size(effect.length) + string_size(effect.value);
    case EffectKind::kSetExpiry:
      return kPrefixBytes + string_size(effect.key) + sizeof(effect.expiry_ms);
    case EffectKind::kDelete:
      return kPrefixBytes + string_size(effect.key);
    case EffectKind::kRename:
      return kPrefixBytes + string_size(effect.key) + string_size(effect.other_key);
    case EffectKind::kMove:
      return kPrefixBytes + 1 + string_size(effect.key);
    case EffectKind::kCopy:
      return kPrefixBytes + 1 + string_size(effect.key) + string_size(effect.other_key);
    case EffectKind::kSwapDatabases:
      return kPrefixBytes + 1;
    case EffectKind::kFlush:
      return kPrefixBytes;
    case EffectKind::kMerge:
      return kPrefixBytes + kHlcBytes + kOriginBytes;
    case EffectKind::kForgetTombstones:
      return kPrefixBytes + kHlcBytes;
  }
  CHECK(false) << "unknown effect kind " << static_cast<int>(effect.kind);
  return 0;
}

char* store_body(char* to, const Effect& effect) {
  switch (effect.kind) {
    case EffectKind::kSet: {
      const bool expires = effect.expiry_ms != 0;
      to = store_byte(to, static_cast<uint8_t>(effect.type));
      to = store_byte(
          to, static_cast<uint8_t>((effect.raw ? kRawFlag : 0) | (expires ? kExpiryFlag : 0)));
      to = store_string(to, effect.key);
      if (expires) to = store_expiry(to, effect.expiry_ms);
      return store_string(to, effect.value);
    }
    case EffectKind::kSplice:
      to = store_string(to, effect.key);
      to = store_varint(to, effect.offset);
      to = store_varint(to, effect.length);
      return store_string(to, effect.value);
    case EffectKind::kSetExpiry:
      return store_expiry(store_string(to, effect.key), effect.expiry_ms);
    case EffectKind::kDelete:
      return store_string(to, effect.key);
    case EffectKind::kRename:
      return store_string(store_string(to, effect.key), effect.other_key);
    case EffectKind::kMove:
      return store_string(store_byte(to, effect.other_database), effect.key);
    case EffectKind::kCopy:
      to = store_string(store_byte(to, effect.other_database), effect.key);
      return store_string(to, effect.other_key);
    case EffectKind::kSwapDatabases:
      return store_byte(to, effect.other_database);
    case EffectKind::kFlush:
      break;
    case EffectKind::kMerge:
      store_little_endian(to, effect.stamp.hlc.value());
      store_little_endian(to + kHlcBytes, effect.stamp.origin.value());
      return to + kHlcBytes + kOriginBytes;
    case EffectKind::kForgetTombstones:
      store_little_endian(to, effect.stamp.hlc.value());
      return to + kHlcBytes;
  }
  return to;
}

bool take_byte(std::string_view& bytes, uint8_t& byte) {
  if (bytes.empty()) return false;
  byte = static_cast<uint8_t>(bytes.front());
  bytes.remove_prefix(1);
  return true;
}

bool take_database(std::string_view& bytes, uint8_t& database) {
  return take_byte(bytes, database) && database < kDatabaseCount;
}

bool take_string(std::string_view& bytes, std::string_view& text) {
  uint64_t size = 0;
  if (!take_varint(bytes, size) || size > bytes.size()) return false;
  text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

bool take_expiry(std::string_view& bytes, ExpiryMs& expiry_ms) {
  if (bytes.size() < sizeof(expiry_ms)) return false;
  expiry_ms = load_little_endian<ExpiryMs>(bytes.data());
  bytes.remove_prefix(sizeof(expiry_ms));
  return true;
}

bool take_hlc(std::string_view& bytes, Effect& effect) {
  if (bytes.size() < kHlcBytes) return false;
  effect.stamp.hlc = Hlc{load_little_endian<uint64_t>(bytes.data())};
  bytes.remove_prefix(kHlcBytes);
  return true;
}

bool take_origin(std::string_view& bytes, Effect& effect) {
  if (bytes.size() < kOriginBytes) return false;
  effect.stamp.origin = NodeId{load_little_endian<uint16_t>(bytes.data())};
  bytes.remove_prefix(kOriginBytes);
  return true;
}

bool take_set(std::string_view& bytes, Effect& effect) {
  uint8_t type = 0;
  uint8_t flags = 0;
  if (!take_byte(bytes, type) || type != static_cast<uint8_t>(ValueType::kString)) return false;
  if (!take_byte(bytes, flags) || (flags & ~(kRawFlag | kExpiryFlag)) != 0) return false;
  effect.type = static_cast<ValueType>(type);
  effect.raw = (flags & kRawFlag) != 0;
  if (!take_string(bytes, effect.key)) return false;
  if ((flags & kExpiryFlag) != 0 &&
      (!take_expiry(bytes, effect.expiry_ms) || effect.expiry_ms == 0)) {
    return false;
  }
  return take_string(bytes, effect.value);
}

bool take_splice(std::string_view& bytes, Effect& effect) {
  return take_string(bytes, effect.key) && take_varint(bytes, effect.offset) &&
         take_varint(bytes, effect.length) && take_string(bytes, effect.value) &&
         effect.offset <= effect.length && effect.value.size() <= effect.length - effect.offset;
}

bool take_body(std::string_view& bytes, Effect& effect) {
  switch (effect.kind) {
    case EffectKind::kSet:
      return take_set(bytes, effect);
    case EffectKind::kSplice:
      return take_splice(bytes, effect);
    case EffectKind::kSetExpiry:
      return take_string(bytes, effect.key) && take_expiry(bytes, effect.expiry_ms);
    case EffectKind::kDelete:
      return take_string(bytes, effect.key);
    case EffectKind::kRename:
      return take_string(bytes, effect.key) && take_string(bytes, effect.other_key);
    case EffectKind::kMove:
      return take_database(bytes, effect.other_database) && take_string(bytes, effect.key);
    case EffectKind::kCopy:
      return take_database(bytes, effect.other_database) && take_string(bytes, effect.key) &&
             take_string(bytes, effect.other_key);
    case EffectKind::kSwapDatabases:
      return take_database(bytes, effect.other_database);
    case EffectKind::kFlush:
      return true;
    case EffectKind::kMerge:
      return take_hlc(bytes, effect) && take_origin(bytes, effect);
    case EffectKind::kForgetTombstones:
      return take_hlc(bytes, effect);
  }
  return false;  // a kind this version does not know
}

}  // namespace

void encode_effect(const Effect& effect, std::string& out) {
  const size_t start = out.size();
  out.resize(start + encoded_size(effect));
  char* to = out.data() + start;
  to = store_byte(to, static_cast<uint8_t>(effect.kind));
  to = store_byte(to, effect.database);
  to = store_body(to, effect);
  CHECK(to == out.data() + out.size());
}

bool decode_effect(std::string_view& payload, Effect& effect) {
  std::string_view rest = payload;
  Effect result;
  uint8_t kind = 0;
  if (!take_byte(rest, kind) || !take_byte(rest, result.database)) return false;
  result.kind = static_cast<EffectKind>(kind);
  const bool all = result.kind == EffectKind::kFlush && result.database == kAllDatabases;
  if (result.database >= kDatabaseCount && !all) return false;
  if (!take_body(rest, result)) return false;
  effect = result;
  payload = rest;
  return true;
}

}  // namespace kvorum::storage
