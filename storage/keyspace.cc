#include "storage/keyspace.h"

#include <utility>

#include "base/check.h"
#include "storage/digest.h"
#include "storage/entry_access.h"
#include "storage/table.h"
#include "storage/tombstones.h"

namespace kvorum::storage {

Keyspace::Keyspace(uint64_t hash_seed)
    : hash_seed_(hash_seed), graveyard_(std::make_shared<Graveyard>()) {
  for (auto& table : databases_) table = make_table();
}

Keyspace::~Keyspace() = default;

inline Table& Keyspace::database_table(int database) const {
  CHECK(static_cast<unsigned>(database) < kDatabaseCount) << "database " << database;
  return *databases_[static_cast<unsigned>(database)];
}

inline HashPrefix Keyspace::hash_prefix(std::string_view key) const {
  return static_cast<HashPrefix>(hash_key(key, hash_seed_) >> 32);
}

// Whoever drops the last reference to a table (commit of a flush, end of a snapshot) only hands it
// over: freeing millions of entries at once would stall the loop.
std::shared_ptr<Table> Keyspace::make_table() {
  return {new Table(hash_seed_), [graveyard = graveyard_](Table* table) {
            std::unique_ptr<Table> owned(table);
            if (owned->size() > 0) graveyard->tables.push_back(std::move(owned));
          }};
}

std::shared_ptr<const Table> Keyspace::table(int database) const {
  CHECK(database >= 0 && database < kDatabaseCount) << "database " << database;
  return databases_[static_cast<size_t>(database)];
}

const Entry* Keyspace::find(int database, std::string_view key) const {
  return database_table(database).find(hash_prefix(key), key);
}

void Keyspace::set_observer(KeyspaceObserver* observer) {
  CHECK(observer == nullptr || observer_ == nullptr) << "two observers";
  observer_ = observer;
}

void Keyspace::reserve(int database, size_t size) { database_table(database).reserve(size); }

bool Keyspace::load(int database, EntryPtr entry) {
  Table& table = database_table(database);
  const HashPrefix prefix = hash_prefix(entry->key());
  return table.insert(prefix, std::move(entry));
}

Entry* Keyspace::put(int database, HashPrefix prefix, EntryPtr entry, bool gives_up_large,
                     Inverse& inverse) {
  Table& table = database_table(database);
  Entry* added = entry.get();
  EntryPtr old = table.exchange(prefix, std::move(entry));
  if (old != nullptr) {
    if (observer_ != nullptr) observer_->entry_changes(table, prefix, *old);
    if (gives_up_large && EntryAccess::is_large(*old)) EntryAccess::drop_large(*old);
  }
  inverse.add_replacement(database, prefix, std::move(old), added);
  return added;
}

void Keyspace::take(int database, HashPrefix prefix, std::string_view key, Entry* large_holder,
                    Inverse& inverse) {
  Table& table = database_table(database);
  EntryPtr old = table.remove(prefix, key);
  if (old == nullptr) return;
  if (observer_ != nullptr) observer_->entry_changes(table, prefix, *old);
  if (large_holder != nullptr && EntryAccess::is_large(*old)) EntryAccess::drop_large(*old);
  inverse.add_removal(database, prefix, std::move(old), large_holder);
}

void Keyspace::keep_tombstones(bool keep, Hlc horizon) {
  if (!keep) {
    tombstones_ = nullptr;
  } else if (tombstones_ == nullptr) {
    tombstones_ = std::make_unique<Tombstones>(horizon);
  }
}

uint32_t Keyspace::load_tombstones(std::string_view block, Hlc cut) {
  keep_tombstones(true, Hlc{0});
  return tombstones_->load(block, cut);
}

void Keyspace::apply(const Effect& effect, Stamp stamp, Inverse& inverse) {
  if (tombstones_ != nullptr) inverse.marks_ += tombstones_->note(effect, stamp);
  switch (effect.kind) {
    case EffectKind::kSet: {
      EntryPtr entry = EntryAccess::make(
          {effect.key, effect.type, effect.raw, effect.expiry_ms, stamp}, effect.value);
      put(effect.database, hash_prefix(effect.key), std::move(entry), false, inverse);
      return;
    }
    case EffectKind::kSplice:
      return apply_splice(effect, stamp, inverse);
    case EffectKind::kSetExpiry:
      return apply_set_expiry(effect, stamp, inverse);
    case EffectKind::kDelete:
      return take(effect.database, hash_prefix(effect.key), effect.key, nullptr, inverse);
    case EffectKind::kRename:
      return apply_rename(effect, effect.database, effect.other_key, stamp, inverse);
    case EffectKind::kMove:
      return apply_rename(effect, effect.other_database, effect.key, stamp, inverse);
    case EffectKind::kCopy:
      return apply_copy(effect, stamp, inverse);
    case EffectKind::kSwapDatabases:
      CHECK(effect.database < kDatabaseCount && effect.other_database < kDatabaseCount);
      databases_[effect.database].swap(databases_[effect.other_database]);
      inverse.add_swap(effect.database, effect.other_database);
      return;
    case EffectKind::kFlush:
      if (effect.database != kAllDatabases) return apply_flush(effect.database, inverse);
      for (int database = 0; database < kDatabaseCount; ++database) apply_flush(database, inverse);
      return;
    case EffectKind::kMerge:
    case EffectKind::kForgetTombstones:
      return;
  }
  CHECK(false) << "effect kind " << static_cast<int>(effect.kind);
}

void Keyspace::apply_splice(const Effect& effect, Stamp stamp, Inverse& inverse) {
  CHECK(effect.offset <= effect.length && effect.value.size() <= effect.length - effect.offset);
  const HashPrefix prefix = hash_prefix(effect.key);
  Entry* entry = database_table(effect.database).find(prefix, effect.key);
  if (entry != nullptr && EntryAccess::is_large(*entry) && effect.length > kMaxInlineValueBytes) {
    return splice_in_place(effect, prefix, *entry, stamp, inverse);
  }
  const std::string_view old = entry == nullptr ? std::string_view() : entry->string();
  const ExpiryMs expiry_ms = entry == nullptr ? 0 : entry->expiry_ms();
  EntryPtr spliced =
      EntryAccess::make_spliced({effect.key, ValueType::kString, true, expiry_ms, stamp},
                                {old, effect.offset, effect.value, effect.length});
  put(effect.database, prefix, std::move(spliced), false, inverse);
}

void Keyspace::splice_in_place(const Effect& effect, HashPrefix prefix, Entry& entry, Stamp stamp,
                               Inverse& inverse) {
  Table& table = database_table(effect.database);
  if (observer_ != nullptr) observer_->entry_changes(table, prefix, entry);
  auto aside = std::make_unique<Inverse::Aside>();
  aside->stamp = entry.stamp();
  aside->raw = entry.raw();
  aside->splice =
      EntryAccess::large(entry)->undo_of_splice(effect.offset, effect.value.size(), effect.length);
  table.begin_change(prefix, entry);
  EntryAccess::writable_large(entry).splice(effect.offset, effect.value, effect.length);
  EntryAccess::restamp(entry, stamp, true);
  table.end_change(prefix, entry);
  inverse.add_splice(effect.database, prefix, &entry, std::move(aside));
}

void Keyspace::apply_set_expiry(const Effect& effect, Stamp stamp, Inverse& inverse) {
  const HashPrefix prefix = hash_prefix(effect.key);
  const Entry* entry = database_table(effect.database).find(prefix, effect.key);
  if (entry == nullptr) return;
  EntryPtr changed = EntryAccess::make_sharing(*entry, entry->key(), effect.expiry_ms, stamp);
  put(effect.database, prefix, std::move(changed), true, inverse);
}

// The new key first: taking it back destroys the new entry, after the old one has its value again.
void Keyspace::apply_rename(const Effect& effect, int to_database, std::string_view to_key,
                            Stamp stamp, Inverse& inverse) {
  if (to_database == effect.database && to_key == effect.key) return;
  const HashPrefix prefix = hash_prefix(effect.key);
  const Entry* entry = database_table(effect.database).find(prefix, effect.key);
  if (entry == nullptr) return;
  EntryPtr renamed = EntryAccess::make_sharing(*entry, to_key, entry->expiry_ms(), stamp);
  Entry* holder = put(to_database, hash_prefix(to_key), std::move(renamed), false, inverse);
  take(effect.database, prefix, effect.key, holder, inverse);
}

void Keyspace::apply_copy(const Effect& effect, Stamp stamp, Inverse& inverse) {
  if (effect.other_database == effect.database && effect.other_key == effect.key) return;
  const Entry* entry = find(effect.database, effect.key);
  if (entry == nullptr) return;
  EntryPtr copy = EntryAccess::make_sharing(*entry, effect.other_key, entry->expiry_ms(), stamp);
  put(effect.other_database, hash_prefix(effect.other_key), std::move(copy), false, inverse);
}

void Keyspace::apply_flush(int database, Inverse& inverse) {
  if (database_table(database).size() == 0) return;
  auto& table = databases_[static_cast<size_t>(database)];
  inverse.add_flush(database, std::exchange(table, make_table()));
}

void Keyspace::apply_record(std::string_view payload, Stamp stamp, Inverse& inverse) {
  Effect effect;
  while (!payload.empty()) {
    CHECK(decode_effect(payload, effect)) << "a record that does not decode reached the keyspace";
    apply(effect, stamp, inverse);
  }
}

void Keyspace::undo(Inverse&& inverse) {
  // Also of a record that changed nothing: a snapshot cut at it is of a history that is no more.
  if (observer_ != nullptr) observer_->undoing();
  for (; !inverse.steps_.empty(); inverse.steps_.pop_back()) undo_step(inverse.steps_.back());
  if (tombstones_ != nullptr) tombstones_->undo(inverse.marks_);
  inverse.memory_bytes_ = 0;
  inverse.marks_ = 0;
}

void Keyspace::undo_step(Inverse::Step& step) {
  Table& table = database_table(step.database);
  if (step.old_entry != nullptr && EntryAccess::is_large(*step.old_entry) &&
      EntryAccess::large(*step.old_entry) == nullptr) {
    EntryAccess::share_large(*step.old_entry, *step.entry);
  }
  switch (step.kind) {
    case Inverse::StepKind::kInsert: {
      const EntryPtr removed = table.remove(step.prefix, step.entry->key());
      CHECK(removed.get() == step.entry);
      return;
    }
    case Inverse::StepKind::kReplace: {
      const EntryPtr replaced = table.exchange(step.prefix, std::move(step.old_entry));
      CHECK(replaced.get() == step.entry);
      return;
    }
    case Inverse::StepKind::kRemove: {
      const bool inserted = table.insert(step.prefix, std::move(step.old_entry));
      CHECK(inserted);
      return;
    }
    case Inverse::StepKind::kSplice: {
      const LargeString::Undo& splice = step.aside->splice;
      table.begin_change(step.prefix, *step.entry);
      EntryAccess::writable_large(*step.entry).splice(splice.offset, splice.bytes, splice.length);
      EntryAccess::restamp(*step.entry, step.aside->stamp, step.aside->raw);
      table.end_change(step.prefix, *step.entry);
      return;
    }
    case Inverse::StepKind::kSwap:
      databases_[step.database].swap(databases_[step.other_database]);
      return;
    case Inverse::StepKind::kFlush:
      CHECK_EQ(table.size(), 0u);
      databases_[step.database] = std::move(step.aside->table);
      return;
  }
}

size_t Keyspace::size(int database) const { return database_table(database).size(); }

size_t Keyspace::expires(int database) const { return database_table(database).expiries().size(); }

int64_t Keyspace::average_ttl_ms(int database, int64_t now_ms) const {
  return database_table(database).expiries().average_ttl_ms(now_ms);
}

size_t Keyspace::memory_bytes() const {
  size_t bytes = 0;
  for (const auto& table : databases_) bytes += table->memory_bytes();
  for (const auto& table : graveyard_->tables) bytes += table->memory_bytes();
  if (tombstones_ != nullptr) bytes += tombstones_->memory_bytes();
  return bytes;
}

Digest Keyspace::digest() const {
  Digest digest = 0;
  for (size_t database = 0; database < kDatabaseCount; ++database) {
    const Table& table = *databases_[database];
    digest += database_digest(database, table.digest(), table.size());
  }
  return digest;
}

Digest Keyspace::partition_digest(int database, size_t partition) const {
  return database_table(database).partition_digest(partition);
}

uint64_t Keyspace::scan(int database, uint64_t cursor, size_t count,
                        const std::function<void(const Entry&)>& visit) const {
  if (cursor > UINT32_MAX) return 0;
  size_t visited = 0;
  HashPrefix last = 0;
  uint64_t next = 0;
  database_table(database).visit_from(static_cast<HashPrefix>(cursor),
                                      [&](HashPrefix prefix, const Entry& entry) {
                                        if (visited >= count && visited > 0 && prefix != last) {
                                          next = uint64_t{last} + 1;
                                          return false;
                                        }
                                        visit(entry);
                                        ++visited;
                                        last = prefix;
                                        return true;
                                      });
  return next;
}

void Keyspace::for_each(int database, const std::function<void(const Entry&)>& visit) const {
  database_table(database).visit_from(0, [&](HashPrefix, const Entry& entry) {
    visit(entry);
    return true;
  });
}

const Entry* Keyspace::random_entry(int database, uint64_t random) const {
  const Table& table = database_table(database);
  if (table.size() == 0) return nullptr;
  __extension__ using Wide = unsigned __int128;
  return &table.at_rank(static_cast<size_t>((Wide{random} * table.size()) >> 64));
}

const Entry* Keyspace::next_to_expire(int database) const {
  return database_table(database).expiries().first();
}

bool Keyspace::reclaim(size_t max_entries) {
  auto& tables = graveyard_->tables;
  size_t freed = 0;
  while (!tables.empty() && freed < max_entries) {
    freed += tables.back()->release(max_entries - freed);
    if (tables.back()->size() == 0) tables.pop_back();
  }
  return !tables.empty();
}

}  // namespace kvorum::storage
