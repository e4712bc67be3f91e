// Which position each voter has on disk, and what follows from it: the commit position (a majority
// has it) and what a write quorum of any size has. Pure; no I/O, clock or thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "storage/types.h"

namespace kvorum::replication {

class DurablePositions {
 public:
  // The voters, this node included, with nothing known to be on their disks yet.
  // REQUIRES: at least one, none twice.
  explicit DurablePositions(std::span<const storage::NodeId> voters);

  // `voter` says that everything up to `position` is on its disk. Older news than what is known,
  // and news of a node that has no vote, change nothing.
  void update(storage::NodeId voter, storage::Position position);

  // The newest position that at least `voters` voters have. REQUIRES: 1 <= voters <= size().
  storage::Position on(size_t voters) const;
  // The newest position that a majority has (Raft dissertation, section 3.5). Whether it may be
  // committed by counting also depends on its term, which the caller knows.
  storage::Position on_majority() const { return on(size() / 2 + 1); }

  size_t size() const { return voters_.size(); }

 private:
  struct Voter {
    storage::NodeId id{0};
    storage::Position durable;
  };
  std::vector<Voter> voters_;
};

}  // namespace kvorum::replication
