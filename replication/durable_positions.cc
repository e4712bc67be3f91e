#include "replication/durable_positions.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace kvorum::replication {

DurablePositions::DurablePositions(std::span<const storage::NodeId> voters) {
  CHECK(!voters.empty());
  for (const storage::NodeId id : voters) {
    for (const Voter& other : voters_) CHECK(other.id != id) << "a voter listed twice";
    voters_.push_back({id, {}});
  }
}

void DurablePositions::update(storage::NodeId voter, storage::Position position) {
  for (Voter& each : voters_) {
    if (each.id == voter) each.durable = std::max(each.durable, position);
  }
}

storage::Position DurablePositions::on(size_t voters) const {
  CHECK(voters >= 1 && voters <= size());
  std::vector<storage::Position> positions;
  positions.reserve(size());
  for (const Voter& each : voters_) positions.push_back(each.durable);
  const auto nth = positions.begin() + static_cast<ptrdiff_t>(voters - 1);
  std::nth_element(positions.begin(), nth, positions.end(), std::greater<>());
  return *nth;
}

}  // namespace kvorum::replication
