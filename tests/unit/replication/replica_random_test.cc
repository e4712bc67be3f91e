// Thousands of short histories: drops, repetitions, reordering, crashes that lose what was not
// synced, a disk that loses what was, partitions, transfers, snapshots. What Raft promises
// (dissertation, figure 3.2) is looked at after every step; then everything is repaired, and there
// must be progress. The environment variable KVORUM_RANDOM_HISTORIES says how many.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "tests/unit/replication/replica_group.h"

namespace kvorum::replication {
namespace {

using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::Term;

// What has happened.
struct Counts {
  uint64_t terms = 0, commits = 0, leases = 0, cuts = 0, transfers = 0, restarts = 0;
  uint64_t losses = 0, snapshots = 0;

  void add(const Counts& other) {
    terms += other.terms;
    commits += other.commits;
    leases += other.leases;
    cuts += other.cuts;
    transfers += other.transfers;
    restarts += other.restarts;
    losses += other.losses;
    snapshots += other.snapshots;
  }
};

class RandomHistory {
 public:
  explicit RandomHistory(uint64_t seed)
      : random_(seed), nodes_(uint16_t{1} + 2 * pick(4)), group_(options(seed)) {
    group_.on_change = [this](ReplicaGroup::Node& node) { look_at(node); };
    group_.trace = [this](const std::string& line) {
      counts_.cuts += line.find(" cuts ") != line.npos;
    };
  }

  void run() {
    const uint32_t steps = 300 + pick(700);
    for (uint32_t i = 0; i < steps && !failed(); ++i) step();
    if (!failed()) heal();
  }

  Counts counts() const {
    Counts counts = counts_;
    counts.terms = leaders_.size();
    counts.commits = committed_.value();
    return counts;
  }

 private:
  static bool failed() { return ::testing::Test::HasFailure(); }
  uint16_t pick(uint32_t below) { return static_cast<uint16_t>(random_() % below); }
  uint16_t any_node() { return static_cast<uint16_t>(1 + pick(nodes_)); }

  ReplicaGroup::Options options(uint64_t seed) {
    ReplicaGroup::Options options;
    options.nodes = nodes_;
    options.seed = seed;
    options.window = 1 + pick(4);
    options.batch = 1 + pick(4);
    options.auto_persist = pick(3) == 0;
    options.instances = pick(2) == 0;
    options.shared_clock = true;
    chaos_ = pick(12);
    pace_us_ = 5000 + pick(20'000);
    deliveries_ = 1 + pick(5);
    return options;
  }

  void step() {
    group_.pass(pick(pace_us_));
    const uint16_t id = any_node();
    const uint16_t dice = pick(100);
    if (!group_.up(id)) {
      if (dice < 15) {
        group_.restart(id);
        ++counts_.restarts;
      }
    } else if (dice < 40) {
      group_.look(id);
    } else if (dice < 50) {
      group_.persist(id);
    } else if (dice < 60) {
      if (group_.replica(id).leading()) group_.propose(id, std::to_string(++proposals_));
    } else if (dice < 60 + chaos_) {
      disturb(id);
    } else {
      deliver();
    }
    for (uint32_t i = 0; i < deliveries_; ++i) deliver();
    check_leases();
  }

  void deliver() {
    auto& network = group_.network();
    if (network.empty()) return;
    const bool in_order = pick(10) >= chaos_;
    const size_t index = in_order ? 0 : pick(static_cast<uint32_t>(network.size()));
    const uint16_t dice = pick(40);
    if (dice == 0 && chaos_ > 2) {
      network.erase(network.begin() + static_cast<ptrdiff_t>(index));
    } else {
      group_.deliver(index, dice == 1);
    }
  }

  void disturb(uint16_t id) {
    switch (pick(11)) {
      case 0:
        group_.crash(id);
        break;
      case 1:
        group_.isolate(group_.leader() == 0 ? id : group_.leader());
        break;
      case 2:
        group_.cut(id, any_node());
        break;
      case 3:
      case 4:
        group_.heal();
        break;
      case 5:
        if (group_.replica(id).transfer(NodeId{0})) {
          ++counts_.transfers;
          group_.pump(id);
        }
        break;
      case 6:
        lose_tail(id);
        break;
      case 7:
        lose_synced();
        break;
      case 8:
        compact(id);
        break;
      case 9:
        install_snapshot();
        break;
      default:
        group_.pass(400'000);
        break;
    }
  }

  void lose_tail(uint16_t id) {
    ReplicaGroup::Node& node = group_.node(id);
    if (node.replica->durable().lsn >= node.log.last().lsn) return;
    if (nodes_ == 1) return;
    const Position kept = node.replica->durable();
    node.log.truncate(kept.lsn);
    node.commit = std::min(node.commit, kept);
    node.replica->lost_tail(kept);
    group_.pump(id);
  }

  // One node's disk may lie, always the same one's: of a minority nothing may be lost.
  void lose_synced() {
    if (nodes_ == 1) return;
    if (group_.up(1)) group_.crash(1);
    const TestLog& log = group_.node(1).disk_log;
    const uint64_t lost = std::min<uint64_t>(pick(6), log.records.size());
    if (lost == 0) return;
    ++counts_.losses;
    group_.lose_synced(1, Lsn{log.last().lsn.value() - lost});
  }

  void compact(uint16_t id) {
    const ReplicaGroup::Node& node = group_.node(id);
    const Lsn newest = std::min(node.commit.lsn, node.replica->durable().lsn);
    if (newest <= node.log.base.lsn || node.disk_log.last().lsn < newest) return;
    group_.compact(id, Lsn{newest.value() - pick(2)});
  }

  void install_snapshot() {
    const uint16_t from = group_.leader();
    if (from == 0) return;
    for (const auto& [to, progress] : group_.replica(from).progress()) {
      const uint16_t id = to.value();
      if (progress.state != Progress::State::kSnapshot || !group_.up(id)) continue;
      const bool useful = group_.replica(id).commit().lsn < group_.replica(from).commit().lsn;
      if (group_.replica(id).leading() || !useful) continue;
      ++counts_.snapshots;
      return group_.install_snapshot(from, id);
    }
  }

  void look_at(ReplicaGroup::Node& node) {
    const Replica& replica = *node.replica;
    if (!replica.doubtful()) node.claim = {};
    if (replica.leading()) {
      const auto [leader, first] = leaders_.try_emplace(replica.term(), node.id);
      ASSERT_EQ(leader->second, node.id) << "election safety, term " << replica.term();
      if (first) check_completeness(node);
    }
    ASSERT_EQ(replica.log().last(), node.log.last());
    ASSERT_LE(replica.durable().lsn, node.log.last().lsn);
    ASSERT_EQ(replica.commit(), node.commit);
    for (Lsn lsn = node.log.base.lsn.next(); lsn <= node.commit.lsn; ++lsn) {
      const TestRecord& record = node.log.record(lsn);
      if (lsn > committed_) {
        ASSERT_EQ(lsn, committed_.next());
        history_.push_back(record);
        committed_ = lsn;
        newest_commit_term_ = std::max(newest_commit_term_, replica.term());
        check_durable(node, lsn);
      }
      ASSERT_EQ(history_[lsn.value() - 1], record) << "state machine safety, lsn " << lsn;
    }
  }

  void check_completeness(const ReplicaGroup::Node& node) {
    ASSERT_GE(node.log.last().lsn, committed_)
        << "leader completeness, term " << node.replica->term();
    for (Lsn lsn = node.log.base.lsn.next(); lsn <= committed_; ++lsn) {
      ASSERT_EQ(history_[lsn.value() - 1], node.log.record(lsn)) << "leader completeness";
    }
  }

  // Whoever commits first is the leader that counted.
  void check_durable(const ReplicaGroup::Node& committer, Lsn lsn) {
    size_t copies = 0;
    const Position position = committer.log.at(lsn);
    for (auto& [id, node] : group_.nodes()) {
      if (node.claim >= position) {
        ++copies;  // it had it, and knows that it may have
        continue;
      }
      if (node.disk_log.last().lsn < lsn || node.disk_log.base.lsn >= lsn) continue;
      if (node.disk_log.record(lsn) == committer.log.record(lsn)) ++copies;
    }
    ASSERT_GT(2 * copies, size_t{nodes_}) << "committed on a minority, lsn " << lsn;
  }

  // A leader may answer reads of this moment only while nobody else has committed in a later term.
  void check_leases() {
    for (auto& [id, node] : group_.nodes()) {
      if (node.replica == nullptr || !node.replica->leading()) continue;
      if (node.replica->reads_until_us() < group_.now_us()) continue;
      ++counts_.leases;
      ASSERT_GE(node.replica->term(), newest_commit_term_) << "a stale leader's lease, node " << id;
    }
  }

  void heal() {
    group_.heal();
    group_.set_auto_persist(true);
    for (auto& [id, node] : group_.nodes()) {
      if (node.replica == nullptr) {
        group_.restart(id);
      } else {
        group_.persist(id);
      }
    }
    const uint16_t first = settle();
    ASSERT_NE(first, 0) << "no leader after everything was repaired";
    group_.propose(first, "after");
    const uint16_t leader = settle();
    ASSERT_NE(leader, 0) << "no progress after everything was repaired";
    const TestLog& log = group_.node(leader).log;
    for (auto& [id, node] : group_.nodes()) {
      ASSERT_EQ(node.log.last(), log.last()) << "logs differ at " << id << " and " << leader;
      for (Lsn lsn = std::max(node.log.base.lsn, log.base.lsn).next(); lsn <= log.last().lsn;
           ++lsn) {
        ASSERT_EQ(node.log.record(lsn), log.record(lsn)) << "logs differ at " << lsn;
      }
    }
  }

  uint16_t settle() {
    for (int i = 0; i < 40; ++i) {
      if (const uint16_t leader = group_.settle(500); leader != 0) return leader;
      install_snapshot();
    }
    return 0;
  }

  std::mt19937_64 random_;
  const uint16_t nodes_;
  uint32_t chaos_ = 0, pace_us_ = 0, deliveries_ = 0;
  ReplicaGroup group_;
  uint64_t proposals_ = 0;
  Counts counts_;
  std::map<Term, NodeId> leaders_;
  std::vector<TestRecord> history_;
  Lsn committed_{0};
  Term newest_commit_term_{0};
};

TEST(ReplicaRandomTest, SafetyHoldsAtEveryStepAndProgressReturns) {
  const char* wanted = std::getenv("KVORUM_RANDOM_HISTORIES");
  const uint64_t histories = wanted == nullptr ? 3000 : std::stoull(wanted);
  Counts counts;
  for (uint64_t seed = 1; seed <= histories; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomHistory history(seed);
    history.run();
    if (HasFailure()) return;
    counts.add(history.counts());
  }
  // A campaign in which something never happened proves nothing about it.
  EXPECT_GT(counts.terms, 2 * histories);
  EXPECT_GT(counts.commits, 10 * histories);
  EXPECT_GT(counts.leases, histories);
  EXPECT_GT(counts.cuts, histories / 20);
  EXPECT_GT(counts.transfers, histories / 20);
  EXPECT_GT(counts.restarts, histories);
  EXPECT_GT(counts.losses, histories / 20);
  EXPECT_GT(counts.snapshots, histories / 100);
}

}  // namespace
}  // namespace kvorum::replication
