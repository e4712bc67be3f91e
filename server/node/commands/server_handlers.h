// The handlers behind server_table.cc; the syntax of each stands where it is defined.
#pragma once

#include "server/node/command.h"

namespace kvorum::server {

// server_access.cc
void acl_cat_command(CommandContext& context);
void acl_help_command(CommandContext& context);
void acl_users_command(CommandContext& context);
void acl_whoami_command(CommandContext& context);

// command_commands.cc
void command_command(CommandContext& context);
void command_count_command(CommandContext& context);
void command_docs_command(CommandContext& context);
void command_help_command(CommandContext& context);
void command_info_command(CommandContext& context);
void command_list_command(CommandContext& context);

// command_keys.cc
void command_getkeys_command(CommandContext& context);
void command_getkeysandflags_command(CommandContext& context);

// config_commands.cc
void config_get_command(CommandContext& context);
void config_help_command(CommandContext& context);
void config_resetstat_command(CommandContext& context);
void config_rewrite_command(CommandContext& context);
void config_set_command(CommandContext& context);

// debug_commands.cc
void debug_command(CommandContext& context);

// info_commands.cc
void info_command(CommandContext& context);

// server_memory.cc
void memory_doctor_command(CommandContext& context);
void memory_help_command(CommandContext& context);
void memory_stats_command(CommandContext& context);
void memory_usage_command(CommandContext& context);

// server_observe.cc
void latency_doctor_command(CommandContext& context);
void latency_help_command(CommandContext& context);
void latency_histogram_command(CommandContext& context);
void latency_history_command(CommandContext& context);
void latency_latest_command(CommandContext& context);
void latency_reset_command(CommandContext& context);
void monitor_command(CommandContext& context);
void slowlog_get_command(CommandContext& context);
void slowlog_help_command(CommandContext& context);
void slowlog_len_command(CommandContext& context);
void slowlog_reset_command(CommandContext& context);

// server_persistence.cc
void backup_command(CommandContext& context);
void bgrewriteaof_command(CommandContext& context);
void bgsave_command(CommandContext& context);
void lastsave_command(CommandContext& context);
void save_command(CommandContext& context);
void shutdown_command(CommandContext& context);

// server_replication.cc
void cluster_command(CommandContext& context);
void failover_command(CommandContext& context);
void replconf_command(CommandContext& context);
void member_add_command(CommandContext& context);
void member_help_command(CommandContext& context);
void member_list_command(CommandContext& context);
void member_promote_command(CommandContext& context);
void member_remove_command(CommandContext& context);
void replicaof_command(CommandContext& context);
void role_command(CommandContext& context);
void slaveof_command(CommandContext& context);

// server_words.cc
void lolwut_command(CommandContext& context);
void script_help_command(CommandContext& context);
void script_kill_command(CommandContext& context);
void time_command(CommandContext& context);

}  // namespace kvorum::server
