// The index of watched keys, and what ends a transaction. The commands are in
// commands/transaction.cc. Belongs to the loop.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "storage/effect.h"
#include "storage/keyspace.h"

namespace kvorum::server {

class Session;

// What MULTI may queue: a record holds the whole transaction.
inline constexpr size_t kMaxTransactionBytes = size_t{1} << 30;

class Transactions {
 public:
  void watch(Session& session, int database, std::string_view key);
  // Forgets the session's keys and its touched mark.
  void unwatch(Session& session);
  // Forgets MULTI's state and what was watched: DISCARD, EXEC, RESET, disconnect.
  void discard(Session& session);
  // What was watched is void: every session that watches anything is marked.
  void touch_all();
  // Marks every session that watches a key the effect changes. Call before the effect is applied.
  void touch(const storage::Effect& effect, const storage::Keyspace& keyspace) {
    if (!watchers_.empty()) touch_watched(effect, keyspace);
  }

 private:
  using WatchedKey = std::pair<int, std::string>;  // database, key
  void touch_watched(const storage::Effect& effect, const storage::Keyspace& keyspace);
  void touch_key(int database, std::string_view key);
  template <class Predicate>
  void touch_where(const Predicate& changes);

  absl::flat_hash_map<WatchedKey, std::vector<Session*>> watchers_;
};

}  // namespace kvorum::server
