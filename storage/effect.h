// Effects: what a record does to the keyspace, as results and never as commands, so that replay
// needs no clock, no randomness and no command code. docs/wal-format.md has the bytes.
// Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/types.h"

namespace kvorum::storage {

inline constexpr int kDatabaseCount = 16;
inline constexpr uint8_t kAllDatabases = 0xff;  // for kFlush

// Milliseconds since the Unix epoch; 0 means the key does not expire.
using ExpiryMs = int64_t;

enum class EffectKind : uint8_t {
  kSet = 1,     // database, key, type, value, expiry, raw
  kSplice = 2,  // database, key, offset, value (the bytes), length (new length of the value); marks
                // the value raw
  kSetExpiry = 3,      // database, key, expiry (0 persists)
  kDelete = 4,         // database, key
  kRename = 5,         // database, key → other_key, replacing it
  kMove = 6,           // database, key → other_database
  kCopy = 7,           // database, key → other_database, other_key, replacing it
  kSwapDatabases = 8,  // database, other_database
  kFlush = 9,          // database, or kAllDatabases
  // In clusters that merge (docs/replication.md, Merging). Neither changes a key.
  kMerge = 10,             // stamp: the record is an orphan's that won, and had this one
  kForgetTombstones = 11,  // stamp.hlc: every voter has the records up to there
};

// What a value is. Later types (hashes, lists, sets, sorted sets) take the next numbers; the number
// is part of the record and snapshot formats.
enum class ValueType : uint8_t { kString = 0 };

// One effect, as a view: the strings point into the caller's or the record's bytes.
struct Effect {
  EffectKind kind = EffectKind::kSet;
  uint8_t database = 0;
  uint8_t other_database = 0;
  ValueType type = ValueType::kString;
  bool raw = false;  // the string was built by APPEND or SETRANGE: OBJECT ENCODING says so
  std::string_view key = {};
  std::string_view other_key = {};
  std::string_view value = {};
  uint64_t offset = 0;
  uint64_t length = 0;
  ExpiryMs expiry_ms = 0;
  Stamp stamp = {};
};

// Appends the encoding of `effect` to `out`.
void encode_effect(const Effect& effect, std::string& out);

// Takes one effect from the front of `payload`. False if the bytes are not one: truncated, unknown
// kind, database out of range, or a splice outside its new length.
[[nodiscard]] bool decode_effect(std::string_view& payload, Effect& effect);

}  // namespace kvorum::storage
