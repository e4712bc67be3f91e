// How to take back what one record did: it owns what the record moved aside (old entries, old
// tables, overwritten bytes) and never a copy of what still lives. Movable; dropping it (commit)
// frees what it holds. Must be undone in reverse order of apply.
// Belongs to the node's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "storage/entry.h"
#include "storage/large_string.h"
#include "storage/placement.h"

namespace kvorum::storage {

class Table;

class Inverse {
 public:
  Inverse() = default;
  Inverse(Inverse&& other) noexcept;
  Inverse& operator=(Inverse&& other) noexcept;
  ~Inverse() = default;

  [[nodiscard]] bool empty() const { return steps_.empty() && marks_ == 0; }
  // What is kept alive by this alone, a flushed table not included: for the cap on uncommitted
  // bytes.
  [[nodiscard]] size_t memory_bytes() const { return memory_bytes_; }

 private:
  friend class Keyspace;

  enum class StepKind : uint8_t {
    kInsert,   // entry was put where there was none
    kReplace,  // entry was put in the place of old_entry
    kRemove,   // old_entry was taken out; entry has its large value now, or is null
    kSplice,   // entry's large value was changed in place
    kSwap,     // database and other_database changed places
    kFlush,    // database had another table
  };
  // Old entries whose large value went on to a new entry hold none until they are put back.
  struct Aside {
    Stamp stamp;
    bool raw = false;
    LargeString::Undo splice;
    std::shared_ptr<Table> table;
  };
  struct Step {
    Step(StepKind kind, uint8_t database, HashPrefix prefix, EntryPtr old_entry, Entry* entry)
        : kind(kind),
          database(database),
          prefix(prefix),
          old_entry(std::move(old_entry)),
          entry(entry) {}

    StepKind kind;
    uint8_t database;
    uint8_t other_database = 0;  // of kSwap
    HashPrefix prefix;
    EntryPtr old_entry;
    Entry* entry;
    std::unique_ptr<Aside> aside;  // of kSplice and kFlush
  };

  void add_replacement(int database, HashPrefix prefix, EntryPtr old_entry, Entry* entry) {
    const StepKind kind = old_entry == nullptr ? StepKind::kInsert : StepKind::kReplace;
    if (old_entry != nullptr) memory_bytes_ += old_entry->memory_bytes();
    add(kind, database, prefix, std::move(old_entry), entry);
  }
  void add_removal(int database, HashPrefix prefix, EntryPtr old_entry, Entry* large_holder) {
    memory_bytes_ += old_entry->memory_bytes();
    add(StepKind::kRemove, database, prefix, std::move(old_entry), large_holder);
  }
  void add_splice(int database, HashPrefix prefix, Entry* entry, std::unique_ptr<Aside> aside) {
    memory_bytes_ += sizeof(Aside) + aside->splice.bytes.size();
    add(StepKind::kSplice, database, prefix, nullptr, entry).aside = std::move(aside);
  }
  void add_swap(int database, int other_database) {
    add(StepKind::kSwap, database, 0, nullptr, nullptr).other_database =
        static_cast<uint8_t>(other_database);
  }
  void add_flush(int database, std::shared_ptr<Table> table) {
    memory_bytes_ += sizeof(Aside);
    Step& step = add(StepKind::kFlush, database, 0, nullptr, nullptr);
    step.aside = std::make_unique<Aside>();
    step.aside->table = std::move(table);
  }
  Step& add(StepKind kind, int database, HashPrefix prefix, EntryPtr old_entry, Entry* entry) {
    memory_bytes_ += sizeof(Step);
    return steps_.emplace_back(kind, static_cast<uint8_t>(database), prefix, std::move(old_entry),
                               entry);
  }

  absl::InlinedVector<Step, 1> steps_;
  size_t memory_bytes_ = 0;
  uint32_t marks_ = 0;  // that tombstones.h has noted
};

}  // namespace kvorum::storage
