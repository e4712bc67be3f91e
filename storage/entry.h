// One key with its value: what the keyspace's tables point to. A small entry (key, stamp, expiry,
// value up to kMaxInlineValueBytes) is one allocation with a 16-byte header; a larger value hangs
// off it. Read-only here: only Keyspace makes and changes entries. Belongs to the node's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "storage/allocation_size.h"
#include "storage/effect.h"
#include "storage/large_string.h"
#include "storage/types.h"

namespace kvorum::storage {

inline constexpr size_t kMaxInlineValueBytes = 4095;
inline constexpr uint32_t kIdleClockPeriodSeconds = uint32_t{1} << 20;

class Entry;
struct EntryDeleter {
  void operator()(Entry* entry) const;
};
using EntryPtr = std::unique_ptr<Entry, EntryDeleter>;

class Entry {
 public:
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  std::string_view key() const { return {bytes() + key_offset(), key_size()}; }
  ValueType type() const { return static_cast<ValueType>(flags_ & kTypeMask); }
  // The whole string, contiguous. REQUIRES: type() == ValueType::kString. Valid until the entry
  // changes.
  std::string_view string() const {
    if (is_large()) return large()->view();
    return {bytes() + key_offset() + key_size(), length_and_access_ & kLengthMask};
  }
  // Built by APPEND or SETRANGE: OBJECT ENCODING answers "raw" whatever the length.
  bool raw() const { return (flags_ & kRaw) != 0; }
  ExpiryMs expiry_ms() const {  // 0: none
    if (!has_expiry()) return 0;
    ExpiryMs expiry_ms;
    std::memcpy(&expiry_ms, bytes() + kHeaderBytes, sizeof(expiry_ms));
    return expiry_ms;
  }
  Stamp stamp() const { return {Hlc{hlc_}, NodeId{origin_}}; }  // of its last change
  // Allocations owned by this entry, the table's slot not included. A value shared by several
  // entries counts in each.
  size_t memory_bytes() const {
    const size_t own = allocation_bytes(allocated_bytes());
    const LargeString* value = is_large() ? large() : nullptr;
    return value != nullptr ? own + value->memory_bytes() : own;
  }

  // Seconds since the node last touched it for a client or changed it, for OBJECT IDLETIME, counted
  // modulo kIdleClockPeriodSeconds (12 days). `now_seconds` is Unix time. Not part of the value:
  // neither logged, nor in the digest, nor in snapshots.
  uint32_t idle_seconds(uint64_t now_seconds) const {
    const auto now = static_cast<uint32_t>(now_seconds);
    return (now - (length_and_access_ >> kLengthBits)) % kIdleClockPeriodSeconds;
  }
  void touch(uint64_t now_seconds) const {
    const auto now = static_cast<uint32_t>(now_seconds);
    length_and_access_ = (length_and_access_ & kLengthMask) | now << kLengthBits;
  }

 private:
  friend class EntryAccess;
  friend struct EntryDeleter;

  // Layout: header, expiry if set, pointer to the LargeString if large, key length if it does not
  // fit the header, key, value if inline. The stamp gives the time of the first access.
  static constexpr size_t kHeaderBytes = 16;
  static constexpr size_t kPointerBytes = 8;  // of the LargeString
  static constexpr uint8_t kTypeMask = 0x0f;
  static constexpr uint8_t kRaw = 0x10;
  static constexpr uint8_t kHasExpiry = 0x20;
  static constexpr uint8_t kLarge = 0x40;
  static constexpr uint8_t kLongKey = 0xff;  // in key_length_
  static constexpr int kLengthBits = 12;
  static constexpr uint32_t kLengthMask = (1u << kLengthBits) - 1;

  Entry() = default;
  ~Entry() = default;

  const char* bytes() const { return reinterpret_cast<const char*>(this); }
  char* bytes() { return reinterpret_cast<char*>(this); }
  bool has_expiry() const { return (flags_ & kHasExpiry) != 0; }
  bool is_large() const { return (flags_ & kLarge) != 0; }
  bool has_long_key() const { return key_length_ == kLongKey; }
  size_t large_offset() const { return kHeaderBytes + (has_expiry() ? sizeof(ExpiryMs) : 0); }
  size_t key_length_offset() const { return large_offset() + (is_large() ? kPointerBytes : 0); }
  size_t key_offset() const {
    return key_length_offset() + (has_long_key() ? sizeof(uint32_t) : 0);
  }
  size_t key_size() const {
    if (!has_long_key()) return key_length_;
    uint32_t length;
    std::memcpy(&length, bytes() + key_length_offset(), sizeof(length));
    return length;
  }
  LargeString* large() const {
    LargeString* large;
    std::memcpy(&large, bytes() + large_offset(), kPointerBytes);
    return large;
  }
  size_t allocated_bytes() const {
    return key_offset() + key_size() + (length_and_access_ & kLengthMask);
  }

  uint64_t hlc_ = 0;
  uint16_t origin_ = 0;
  uint8_t flags_ = 0;
  uint8_t key_length_ = 0;
  // Length of an inline value in the low 12 bits, last access in seconds in the others.
  mutable uint32_t length_and_access_ = 0;
};
static_assert(sizeof(Entry) == 16);

}  // namespace kvorum::storage
