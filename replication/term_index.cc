#include "replication/term_index.h"

#include <algorithm>

#include "base/check.h"

namespace kvorum::replication {

using storage::Lsn;
using storage::Position;
using storage::Term;

void TermIndex::append(Position position) {
  CHECK_GT(position.lsn, last_.lsn) << "an append follows the log's end";
  CHECK_GE(position.term, last_.term) << "terms never fall along a log";
  if (runs_.empty() || runs_.back().term != position.term) {
    runs_.push_back({last_.lsn.next(), position.term});
  }
  last_ = position;
}

void TermIndex::truncate(Lsn lsn) {
  CHECK(base_.lsn <= lsn && lsn <= last_.lsn) << "cut at " << lsn;
  while (!runs_.empty() && runs_.back().first > lsn) runs_.pop_back();
  last_ = {runs_.empty() ? base_.term : runs_.back().term, lsn};
}

void TermIndex::compact(Lsn lsn) {
  CHECK(base_.lsn <= lsn && lsn <= last_.lsn) << "compacted to " << lsn;
  base_ = {*term_at(lsn), lsn};
  const auto after = [lsn](const Run& run) { return run.first > lsn; };
  auto first_after = std::find_if(runs_.begin(), runs_.end(), after);
  const bool begins_anew = first_after != runs_.end() && first_after->first == lsn.next();
  if (first_after != runs_.begin() && lsn < last_.lsn && !begins_anew) {
    --first_after;  // the run that `lsn` is in goes on after it
    first_after->first = lsn.next();
  }
  runs_.erase(runs_.begin(), first_after);
}

std::optional<Term> TermIndex::term_at(Lsn lsn) const {
  if (lsn < base_.lsn || lsn > last_.lsn) return std::nullopt;
  if (lsn == base_.lsn) return base_.term;
  const auto before = [](Lsn wanted, const Run& run) { return wanted < run.first; };
  return std::prev(std::upper_bound(runs_.begin(), runs_.end(), lsn, before))->term;
}

Lsn TermIndex::run_begin(Lsn lsn) const {
  CHECK(base_.lsn < lsn && lsn <= last_.lsn) << "no record " << lsn;
  const auto before = [](Lsn wanted, const Run& run) { return wanted < run.first; };
  return std::prev(std::upper_bound(runs_.begin(), runs_.end(), lsn, before))->first;
}

Position TermIndex::newest_up_to(Term term, Lsn lsn) const {
  Lsn end = std::min(lsn, last_.lsn);
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->first > end) continue;
    if (run->term <= term) return {run->term, end};
    end = run->first.previous();
  }
  if (base_.lsn <= end && base_.term <= term) return base_;
  return {};
}

}  // namespace kvorum::replication
