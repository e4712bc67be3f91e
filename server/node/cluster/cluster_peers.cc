// The cluster's links: who there is, what comes in, who is let in.
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/birth.h"
#include "server/node/cluster/cluster.h"
#include "server/node/cluster/forwarding.h"
#include "server/node/cluster/hello_check.h"
#include "server/node/node.h"
#include "server/node/persistence.h"
#include "storage/snapshot_format.h"

namespace kvorum::server {

using storage::NodeId;

namespace {

// Who has shown no secret yet fills no log: so often at most a line is written about such a one.
constexpr int64_t kStrangerLogIntervalUs = 1'000'000;

}  // namespace

// --- Links.

peer::Hello Cluster::our_hello() const {
  const Options& options = node_.options().values();
  peer::Hello hello;
  hello.cluster_id = options.cluster_id;
  hello.secret = options.cluster_secret;
  hello.node = identity_.node;
  hello.instance = identity_.instance;
  hello.incarnation = identity_.incarnation;
  hello.boot = identity_.boot;
  return hello;
}

void Cluster::open_link(NodeId peer, const std::string& address) {
  if (peer == identity_.node || links_.contains(peer)) return;
  PeerLink::Events events;
  events.ready = [this, peer](const peer::Hello& hello) { link_ready(peer, hello); };
  events.refused = [this, peer](std::string_view error) { link_refused(peer, error); };
  events.lost = [this, peer] { link_lost(peer); };
  events.room = [this] { end_turn(); };
  links_[peer] = std::make_unique<PeerLink>(host_, PeerLink::Identity{our_hello(), peer, address},
                                            std::move(events));
}

PeerLink* Cluster::ready_link(NodeId peer) {
  const auto link = links_.find(peer);
  return link == links_.end() || !link->second->ready() ? nullptr : link->second.get();
}

PeerLink* Cluster::member_link(NodeId peer) {
  const auto hello = hellos_.find(peer);
  if (hello == hellos_.end() || hello->second.incarnation != identity_.incarnation) return nullptr;
  return ready_link(peer);
}

void Cluster::link_ready(NodeId peer, const peer::Hello& hello) {
  hellos_[peer] = hello;
  waits_for_add_ = false;
  if (birth_ != nullptr) birth_->linked(hello);
  if (replica_ == nullptr) return;
  tell_members(peer);
  orphan_offer_.link_ready(peer);
  node_.forwarding().link_ready(peer);
  end_turn();
}

void Cluster::link_lost(NodeId peer) {
  hellos_.erase(peer);
  if (birth_ != nullptr) birth_->link_lost(peer);
  if (replica_ == nullptr) return;
  replica_->link_lost(peer);
  snapshots_.link_lost(peer);
  node_.forwarding().link_lost(peer);
  read_index_.link_lost(peer);
  orphan_offer_.link_lost(peer);
}

void Cluster::peer_connected(NodeId peer) {
  if (const auto link = links_.find(peer); link != links_.end()) link->second->connected();
}

void Cluster::peer_received(NodeId peer, std::string_view bytes) {
  if (const auto link = links_.find(peer); link != links_.end()) link->second->received(bytes);
}

void Cluster::peer_sent(NodeId peer) {
  if (const auto link = links_.find(peer); link != links_.end()) link->second->sent();
}

void Cluster::peer_closed(NodeId peer, std::string_view reason) {
  if (const auto link = links_.find(peer); link != links_.end()) link->second->closed(reason);
}

// --- Birth.

void Cluster::form(const storage::Identity& identity, replication::Membership seed,
                   std::function<void(const peer::Birth&, bool learner)> born) {
  identity_ = identity;
  for (const replication::Member& member : seed.members) open_link(member.id, member.address);
  make_birth(std::move(seed), std::nullopt, std::move(born));
}

void Cluster::make_birth(replication::Membership seed, std::optional<peer::Birth> birth,
                         std::function<void(const peer::Birth&, bool learner)> born) {
  Birth::Settings settings{identity_.node, identity_.instance, std::move(seed),
                           identity_.incarnation, identity_.hash_seed};
  Birth::Events events;
  events.send = [this](NodeId peer, const peer::Birth& offered) {
    if (PeerLink* link = ready_link(peer)) link->send(offered);
  };
  events.born = std::move(born);
  if (birth.has_value()) {
    birth_ =
        std::make_unique<Birth>(host_, std::move(settings), std::move(events), *std::move(birth));
  } else {
    birth_ = std::make_unique<Birth>(host_, std::move(settings), std::move(events));
  }
}

// --- What comes in.

void Cluster::receive(Session& session, resp::Arguments arguments) {
  if (session.peer == NodeId{0} && !base::equal_ignoring_case(arguments[1], "hello")) {
    session.writer().error("NOAUTH messages between nodes begin with REPLCONF HELLO");
    return;
  }
  hear(session, arguments);
}

void Cluster::hear(Session& session, resp::Arguments arguments) {
  absl::StatusOr<peer::Message> message = peer::decode(identity_.incarnation, arguments);
  if (!message.ok()) {
    if (session.peer != NodeId{0} || may_log_stranger()) {
      host_.log(LogLevel::kWarning, base::concat("closed the connection of ", session.address, ": ",
                                                 message.status().message()));
    }
    session.writer().error(base::concat("ERR ", message.status().message()));
    session.close_after_reply = true;
    return;
  }
  if (session.peer == leader()) leader_heard_us_ = node_.monotonic_us();
  std::visit([&](auto& each) { handle(session, each); }, *message);
}

void Cluster::handle(Session& session, const peer::Hello& hello) {
  const peer::Hello ours = our_hello();
  absl::Status status = check_dialler(ours, hello);
  const auto link = links_.find(hello.node);
  if (status.ok() && link != links_.end()) status = link->second->admit(hello);
  if (status.ok()) status = replace_session(session, hello);
  if (!status.ok()) {
    log_refusal(session, hello, base::view(status.message()));
    session.writer().error(peer::refusal(status));
    session.close_after_reply = true;
    return;
  }
  refusals_.erase(hello.node);
  // It may have become a member since our own link heard of it.
  const auto known_as = hellos_.find(hello.node);
  if (known_as != hellos_.end() && known_as->second.instance == hello.instance) {
    known_as->second.incarnation = hello.incarnation;
  }
  session.authenticated = true;
  session.peer = hello.node;
  session.peer_instance = hello.instance;
  session.output.buffer().append(peer::encode_hello_answer(ours));
  if (birth_ != nullptr) birth_->heard(hello);
}

bool Cluster::may_log_stranger() {
  const int64_t now_us = node_.monotonic_us();
  if (now_us < next_stranger_log_us_) return false;
  next_stranger_log_us_ = now_us + kStrangerLogIntervalUs;
  return true;
}

// The same reason is told once for each node; one that is passed over comes again with the next
// attempt.
void Cluster::log_refusal(const Session& session, const peer::Hello& theirs,
                          std::string_view reason) {
  const auto logged = refusals_.find(theirs.node);
  if (logged != refusals_.end() && logged->second == reason) return;
  if (!may_log_stranger()) return;
  refusals_[theirs.node] = reason;
  host_.log(LogLevel::kWarning,
            base::concat("refused the peer at ", session.address, ": ", reason));
}

// One connection for each peer: a second one of the same instance means that the first is dead,
// though we have not been told; of another, that two nodes have one id.
absl::Status Cluster::replace_session(Session& session, const peer::Hello& hello) {
  for (const auto& [id, other] : node_.sessions()) {
    if (other.get() == &session || other->peer != hello.node) continue;
    if (other->peer_instance != hello.instance) {
      return absl::FailedPreconditionError(
          base::concat("node ", hello.node.value(), " is connected already from ", other->address,
                       " with another data directory"));
    }
    other->close_now = true;
    node_.make_ready(*other);
  }
  return absl::OkStatus();
}

void Cluster::handle(Session& session, const peer::Part& part) {
  // A long append takes its time. Other words do not count: who leads no more goes on relaying.
  if (replica_ != nullptr) {
    look_at_clock();
    replica_->heard_from_leader(session.peer, replica_->term());
  }
  peer::PartAssembler& assembler = parts_[session.id];
  const absl::StatusOr<bool> whole = assembler.add(part);
  if (!whole.ok()) {
    host_.log(LogLevel::kWarning,
              base::concat("closed the connection of node ", session.peer.value(), ": ",
                           whole.status().message()));
    session.close_now = true;
    node_.make_ready(session);
    return;
  }
  if (!*whole) return;
  hear(session, assembler.arguments());
  assembler.release();
}

void Cluster::session_closed(Session& session) {
  parts_.erase(session.id);
  read_index_.session_closed(session);
  if (session.peer == NodeId{0}) return;
  node_.forwarding().peer_session_closed(session);
  read_index_.peer_session_closed(session);
  orphan_merge_.peer_session_closed(session);
}

void Cluster::handle(Session& session, replication::Message& message) {
  if (replica_ == nullptr || node_.log().closing()) return;
  message.from = session.peer;
  message.to = identity_.node;
  // A full disk takes no records: then the follower only listens. An answer would say that it has
  // room, and be followed by more of them at once.
  if (node_.log().disk_full() && !message.records.empty()) {
    replica_->heard_from_leader(message.from, message.term);
    return;
  }
  look_at_clock();
  replica_->step(message, session.peer_instance);
  do_ready();
  if (!leads()) return;
  node_.log().recent().close_block();
  shipper_.ship(*replica_);
}

void Cluster::handle(Session& session, const peer::Birth& birth) {
  if (birth_ == nullptr) return;
  if (absl::Status status = birth_->received(birth); !status.ok()) {
    host_.log(LogLevel::kWarning,
              base::concat("node ", session.peer.value(), ": ", status.message()));
  }
}

void Cluster::handle(Session& session, peer::SnapshotChunk& chunk) {
  if (replica_ == nullptr) return;
  look_at_clock();
  replica_->heard_from_leader(session.peer, chunk.term);
  snapshots_.handle(session.peer, std::move(chunk));
}

void Cluster::handle(Session& session, const peer::SnapshotAck& ack) {
  if (replica_ != nullptr) snapshots_.handle(session.peer, ack);
}

void Cluster::handle(Session& session, const peer::SnapshotWanted& wanted) {
  if (replica_ != nullptr) snapshots_.handle(session.peer, wanted);
}

void Cluster::handle(Session& session, peer::Forward& forward) {
  node_.forwarding().receive(session, std::move(forward));
}

void Cluster::handle(Session& session, const peer::Relay& relay) {
  node_.forwarding().receive(session, relay);
}

void Cluster::handle(Session& session, const peer::Gone& gone) {
  node_.forwarding().receive(session, gone);
}

void Cluster::handle(Session& session, const peer::ReadIndex& request) {
  if (replica_ == nullptr) return;
  look_at_clock();
  read_index_.receive(session, request);
  do_ready();
}

void Cluster::handle(Session& session, const peer::ReadIndexAck& ack) {
  if (replica_ != nullptr) read_index_.receive(session.peer, ack);
}

void Cluster::handle(Session&, const peer::Published& published) {
  node_.pubsub().deliver(published.channel, published.message);
}

void Cluster::handle(Session& session, const peer::DigestReport& report) {
  if (replica_ == nullptr) return;
  digests_.report(session.peer, {report.lsn, report.digest});
  if (leads()) look_at_digests();
}

void Cluster::handle(Session& session, const peer::Differs& differs) {
  if (replica_ == nullptr || session.peer != leader()) return;
  differs_ = true;
  host_.log(LogLevel::kError,
            base::concat("ALARM: this node's keyspace differs from the majority's at lsn ",
                         differs.lsn.value(),
                         ": local reads are refused until it has been replaced by the leader's"));
  snapshots_.want_keyspace(differs.lsn);
}

void Cluster::handle(Session& session, const peer::Orphans& orphans) {
  if (replica_ == nullptr) return;
  look_at_clock();
  orphan_merge_.receive(session, orphans);
}

void Cluster::handle(Session& session, const peer::OrphansAck& ack) {
  if (replica_ != nullptr) orphan_offer_.receive(session.peer, ack);
}

// --- Snapshots.

void Cluster::snapshot_sent(NodeId follower, storage::Position cut) {
  replica_->snapshot_done(follower, true, cut);
  end_turn();
}

void Cluster::snapshot_installed(std::unique_ptr<storage::Keyspace> keyspace,
                                 const storage::SnapshotInfo& info, bool keyspace_only) {
  RecordLog& log = node_.log();
  const storage::Position cut = info.position;
  const bool contains = replica_->log().contains(cut) && cut.lsn <= log.last().lsn &&
                        cut.lsn >= log.recent().base().lsn;
  // A full disk cost this node records that it has applied: only the log is behind the cut.
  const bool newer_here = !keyspace_only && cut.lsn <= log.applied().lsn;
  if (!newer_here) node_.replace_keyspace(std::move(keyspace));
  if (keyspace_only) {
    reads_from_ = log.applied().lsn;
    log.replace_keyspace(node_.keyspace(), cut, info.hlc);
    differs_ = false;
  } else {
    if (!contains) {
      node_.fail_gates();
      forget_fan_outs(log.commit().lsn);
    }
    log.install(node_.keyspace(), cut, info.hlc, contains);
    replication::Membership membership;
    CHECK(replication::decode_membership(info.membership, membership));
    replica_->installed(cut, membership, cut.lsn, contains);
  }
  node_.keyspace().keep_tombstones(this->membership().merges(), log.applied_hlc());
  end_turn();
}

}  // namespace kvorum::server
