// Channels, patterns and shard channels, and who listens. Belongs to the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "base/text.h"
#include "storage/types.h"

namespace kvorum::server {

class Node;
class Session;

// What a session can subscribe to. Without a cluster a shard channel is a second set of channels.
enum class Subscription : uint8_t { kChannel, kPattern, kShardChannel };

class PubSub {
 public:
  explicit PubSub(Node& node) : node_(node) {}

  // False: was already.
  bool subscribe(Session& session, Subscription kind, std::string_view name);
  // False: was not.
  bool unsubscribe(Session& session, Subscription kind, std::string_view name);
  void forget(Session& session);  // disconnect, RESET

  // Sends the message to every subscriber of the channel and of patterns that match it, at this
  // node and at the others, each copy gated on `gate`; returns how many got it here.
  size_t publish(std::string_view channel, std::string_view message, storage::Position gate);
  size_t publish_shard(std::string_view channel, std::string_view message, storage::Position gate);
  // What another node's cluster().fan_out() was given: for this node's subscribers alone.
  void deliver(std::string_view fanned_out, std::string_view message);

  // Channels or shard channels with subscribers that match the glob, sorted.
  std::vector<std::string_view> channels(Subscription kind, std::string_view pattern) const;
  // Sessions that subscribed to exactly this channel or shard channel.
  size_t subscribers(Subscription kind, std::string_view channel) const;
  size_t channel_count() const { return channels_.size(); }
  size_t pattern_count() const { return patterns_.size(); }
  size_t shard_channel_count() const { return shard_channels_.size(); }

 private:
  using Listeners = absl::btree_map<uint64_t, Session*>;  // by id
  using Channels = absl::flat_hash_map<std::string, Listeners, base::TextHash, std::equal_to<>>;

  const Channels& of(Subscription kind) const {
    return kind == Subscription::kShardChannel ? shard_channels_ : channels_;
  }
  size_t send(const Channels& channels, std::string_view kind, std::string_view channel,
              std::string_view message, storage::Position gate);
  size_t send_here(std::string_view channel, std::string_view message, storage::Position gate);
  void fan_out(char kind, std::string_view channel, std::string_view message,
               storage::Position gate);

  Node& node_;
  Channels channels_, shard_channels_;
  absl::btree_map<std::string, Listeners, std::less<>> patterns_;
};

}  // namespace kvorum::server
