// Making and changing entries: for the keyspace, its tables and its snapshots only.
// Belongs to the node's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/digest.h"
#include "storage/entry.h"
#include "storage/large_string.h"

namespace kvorum::storage {

class EntryAccess {
 public:
  struct Fields {
    std::string_view key;
    ValueType type = ValueType::kString;
    bool raw = false;
    ExpiryMs expiry_ms = 0;
    Stamp stamp;
  };

  // The value is inline or large by its length alone, so equal contents have one representation.
  static EntryPtr make(const Fields& fields, std::string_view value);
  static EntryPtr make_large(const Fields& fields, LargeString::Reference value);

  // `bytes` put into `old` at `offset`, `length` bytes in all, a gap filled with zeros.
  // REQUIRES: offset + bytes.size() <= length.
  struct Splice {
    std::string_view old;
    size_t offset = 0;
    std::string_view bytes;
    size_t length = 0;
  };
  static EntryPtr make_spliced(const Fields& fields, const Splice& splice);

  // The value of `from` (shared, if large) under another key, expiry or stamp.
  static EntryPtr make_sharing(const Entry& from, std::string_view key, ExpiryMs expiry_ms,
                               Stamp stamp);

  // Whether two entries of one key take the same memory, when that is quick to see.
  static bool same_memory(const Entry& a, const Entry& b) {
    constexpr uint8_t kLayout = Entry::kHasExpiry | Entry::kLarge;
    return ((a.length_and_access_ ^ b.length_and_access_) & Entry::kLengthMask) == 0 &&
           ((a.flags_ ^ b.flags_) & kLayout) == 0 && !a.is_large();
  }
  static bool is_large(const Entry& entry) { return entry.is_large(); }
  static LargeString* large(const Entry& entry) { return entry.large(); }
  // Gives up the reference to a large value: the entry may then only be destroyed or share again.
  static void drop_large(Entry& entry);
  static void share_large(Entry& entry, const Entry& from);
  // The large value, cloned first if anybody else holds it.
  static LargeString& writable_large(Entry& entry);
  static void restamp(Entry& entry, Stamp stamp, bool raw);

  static EntryTraits traits(const Entry& entry) {
    return {entry.stamp(), entry.expiry_ms(), entry.type(), entry.raw(), entry.key_size()};
  }
  static uint64_t hash(const Entry& entry, uint64_t hash_seed) {
    const EntryTraits traits = EntryAccess::traits(entry);
    const char* key = entry.bytes() + entry.key_offset();
    if (entry.is_large()) {
      const LargeString& value = *entry.large();
      return hash_large_entry(traits, {key, traits.key_bytes}, value.hash(), value.view().size(),
                              hash_seed);
    }
    const size_t value_bytes = entry.length_and_access_ & Entry::kLengthMask;
    return hash_small_entry(traits, {key, traits.key_bytes + value_bytes}, hash_seed);
  }

 private:
  static EntryPtr allocate(const Fields& fields, bool large, size_t inline_bytes);
  static char* value_bytes(Entry& entry) {
    return entry.bytes() + entry.key_offset() + entry.key_size();
  }
  static void set_large(Entry& entry, LargeString* value);
};

}  // namespace kvorum::storage
