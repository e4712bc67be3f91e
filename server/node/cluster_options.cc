#include "server/node/cluster_options.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "replication/membership.h"

namespace kvorum::server {

namespace {

constexpr size_t kMaxIdBytes = 64;
constexpr size_t kMaxSecretBytes = 256;
// The longest name DNS knows.
constexpr size_t kMaxHostBytes = 253;

absl::Status malformed(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(
      base::concat("peer '", text, "': ", what, "; a peer is written id=host:port"));
}

bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// What `peer` has in common with one of the others that it must not; or empty.
std::string clash(const std::vector<PeerAddress>& others, const PeerAddress& peer) {
  for (const PeerAddress& other : others) {
    if (other.id == peer.id) {
      return base::concat("two peers have the id ", peer.id.value(), ": ", other.address, " and ",
                          peer.address);
    }
    if (base::equal_ignoring_case(other.address, peer.address)) {
      return base::concat("two peers have the address ", peer.address, ": ", other.id.value(),
                          " and ", peer.id.value());
    }
  }
  return {};
}

std::optional<ClusterProblem> check_peers(const Options& options) {
  std::vector<PeerAddress> seen;
  for (size_t i = 0; i < options.peers.size(); ++i) {
    const absl::StatusOr<PeerAddress> peer = parse_peer(options.peers[i]);
    if (!peer.ok()) return ClusterProblem{"peers", i, std::string(peer.status().message())};
    std::string what = clash(seen, *peer);
    if (!what.empty()) return ClusterProblem{"peers", i, std::move(what)};
    seen.push_back(*peer);
  }
  const bool own = std::any_of(seen.begin(), seen.end(), [&](const PeerAddress& peer) {
    return static_cast<int64_t>(peer.id.value()) == options.id;
  });
  if (!seen.empty() && !own) {
    return ClusterProblem{"peers", 0,
                          base::concat("this node's id, ", options.id, ", is not among the peers: ",
                                       "every node is in its own list")};
  }
  return std::nullopt;
}

std::optional<ClusterProblem> check_names(const Options& options) {
  if (options.cluster_id.size() > kMaxIdBytes || !printable(options.cluster_id)) {
    return ClusterProblem{"cluster-id", 0,
                          base::concat("the cluster's id must be at most ", kMaxIdBytes,
                                       " printable ASCII characters without blanks")};
  }
  if (options.cluster_secret.size() > kMaxSecretBytes) {
    return ClusterProblem{
        "cluster-secret", 0,
        base::concat("the cluster's secret is longer than ", kMaxSecretBytes, " bytes")};
  }
  if (options.peers.size() > 1 && options.cluster_id.empty()) {
    return ClusterProblem{"peers", 0,
                          base::concat(options.peers.size(),
                                       " peers need a cluster id: [cluster] id, or --cluster-id")};
  }
  return std::nullopt;
}

std::optional<ClusterProblem> check_timing(const Options& options) {
  if (options.heartbeat_ms * 3 < options.election_timeout_ms) return std::nullopt;
  return ClusterProblem{
      "heartbeat-ms", 0,
      base::concat("heartbeat-ms (", options.heartbeat_ms, ") must be less than a third of ",
                   "election-timeout-ms (", options.election_timeout_ms, ")")};
}

std::optional<ClusterProblem> check_quorum(const Options& options) {
  const size_t nodes = std::max<size_t>(options.peers.size(), 1);
  const auto quorum = replication::WriteQuorum::parse(options.write_quorum);
  CHECK(quorum.has_value()) << options.write_quorum;
  if (quorum->needed(nodes) <= nodes) return std::nullopt;
  return ClusterProblem{
      "write-quorum", 0,
      base::concat("write-quorum ", options.write_quorum, " can never be reached by ", nodes,
                   nodes == 1 ? " node" : " nodes")};
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

std::optional<HostAndPort> split_address(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = address.substr(0, colon);
  const std::optional<uint16_t> port = base::parse_integer<uint16_t>(address.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // an IPv6 address needs its brackets
  }
  if (host.empty() || host.size() > kMaxHostBytes || !printable(host) || !port || *port == 0) {
    return std::nullopt;
  }
  return HostAndPort{std::string(host), *port};
}

absl::StatusOr<PeerAddress> parse_peer(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return malformed(text, "there is no '='");
  const std::optional<uint16_t> id = base::parse_integer<uint16_t>(text.substr(0, equals));
  if (!id || *id == 0) return malformed(text, "the id is not a number from 1 to 65535");
  const std::string_view address = text.substr(equals + 1);
  if (!split_address(address)) return malformed(text, "the address is not host:port");
  return PeerAddress{storage::NodeId{*id}, std::string(address)};
}

absl::StatusOr<std::vector<PeerAddress>> parse_peers(std::span<const std::string> texts) {
  std::vector<PeerAddress> peers;
  for (const std::string& text : texts) {
    absl::StatusOr<PeerAddress> peer = parse_peer(text);
    if (!peer.ok()) return peer.status();
    if (std::string what = clash(peers, *peer); !what.empty()) {
      return absl::InvalidArgumentError(what);
    }
    peers.push_back(*std::move(peer));
  }
  std::sort(peers.begin(), peers.end(),
            [](const PeerAddress& a, const PeerAddress& b) { return a.id < b.id; });
  return peers;
}

std::optional<ClusterProblem> check_cluster_options(const Options& options) {
  std::optional<ClusterProblem> problem = check_peers(options);
  if (!problem) problem = check_names(options);
  if (!problem) problem = check_timing(options);
  if (!problem) problem = check_quorum(options);
  return problem;
}

std::vector<std::string> cluster_warnings(const Options& options) {
  std::vector<std::string> warnings;
  const absl::StatusOr<std::vector<PeerAddress>> peers = parse_peers(options.peers);
  CHECK(peers.ok());
  bool all_loopback = true;
  for (const PeerAddress& peer : *peers) {
    const HostAndPort where = *split_address(peer.address);
    all_loopback = all_loopback && is_loopback(where.host);
    if (static_cast<int64_t>(peer.id.value()) == options.id && where.port != options.port) {
      warnings.push_back(base::concat("this node listens on port ", options.port,
                                      ", its peers reach it on port ", where.port,
                                      ": right only if something between them translates"));
    }
  }
  const auto quorum = replication::WriteQuorum::parse(options.write_quorum);
  if (options.divergence == "merge" && quorum->needed(peers->size()) >= peers->size() / 2 + 1) {
    warnings.push_back(
        "divergence is merge, and every write is answered by a majority: nothing that was answered "
        "is ever dropped, and nothing is merged");
  }
  if (!all_loopback && options.cluster_secret.empty()) {
    warnings.push_back(
        "the cluster has no secret: whoever reaches this port can say that it is one of the nodes");
  }
  return warnings;
}

}  // namespace kvorum::server
