// SUBSCRIBE and its sisters, and PUBLISH.
#include <string>
#include <vector>

#include "server/node/commands/pubsub_handlers.h"
#include "server/node/node.h"
#include "server/node/session.h"

namespace kvorum::server {
namespace {

const absl::btree_set<std::string>& names_of(const Session& session, Subscription kind) {
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

// Channels and patterns count together, shard channels by themselves.
int64_t count_of(const Session& session, Subscription kind) {
  return static_cast<int64_t>(kind == Subscription::kShardChannel
                                  ? session.shard_channels.size()
                                  : session.channels.size() + session.patterns.size());
}

void subscribe(CommandContext& context, Subscription kind) {
  for (const std::string_view name : context.arguments.subspan(1)) {
    context.node.pubsub().subscribe(context.session, kind, name);
    context.reply.push(3);
    context.reply.bulk(context.command.name);
    context.reply.bulk(name);
    context.reply.integer(count_of(context.session, kind));
  }
}

void unsubscribe(CommandContext& context, Subscription kind) {
  std::vector<std::string> all;
  std::vector<std::string_view> names(context.arguments.begin() + 1, context.arguments.end());
  if (names.empty()) {
    const auto& subscribed = names_of(context.session, kind);
    all.assign(subscribed.begin(), subscribed.end());
    names.assign(all.begin(), all.end());
  }
  for (const std::string_view name : names) {
    context.node.pubsub().unsubscribe(context.session, kind, name);
    context.reply.push(3);
    context.reply.bulk(context.command.name);
    context.reply.bulk(name);
    context.reply.integer(count_of(context.session, kind));
  }
  if (!names.empty()) return;
  context.reply.push(3);
  context.reply.bulk(context.command.name);
  context.reply.null();
  context.reply.integer(count_of(context.session, kind));
}

}  // namespace

// PSUBSCRIBE pattern [pattern ...]
void psubscribe_command(CommandContext& context) { subscribe(context, Subscription::kPattern); }

// PUBLISH channel message
void publish_command(CommandContext& context) {
  // What the publisher wrote before is on disk before anybody hears of it.
  context.reply.integer(static_cast<int64_t>(context.node.pubsub().publish(
      context.arguments[1], context.arguments[2], context.session.last_write)));
}

// PUNSUBSCRIBE [pattern [pattern ...]]
void punsubscribe_command(CommandContext& context) { unsubscribe(context, Subscription::kPattern); }

// SPUBLISH shardchannel message
void spublish_command(CommandContext& context) {
  context.reply.integer(static_cast<int64_t>(context.node.pubsub().publish_shard(
      context.arguments[1], context.arguments[2], context.session.last_write)));
}

// SSUBSCRIBE shardchannel [shardchannel ...]
void ssubscribe_command(CommandContext& context) {
  subscribe(context, Subscription::kShardChannel);
}

// SUBSCRIBE channel [channel ...]
void subscribe_command(CommandContext& context) { subscribe(context, Subscription::kChannel); }

// SUNSUBSCRIBE [shardchannel [shardchannel ...]]
void sunsubscribe_command(CommandContext& context) {
  unsubscribe(context, Subscription::kShardChannel);
}

// UNSUBSCRIBE [channel [channel ...]]
void unsubscribe_command(CommandContext& context) { unsubscribe(context, Subscription::kChannel); }

}  // namespace kvorum::server
