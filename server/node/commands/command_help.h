// The HELP of containers.
#pragma once

#include <string_view>

#include "server/node/command.h"

namespace kvorum::server {

// REQUIRES: `container` is the name of one that has a text.
void reply_help(CommandContext& context, std::string_view container);

// "ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOWLOG HELP."
void reply_subcommand_syntax(CommandContext& context);

}  // namespace kvorum::server
