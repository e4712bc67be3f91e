// The node as a member of its cluster: gives the replica its inputs, does what its Ready says with
// the log, and carries messages over the links. docs/replication.md is the contract. A lone node is
// a cluster of one. Belongs to the loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "replication/replica.h"
#include "server/node/cluster/birth.h"
#include "server/node/cluster/digest_vote.h"
#include "server/node/cluster/hand_over.h"
#include "server/node/cluster/membership_keeper.h"
#include "server/node/cluster/orphan_merge.h"
#include "server/node/cluster/orphan_offer.h"
#include "server/node/cluster/peer_link.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/cluster/read_index.h"
#include "server/node/cluster/shipper.h"
#include "server/node/cluster/snapshot_transfer.h"
#include "server/node/output_queue.h"
#include "storage/identity.h"

namespace kvorum::server {

class Node;
class Session;

// What a loaded data directory says, for the replica.
struct ClusterStart {
  storage::Identity identity;
  storage::HardState hard_state;
  replication::TermIndex log;
  storage::Position commit;
  replication::Membership membership;
  storage::Lsn membership_lsn{0};
  std::optional<replication::Membership> earlier_membership;
  storage::Lsn earlier_membership_lsn{0};
  bool newborn = false;
  storage::Position claim;
  bool claim_unknown = false;
  std::optional<peer::Birth> birth;  // what is told to nodes that come later; a lone node has none
};

class Cluster {
 public:
  explicit Cluster(Node& node);
  ~Cluster();

  // This node is not yet a member of any cluster: talks to the configured peers (`seed`) until it
  // is born or told to join. `born` makes that durable; start() follows.
  void form(const storage::Identity& identity, replication::Membership seed,
            std::function<void(const peer::Birth&, bool learner)> born);
  void birth_durable() { birth_->durable(); }
  // The log is there and node.log() started, as a follower.
  void start(ClusterStart start);
  bool started() const { return replica_ != nullptr; }
  bool forming() const { return birth_ != nullptr && !birth_->member(); }
  // What forming waits for, for the error of a client: "peers 2 3 to be up".
  std::string forming_waits_for() const;

  // --- Time.
  void tick();
  // Proposes what was sealed, ships it, does what the replica wants.
  void end_turn();

  // --- What the log reports.
  void log_persisted(storage::Position durable, const storage::HardState& saved);
  void log_tail_lost(storage::Position kept);
  // A digest record was applied: `digest` is the keyspace's with everything up to it.
  void digest_reached(storage::Lsn lsn, storage::Digest digest);

  // Records were dropped and are in this file.
  void orphans_saved(const std::string& path) { orphan_offer_.saved(path); }

  // --- Peers.
  void peer_connected(storage::NodeId peer);
  void peer_received(storage::NodeId peer, std::string_view bytes);
  void peer_sent(storage::NodeId peer);
  void peer_closed(storage::NodeId peer, std::string_view reason);
  // REPLCONF with a word of ours, on an accepted connection.
  void receive(Session& session, resp::Arguments arguments);
  void session_closed(Session& session);
  // Null if there is none (not a member, this node, no link up).
  PeerLink* ready_link(storage::NodeId peer);

  // --- For commands.
  // This node executes: it leads, has applied its whole log, and may accept writes.
  bool leads() const;
  // It leads, and a majority's clocks do not contradict its own, as far as could be found out.
  bool clock_judged() const;
  // One of several, and not their leader: also while it loads, or the cluster is forming.
  bool follows() const;
  storage::NodeId leader() const;
  std::string leader_address() const;  // host:port; empty: no leader known
  storage::Term term() const { return replica_->term(); }
  const replication::Replica& replica() const { return *replica_; }
  const replication::Membership& membership() const { return replica_->membership(); }
  size_t voters() const { return voters_; }
  // Clock drift, a differing keyspace, a snapshot that is being installed: local reads are refused.
  bool reads_refused() const;
  GateView gate_view() const;
  ReadIndex& read_index() { return read_index_; }
  // A read waits for the confirmation of leadership.
  void confirm_leadership() { replica_->confirm_leadership(); }
  // What a follower has just been sent speaks of a commit that it has not heard of yet.
  void tell_commit() { replica_->tell_commit(); }
  // Makes it the record that ends the log; it is in force by the end of this turn.
  // REQUIRES: leads(), no record is open, may_change_membership().
  storage::Position change_membership(const replication::Membership& changed);
  // This node is not a member any more, as far as it knows: nobody leads it. It answers neither
  // reads nor writes and does not campaign.
  bool removed() const { return removed_; }
  // It leads until its own removal is committed: new writes had better wait for the next leader.
  bool leaving() const { return leads() && !replica_->is_voter(); }
  // Hands leadership to another node, for a clean stop too. False: nobody to hand it to.
  bool transfer(storage::NodeId to);
  // FAILOVER: see HandOver. False: nobody can take over. REQUIRES: leads(), !handing_over().
  [[nodiscard]] bool hand_over(const HandOver::Request& request);
  bool handing_over() const { return hand_over_.in_progress(); }
  void abort_hand_over() { hand_over_.abort(*replica_); }
  // A message to every other member's subscribers, once the gate's record is committed.
  void fan_out(std::string_view channel, std::string_view message, storage::Position gate);

  // For INFO.
  const DigestVote& digests() const { return digests_; }
  const SnapshotTransfer& snapshots() const { return snapshots_; }
  const std::map<storage::NodeId, std::unique_ptr<PeerLink>>& links() const { return links_; }
  int64_t leader_heard_us() const { return leader_heard_us_; }  // monotonic; 0: never
  int64_t leader_lost_us() const {
    return leader_lost_us_;
  }  // since when there is none; 0: there is
  bool keyspace_differs() const { return differs_; }
  const OrphanMerge& orphan_merge() const { return orphan_merge_; }
  const OrphanOffer& orphan_offer() const { return orphan_offer_; }

  // --- For the transfer of snapshots.
  // A received snapshot is durable: the node's keyspace and log go on from it.
  void snapshot_installed(std::unique_ptr<storage::Keyspace> keyspace,
                          const storage::SnapshotInfo& info, bool keyspace_only);
  void snapshot_sent(storage::NodeId follower, storage::Position cut);
  const storage::Identity& identity() const { return identity_; }

 private:
  struct FanOut {
    storage::Lsn gate{0};
    std::shared_ptr<const peer::Published> message;
    size_t bytes() const {
      return sizeof(FanOut) + message->channel.size() + message->message.size();
    }
  };

  // cluster.cc
  // The replica learns of every sealed record before anything that may depose it: else it would not
  // know that they have to be cut off.
  void propose_sealed();
  void do_ready();
  void do_role_change();
  void do_log_changes(const replication::Ready& ready);
  void send(const replication::Message& message);
  void send_held();
  void stop_leading();
  void propose_membership();
  void propose_digest();
  void look_at_digests();
  void look_at_disk();
  void log_election();
  void log_drift();
  void after_commit();
  void send_fan_outs();
  void forget_fan_outs(storage::Lsn kept);
  void look_at_clock();

  // cluster_members.cc
  void do_membership_change();
  std::map<storage::NodeId, std::string> known_addresses() const;
  void review_links();
  void drop_link(storage::NodeId peer);
  void drop_strangers();
  void look_at_members();
  void look_at_removal();
  void tell_members(storage::NodeId peer);
  void link_refused(storage::NodeId peer, std::string_view error);
  absl::Status check_dialler(const peer::Hello& ours, const peer::Hello& theirs) const;
  absl::Status judge_stranger(const peer::Hello& theirs) const;
  void handle(Session& session, const peer::Members& members);

  // cluster_peers.cc
  // As ready_link, if the peer is a member of our cluster by now.
  PeerLink* member_link(storage::NodeId peer);
  void open_link(storage::NodeId peer, const std::string& address);
  void make_birth(replication::Membership seed, std::optional<peer::Birth> birth,
                  std::function<void(const peer::Birth&, bool learner)> born);
  peer::Hello our_hello() const;
  void link_ready(storage::NodeId peer, const peer::Hello& hello);
  void link_lost(storage::NodeId peer);
  absl::Status replace_session(Session& session, const peer::Hello& hello);
  void hear(Session& session, resp::Arguments arguments);
  void log_refusal(const Session& session, const peer::Hello& theirs, std::string_view reason);
  bool may_log_stranger();
  void handle(Session& session, replication::Message& message);
  void handle(Session& session, const peer::Part& part);
  void handle(Session& session, const peer::Birth& birth);
  void handle(Session& session, peer::SnapshotChunk& chunk);
  void handle(Session& session, const peer::SnapshotAck& ack);
  void handle(Session& session, const peer::SnapshotWanted& wanted);
  void handle(Session& session, peer::Forward& forward);
  void handle(Session& session, const peer::Relay& relay);
  void handle(Session& session, const peer::Gone& gone);
  void handle(Session& session, const peer::ReadIndex& request);
  void handle(Session& session, const peer::ReadIndexAck& ack);
  void handle(Session& session, const peer::Published& published);
  void handle(Session& session, const peer::DigestReport& report);
  void handle(Session& session, const peer::Differs& differs);
  void handle(Session& session, const peer::Orphans& orphans);
  void handle(Session& session, const peer::OrphansAck& ack);
  void handle(Session& session, const peer::Hello& hello);

  Node& node_;
  Host& host_;
  storage::Identity identity_;
  std::unique_ptr<Birth> birth_;
  std::unique_ptr<replication::Replica> replica_;
  size_t voters_ = 0;
  std::map<storage::NodeId, std::unique_ptr<PeerLink>> links_;
  std::map<storage::NodeId, peer::Hello> hellos_;    // of peers whose link is ready
  std::map<storage::NodeId, std::string> refusals_;  // logged, by node id
  int64_t next_stranger_log_us_ = 0;                 // not before, of who has proven nothing
  // Links to those that are not members any more, and when they end; 0: the change is not
  // committed.
  std::map<storage::NodeId, int64_t> leaving_;
  std::optional<peer::Members> told_;  // the newest news of the members
  bool told_removed_ = false;          // a member has said so, and nobody has led this node since
  bool removed_ = false;
  bool waits_for_add_ = false;  // a member knows no such node, and the log says what to do
  storage::Lsn reviewed_{0};    // the committed membership by which links were looked at
  storage::Lsn announced_{0};   // leading: the membership that was told to all
  std::map<uint64_t, peer::PartAssembler> parts_;  // by session: a long message that is coming
  Shipper shipper_;
  SnapshotTransfer snapshots_;
  DigestVote digests_;
  HandOver hand_over_;
  ReadIndex read_index_;
  OrphanMerge orphan_merge_;
  OrphanOffer orphan_offer_;
  std::vector<replication::Message> held_;  // leave when the hard state is saved
  std::deque<FanOut> fan_outs_;             // wait for their gate
  size_t fan_out_bytes_ = 0;                // of them
  mutable std::vector<storage::Lsn> durable_on_;
  storage::Position proposed_;  // leading: what the replica knows of our log
  storage::Term led_term_{0};   // of the log's leadership
  storage::NodeId shown_leader_{0};
  storage::Term shown_term_{0};
  int64_t leader_heard_us_ = 0, leader_lost_us_ = 0;
  int64_t looked_us_ = 0;  // at the clock, last
  int64_t last_digest_us_ = 0, last_drift_log_us_ = 0;
  storage::Lsn digest_lsn_{0};
  bool differs_ = false;
  storage::Lsn reads_from_{0};  // what was shown before the keyspace was replaced
  bool doubted_ = false;
  bool in_ready_ = false;
};

}  // namespace kvorum::server
