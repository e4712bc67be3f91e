// What a node of the cluster "demo" says of itself.
#pragma once

#include <cstdint>

#include "server/node/cluster/peer_message.h"
#include "storage/types.h"

namespace kvorum::server {

inline peer::Hello hello_of(uint16_t node) {
  peer::Hello hello;
  hello.cluster_id = "demo";
  hello.secret = "hunter2";
  hello.node = storage::NodeId{node};
  hello.instance = {static_cast<uint8_t>(node)};
  hello.incarnation = {0xaa};
  hello.boot = 5;
  return hello;
}

}  // namespace kvorum::server
