// Entries and values as bytes: in snapshots with everything that belongs to a key, in DUMP payloads
// the value alone. docs/snapshot-format.md has the bytes. Pure functions; entries belong to the
// loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/digest.h"
#include "storage/entry.h"
#include "storage/entry_access.h"

namespace kvorum::storage {

inline constexpr size_t kMinEncodedEntryBytes = 16;

// Appends `entry`. If its value is large and at least `reference_from` bytes long, only what comes
// before the value's bytes is appended, and the value is returned: its bytes come next.
[[nodiscard]] LargeString::Reference encode_entry(const Entry& entry, size_t reference_from,
                                                  std::string& out);

// An encoded entry; the strings point into the bytes it was taken from.
struct EncodedEntry {
  EntryAccess::Fields fields;
  std::string_view value;
  std::string_view key_value;  // both, one after the other

  [[nodiscard]] uint64_t hash(uint64_t hash_seed) const;
};

// Takes one entry from the front of `bytes`. False if the bytes are not one; trusts no length.
[[nodiscard]] bool take_entry(std::string_view& bytes, EncodedEntry& entry);

// A value without its key: type, raw mark and contents.
struct EncodedValue {
  ValueType type = ValueType::kString;
  bool raw = false;
  std::string_view value;
};

void encode_value(const Entry& entry, std::string& out);
// Takes one value from the front of `bytes`. False if the bytes are not one.
[[nodiscard]] bool decode_value(std::string_view& bytes, EncodedValue& value);

}  // namespace kvorum::storage
