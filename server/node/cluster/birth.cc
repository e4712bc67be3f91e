#include "server/node/cluster/birth.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/peer_fields.h"
#include "storage/hlc.h"

namespace kvorum::server {
namespace {

using storage::NodeId;

constexpr storage::Incarnation kUnbornIncarnation{};

bool unborn(const peer::Hello& hello) { return hello.incarnation == kUnbornIncarnation; }

std::string ids(const replication::Membership& membership) {
  std::string text;
  for (const replication::Member& member : membership.members) {
    text += base::concat(text.empty() ? "" : " ", member.id.value());
  }
  return text;
}

storage::Incarnation draw_incarnation(Host& host) {
  storage::Incarnation incarnation{};
  while (incarnation == kUnbornIncarnation) {
    const uint64_t halves[] = {host.random(), host.random()};
    static_assert(sizeof(halves) == sizeof(incarnation));
    std::memcpy(incarnation.data(), halves, sizeof(halves));
  }
  return incarnation;
}

void seal_founding_record(Host& host, NodeId founder, const replication::Membership& membership,
                          peer::Birth& birth) {
  storage::HybridLogicalClock clock;
  storage::RecordHeader header;
  header.lsn = storage::Lsn{1};
  header.term = storage::Term{1};
  header.stamp = {clock.next(static_cast<uint64_t>(host.wall_us() / 1000)), founder};
  header.kind = storage::RecordKind::kMembership;
  storage::encode_record(birth.incarnation, header, replication::encode_membership(membership),
                         birth.record);
}

}  // namespace

peer::Birth found_cluster(Host& host, NodeId founder, const replication::Membership& membership) {
  peer::Birth birth;
  birth.incarnation = draw_incarnation(host);
  birth.hash_seed = host.random();
  seal_founding_record(host, founder, membership, birth);
  return birth;
}

absl::StatusOr<replication::Membership> founding_membership(const peer::Birth& birth) {
  std::string_view bytes = birth.record;
  storage::RecordView record;
  replication::Membership membership;
  const bool good =
      birth.incarnation != kUnbornIncarnation &&
      storage::decode_record(birth.incarnation, bytes, record) == storage::RecordError::kNone &&
      bytes.empty() && record.header.lsn == storage::Lsn{1} &&
      record.header.kind == storage::RecordKind::kMembership &&
      replication::decode_membership(record.payload, membership);
  if (good) return membership;
  return absl::InvalidArgumentError(
      base::concat("REPLCONF BIRTH: expected the founding record of cluster incarnation ",
                   peer::hex(birth.incarnation), ", got ", birth.record.size(), " other bytes"));
}

Birth::Birth(Host& host, Settings settings, Events events)
    : host_(host), settings_(std::move(settings)), events_(std::move(events)) {
  CHECK(settings_.seed.find(settings_.node) != nullptr);
  CHECK(settings_.seed.members.size() > 1);
  for (const replication::Member& member : settings_.seed.members) {
    if (member.id != settings_.node) peers_[member.id];
  }
}

Birth::Birth(Host& host, Settings settings, Events events, peer::Birth birth)
    : host_(host),
      settings_(std::move(settings)),
      events_(std::move(events)),
      state_(State::kMember),
      birth_(std::move(birth)) {}

void Birth::linked(const peer::Hello& theirs) {
  Peer& peer = peers_[theirs.node];
  peer.linked = true;
  note(peer, theirs);
  offer(theirs.node, peer);
  if (may_found()) found();
}

void Birth::link_lost(NodeId node) { peers_[node].linked = false; }

void Birth::heard(const peer::Hello& theirs) { note(peers_[theirs.node], theirs); }

void Birth::note(Peer& peer, const peer::Hello& theirs) {
  peer.hello = theirs;
  if (!unborn(theirs)) peer.member_instance = theirs.instance;
}

// DESIGN 4: only when all configured peers have answered "never a member". The founder is the one
// with the lowest id; while it is missing, so is an answer. To a restored one all others have to
// answer that, and nobody else can found while it says something else.
bool Birth::may_found() const {
  if (state_ != State::kUnborn) return false;
  for (const replication::Member& member : settings_.seed.members) {
    if (member.id == settings_.node) continue;
    if (member.id < settings_.node && !restored()) return false;
    const Peer& peer = peers_.at(member.id);
    if (!peer.linked || !unborn(*peer.hello)) return false;
  }
  return true;
}

void Birth::found() {
  replication::Membership membership = settings_.seed;
  for (replication::Member& member : membership.members) {
    member.voter = !restored() || member.id == settings_.node;
    member.instance =
        member.id == settings_.node ? settings_.instance : peers_.at(member.id).hello->instance;
  }
  if (!restored()) {
    return become(found_cluster(host_, settings_.node, membership), /*as_learner=*/false);
  }
  peer::Birth birth;
  birth.incarnation = settings_.incarnation;
  birth.hash_seed = settings_.hash_seed;
  seal_founding_record(host_, settings_.node, membership, birth);
  become(birth, /*as_learner=*/false);
}

void Birth::become(const peer::Birth& birth, bool as_learner) {
  state_ = State::kSaving;
  birth_ = birth;
  host_.log(LogLevel::kInfo,
            base::concat("joins cluster incarnation ", peer::hex(birth.incarnation), " as a ",
                         as_learner ? "learner" : "voter"));
  if (events_.born) events_.born(*birth_, as_learner);
}

absl::Status Birth::received(const peer::Birth& birth) {
  const absl::StatusOr<replication::Membership> founding = founding_membership(birth);
  if (!founding.ok()) return founding.status();
  if (state_ != State::kUnborn) {
    if (birth.incarnation == birth_->incarnation) return absl::OkStatus();
    return absl::FailedPreconditionError(base::concat("cluster incarnation ",
                                                      peer::hex(birth_->incarnation), " here, ",
                                                      peer::hex(birth.incarnation), " offered"));
  }
  if (restored()) {
    return absl::FailedPreconditionError(base::concat(
        "cluster incarnation ", peer::hex(birth.incarnation),
        " offered, but this data directory was restored to found ",
        peer::hex(settings_.incarnation), " anew; start with an empty one to join that cluster"));
  }
  if (absl::Status status = check_incarnations(birth); !status.ok()) return status;
  const replication::Member* self = founding->find(settings_.node);
  const bool bound = self != nullptr && self->voter && self->instance == settings_.instance;
  if (bound) {
    if (absl::Status status = check_peers(*founding); !status.ok()) return status;
  }
  become(birth, /*as_learner=*/!bound);
  return absl::OkStatus();
}

// A peer that is a member of another cluster than the one that is offered: one of the two has no
// right to us, and only an operator knows which.
absl::Status Birth::check_incarnations(const peer::Birth& birth) const {
  for (const auto& [node, peer] : peers_) {
    if (!peer.hello || unborn(*peer.hello) || peer.hello->incarnation == birth.incarnation) {
      continue;
    }
    return absl::FailedPreconditionError(
        base::concat("cluster incarnation ", peer::hex(birth.incarnation), " offered, but node ",
                     node.value(), " is a member of ", peer::hex(peer.hello->incarnation)));
  }
  return absl::OkStatus();
}

// Founder and founded have to mean the same nodes by "all configured peers".
absl::Status Birth::check_peers(const replication::Membership& founding) const {
  const std::string here = ids(settings_.seed), there = ids(founding);
  if (here == there) return absl::OkStatus();
  return absl::FailedPreconditionError(base::concat("peers ", here, " are configured here, ", there,
                                                    " where the cluster was founded"));
}

void Birth::durable() {
  CHECK(state_ == State::kSaving);
  state_ = State::kMember;
  for (const auto& [node, peer] : peers_) offer(node, peer);
}

void Birth::offer(NodeId node, const Peer& peer) {
  if (state_ != State::kMember || !peer.linked || !unborn(*peer.hello)) return;
  if (peer.member_instance == peer.hello->instance) {
    host_.log(LogLevel::kWarning,
              base::concat("node ", node.value(), ", instance ", peer::hex(peer.hello->instance),
                           ", was a member and says it never was: its data directory was restored "
                           "from a backup; start it with an empty one"));
    return;
  }
  if (events_.send) events_.send(node, *birth_);
}

std::string Birth::waiting_for() const {
  if (state_ == State::kMember) return {};
  if (state_ == State::kSaving) return "the disk";
  std::string down;
  NodeId lowest = settings_.node;
  for (const replication::Member& member : settings_.seed.members) {
    if (member.id == settings_.node) continue;
    const Peer& peer = peers_.at(member.id);
    if (peer.hello && !unborn(*peer.hello) && restored()) {
      return base::concat("node ", member.id.value(),
                          " to be started with an empty data directory");
    }
    if (peer.hello && !unborn(*peer.hello)) {
      return base::concat("a member of cluster incarnation ", peer::hex(peer.hello->incarnation),
                          " to let this node in");
    }
    if (!peer.linked) down += base::concat(" ", member.id.value());
    lowest = std::min(lowest, member.id);
  }
  if (!down.empty()) return base::concat("peers", down, " to be up");
  if (restored()) return "this node to found the cluster";
  return base::concat("node ", lowest.value(), " to found the cluster");
}

}  // namespace kvorum::server
