// The handlers behind connection_table.cc; the syntax of each stands where it is defined.
#pragma once

#include "server/node/command.h"

namespace kvorum::server {

// connection.cc
void asking_command(CommandContext& context);
void auth_command(CommandContext& context);
void echo_command(CommandContext& context);
void hello_command(CommandContext& context);
void ping_command(CommandContext& context);
void quit_command(CommandContext& context);
void readonly_command(CommandContext& context);
void readwrite_command(CommandContext& context);
void reset_command(CommandContext& context);

// client_list.cc
void client_id_command(CommandContext& context);
void client_info_command(CommandContext& context);
void client_list_command(CommandContext& context);

// client_kill.cc
void client_kill_command(CommandContext& context);

// client_state.cc
void client_caching_command(CommandContext& context);
void client_capa_command(CommandContext& context);
void client_consistency_command(CommandContext& context);
void client_getname_command(CommandContext& context);
void client_getredir_command(CommandContext& context);
void client_help_command(CommandContext& context);
void client_no_evict_command(CommandContext& context);
void client_no_touch_command(CommandContext& context);
void client_pause_command(CommandContext& context);
void client_quorum_command(CommandContext& context);
void client_reply_command(CommandContext& context);
void client_setinfo_command(CommandContext& context);
void client_setname_command(CommandContext& context);
void client_tracking_command(CommandContext& context);
void client_trackinginfo_command(CommandContext& context);
void client_unblock_command(CommandContext& context);
void client_unpause_command(CommandContext& context);

// client_token.cc
void client_token_command(CommandContext& context);

}  // namespace kvorum::server
