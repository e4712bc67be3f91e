#include "tests/chaos/tally.h"

#include <algorithm>

namespace kvorum::chaos {
namespace {

// One wrong thing leads to others: the first are of interest.
constexpr size_t kKeptFailures = 5;

bool writes(Deed deed) { return deed < Deed::kLocalRead; }

}  // namespace

uint64_t Tally::Figures::of(Answer answer) const {
  uint64_t sum = 0;
  for (const auto& deed : deeds) sum += deed[static_cast<size_t>(answer)];
  return sum;
}

void Tally::count(Deed deed, Answer answer) {
  const std::lock_guard lock(mutex_);
  ++figures_.deeds[static_cast<size_t>(deed)][static_cast<size_t>(answer)];
  if (answer != Answer::kDone || !writes(deed)) return;
  const int64_t now = now_us();
  figures_.longest_gap_us = std::max(figures_.longest_gap_us, now - last_write_us_);
  last_write_us_ = now;
  ++figures_.acknowledged_writes;
}

void Tally::count_error(const std::string& word) {
  const std::lock_guard lock(mutex_);
  ++figures_.errors[word];
}

void Tally::count_judged(bool decided) {
  const std::lock_guard lock(mutex_);
  ++figures_.groups_judged;
  if (!decided) ++figures_.groups_undecided;
}

Tally::Figures Tally::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

void Tally::fail(const std::string& what) {
  if (what.empty()) return;
  const std::lock_guard lock(mutex_);
  if (failures_.size() < kKeptFailures) failures_.push_back(what);
}

bool Tally::failed() const {
  const std::lock_guard lock(mutex_);
  return !failures_.empty();
}

std::vector<std::string> Tally::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

}  // namespace kvorum::chaos
