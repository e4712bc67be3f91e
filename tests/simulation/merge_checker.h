// Last-writer-wins over all histories: what a deposed leader had to drop is merged exactly if it is
// newer than every change of its keys that is committed. Judges the committed log record by record,
// and every orphan that a node says was judged.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::simulation {

class MergeChecker {
 public:
  // The next committed record of effects. What is wrong with it, or empty.
  std::string commit(storage::Stamp stamp, std::string_view payload);
  // A record that was dropped somewhere, offered, and judged: it is in the log by now, or must not
  // be. What is wrong, or empty.
  std::string judged(const storage::RecordView& orphan) const;

  // A merge has changed the key: a history of commands does not explain its value.
  bool merged(std::string_view key) const { return touched_.contains(key); }
  uint64_t merges() const { return merged_.size(); }
  const std::set<std::string, std::less<>>& touched() const { return touched_; }

 private:
  std::map<std::string, storage::Stamp, std::less<>> last_;  // of each key's last change
  std::set<storage::Stamp> merged_;                          // orphans in the log
  std::set<std::string, std::less<>> touched_;
};

}  // namespace kvorum::simulation
