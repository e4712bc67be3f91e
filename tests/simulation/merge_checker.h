// Last-writer-wins over all histories: what a deposed leader had to drop is merged exactly if it is
// newer than every change of its keys that is committed. Judges the committed log record by record,
// and every orphan that a node says was judged.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/effect.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::simulation {

class MergeChecker {
 public:
  // The next committed record of effects. What is wrong with it, or empty.
  std::string commit(storage::Stamp stamp, std::string_view payload);
  // Records that were dropped somewhere, offered, and have just been judged, in log order: each is
  // merged by now, or must not be. What is wrong, or empty.
  std::string judged(std::string_view orphans) const;

  uint64_t merges() const { return merged_.size(); }
  // Keys of the clients that a merge has changed: no history of commands explains their values.
  const std::set<std::string, std::less<>>& touched() const { return touched_; }

 private:
  using Key = std::pair<uint8_t, std::string>;  // database, key
  storage::Stamp last_change(const Key& key) const;
  // `left_in_file`: what later orphans change that cannot be merged.
  std::string judged(const storage::RecordView& orphan, std::set<Key>& left_in_file) const;
  // What the effect changes, besides whole databases.
  static std::vector<Key> keys_of(const storage::Effect& effect);
  static std::vector<uint8_t> databases_of(const storage::Effect& effect);

  std::map<Key, storage::Stamp> last_;                           // of each key's last change
  std::array<storage::Stamp, storage::kDatabaseCount> whole_{};  // of a flush or swap
  std::set<storage::Stamp> merged_;                              // orphans in the log
  std::set<std::string, std::less<>> touched_;                   // keys of database 0
};

}  // namespace kvorum::simulation
