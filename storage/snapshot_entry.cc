#include "storage/snapshot_entry.h"

#include "base/check.h"
#include "storage/byte_order.h"

namespace kvorum::storage {

namespace {

constexpr size_t kHeaderBytes = kMinEncodedEntryBytes;
constexpr uint8_t kTypeMask = 0x0f;
constexpr uint8_t kRaw = 0x10;
constexpr uint8_t kHasExpiry = 0x20;
constexpr uint8_t kLongKey = 0xff;

bool is_known(uint8_t type) { return type == static_cast<uint8_t>(ValueType::kString); }

}  // namespace

LargeString::Reference encode_entry(const Entry& entry, size_t reference_from, std::string& out) {
  const std::string_view key = entry.key();
  const std::string_view value = entry.string();
  const ExpiryMs expiry_ms = entry.expiry_ms();
  const Stamp stamp = entry.stamp();
  const bool long_key = key.size() >= kLongKey;
  CHECK(value.size() <= UINT32_MAX);

  char head[kHeaderBytes + sizeof(ExpiryMs) + sizeof(uint32_t)];
  store_little_endian(head, stamp.hlc.value());
  store_little_endian(head + 8, stamp.origin.value());
  head[10] = static_cast<char>(static_cast<uint8_t>(entry.type()) | (entry.raw() ? kRaw : 0) |
                               (expiry_ms != 0 ? kHasExpiry : 0));
  head[11] = static_cast<char>(long_key ? kLongKey : key.size());
  store_little_endian(head + 12, static_cast<uint32_t>(value.size()));
  char* end = head + kHeaderBytes;
  if (expiry_ms != 0) {
    store_little_endian(end, expiry_ms);
    end += sizeof(expiry_ms);
  }
  if (long_key) {
    store_little_endian(end, static_cast<uint32_t>(key.size()));
    end += sizeof(uint32_t);
  }
  out.append(head, static_cast<size_t>(end - head));
  if (!EntryAccess::is_large(entry)) {
    out.append(key.data(), key.size() + value.size());  // they lie next to each other
    return nullptr;
  }
  out += key;
  if (value.size() >= reference_from) return EntryAccess::large(entry)->share();
  out += value;
  return nullptr;
}

bool take_entry(std::string_view& bytes, EncodedEntry& entry) {
  if (bytes.size() < kHeaderBytes) return false;
  const char* head = bytes.data();
  const auto flags = static_cast<uint8_t>(head[10]);
  uint64_t key_bytes = static_cast<uint8_t>(head[11]);
  const uint64_t value_bytes = load_little_endian<uint32_t>(head + 12);
  const bool has_expiry = (flags & kHasExpiry) != 0;
  const bool long_key = key_bytes == kLongKey;
  size_t at = kHeaderBytes;
  if ((flags & ~(kTypeMask | kRaw | kHasExpiry)) != 0 || !is_known(flags & kTypeMask)) return false;
  if (bytes.size() < at + (has_expiry ? sizeof(ExpiryMs) : 0) + (long_key ? 4 : 0)) return false;

  entry.fields.expiry_ms = 0;
  if (has_expiry) {
    entry.fields.expiry_ms = load_little_endian<ExpiryMs>(head + at);
    if (entry.fields.expiry_ms == 0) return false;
    at += sizeof(ExpiryMs);
  }
  if (long_key) {
    key_bytes = load_little_endian<uint32_t>(head + at);
    if (key_bytes < kLongKey) return false;
    at += sizeof(uint32_t);
  }
  if (bytes.size() - at < key_bytes + value_bytes) return false;

  entry.fields.stamp = {Hlc{load_little_endian<uint64_t>(head)},
                        NodeId{load_little_endian<uint16_t>(head + 8)}};
  entry.fields.type = static_cast<ValueType>(flags & kTypeMask);
  entry.fields.raw = (flags & kRaw) != 0;
  entry.fields.key = bytes.substr(at, key_bytes);
  entry.value = bytes.substr(at + key_bytes, value_bytes);
  entry.key_value = bytes.substr(at, key_bytes + value_bytes);
  bytes.remove_prefix(at + key_bytes + value_bytes);
  return true;
}

uint64_t EncodedEntry::hash(uint64_t hash_seed) const {
  const EntryTraits traits{fields.stamp, fields.expiry_ms, fields.type, fields.raw,
                           fields.key.size()};
  if (value.size() <= kMaxInlineValueBytes) return hash_small_entry(traits, key_value, hash_seed);
  return hash_large_entry(traits, fields.key, hash_chunks(value, 0, value.size()), value.size(),
                          hash_seed);
}

void encode_value(const Entry& entry, std::string& out) {
  const std::string_view value = entry.string();
  char head[1 + kMaxVarintBytes];
  head[0] = static_cast<char>(static_cast<uint8_t>(entry.type()) | (entry.raw() ? kRaw : 0));
  const char* end = store_varint(head + 1, value.size());
  out.append(head, static_cast<size_t>(end - head));
  out += value;
}

bool decode_value(std::string_view& bytes, EncodedValue& value) {
  std::string_view rest = bytes;
  if (rest.empty()) return false;
  const auto flags = static_cast<uint8_t>(rest.front());
  rest.remove_prefix(1);
  if ((flags & ~(kTypeMask | kRaw)) != 0 || !is_known(flags & kTypeMask)) return false;
  uint64_t size = 0;
  if (!take_varint(rest, size) || size > rest.size()) return false;
  value.type = static_cast<ValueType>(flags & kTypeMask);
  value.raw = (flags & kRaw) != 0;
  value.value = rest.substr(0, size);
  bytes = rest.substr(size);
  return true;
}

}  // namespace kvorum::storage
