// A leader's followers as ROLE and INFO show them. Belongs to the loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/node/cluster_options.h"
#include "storage/types.h"

namespace kvorum::server {

class Node;

struct FollowerView {
  storage::NodeId id{0};
  HostAndPort address;
  std::string full_address;  // "host:port"
  std::string_view state;    // Redis' words: wait_bgsave, send_bulk, online
  bool connected = false;    // heard of lately
  bool voter = true;
  storage::Lsn durable_lsn{0};
  uint64_t lag_records = 0;
  uint64_t lag_bytes = 0;
  int64_t lag_ms = 0;     // since it last had everything, as far as its acks tell
  int64_t silent_us = 0;  // since it was last heard of
};

// By node id. Empty while this node does not lead.
std::vector<FollowerView> followers_of(Node& node);
std::vector<FollowerView> connected_followers(Node& node);

// Empty and 0 where there is none.
HostAndPort address_of(std::string_view text);

}  // namespace kvorum::server
