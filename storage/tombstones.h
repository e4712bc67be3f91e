// What last-writer-wins has to know of keys beyond the stamps of their entries, in clusters that
// merge what a deposed leader had to drop (docs/replication.md, Merging):
//   - a key that was removed has no entry: its tombstone says when, or nothing would be newer than
//     an older write that turns up, and it would come back;
//   - a key whose value was merged has the stamp of the record that merged it, which is newer than
//     the write itself: a mark says which stamp that had;
//   - a database that was flushed or swapped as a whole.
// A mark is kept until every voter has passed it (forget): then no older record can turn up any
// more. What is forgotten counts as removed at the horizon, so nothing is ever resurrected.
// A function of the log, and undone with it, but for the horizon: where marks went early, or nodes
// began to keep them at different records, it is higher. Belongs to the keyspace, and its loop.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "storage/effect.h"
#include "storage/entry.h"
#include "storage/types.h"

namespace kvorum::storage {

class Tombstones {
 public:
  // Marks that take more memory than this are forgotten, oldest first, whoever has passed them.
  static constexpr size_t kMaxBytes = size_t{64} << 20;

  // Everything before `horizon` is forgotten already.
  explicit Tombstones(Hlc horizon, size_t max_bytes = kMaxBytes)
      : horizon_(horizon), max_bytes_(max_bytes) {}

  // The effect of the record with this stamp is being applied; effects come in log order. How many
  // marks that made.
  uint32_t note(const Effect& effect, Stamp record);
  // Takes the newest `marks` back, as far as they were not forgotten.
  void undo(uint32_t marks);
  // Records up to there have been passed by every voter. Never goes back.
  void forget(Hlc horizon);

  // The last-writer-wins stamp of the key's last change, or one that is not below it; `entry` is
  // the key's, or null.
  [[nodiscard]] Stamp last_change(int database, std::string_view key, const Entry* entry) const;
  [[nodiscard]] Hlc horizon() const { return horizon_; }
  // The record of the n-th oldest mark, or of the newest if there are not so many. REQUIRES: n > 0,
  // size() > 0.
  [[nodiscard]] Hlc nth_oldest(size_t n) const {
    return journal_[std::min(n, journal_.size()) - 1].record;
  }
  [[nodiscard]] size_t size() const { return journal_.size(); }
  [[nodiscard]] size_t memory_bytes() const { return bytes_; }

  // For snapshots: payloads of at most about `block_bytes`, at least one, and how many marks are in
  // each; they are loaded in their order. docs/snapshot-format.md has the bytes.
  struct Block {
    std::string bytes;
    uint32_t marks = 0;
  };
  [[nodiscard]] std::vector<Block> encode(size_t block_bytes) const;
  // Adds the marks of a block; their number. UINT32_MAX: malformed, or of a record above `cut`.
  [[nodiscard]] uint32_t load(std::string_view block, Hlc cut);

 private:
  struct Mark {
    Hlc record{0};  // of the record that did it
    Stamp stamp;    // that counts: the record's, or the orphan's that it merged
    uint8_t database = 0;
    bool whole = false;  // the database
    std::string key;
    uint64_t previous = 0;  // number of the mark before it of the same key or database; 0: none
  };
  using Key = std::pair<uint8_t, std::string>;

  void add(Mark mark);
  void drop_oldest();
  uint64_t& newest(const Mark& mark);
  void put_back(const Mark& mark);
  // The mark, or null where it is forgotten or there is none.
  const Mark* find(uint64_t number) const;
  static size_t memory_of(const Mark& mark) {
    return sizeof(Mark) + sizeof(Key) + 2 * mark.key.size();
  }

  Hlc horizon_;
  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::deque<Mark> journal_;  // in log order; the first has the number first_
  uint64_t first_ = 1;
  absl::flat_hash_map<Key, uint64_t> newest_;  // number of each key's newest mark
  std::array<uint64_t, kDatabaseCount> newest_whole_{};
  // The record that merges an orphan: its marks have that one's stamp.
  Stamp merging_, merged_;
};

}  // namespace kvorum::storage
