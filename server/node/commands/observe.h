// Looking at a key without using it, as EXISTS, TYPE, TTL and OBJECT do.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/node/command.h"
#include "server/node/node.h"

namespace kvorum::server {

enum class MissEvent : uint8_t { kPublish, kNone };

// Like Node::lookup for reading, but the access time stays as it is: a hit or miss is counted and,
// unless told otherwise, a miss is an event.
inline const storage::Entry* observe(CommandContext& context, std::string_view key,
                                     MissEvent miss_event = MissEvent::kPublish) {
  const storage::Entry* entry = context.node.lookup(context, key, Node::Lookup::kPeek);
  Statistics& statistics = context.node.statistics();
  ++(entry == nullptr ? statistics.keyspace_misses : statistics.keyspace_hits);
  if (entry == nullptr && miss_event == MissEvent::kPublish) {
    context.node.notify('m', "keymiss", key, context.session.database);
  }
  return entry;
}

}  // namespace kvorum::server
