// PUBSUB.
#include "server/node/commands/command_help.h"
#include "server/node/commands/pubsub_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {
namespace {

void write_channels(CommandContext& context, Subscription kind) {
  if (context.arguments.size() > 3) {
    reply_subcommand_syntax(context);
    return;
  }
  const bool all = context.arguments.size() == 2;
  const auto channels =
      context.node.pubsub().channels(kind, all ? std::string_view() : context.arguments[2]);
  context.reply.array(channels.size());
  for (const std::string_view channel : channels) context.reply.bulk(channel);
}

void write_subscribers(CommandContext& context, Subscription kind) {
  const auto channels = context.arguments.subspan(2);
  context.reply.array(channels.size() * 2);
  for (const std::string_view channel : channels) {
    context.reply.bulk(channel);
    context.reply.integer(static_cast<int64_t>(context.node.pubsub().subscribers(kind, channel)));
  }
}

}  // namespace

// PUBSUB CHANNELS [pattern]
void pubsub_channels_command(CommandContext& context) {
  write_channels(context, Subscription::kChannel);
}

// PUBSUB HELP
void pubsub_help_command(CommandContext& context) { reply_help(context, "pubsub"); }

// PUBSUB NUMPAT
void pubsub_numpat_command(CommandContext& context) {
  context.reply.integer(static_cast<int64_t>(context.node.pubsub().pattern_count()));
}

// PUBSUB NUMSUB [channel [channel ...]]
void pubsub_numsub_command(CommandContext& context) {
  write_subscribers(context, Subscription::kChannel);
}

// PUBSUB SHARDCHANNELS [pattern]
void pubsub_shardchannels_command(CommandContext& context) {
  write_channels(context, Subscription::kShardChannel);
}

// PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]
void pubsub_shardnumsub_command(CommandContext& context) {
  write_subscribers(context, Subscription::kShardChannel);
}

}  // namespace kvorum::server
