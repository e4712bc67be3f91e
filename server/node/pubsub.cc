#include "server/node/pubsub.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "resp/reply_writer.h"
#include "server/node/cluster/cluster.h"
#include "server/node/glob.h"
#include "server/node/node.h"
#include "server/node/session.h"

namespace kvorum::server {
namespace {

// Between nodes a channel's name begins with its kind.
constexpr char kPlain = 'c', kShard = 's';

absl::btree_set<std::string>& names_of(Session& session, Subscription kind) {
  switch (kind) {
    case Subscription::kChannel:
      return session.channels;
    case Subscription::kPattern:
      return session.patterns;
    case Subscription::kShardChannel:
      break;
  }
  return session.shard_channels;
}

// A push for sessions of either protocol, encoded once for each.
class Message {
 public:
  explicit Message(std::initializer_list<std::string_view> parts) : parts_(parts) {}

  std::string_view encoded(resp::Protocol protocol) {
    std::string& bytes = encoded_[protocol == resp::Protocol::kResp3];
    if (bytes.empty()) {
      resp::ReplyWriter writer(bytes, protocol);
      writer.push(parts_.size());
      for (const std::string_view part : parts_) writer.bulk(part);
    }
    return bytes;
  }

 private:
  std::vector<std::string_view> parts_;
  std::array<std::string, 2> encoded_;
};

template <class Registry>
void remove(Registry& registry, std::string_view name, const Session& session) {
  const auto row = registry.find(name);
  if (row == registry.end()) return;
  row->second.erase(session.id);
  if (row->second.empty()) registry.erase(row);
}

}  // namespace

bool PubSub::subscribe(Session& session, Subscription kind, std::string_view name) {
  if (!names_of(session, kind).emplace(name).second) return false;
  std::string key(name);
  switch (kind) {
    case Subscription::kChannel:
      channels_[key].emplace(session.id, &session);
      break;
    case Subscription::kPattern:
      patterns_[key].emplace(session.id, &session);
      break;
    case Subscription::kShardChannel:
      shard_channels_[key].emplace(session.id, &session);
      break;
  }
  return true;
}

bool PubSub::unsubscribe(Session& session, Subscription kind, std::string_view name) {
  if (names_of(session, kind).erase(std::string(name)) == 0) return false;
  switch (kind) {
    case Subscription::kChannel:
      remove(channels_, name, session);
      break;
    case Subscription::kPattern:
      remove(patterns_, name, session);
      break;
    case Subscription::kShardChannel:
      remove(shard_channels_, name, session);
      break;
  }
  return true;
}

void PubSub::forget(Session& session) {
  for (const std::string& name : session.channels) remove(channels_, name, session);
  for (const std::string& name : session.patterns) remove(patterns_, name, session);
  for (const std::string& name : session.shard_channels) remove(shard_channels_, name, session);
  session.channels.clear();
  session.patterns.clear();
  session.shard_channels.clear();
}

size_t PubSub::send(const Channels& channels, std::string_view kind, std::string_view channel,
                    std::string_view message, storage::Position gate) {
  const auto row = channels.find(channel);
  if (row == channels.end()) return 0;
  Message push({kind, channel, message});
  for (const auto& [id, session] : row->second) {
    node_.push(*session, push.encoded(session->protocol), gate);
  }
  return row->second.size();
}

size_t PubSub::send_here(std::string_view channel, std::string_view message,
                         storage::Position gate) {
  size_t receivers = send(channels_, "message", channel, message, gate);
  for (const auto& [pattern, listeners] : patterns_) {
    if (!glob_matches(pattern, channel)) continue;
    Message push({"pmessage", pattern, channel, message});
    for (const auto& [id, session] : listeners) {
      node_.push(*session, push.encoded(session->protocol), gate);
    }
    receivers += listeners.size();
  }
  return receivers;
}

size_t PubSub::publish(std::string_view channel, std::string_view message, storage::Position gate) {
  fan_out(kPlain, channel, message, gate);
  return send_here(channel, message, gate);
}

size_t PubSub::publish_shard(std::string_view channel, std::string_view message,
                             storage::Position gate) {
  fan_out(kShard, channel, message, gate);
  return send(shard_channels_, "smessage", channel, message, gate);
}

void PubSub::fan_out(char kind, std::string_view channel, std::string_view message,
                     storage::Position gate) {
  Cluster& cluster = node_.cluster();
  if (cluster.started() && cluster.voters() > 1) {
    cluster.fan_out(base::concat(std::string_view(&kind, 1), channel), message, gate);
  }
}

void PubSub::deliver(std::string_view fanned_out, std::string_view message) {
  if (fanned_out.empty()) return;
  const std::string_view channel = fanned_out.substr(1);
  if (fanned_out.front() == kPlain) send_here(channel, message, {});
  if (fanned_out.front() == kShard) send(shard_channels_, "smessage", channel, message, {});
}

std::vector<std::string_view> PubSub::channels(Subscription kind, std::string_view pattern) const {
  std::vector<std::string_view> names;
  for (const auto& [name, listeners] : of(kind)) {
    if (pattern.empty() || glob_matches(pattern, name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

size_t PubSub::subscribers(Subscription kind, std::string_view channel) const {
  const auto row = of(kind).find(channel);
  return row == of(kind).end() ? 0 : row->second.size();
}

}  // namespace kvorum::server
