// Looking for divergence: at each digest record every node reports its keyspace's digest, and the
// leader compares. A majority of the voters decides who differs. Pure; belongs to the loop.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "storage/digest.h"
#include "storage/types.h"

namespace kvorum::server {

class DigestVote {
 public:
  struct Report {
    storage::Lsn lsn{0};
    storage::Digest digest = 0;
  };
  struct Verdict {
    storage::Lsn lsn{0};
    storage::Digest majority = 0;
    std::vector<storage::NodeId> differing;
    // Every voter has reported and no digest has a majority: nobody may be told to discard.
    bool split = false;
  };

  // A digest record was made with this lsn: reports of older ones count no more.
  void begin(storage::Lsn lsn) {
    asked_ = lsn;
    decided_ = false;
  }
  void report(storage::NodeId node, Report report) { reports_[node] = report; }
  // Once for each round: as soon as a majority agrees, somebody differs from it, or all differ.
  std::optional<Verdict> verdict(std::span<const storage::NodeId> voters);

  // Newest report of each node, this one's included.
  const std::map<storage::NodeId, Report>& reports() const { return reports_; }

 private:
  storage::Lsn asked_{0};
  bool decided_ = false;
  std::map<storage::NodeId, Report> reports_;
};

}  // namespace kvorum::server
