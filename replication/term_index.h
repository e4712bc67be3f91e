// The term of every record of a log, kept as runs: log matching without the log (Raft
// dissertation, section 3.5). Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "storage/types.h"

namespace kvorum::replication {

class TermIndex {
 public:
  // A log that begins after `base`: the cut of a snapshot, or zeros.
  explicit TermIndex(storage::Position base = {}) : base_(base), last_(base) {}

  storage::Position base() const { return base_; }
  storage::Position last() const { return last_; }

  // REQUIRES: lsns up to position.lsn follow last(), all of position.term >= last().term.
  void append(storage::Position position);
  // Forgets what is after `lsn`. REQUIRES: base().lsn <= lsn <= last().lsn.
  void truncate(storage::Lsn lsn);
  // Forgets what is before `lsn`, which becomes the base. REQUIRES: as truncate.
  void compact(storage::Lsn lsn);

  // The term of the record with this lsn, the base's included; nullopt outside.
  std::optional<storage::Term> term_at(storage::Lsn lsn) const;
  bool contains(storage::Position position) const { return term_at(position.lsn) == position.term; }
  // The first lsn of the run that `lsn` is in (never below base().lsn + 1), for fast back-up.
  storage::Lsn run_begin(storage::Lsn lsn) const;
  // The newest position with a term of at most `term`, not after `lsn`; zeros if that would be
  // before the base.
  storage::Position newest_up_to(storage::Term term, storage::Lsn lsn) const;

 private:
  struct Run {
    storage::Lsn first{0};
    storage::Term term{0};
  };
  storage::Position base_, last_;
  std::vector<Run> runs_;  // ascending; empty: the log is empty
};

}  // namespace kvorum::replication
