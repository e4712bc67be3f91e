// The addresses of `peers`, and what the options of [cluster] must agree on. Pure functions, any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/node/options.h"
#include "storage/types.h"

namespace kvorum::server {

struct PeerAddress {
  storage::NodeId id{0};
  std::string address;  // "host:port", "[::1]:7000"
  bool operator==(const PeerAddress&) const = default;
};

// One element of `peers`: "1=127.0.0.1:7000", "2=[::1]:7000", "3=db3.example:7000".
[[nodiscard]] absl::StatusOr<PeerAddress> parse_peer(std::string_view text);
// All elements, by id. Twice the same id or address is an error.
[[nodiscard]] absl::StatusOr<std::vector<PeerAddress>> parse_peers(
    std::span<const std::string> texts);

struct HostAndPort {
  std::string host;  // a name or a numeric address, without brackets
  uint16_t port = 0;
};
// nullopt: not "host:port" with a port from 1 to 65535.
[[nodiscard]] std::optional<HostAndPort> split_address(std::string_view address);

// What keeps a node from starting: the option at fault, for a list the element, and what is wrong.
struct ClusterProblem {
  std::string_view option;
  size_t element = 0;
  std::string text;
};
[[nodiscard]] std::optional<ClusterProblem> check_cluster_options(const Options& options);
// What is allowed and probably not meant, for the log. REQUIRES: there is no problem.
[[nodiscard]] std::vector<std::string> cluster_warnings(const Options& options);

}  // namespace kvorum::server
