// The handlers behind pubsub_table.cc; the syntax of each stands where it is defined.
#pragma once

#include "server/node/command.h"

namespace kvorum::server {

// pubsub_commands.cc
void psubscribe_command(CommandContext& context);
void publish_command(CommandContext& context);
void punsubscribe_command(CommandContext& context);
void spublish_command(CommandContext& context);
void ssubscribe_command(CommandContext& context);
void subscribe_command(CommandContext& context);
void sunsubscribe_command(CommandContext& context);
void unsubscribe_command(CommandContext& context);

// pubsub_introspection.cc
void pubsub_channels_command(CommandContext& context);
void pubsub_help_command(CommandContext& context);
void pubsub_numpat_command(CommandContext& context);
void pubsub_numsub_command(CommandContext& context);
void pubsub_shardchannels_command(CommandContext& context);
void pubsub_shardnumsub_command(CommandContext& context);

}  // namespace kvorum::server
