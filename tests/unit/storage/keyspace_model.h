// A keyspace as plain maps, and random effects to drive it and the real one with.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "storage/effect.h"
#include "storage/keyspace.h"
#include "storage/types.h"

namespace kvorum::storage {

struct ModelEntry {
  std::string value;
  ValueType type = ValueType::kString;
  bool raw = false;
  ExpiryMs expiry_ms = 0;
  Stamp stamp;
  bool operator==(const ModelEntry&) const = default;
};
using ModelDatabase = std::map<std::string, ModelEntry>;
using ModelContents = std::array<ModelDatabase, kDatabaseCount>;

// What the keyspace must do, in the simplest words.
void apply_to_model(const Effect& effect, Stamp stamp, ModelContents& contents);

// Everything that a keyspace holds.
ModelContents contents_of(const Keyspace& keyspace);

// Keys in SCAN order, found with a cursor and `count` at a time.
std::vector<std::string> scan_all(const Keyspace& keyspace, int database, size_t count);

// Checks every count, index and digest of `keyspace` against its contents.
void expect_consistent(const Keyspace& keyspace);

// An effect that owns its strings.
struct OwnedEffect {
  Effect fields;
  std::string key;
  std::string other_key;
  std::string value;
  Effect view() const;
};

// Effects on few keys, so that they meet: all kinds, short and long keys, values around the size
// where they leave their entry, expiries that collide.
class RandomEffects {
 public:
  explicit RandomEffects(uint64_t seed) : random_(seed) {}
  OwnedEffect next(const ModelContents& contents);
  std::vector<OwnedEffect> next_record(const ModelContents& contents, size_t max_effects);
  uint64_t below(uint64_t limit) { return random_() % limit; }

 private:
  std::string key();
  std::string bytes(size_t size);
  size_t value_size();
  ExpiryMs expiry_ms();

  std::mt19937_64 random_;
};

inline Stamp stamp_at(uint64_t hlc, uint16_t origin = 1) { return {Hlc{hlc}, NodeId{origin}}; }

}  // namespace kvorum::storage
