// The keyspace: 16 databases, each many small hash tables selected by hash prefix, so growing never
// stalls. Changed only by effects in log order; every change gives back its inverse.
// Belongs to the node's loop; not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "storage/effect.h"
#include "storage/entry.h"
#include "storage/inverse.h"
#include "storage/placement.h"
#include "storage/types.h"

namespace kvorum::storage {

class Table;
class Tombstones;

// Told of what is about to be lost to whoever still needs it: a snapshot being written.
class KeyspaceObserver {
 public:
  virtual ~KeyspaceObserver() = default;
  // `entry` of `table` leaves its table or is about to be changed in place.
  virtual void entry_changes(const Table& table, HashPrefix prefix, const Entry& entry) = 0;
  // The past is about to change: something is undone.
  virtual void undoing() = 0;
};

class Keyspace {
 public:
  // `hash_seed` is fixed when the data directory is born, so that SCAN cursors and digests mean the
  // same on every node.
  explicit Keyspace(uint64_t hash_seed);
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;
  ~Keyspace();

  uint64_t hash_seed() const { return hash_seed_; }

  // The entry, expired or not (the node judges expiry), or null. Valid until the next change.
  const Entry* find(int database, std::string_view key) const;

  // Applies one effect unconditionally; it cannot fail. Whatever can be refused was refused before
  // the record was made. An effect on an absent key (delete, rename, splice from nothing …) is well
  // defined: delete and set-expiry, rename, move, copy of nothing do nothing; splice starts from
  // "". Rename, move and copy of a key to itself do nothing, stamp included. Steps to take it back
  // are added to `inverse`.
  void apply(const Effect& effect, Stamp stamp, Inverse& inverse);
  // Applies all effects of a record's payload. REQUIRES: the payload decodes (CHECKed).
  void apply_record(std::string_view payload, Stamp stamp, Inverse& inverse);
  // Restores exactly what was there, digest included.
  void undo(Inverse&& inverse);

  // Whether removals leave tombstones (tombstones.h); null: not. `horizon`, where there were none:
  // the newest record that is applied.
  void keep_tombstones(bool keep, Hlc horizon);
  const Tombstones* tombstones() const { return tombstones_.get(); }

  size_t size(int database) const;
  size_t expires(int database) const;  // keys with an expiry
  int64_t average_ttl_ms(int database, int64_t now_ms) const;
  // Entries, tables, tombstones and what is waiting to be reclaimed.
  size_t memory_bytes() const;
  Digest digest() const;
  Digest partition_digest(int database, size_t partition) const;

  // SCAN: calls `visit` for at least `count` entries where there are so many, in hash order, and
  // returns the cursor to go on from; 0 at the end. A cursor means the same on every node, whatever
  // was inserted, deleted or grown meanwhile: entries present throughout are visited exactly once.
  // `visit` must not change the keyspace.
  uint64_t scan(int database, uint64_t cursor, size_t count,
                const std::function<void(const Entry&)>& visit) const;
  void for_each(int database, const std::function<void(const Entry&)>& visit) const;
  // The present entry at a uniformly random place in hash order (`random` is uniform), or null if
  // empty.
  const Entry* random_entry(int database, uint64_t random) const;
  // The key that expires first, or null if no key has an expiry.
  const Entry* next_to_expire(int database) const;

  // Frees dropped tables a slice at a time. True while there is more.
  bool reclaim(size_t max_entries);

  // For snapshots (snapshot_writer.h, snapshot_loader.h). At most one observer at a time; null:
  // none.
  void set_observer(KeyspaceObserver* observer);
  std::shared_ptr<const Table> table(int database) const;
  void reserve(int database, size_t size);
  // Adds an entry as it was saved. False, and nothing changed, if its key is present.
  [[nodiscard]] bool load(int database, EntryPtr entry);
  // Adds tombstones as they were saved, and keeps them from now on; as Tombstones::load.
  [[nodiscard]] uint32_t load_tombstones(std::string_view block, Hlc cut);

 private:
  // Tables that nobody holds any more, waiting to be freed in slices.
  struct Graveyard {
    std::vector<std::unique_ptr<Table>> tables;
  };

  Table& database_table(int database) const;
  HashPrefix hash_prefix(std::string_view key) const;
  std::shared_ptr<Table> make_table();
  void apply_splice(const Effect& effect, Stamp stamp, Inverse& inverse);
  void apply_set_expiry(const Effect& effect, Stamp stamp, Inverse& inverse);
  void apply_rename(const Effect& effect, int to_database, std::string_view to_key, Stamp stamp,
                    Inverse& inverse);
  void apply_copy(const Effect& effect, Stamp stamp, Inverse& inverse);
  void apply_flush(int database, Inverse& inverse);
  void splice_in_place(const Effect& effect, HashPrefix prefix, Entry& entry, Stamp stamp,
                       Inverse& inverse);
  // Puts `entry` into its table, in the place of one of the same key. If `gives_up_large`, that
  // one's large value lives on in `entry`.
  Entry* put(int database, HashPrefix prefix, EntryPtr entry, bool gives_up_large,
             Inverse& inverse);
  // Takes the key out, if present; if `large_holder` is set, its large value lives on there.
  void take(int database, HashPrefix prefix, std::string_view key, Entry* large_holder,
            Inverse& inverse);
  void undo_step(Inverse::Step& step);

  const uint64_t hash_seed_;
  std::shared_ptr<Graveyard> graveyard_;
  std::array<std::shared_ptr<Table>, kDatabaseCount> databases_;
  std::unique_ptr<Tombstones> tombstones_;
  KeyspaceObserver* observer_ = nullptr;
};

}  // namespace kvorum::storage
