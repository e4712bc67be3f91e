// One member of a Raft group as a pure state machine: inputs in, a Ready out; no I/O, no clock, no
// thread, no log, no randomness but its seed, nothing that depends on a hash's order. Section
// numbers are of Ongaro's dissertation "Consensus: Bridging Theory and Practice".
// docs/replication.md is the contract of the protocol.
//
// The driver gives inputs, then takes ready() and does, in this order: cut and append the log,
// save the hard state, send what may be sent now, and send the rest when everything that was
// appended or saved up to then is on disk; then it calls persisted(). Records themselves never
// enter: the replica knows where terms begin (TermIndex), the driver has the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "replication/membership.h"
#include "replication/message.h"
#include "replication/term_index.h"
#include "storage/types.h"

namespace kvorum::replication {

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

struct ReplicaStart {
  storage::NodeId id{0};
  uint64_t seed = 0;
  int64_t now_us = 0;  // monotonic: CLOCK_BOOTTIME or virtual
  storage::HardState hard_state;
  TermIndex log;             // of what is on disk
  storage::Position commit;  // of what is on disk, as far as it was stored
  Membership membership;     // in force at the end of the log
  storage::Lsn membership_lsn{0};
  // The membership before that, restored if the record at membership_lsn is cut off.
  std::optional<Membership> earlier_membership;
  storage::Lsn earlier_membership_lsn{0};
  // This process continues nothing that could have promised a vote or a lease: the cluster is just
  // being born. Else no vote is granted for one election timeout after the start (DESIGN 3).
  bool newborn = false;
  // May have acknowledged records up to here and lost them (DESIGN 5): votes, for itself too, only
  // for a log that reaches this. Zeros: not doubtful. `claim_unknown`: only if everyone answered.
  storage::Position claim;
  bool claim_unknown = false;
  // Its data directory is not the instance that the membership binds its id to, or not a member at
  // all: it follows, counts nowhere, never campaigns.
  bool learner = false;
  // Its data directory's. Judges every later membership: the one that binds the id to this instance
  // ends `learner`, one that binds another begins it. Zeros: not known, only `learner` counts.
  storage::InstanceId instance{};
  // How many records, and messages with records, may be under way to one follower.
  uint32_t max_inflight_messages = 64;
  // How long the news of a commit waits for an append that takes it along.
  int64_t commit_news_delay_us = 0;
};

// What the leader knows of another member.
struct Progress {
  enum class State : uint8_t {
    kProbe,      // one message at a time until the logs are known to match
    kReplicate,  // a window of messages is under way
    kSnapshot,   // its log ends before ours begins: a snapshot is (or has to be) on its way
  };
  State state = State::kProbe;
  storage::Position match;     // durable there and equal to ours
  storage::Lsn next{1};        // of the next record to ship
  uint32_t inflight = 0;       // messages with records sent and not yet acknowledged
  int64_t heard_us = 0;        // when a message of it was last received
  int64_t acked_sent_us = 0;   // newest of our clock readings that it has sent back
  int64_t clock_ahead_us = 0;  // its Unix time minus ours, as of its last ack
  int64_t clock_error_us = 0;  // that may be wrong by so much: half the round trip
  bool active = false;         // heard of within an election timeout
  // It is a voter and, as far as is known, the instance that the membership binds it to. Else it is
  // fed all the same, and counts nowhere.
  bool counts = false;

  // Bookkeeping.
  std::optional<storage::InstanceId> instance;  // of its last message
  std::deque<storage::Lsn> inflight_ends;       // last record of each message under way
  int64_t shipped_us = 0;       // when the window began to fill, or moved: it has to move again
  int64_t match_sent_us = 0;    // newest of our clock readings in the acks that said `match`
  storage::Lsn commit_told{0};  // as far as it knows what is committed
  bool clock_known = false;     // clock_ahead_us has been measured
};

// Records the leader may ship to a follower now.
struct Shipment {
  storage::Position previous;  // the record before the first one
  storage::Lsn first{0};
  storage::Lsn last{0};  // newest that is in the log; the driver sends as many as it likes
};

struct Ready {
  // Follower: cut the log after this position first. Never below commit.
  std::optional<storage::Position> truncate;
  // Follower: then append these; they point into the message that was stepped.
  std::span<const storage::RecordView> append;
  // Save before anything of send_after_save leaves; always synced.
  std::optional<storage::HardState> save;
  std::vector<Message> send_now;
  std::vector<Message> send_after_save;  // votes, campaigns: promises
  // Commit moved to here (its records are in the log, though not necessarily on this disk).
  std::optional<storage::Position> commit;
  // Role, term or leader changed; the accessors tell the new ones. A new leader's driver first
  // applies the whole log, then proposes a no-op record of leader's term.
  bool role_changed = false;
  // The membership in force changed (appended, or restored by a truncation).
  bool membership_changed = false;
};

class Replica {
 public:
  explicit Replica(ReplicaStart start);

  // --- Inputs.
  // Time passes; at least every heartbeat, and before the other inputs of a turn of the loop: they
  // happen at this time. `wall_us`: Unix time, for the drift and for messages.
  void tick(int64_t now_us, int64_t wall_us);
  // The loop has not run for so long: what came meanwhile waits to be looked at. So it is nobody's
  // silence: elections begin later, and a leader that may still be one does not step down for it.
  // No lease gets longer. Called before the tick that ends it.
  void overslept(int64_t us);
  // A message of a member (or of a node that wants to be one: it is told apart by membership).
  // `instance` is the sender's, as its link has proven: votes and acks of another one than the
  // membership binds the id to do not count. Learners' acks move their Progress, and count nowhere.
  // What a node sent before a restart may not be given after what it has sent since (a new HELLO
  // ends its old connection). REQUIRES: the Ready of an earlier append with records was taken;
  // `message` lives until this one's is done.
  void step(const Message& message, const storage::InstanceId& instance);
  // Some valid bytes of the leader of `term` have come, a part of a long append: the election timer
  // starts again, though not the lease.
  void heard_from_leader(storage::NodeId from, storage::Term term);
  // The leader's log now ends at `last`; everything new in it is of its term. Call once for many
  // records. `membership`: the newest of the new records is this membership.
  // A new membership differs from the one in force by at most one voter (an id bound to another
  // instance is two: first it loses its vote). REQUIRES: leading; with a membership: settled(), and
  // the one in force is committed.
  void propose(storage::Position last, const Membership* membership = nullptr);
  // Everything up to `durable` of the log and `saved` of the hard state is on disk. News of records
  // that have been cut off since is ignored.
  void persisted(storage::Position durable, const storage::HardState& saved);
  // The leader's disk is full, all records after `kept` are cut off its log: it steps down (a
  // lone node does not), and its log ends there. Follower too. Those that others have may still be
  // committed, and commit() falls back to `kept` if it was beyond.
  void lost_tail(storage::Position kept);
  // A snapshot with this cut has been installed; the log begins anew there, or was kept if it
  // contains the cut (`log_kept`).
  void installed(storage::Position cut, const Membership& membership, storage::Lsn membership_lsn,
                 bool log_kept);
  // Records up to this are gone: terms before it need not be known any more. Not beyond commit().
  void compacted(storage::Lsn base);

  // --- Shipping (leader).
  // What the follower should get next; nullopt: nothing now (window full, nothing new, probing and
  // one is out, snapshot under way).
  std::optional<Shipment> shipment(storage::NodeId follower) const;
  // The append that carries the first records of the shipment up to `last`, without its records.
  Message append_message(storage::NodeId follower, const Shipment& shipment, storage::Lsn last);
  // The shipment's records are not available any more: state kSnapshot until snapshot_done(), also
  // over a lost link.
  void need_snapshot(storage::NodeId follower);
  // The follower has (true) installed a snapshot with this cut, or (false) it failed: probe (or
  // kSnapshot again, if our log begins later by now).
  void snapshot_done(storage::NodeId follower, bool installed, storage::Position cut);
  // The link to it was lost: what was under way may be lost.
  void link_lost(storage::NodeId follower);

  // --- Handing over.
  // Sends TimeoutNow to `to` once it has caught up (0: the most up-to-date voter, rather one whose
  // clock agrees). False if there is nobody, or not leading. Ends by itself after an election
  // timeout.
  bool transfer(storage::NodeId to);
  bool transferring() const { return transfer_to_ != storage::NodeId{0}; }
  // TimeoutNow has been sent in the transfer that is under way.
  bool transfer_announced() const { return transferring() && !timeout_now_due_; }
  // Sends TimeoutNow although the other one has not caught up: it wins only with everything that is
  // committed, and what else it lacks is lost.
  void hurry_transfer();
  // Goes on as leader, unless TimeoutNow has been sent and the other one wins.
  void abort_transfer() { transfer_to_ = storage::NodeId{0}; }
  // Becomes a follower of nobody: its keyspace is a minority's, its clock is wrong, its disk stuck.
  void step_down();
  // May not campaign (keyspace differs, clock wrong, shutting down); it votes all the same.
  void set_may_campaign(bool may);

  // --- Out.
  bool has_ready() const;
  Ready ready();

  // --- State.
  Role role() const { return role_; }
  bool leading() const { return role() == Role::kLeader; }
  // A record of the leader's own term is committed: reads are safe, membership may change (3.6.2,
  // 4).
  bool settled() const { return leading() && commit_.term == hard_.term; }
  storage::Term term() const { return hard_.term; }
  storage::NodeId id() const { return id_; }
  storage::NodeId leader() const { return leader_; }  // 0: unknown
  storage::HardState hard_state() const { return hard_; }
  storage::Position commit() const { return commit_; }
  const TermIndex& log() const { return log_; }
  storage::Position durable() const { return durable_; }  // here
  const Membership& membership() const { return memberships_.back().membership; }
  storage::Lsn membership_lsn() const { return memberships_.back().lsn; }
  bool is_voter() const { return !learner_ && membership().is_voter(id_); }
  // The membership in force is committed, as far as is known here.
  bool membership_committed() const { return membership_lsn() <= commit_.lsn; }
  // The one before, while the one in force is not committed: it may be again. Else null.
  const Membership* earlier_membership() const {
    const size_t count = memberships_.size();
    return membership_committed() || count < 2 ? nullptr : &memberships_[count - 2].membership;
  }
  bool doubtful() const { return claim_unknown_ || claim_ != storage::Position(); }
  // Leader only; ordered by id, without itself.
  const std::map<storage::NodeId, Progress>& progress() const { return progress_; }
  // The newest position that at least `voters` voters have on disk, this one included. Zeros while
  // not leading. REQUIRES: voters >= 1; more than there are: zeros.
  storage::Position durable_on(size_t voters) const;
  // Voters heard of within an election timeout, this one included.
  size_t reachable_voters() const;
  // Reads executed by this leader at a clock reading of at most this may be answered: the lease
  // (0.8 × the election timeout from the send time a majority has acknowledged, 6.4.1), or without
  // one (TimeoutNow was sent in this term) the send time itself (read index, 6.4). Within a term it
  // never falls below a clock reading that it has reached; INT64_MIN while not leading or not
  // settled().
  int64_t reads_until_us() const;
  // A majority's clocks are this far from ours and agree, beyond max_clock_drift_ms; else 0. Such a
  // leader steps down, and does not campaign before a leader's clock has agreed with its own, or so
  // few voters are left that the others are no majority.
  int64_t clock_drift_us() const;
  // Leading, and either enough clocks are known to contradict this one, or there are not so many,
  // or there was an election timeout to hear of them. Before that the clock should not be used.
  bool clock_judged() const;
  // Some follower has not been told of a commit, and the next tick after commit_news_delay_us will.
  bool commit_news_pending() const;
  // With the next Ready, rather: somebody waits for it.
  void tell_commit() { commit_news_since_us_ = kLongAgo; }
  // Asks for a round of heartbeats with the next Ready: somebody waits for reads_until_us.
  void confirm_leadership() { heartbeat_wanted_ = leading(); }

 private:
  // The membership that was in force from `lsn` on.
  struct MembershipVersion {
    storage::Lsn lsn{0};
    Membership membership;
  };
  // What a voter has answered to a pre-vote.
  struct Answer {
    bool granted = false;
    bool doubt = false;  // refused for its doubt alone
    storage::Position last;
  };
  struct Attempt {
    storage::NodeId candidate{0};
    int64_t number = 0;
    bool operator==(const Attempt&) const = default;
  };
  static constexpr int64_t kLongAgo = std::numeric_limits<int64_t>::min() / 2;

  // --- replica.cc: what all roles share.
  int64_t heartbeat_us() const { return int64_t{membership().heartbeat_ms} * 1000; }
  int64_t election_timeout_us() const { return int64_t{membership().election_timeout_ms} * 1000; }
  int64_t max_drift_us() const { return int64_t{membership().max_clock_drift_ms} * 1000; }
  size_t majority() const { return membership().voters().size() / 2 + 1; }
  bool only_voter() const;
  // The membership binds the voter `id` to this instance, or to none.
  bool is_bound(storage::NodeId id, const storage::InstanceId& instance) const;
  bool is_another_instance() const;
  void send(Message message);
  void become_follower(storage::Term term, storage::NodeId leader);
  void enter_term(storage::Term term, storage::NodeId vote);
  void restart_election_timer();
  void cut_log(storage::Lsn kept);
  void enter_membership(storage::Lsn lsn, const Membership& membership);
  void membership_has_changed();
  void commit_to(storage::Lsn lsn);
  void review_doubt();

  // --- replica_election.cc
  bool may_stand() const;
  bool still_needed() const;
  bool in_doubt_about(storage::Position last) const;
  bool sticks_to_leader() const;
  bool waits_after_start() const;
  void tick_election();
  void begin_pre_vote();
  void begin_election(bool transfer, bool everyone);
  void request_votes(bool pre_vote, bool transfer, bool everyone);
  void step_vote_request(const Message& message);
  void step_vote_reply(const Message& message, const storage::InstanceId& instance);
  void count_pre_votes();
  void count_votes();
  void step_timeout_now(const Message& message);

  // --- replica_follower.cc
  void compare_clock(const Message& message);
  void step_append(const Message& message);
  static bool is_well_formed(const Message& message);
  bool matches(storage::Position position) const;
  void follow(const Message& message);
  bool accept_records(const Message& message);
  void acknowledge();
  void reject(const Message& message);
  storage::Position durable_match() const;

  // --- replica_leader.cc
  void become_leader();
  void tick_leader();
  void follow_membership();
  Progress new_progress(storage::NodeId follower) const;
  Progress* progress_of(storage::NodeId follower);
  void probe(Progress& progress, storage::Lsn next);
  void heard_of(Progress& progress, const Message& message, const storage::InstanceId& instance);
  void step_ack(const Message& message, const storage::InstanceId& instance);
  void step_reject(const Message& message, const storage::InstanceId& instance);
  void send_heartbeats();
  void want_commit_news();
  bool commit_news_due() const;
  bool lacks_commit_news(const Progress& progress) const;
  void send_commit_news();
  Message empty_append(storage::NodeId follower, Progress& progress, int64_t sent_us) const;
  void retry_lost_messages();
  void advance_commit();
  void leave_office();

  // --- replica_lease.cc: check-quorum, lease, clocks, handing over.
  bool quorum_heard() const;
  int64_t majority_acked_us() const;
  int64_t lease_us() const;
  void measure_clock(Progress& progress, const Message& message);
  int64_t majority_clock_us() const;
  bool others_are_a_majority() const;
  bool clock_differs(const Progress& progress) const;
  void continue_transfer();
  void announce_transfer();
  void send_timeout_now(storage::NodeId to);

  const storage::NodeId id_;
  const storage::InstanceId instance_;
  const bool newborn_;
  const uint32_t max_inflight_messages_;
  const int64_t commit_news_delay_us_;
  bool learner_;
  bool may_campaign_ = true;
  uint64_t random_;

  int64_t now_us_;
  const int64_t start_us_;
  int64_t wall_us_ = 0;     // 0: not known
  int64_t timer_us_ = 0;    // when the election timer was started
  int64_t timeout_us_ = 0;  // how long it runs: random in [T, 2T)
  // Of any term: the lease of a deposed leader counts on it.
  int64_t leader_heard_us_ = kLongAgo;

  Role role_ = Role::kFollower;
  storage::NodeId leader_{0};
  storage::HardState hard_;   // now
  storage::HardState saved_;  // on disk
  TermIndex log_;
  storage::Position durable_;
  storage::Position commit_;
  std::vector<MembershipVersion> memberships_;  // the newest committed one, and those after it
  storage::Position claim_;
  bool claim_unknown_;
  int64_t drift_us_ = 0;  // why it stepped down; 0 again when a leader's clock agrees

  // Candidate, or about to be.
  int64_t attempt_ = 0;  // the clock when it began: never twice the same
  bool everyone_ = false;
  std::map<storage::NodeId, Answer> answers_;
  std::set<storage::NodeId> votes_;
  // The attempt whose pre-vote was last refused for doubt alone: only it may ask for a real vote
  // with the word that everyone has answered.
  Attempt doubted_attempt_;

  // Follower, in this term.
  storage::Lsn matched_{0};        // newest record known to be the leader's too
  storage::Lsn acknowledged_{0};   // newest that was acknowledged
  storage::Lsn leader_commit_{0};  // the newest it has told
  int64_t leader_sent_us_ = 0;     // newest clock reading it has sent

  // Leader, in this term.
  std::map<storage::NodeId, Progress> progress_;
  int64_t led_since_us_ = 0;
  int64_t heartbeat_sent_us_ = 0;
  bool heartbeat_wanted_ = false;
  bool commit_news_wanted_ = false;
  int64_t commit_news_since_us_ = 0;
  storage::NodeId transfer_to_{0};
  int64_t transfer_until_us_ = 0;
  bool timeout_now_due_ = false;   // not yet, in this transfer
  bool timeout_now_sent_ = false;  // at any time in this term
  int64_t last_lease_us_ = 0;      // how far the lease reached when it was given up

  // For the next Ready.
  Ready ready_;
  storage::HardState handed_out_hard_;
  storage::Position handed_out_commit_;
  Role handed_out_role_ = Role::kFollower;
  storage::Term handed_out_term_{0};
  storage::NodeId handed_out_leader_{0};
};

}  // namespace kvorum::replication
