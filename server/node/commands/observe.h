// Looking at a key without using it, as EXISTS, TYPE, TTL and OBJECT do.
#pragma once

#include <string_view>

#include "server/node/command.h"
#include "server/node/node.h"

namespace kvorum::server {

// Like Node::lookup, but the access time stays as it is; a hit or miss is counted all the same.
inline const storage::Entry* observe(CommandContext& context, std::string_view key) {
  const storage::Entry* entry = context.node.lookup(context, key, Node::Lookup::kPeek);
  Statistics& statistics = context.node.statistics();
  ++(entry == nullptr ? statistics.keyspace_misses : statistics.keyspace_hits);
  return entry;
}

}  // namespace kvorum::server
