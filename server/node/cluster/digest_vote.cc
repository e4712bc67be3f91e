#include "server/node/cluster/digest_vote.h"

namespace kvorum::server {

std::optional<DigestVote::Verdict> DigestVote::verdict(std::span<const storage::NodeId> voters) {
  if (decided_ || asked_ == storage::Lsn{0}) return std::nullopt;
  std::map<storage::Digest, size_t> votes;
  size_t answers = 0;
  for (const storage::NodeId voter : voters) {
    const auto report = reports_.find(voter);
    if (report == reports_.end() || report->second.lsn != asked_) continue;
    ++answers;
    ++votes[report->second.digest];
  }
  Verdict verdict;
  verdict.lsn = asked_;
  bool majority = false;
  for (const auto& [digest, count] : votes) {
    if (count <= voters.size() / 2) continue;
    majority = true;
    verdict.majority = digest;
  }
  if (!majority) {
    if (answers < voters.size()) return std::nullopt;
    decided_ = verdict.split = true;
    return verdict;
  }
  for (const auto& [node, report] : reports_) {
    if (report.lsn == asked_ && report.digest != verdict.majority) {
      verdict.differing.push_back(node);
    }
  }
  if (verdict.differing.empty()) return std::nullopt;
  decided_ = true;
  return verdict;
}

}  // namespace kvorum::server
