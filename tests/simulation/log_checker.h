// All logs of the cluster side by side, as their nodes report them. Fails on: two records of one
// (term, lsn) that differ or follow different records; a stamp that does not grow along a log; a
// record committed that most voters of the membership in force do not have on disk; two records
// committed at one lsn; a committed record cut off; a synced record gone after a restart; keyspaces
// that differ at one position.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/digest.h"
#include "storage/record.h"
#include "storage/types.h"
#include "tests/simulation/committed_model.h"
#include "tests/simulation/merge_checker.h"
#include "tests/simulation/trace.h"

namespace kvorum::simulation {

class LogChecker {
 public:
  // Of `machines`, the first `founders` are voters until a membership record says otherwise.
  LogChecker(int machines, int founders, Verdict& verdict)
      : verdict_(verdict),
        founders_((uint64_t{2} << founders) - 2),
        nodes_(static_cast<size_t>(machines) + 1),
        fewest_voters_(static_cast<size_t>(founders)),
        most_voters_(static_cast<size_t>(founders)) {}
  LogChecker(int nodes, Verdict& verdict) : LogChecker(nodes, nodes, verdict) {}

  // --- What node `node` (1 …) reports.
  // It goes on at `base`, with the log before that or with a snapshot in its place.
  void begin(uint32_t node, storage::Position base);
  void append(uint32_t node, const storage::RecordView& record);
  void truncate(uint32_t node, uint64_t kept);
  // Before it truncates: the node is the only member and goes on in its term after its disk was
  // full. What it cuts off was on no disk, and its positions will be used again.
  void forget(uint32_t node, uint64_t kept);
  void synced(uint32_t node, uint64_t lsn);
  void commit(uint32_t node, uint64_t lsn);
  void digest(uint32_t node, storage::Position position, storage::Digest digest);
  // The voters of the membership that it has in force, a bit for each: those of the newest record
  // in its log. At most one in a log is not committed, of a term of which something is, and it
  // changes one voter.
  void voters(uint32_t node, uint64_t in_force);
  // The process is gone; the next begin() and append()s are what it finds on its disk, until
  // recovered(). `disk_lost`: it may find less than was synced.
  void ended(uint32_t node);
  void disk_lost(uint32_t node);
  void recovered(uint32_t node);

  // --- What is known.
  uint64_t last(uint32_t node) const { return nodes_[node].last; }
  storage::Term term_at(uint32_t node, uint64_t lsn) const;
  // The records that hold this text; clients write every text once.
  struct Copy {
    storage::Position position;
    // Voters that have had it on disk: of the membership in force then, or of a later one.
    int synced_on = 0;
    bool committed = false;
  };
  std::vector<Copy> copies_of(uint64_t token) const;
  uint64_t committed() const { return committed_.size(); }
  // Of all memberships that have been in any log.
  size_t fewest_voters() const { return fewest_voters_; }
  size_t most_voters() const { return most_voters_; }
  const CommittedModel& model() const { return model_; }
  const MergeChecker& merges() const { return merges_; }

 private:
  struct Known {
    storage::Term term, previous_term;  // previous_term 0: not known
    storage::Stamp stamp;
    uint64_t hash = 0;
    uint64_t synced_on = 0;  // a bit for each node
    uint64_t voters = 0;     // of a membership: the same
    std::optional<storage::Digest> digest;
    uint32_t digest_of = 0;  // the node that reported it
    std::string payload;     // of effects, until it is committed
  };
  struct Log {
    std::vector<storage::Term> terms;  // by lsn; 0: not known
    uint64_t last = 0, committed = 0, synced = 0;
    uint64_t heard_committed = 0;       // as `committed`, and does not go back with the log
    std::vector<storage::Term> before;  // the process ended: what was synced
    uint64_t synced_before = 0;
  };

  Known* find(uint64_t lsn, storage::Term term);
  const Known* find(uint64_t lsn, storage::Term term) const;
  Known& learn(Log& log, const storage::RecordView& record);
  // The lsn of the newest membership in the node's log up to there; 0: of the founders.
  uint64_t membership_of(uint32_t node, uint64_t lsn) const;
  bool lost_after_commit(uint32_t node, uint64_t newest, uint64_t in_force) const;
  uint64_t voters_at(uint32_t node, uint64_t membership_lsn) const;
  // Of one of the memberships from that lsn on.
  bool on_a_majority(const Known& known, uint64_t membership_lsn) const;
  int most_voters_with(const Known& known, uint64_t lsn) const;
  void learn_membership(Known& known, uint64_t lsn, std::string_view payload);
  void commit_record(uint32_t node, uint64_t lsn, storage::Term term);
  void remember_tokens(uint64_t lsn, storage::Term term, std::string_view payload);
  template <class... Parts>
  void fail(const Parts&... parts);

  Verdict& verdict_;
  const uint64_t founders_;  // a bit for each
  std::vector<Log> nodes_;
  std::vector<std::vector<Known>> records_;  // by lsn
  std::vector<storage::Term> committed_;     // by lsn - 1
  CommittedModel model_;
  MergeChecker merges_;
  std::set<uint64_t> memberships_;  // lsns
  size_t fewest_voters_, most_voters_;
  std::vector<std::vector<storage::Position>> tokens_;  // by number
};

// Clients mark what they write with "#<number>;".
std::string token_text(uint64_t number);

}  // namespace kvorum::simulation
