// How a cluster is born, once, and how later nodes learn which cluster they belong to.
//
// A node whose identity has no incarnation opens no log and votes for nothing. It founds a cluster
// only if it has the lowest id of the configured peers and every one of them, over a link that is
// up, says "never a member". The founder makes the founding record durable first and tells the
// others then, so whoever hears of a cluster can hear of it again: every member offers the record
// to every peer that still says "never a member", for as long as it says so. The record binds each
// node id to the instance that answered. A node that is offered it and finds its own instance there
// is a voter; one that does not (its directory was wiped, or it is new) joins as a learner, because
// whatever its predecessor promised is forgotten.
//
// What follows: a founder that dies before it is durable has told nobody; one that dies later
// offers again, and so does whoever was told before a founder was wiped. One old directory among
// wiped ones names its incarnation, so nobody founds another; while it is down not all have
// answered, so nobody founds either. Members of two clusters are told apart by their incarnations,
// and an unborn node that hears of two joins neither.
//
// A restored data directory (storage/identity.h) founds its cluster anew under the same rule: every
// other configured peer says "never a member". It has an incarnation already, and is not the lowest
// id by need. It is the only voter of its founding record, as only its log has what was restored;
// the others are learners until they have caught up.
//
// Belongs to the loop; no I/O.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replication/membership.h"
#include "server/node/cluster/peer_message.h"
#include "server/node/host.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::server {

// The founding record and what it is sealed with: incarnation and hash seed are drawn, the record
// is number 1 of term 1, made by `founder`. A lone node founds its cluster with this alone.
[[nodiscard]] peer::Birth found_cluster(Host& host, storage::NodeId founder,
                                        const replication::Membership& membership);

// The membership in a founding record. kInvalidArgument: it is none.
[[nodiscard]] absl::StatusOr<replication::Membership> founding_membership(const peer::Birth& birth);

class Birth {
 public:
  struct Settings {
    storage::NodeId node{0};  // ours
    storage::InstanceId instance{};
    // The configured peers, this node included, and what else the founding record says. The
    // instances are found out, not read from here.
    replication::Membership seed;
    // Of a restored directory: what it founds its cluster with. Zeros: both are drawn.
    storage::Incarnation incarnation{};
    uint64_t hash_seed = 0;
  };
  struct Events {
    // Happens once: this node belongs to a cluster now. The owner makes it durable (save_birth,
    // then storage::join_cluster, then the founding record in the log), then calls durable(). Until
    // then nobody may be told. `as_learner`: this instance is not the one its node id is bound to.
    std::function<void(const peer::Birth& birth, bool as_learner)> born;
    // To be sent to the peer, whose link is up.
    std::function<void(storage::NodeId peer, const peer::Birth& birth)> send;
  };

  // A node that belongs to no cluster. REQUIRES: the seed has this node and another.
  Birth(Host& host, Settings settings, Events events);
  // A member, with what it was born with: it only offers it to others.
  Birth(Host& host, Settings settings, Events events, peer::Birth birth);

  // Our link to a peer is up; what it answered. Any peer, configured or not.
  void linked(const peer::Hello& theirs);
  void link_lost(storage::NodeId peer);
  // A peer has dialled us.
  void heard(const peer::Hello& theirs);
  // A peer has offered what it was born with. OK: taken, or known. kInvalidArgument: damaged.
  // kFailedPrecondition: it must not be taken; why, for the log: an operator has to look.
  [[nodiscard]] absl::Status received(const peer::Birth& birth);
  // What `born` reported is on disk.
  void durable();

  // durable() was called, or the node was a member from the start.
  bool member() const { return state_ == State::kMember; }
  // REQUIRES: member().
  const peer::Birth& birth() const { return *birth_; }
  // For logs and INFO: "peers 2 3 to be up". Empty for a member.
  std::string waiting_for() const;

 private:
  enum class State : uint8_t { kUnborn, kSaving, kMember };
  struct Peer {
    bool linked = false;
    std::optional<peer::Hello> hello;  // the newest
    // The instance that has said it is a member: it cannot become unborn, other than by a restore.
    std::optional<storage::InstanceId> member_instance;
  };

  void note(Peer& peer, const peer::Hello& theirs);
  bool restored() const { return settings_.incarnation != storage::Incarnation{}; }
  bool may_found() const;
  void found();
  void become(const peer::Birth& birth, bool as_learner);
  void offer(storage::NodeId node, const Peer& peer);
  absl::Status check_incarnations(const peer::Birth& birth) const;
  absl::Status check_peers(const replication::Membership& founding) const;

  Host& host_;
  Settings settings_;
  Events events_;
  State state_ = State::kUnborn;
  std::optional<peer::Birth> birth_;  // unless kUnborn
  std::map<storage::NodeId, Peer> peers_;
};

}  // namespace kvorum::server
