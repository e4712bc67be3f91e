// The log on a disk that loses power, fills up and dies, over and over: one seed draws everything.
//
//   KVORUM_POWER_CUT_SEEDS=100000 simulation_test --gtest_filter='PowerCut*'   more of it
//   KVORUM_POWER_CUT_FIRST_SEED=17 KVORUM_POWER_CUT_SEEDS=1 …                  one of them again

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/text.h"
#include "tests/support/log_driver.h"
#include "tests/support/simulated_disk.h"

namespace kvorum::storage {
namespace {

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What the campaign met, over all seeds: proof that it went where it should.
struct Coverage {
  uint64_t boots = 0;
  uint64_t power_cuts = 0;
  uint64_t crashes = 0;
  uint64_t clean_stops = 0;
  uint64_t disk_full = 0;
  uint64_t died_inside = 0;  // power lost between two calls of a job or of a start
  uint64_t torn_tails = 0;
  uint64_t recycled = 0;
  uint64_t lost_unsynced = 0;  // boots that came back with less than was written
  uint64_t truncations = 0;    // of what was written
  uint64_t old_histories = 0;  // boots that came back with what a lost truncation had dropped
  uint64_t restarts = 0;
  uint64_t restarts_needed = 0;  // found by a boot
  uint64_t damages = 0;          // boots that found the log damaged
  uint64_t owed = 0;             // boots of a node that had lost what it acknowledged
};

class Campaign {
 public:
  Campaign(uint64_t seed, Coverage& coverage)
      : random_(seed), coverage_(coverage), log_(disk_, draw_options()) {}

  void run() {
    const uint64_t boots = 2 + below(6);
    for (uint64_t boot = 0; boot < boots && !::testing::Test::HasFatalFailure(); ++boot) {
      ++coverage_.boots;
      if (member_ && boot > 0 && one_in(4)) damage();
      if (one_in(4)) arm_power_failure(30);
      if (!start()) continue;
      live();
      end();
    }
  }

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }
  bool one_in(uint64_t n) { return below(n) == 0; }

  WalOptions draw_options() {
    WalOptions options;
    options.directory = "data";
    constexpr std::array<uint64_t, 4> kSegmentBytes = {2048, 4096, 8192, 32768};
    options.segment_bytes = kSegmentBytes[below(kSegmentBytes.size())];
    options.fsync = static_cast<FsyncPolicy>(below(3));
    options.max_spares = below(4);
    if (one_in(2)) options.grow_bytes = uint64_t{512} << below(4);
    fsync_ = options.fsync;
    max_record_ = one_in(3) ? 5000 : 300;
    retire_often_ = one_in(2);
    fills_up_ = one_in(3);
    member_ = one_in(2);
    goes_back_ = one_in(2);
    return options;
  }

  // The power goes at one of the next `calls` calls that change the disk.
  void arm_power_failure(uint64_t calls) {
    uint64_t left = below(calls);
    power_lost_ = false;
    disk_.set_fault([this, left](DiskOperation operation, const std::string&) mutable {
      const bool changes = operation != DiskOperation::kRead && operation != DiskOperation::kList &&
                           operation != DiskOperation::kSize && operation != DiskOperation::kOpen;
      if (!power_lost_ && changes && left-- == 0) power_lost_ = true;
      return power_lost_ ? absl::InternalError("the power is gone") : absl::OkStatus();
    });
  }

  // A bit of a segment rots.
  void damage() {
    std::vector<std::string> paths;
    const auto names = disk_.list("data");
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      const std::string path = "data/" + name;
      if (name.starts_with("segment-") && !disk_.contents(path).empty()) paths.push_back(path);
    }
    if (paths.empty()) return;
    const std::string& path = paths[below(paths.size())];
    disk_.flip_bit(path, below(disk_.contents(path).size()), static_cast<int>(below(8)));
    is_damaged_ = true;
  }

  bool start() {
    disk_.set_capacity(UINT64_MAX);
    log_.set_member(member_);
    const absl::Status status = log_.start(cut_, cut_hlc_);
    if (power_lost_) {
      expect_clean_stop_ = false;  // the next segment may have begun
      die_inside();
      return false;
    }
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) {
      failed_ = true;
      ADD_FAILURE() << "a log that only lost power, and a member's in any case, must start";
      abandon();
      return false;
    }
    check_recovered();
    return !::testing::Test::HasFatalFailure();
  }

  // Is what came back the beginning of this history?
  bool matches(const std::vector<std::string>& history) const {
    const std::vector<std::string>& payloads = log_.recovered().payloads;
    const uint64_t last = log_.recovered().log.last.lsn.value();
    return last <= history.size() &&
           std::equal(payloads.begin(), payloads.end(),
                      history.begin() + static_cast<std::ptrdiff_t>(cut_.lsn.value()));
  }

  void check_recovered() {
    const RecoveredRecords& recovered = log_.recovered();
    const RecoveredLog& log = recovered.log;
    const uint64_t last = log.last.lsn.value();
    ASSERT_EQ(recovered.payloads.size(), last - cut_.lsn.value());
    check_committed();
    // Nothing acknowledged is lost; where the disk lost it, the node knows that it may have.
    const bool reaches = log.last >= owed_ && last >= guaranteed_;
    const bool doubts = log.claim_unknown || log.claim >= owed_;
    ASSERT_TRUE(reaches || (doubts && (is_damaged_ || was_damaged_)))
        << "acknowledged " << owed_.term << ":" << owed_.lsn << ", came back " << log.last.term
        << ":" << log.last.lsn << ", claims " << log.claim.term << ":" << log.claim.lsn;
    if (!reaches) ++coverage_.owed;
    std::vector<std::string> history = written_;
    if (!matches(history)) {
      // A truncation that was not on disk, or is not any more.
      const std::vector<std::vector<std::string>>& olds = is_damaged_ ? dropped_ : pending_;
      const auto old = std::find_if(olds.begin(), olds.end(),
                                    [this](const auto& each) { return matches(each); });
      ASSERT_TRUE(old != olds.end()) << "records that were never in the log together";
      history = *old;
      ++coverage_.old_histories;
    }
    const bool known_state = log.hard_state == synced_state_ || log.hard_state == asked_state_;
    ASSERT_TRUE(known_state || (is_damaged_ && log.claim_unknown))
        << "hard state of term " << log.hard_state.term << " instead of " << synced_state_.term
        << "; " << log.damage;
    ASSERT_TRUE(log.clean_stop || !expect_clean_stop_ || is_damaged_);
    ASSERT_TRUE(!log.damaged || is_damaged_) << log.damage;
    if (last < written_.size()) ++coverage_.lost_unsynced;
    if (log.torn_end > log.torn_begin) ++coverage_.torn_tails;
    if (log.damaged) ++coverage_.damages;
    if (log.restart_needed) ++coverage_.restarts_needed;
    was_damaged_ |= is_damaged_;
    is_damaged_ = false;
    // What came back was made durable before anybody could see it.
    written_ = std::move(history);
    written_.resize(last);
    pending_.clear();
    guaranteed_ = last;
    owed_ = std::max(owed_, log.last);
    commit_ = std::max(cut_.lsn.value(), std::min(commit_, last));
    expect_clean_stop_ = false;
    synced_state_ = log.hard_state;
    asked_state_ = synced_state_;
  }

  // Whatever happened to the log: what it calls committed is what was committed.
  void check_committed() {
    const RecoveredRecords& recovered = log_.recovered();
    ASSERT_LE(recovered.log.commit.value(), std::max(commit_, cut_.lsn.value()));
    ASSERT_LE(recovered.log.commit, recovered.log.last.lsn);
    for (size_t i = cut_.lsn.value(); i < recovered.log.commit.value(); ++i) {
      ASSERT_EQ(recovered.payloads[i - cut_.lsn.value()], written_[i]) << "lsn " << i + 1;
    }
  }

  void live() {
    if (power_lost_ || one_in(3)) disk_.set_fault(nullptr);
    const uint64_t steps = below(60);
    for (uint64_t i = 0; i < steps && !power_lost_ && !failed_; ++i) step();
  }

  void step() {
    now_ms_ += below(400);
    if (fills_up_ && one_in(8)) {
      disk_.set_capacity(one_in(2) ? UINT64_MAX : disk_.used_bytes() + below(4000));
    }
    for (uint64_t records = below(4); records > 0; --records) append();
    if (one_in(10)) {
      asked_state_ = HardState{Term{asked_state_.term.value() + 1}, NodeId{1}};
      log_.wal().save_hard_state(asked_state_);
    }
    if (one_in(12)) log_.wal().request_sync();
    if (one_in(6)) commit();
    if (goes_back_ && one_in(6)) truncate();
    if (goes_back_ && member_ && one_in(40)) restart();
    if (member_ && one_in(20)) {
      log_.wal().end_doubt();
      owed_ = guaranteed_position();
    }
    write();
    if (!failed_ && !power_lost_ && one_in(retire_often_ ? 4 : 20)) retire();
  }

  void append() {
    // Unlike anything written before it under the same lsn.
    std::string payload = base::concat("record ", written_.size() + 1, " draw ", ++draws_, " ");
    payload.append(below(max_record_), static_cast<char>('a' + below(26)));
    log_.append(payload);
    written_.push_back(std::move(payload));
  }

  void commit() {
    if (guaranteed_ <= commit_) return;
    commit_ += 1 + below(guaranteed_ - commit_);
    log_.wal().set_commit(Lsn{commit_});
  }

  // A leader has other records.
  void truncate() {
    const uint64_t first = std::max(commit_, cut_.lsn.value());
    if (written_.size() <= first) return;
    const uint64_t kept = first + below(written_.size() - first);
    log_.truncate(Lsn{kept});
    log_.set_term(Term{++term_});
    if (log_.wal().truncation_pending()) {
      ++coverage_.truncations;
      pending_.push_back(written_);
      dropped_.push_back(written_);
    }
    written_.resize(kept);
    guaranteed_ = std::min(guaranteed_, kept);
    ASSERT_LE(log_.wal().written().lsn.value(), kept);
    ASSERT_LE(log_.wal().synced().lsn.value(), kept);
    // What was acknowledged of a history that a later leader dropped is owed to nobody.
    owed_ = guaranteed_position();
  }

  // A snapshot of somebody else's history was installed.
  void restart() {
    const Lsn last = log_.wal().last().lsn;
    cut_ = Position{Term{++term_}, Lsn{std::max(commit_, cut_.lsn.value()) + 1 + below(20)}};
    cut_hlc_ = Hlc{log_.hlc_of(last).value() + 100'000};
    log_.restart_at(cut_, cut_hlc_);
    ++coverage_.restarts;
    commit_ = guaranteed_ = cut_.lsn.value();
    owed_ = cut_;
    written_.assign(guaranteed_, std::string());
    pending_.clear();
    dropped_.clear();
  }

  Position guaranteed_position() const {
    return guaranteed_ <= cut_.lsn.value() ? cut_ : log_.position_of(Lsn{guaranteed_});
  }

  void write() {
    while (true) {
      const bool had_state = asked_state_ != synced_state_;
      std::unique_ptr<WriteJob> job = log_.wal().take_job(now_ms_);
      if (job == nullptr) return;
      if (goes_back_ && one_in(8)) truncate();
      if (goes_back_ && member_ && one_in(50)) restart();
      job->run();
      if (power_lost_) return;
      const WriteResult result = log_.wal().finish(std::move(job));
      ASSERT_LE(result.written.lsn.value(), written_.size());
      if (!log_.wal().truncation_pending()) pending_.clear();
      if (absl::IsResourceExhausted(result.status)) {
        ++coverage_.disk_full;
        ASSERT_EQ(log_.wal().synced(), result.written);
        written_.resize(result.written.lsn.value());
      } else {
        ASSERT_TRUE(result.status.ok()) << result.status;
        if (had_state) synced_state_ = asked_state_;
      }
      guaranteed_ = std::max(guaranteed_, log_.wal().synced().lsn.value());
      owed_ = std::max(owed_, guaranteed_position());
      if (fsync_ == FsyncPolicy::kAlways) {
        ASSERT_EQ(guaranteed_, result.durable.lsn.value());
        ASSERT_EQ(result.durable, result.written);
      }
      if (absl::IsResourceExhausted(result.status)) return;
      if (log_.wal().queued_bytes() == 0 && !log_.wal().truncation_pending()) return;
    }
  }

  // As after a snapshot that ends at the newest synced record, or some way before it.
  void retire() {
    const Position synced = log_.wal().synced();
    if (synced.lsn <= cut_.lsn || one_in(3)) return;
    const Lsn lsn{cut_.lsn.value() + 1 + below(synced.lsn.value() - cut_.lsn.value())};
    cut_ = log_.position_of(lsn);
    cut_hlc_ = log_.hlc_of(lsn);
    if (lsn.value() > commit_) {
      commit_ = lsn.value();
      log_.wal().set_commit(lsn);
    }
    const uint64_t spares = log_.wal().stats().spares;
    const absl::Status status = log_.retire_before(cut_.lsn.next());
    if (power_lost_) return;
    ASSERT_TRUE(status.ok()) << status;
    if (log_.wal().stats().spares > spares) ++coverage_.recycled;
  }

  void end() {
    if (power_lost_) return die_inside();
    if (one_in(4)) {
      disk_.set_capacity(UINT64_MAX);
      if (log_.clean_stop(now_ms_).ok() && !power_lost_) {
        ++coverage_.clean_stops;
        guaranteed_ = written_.size();
        owed_ = std::max(owed_, guaranteed_position());
        if (!log_.wal().truncation_pending()) pending_.clear();
        expect_clean_stop_ = true;
        synced_state_ = asked_state_;
      }
      if (power_lost_) return die_inside();
    }
    disk_.set_fault(nullptr);
    log_.drop();
    if (one_in(3)) {
      ++coverage_.crashes;
      // The kernel lives: what was written is there, synced or not.
      disk_.crash();
    } else {
      ++coverage_.power_cuts;
      disk_.power_cut(random_);
    }
  }

  void die_inside() {
    ++coverage_.died_inside;
    abandon();
  }

  void abandon() {
    disk_.set_fault(nullptr);
    power_lost_ = false;
    log_.drop();
    disk_.power_cut(random_);
  }

  std::mt19937_64 random_;
  Coverage& coverage_;
  SimulatedDisk disk_;
  FsyncPolicy fsync_ = FsyncPolicy::kAlways;
  uint64_t max_record_ = 0;
  bool retire_often_ = false;
  bool fills_up_ = false;
  bool member_ = false;
  bool goes_back_ = false;
  LogDriver log_;

  std::vector<std::string> written_;  // by lsn - 1: all that was appended and not refused
  uint64_t guaranteed_ = 0;           // newest lsn that must survive
  // What truncations dropped: as long as they are not on disk, and all of it.
  std::vector<std::vector<std::string>> pending_;
  std::vector<std::vector<std::string>> dropped_;
  uint64_t commit_ = 0;
  uint64_t term_ = 1;
  Position owed_;             // newest acknowledged, if the disk lost it too
  bool is_damaged_ = false;   // since the last start
  bool was_damaged_ = false;  // ever
  Position cut_;              // of the imagined snapshot
  Hlc cut_hlc_{0};
  HardState synced_state_;
  HardState asked_state_;
  bool expect_clean_stop_ = false;
  bool power_lost_ = false;
  bool failed_ = false;
  uint64_t now_ms_ = 0;
  uint64_t draws_ = 0;
};

TEST(PowerCutCampaignTest, NothingThatWasSyncedIsEverLost) {
  const uint64_t first = number_from_environment("KVORUM_POWER_CUT_FIRST_SEED", 1);
  const uint64_t count = number_from_environment("KVORUM_POWER_CUT_SEEDS", 3000);
  Coverage coverage;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Campaign(seed, coverage).run();
    if (HasFailure()) {
      FAIL() << "replay: KVORUM_POWER_CUT_FIRST_SEED=" << seed
             << " KVORUM_POWER_CUT_SEEDS=1 simulation_test --gtest_filter='PowerCut*'";
    }
  }
  if (count < 1000) return;
  // A campaign that never meets a fault proves nothing.
  EXPECT_GT(coverage.power_cuts, count / 2);
  EXPECT_GT(coverage.crashes, count / 10);
  EXPECT_GT(coverage.clean_stops, count / 10);
  EXPECT_GT(coverage.died_inside, count / 10);
  EXPECT_GT(coverage.disk_full, count / 10);
  EXPECT_GT(coverage.recycled, count / 10);
  EXPECT_GT(coverage.torn_tails, count / 10);
  EXPECT_GT(coverage.lost_unsynced, count / 10);
  EXPECT_GT(coverage.truncations, count / 10);
  EXPECT_GT(coverage.old_histories, count / 100);
  EXPECT_GT(coverage.restarts, count / 10);
  EXPECT_GT(coverage.restarts_needed, count / 100);
  EXPECT_GT(coverage.damages, count / 100);
  EXPECT_GT(coverage.owed, count / 100);
}

}  // namespace
}  // namespace kvorum::storage
