#include "storage/recovery_history.h"

#include <algorithm>
#include <set>

namespace kvorum::storage {

LogHistory::LogHistory(const SegmentList& list) {
  std::set<Lsn> joints;
  Lsn limit{UINT64_MAX};
  const auto take = [&](const SegmentFile& file) {
    limit = std::min(limit, file.header.first_lsn);
    joints.insert(file.header.last.lsn);
  };
  for (const SegmentFile& file : list.beyond) {
    if (file.begun) take(file);
  }
  limits_.resize(list.begun.size());
  for (size_t i = list.begun.size(); i > list.first; --i) {
    limits_[i - 1] = limit;
    take(list.begun[i - 1]);
  }
  for (const SegmentFile& file : list.begun) firsts_.push_back(file.header.first_lsn);
  for (const Lsn lsn : joints) joints_.push_back({lsn, std::nullopt});
}

std::optional<size_t> LogHistory::superseder(size_t index) const {
  for (size_t i = index + 1; i < firsts_.size(); ++i) {
    if (firsts_[i] == limits_[index]) return i;
  }
  return std::nullopt;
}

size_t LogHistory::find(Lsn lsn) const {
  const auto found =
      std::lower_bound(joints_.begin(), joints_.end(), lsn,
                       [](const Joint& joint, Lsn wanted) { return joint.lsn < wanted; });
  return static_cast<size_t>(found - joints_.begin());
}

void LogHistory::enter(const Place& place) {
  next_ = find(place.last.lsn);
  pass(place.last, place.last_hlc);
}

void LogHistory::pass(Position last, Hlc last_hlc) {
  if (next_ == joints_.size() || joints_[next_].lsn != last.lsn) return;
  joints_[next_++].place = Place{last, last_hlc};
}

const LogHistory::Place* LogHistory::at(Lsn lsn) const {
  const size_t found = find(lsn);
  const bool passed =
      found < joints_.size() && joints_[found].lsn == lsn && joints_[found].place.has_value();
  return passed ? &*joints_[found].place : nullptr;
}

}  // namespace kvorum::storage
