#include "server/node/cluster/hello_check.h"

#include <algorithm>

#include "base/secret.h"
#include "base/text.h"
#include "server/node/cluster/peer_fields.h"

namespace kvorum::server::peer {
namespace {

constexpr size_t kSightings = 16;

absl::Status mismatch(std::string_view what, std::string_view here, std::string_view there) {
  return absl::FailedPreconditionError(base::concat(what, " ", here, " here, ", there, " there"));
}

// A later one than ours is theirs to judge: they know down to which they go.
absl::Status check_version(const Hello& ours, const Hello& theirs) {
  const uint32_t spoken = spoken_protocol_version(ours.version, theirs.version);
  if (spoken >= kOldestProtocolVersion) return absl::OkStatus();
  const std::string newest = std::to_string(ours.version);
  return mismatch("protocol version",
                  ours.version == kOldestProtocolVersion
                      ? newest
                      : base::concat(kOldestProtocolVersion, " to ", newest),
                  std::to_string(theirs.version));
}

// What both ends ask alike.
absl::Status check_cluster(const Hello& ours, const Hello& theirs) {
  if (theirs.cluster_id != ours.cluster_id) {
    return mismatch("cluster id", quoted(ours.cluster_id), quoted(theirs.cluster_id));
  }
  if (theirs.instance == storage::InstanceId{} || theirs.instance == ours.instance) {
    return mismatch("instance", hex(ours.instance), hex(theirs.instance));
  }
  const storage::Incarnation unborn{};
  if (theirs.incarnation != ours.incarnation && theirs.incarnation != unborn &&
      ours.incarnation != unborn) {
    return mismatch("cluster incarnation", hex(ours.incarnation), hex(theirs.incarnation));
  }
  return absl::OkStatus();
}

std::string list(std::span<const storage::NodeId> nodes) {
  std::string text;
  for (const storage::NodeId node : nodes) {
    text += base::concat(text.empty() ? "" : " ", node.value());
  }
  return text;
}

}  // namespace

absl::Status check_hello(const Hello& ours, const Hello& theirs,
                         std::span<const storage::NodeId> known) {
  if (absl::Status status = check_version(ours, theirs); !status.ok()) return status;
  if (!base::same_secret(theirs.secret, ours.secret)) {
    return absl::UnauthenticatedError("wrong cluster secret");
  }
  if (theirs.cluster_id == ours.cluster_id) {  // else its node ids are of no interest
    if (theirs.node == ours.node) {
      return absl::FailedPreconditionError(
          base::concat("node id ", theirs.node.value(), " is used twice: by instance ",
                       hex(ours.instance), " here and instance ", hex(theirs.instance), " there"));
    }
    if (std::find(known.begin(), known.end(), theirs.node) == known.end()) {
      return mismatch("node id", base::concat("one of ", list(known)),
                      std::to_string(theirs.node.value()));
    }
  }
  return check_cluster(ours, theirs);
}

absl::Status check_answer(const Hello& ours, const Hello& theirs, storage::NodeId expected) {
  if (absl::Status status = check_version(ours, theirs); !status.ok()) return status;
  if (theirs.cluster_id == ours.cluster_id && theirs.node != expected) {
    return absl::FailedPreconditionError(base::concat("node id ", expected.value(), " expected, ",
                                                      theirs.node.value(), " answered"));
  }
  return check_cluster(ours, theirs);
}

std::string refusal(const absl::Status& status) {
  const std::string_view code = absl::IsUnauthenticated(status) ? "NOAUTH "
                                : absl::IsNotFound(status)      ? kRemoved
                                                                : "ERR ";
  return base::concat(code, status.message());
}

absl::Status PeerSightings::admit(const Hello& theirs, bool connected) {
  if (connected && !sightings_.empty() && sightings_.back().instance != theirs.instance) {
    return absl::FailedPreconditionError(
        base::concat("node id ", theirs.node.value(), " is used twice: instance ",
                     hex(sightings_.back().instance), " is connected, instance ",
                     hex(theirs.instance), " says it is the same node"));
  }
  const auto known = std::find_if(sightings_.begin(), sightings_.end(), [&](const Sighting& seen) {
    return seen.instance == theirs.instance;
  });
  if (known != sightings_.end()) {
    if (theirs.boot < known->boot) {
      return absl::FailedPreconditionError(base::concat(
          "instance ", hex(theirs.instance), " has boot counter ", theirs.boot, " and had ",
          known->boot, ": its data directory was restored from a backup; start with an empty one"));
    }
    sightings_.erase(known);
  }
  if (sightings_.size() == kSightings) sightings_.erase(sightings_.begin());
  sightings_.push_back({theirs.instance, theirs.boot});
  return absl::OkStatus();
}

}  // namespace kvorum::server::peer
