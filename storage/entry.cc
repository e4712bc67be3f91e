#include "storage/entry.h"

#include <cstring>
#include <new>

#include "base/check.h"
#include "storage/entry_access.h"
#include "storage/hlc.h"

namespace kvorum::storage {

void EntryDeleter::operator()(Entry* entry) const {
  const size_t size = entry->allocated_bytes();
  if (entry->is_large()) EntryAccess::drop_large(*entry);
  ::operator delete(entry, size);
}

EntryPtr EntryAccess::allocate(const Fields& fields, bool large, size_t inline_bytes) {
  const size_t key_size = fields.key.size();
  const bool long_key = key_size >= Entry::kLongKey;
  CHECK(key_size <= UINT32_MAX);
  const size_t size = Entry::kHeaderBytes + (fields.expiry_ms != 0 ? sizeof(ExpiryMs) : 0) +
                      (large ? Entry::kPointerBytes : 0) + (long_key ? sizeof(uint32_t) : 0) +
                      key_size + inline_bytes;
  EntryPtr entry(new (::operator new(size)) Entry);
  entry->hlc_ = fields.stamp.hlc.value();
  entry->origin_ = fields.stamp.origin.value();
  entry->flags_ = static_cast<uint8_t>(fields.type) | (fields.raw ? Entry::kRaw : 0) |
                  (fields.expiry_ms != 0 ? Entry::kHasExpiry : 0) | (large ? Entry::kLarge : 0);
  entry->key_length_ = long_key ? Entry::kLongKey : static_cast<uint8_t>(key_size);
  entry->length_and_access_ = static_cast<uint32_t>(inline_bytes);
  entry->touch(HybridLogicalClock::wall_ms(fields.stamp.hlc) / 1000);

  char* to = entry->bytes() + Entry::kHeaderBytes;
  if (fields.expiry_ms != 0) {
    std::memcpy(to, &fields.expiry_ms, sizeof(fields.expiry_ms));
    to += sizeof(fields.expiry_ms);
  }
  if (large) to += Entry::kPointerBytes;
  if (long_key) {
    const auto length = static_cast<uint32_t>(key_size);
    std::memcpy(to, &length, sizeof(length));
    to += sizeof(length);
  }
  if (key_size != 0) std::memcpy(to, fields.key.data(), key_size);
  return entry;
}

void EntryAccess::set_large(Entry& entry, LargeString* value) {
  std::memcpy(entry.bytes() + entry.large_offset(), &value, Entry::kPointerBytes);
}

EntryPtr EntryAccess::make(const Fields& fields, std::string_view value) {
  if (value.size() > kMaxInlineValueBytes) return make_large(fields, LargeString::create(value));
  EntryPtr entry = allocate(fields, false, value.size());
  if (!value.empty()) std::memcpy(value_bytes(*entry), value.data(), value.size());
  return entry;
}

EntryPtr EntryAccess::make_large(const Fields& fields, LargeString::Reference value) {
  CHECK(value->view().size() > kMaxInlineValueBytes);
  EntryPtr entry = allocate(fields, true, 0);
  set_large(*entry, value.release());
  return entry;
}

EntryPtr EntryAccess::make_spliced(const Fields& fields, const Splice& splice) {
  if (splice.length > kMaxInlineValueBytes) {
    return make_large(fields, LargeString::create_spliced(splice.old, splice.offset, splice.bytes,
                                                          splice.length));
  }
  const std::string_view old = splice.old.substr(0, splice.length);
  EntryPtr entry = allocate(fields, false, splice.length);
  char* value = value_bytes(*entry);
  if (!old.empty()) std::memcpy(value, old.data(), old.size());
  std::memset(value + old.size(), 0, splice.length - old.size());
  if (!splice.bytes.empty()) {
    std::memcpy(value + splice.offset, splice.bytes.data(), splice.bytes.size());
  }
  return entry;
}

EntryPtr EntryAccess::make_sharing(const Entry& from, std::string_view key, ExpiryMs expiry_ms,
                                   Stamp stamp) {
  const Fields fields{key, from.type(), from.raw(), expiry_ms, stamp};
  if (from.is_large()) return make_large(fields, from.large()->share());
  return make(fields, from.string());
}

void EntryAccess::drop_large(Entry& entry) {
  const LargeString::Reference released(entry.large());
  set_large(entry, nullptr);
}

void EntryAccess::share_large(Entry& entry, const Entry& from) {
  CHECK(entry.large() == nullptr && from.is_large());
  set_large(entry, from.large()->share().release());
}

LargeString& EntryAccess::writable_large(Entry& entry) {
  if (entry.large()->shared()) {
    LargeString::Reference copy = entry.large()->clone();
    drop_large(entry);
    set_large(entry, copy.release());
  }
  return *entry.large();
}

void EntryAccess::restamp(Entry& entry, Stamp stamp, bool raw) {
  entry.hlc_ = stamp.hlc.value();
  entry.origin_ = stamp.origin.value();
  entry.flags_ = static_cast<uint8_t>((entry.flags_ & ~Entry::kRaw) | (raw ? Entry::kRaw : 0));
  entry.touch(HybridLogicalClock::wall_ms(stamp.hlc) / 1000);
}

}  // namespace kvorum::storage
