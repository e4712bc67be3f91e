// The handlers of the commands on keys and databases, for generic_table.cc. Each has its syntax
// above its definition.
#pragma once

#include "server/node/command.h"

namespace kvorum::server {

// generic_key.cc
void del_command(CommandContext& context);
void exists_command(CommandContext& context);
void touch_command(CommandContext& context);
void type_command(CommandContext& context);
void rename_command(CommandContext& context);
void renamenx_command(CommandContext& context);
void copy_command(CommandContext& context);
void move_command(CommandContext& context);

// generic_scan.cc
void keys_command(CommandContext& context);
void scan_command(CommandContext& context);
void randomkey_command(CommandContext& context);

// generic_expiry.cc
void expire_command(CommandContext& context);
void pexpire_command(CommandContext& context);
void expireat_command(CommandContext& context);
void pexpireat_command(CommandContext& context);
void ttl_command(CommandContext& context);
void pttl_command(CommandContext& context);
void expiretime_command(CommandContext& context);
void pexpiretime_command(CommandContext& context);
void persist_command(CommandContext& context);

// generic_object.cc
void object_encoding_command(CommandContext& context);
void object_freq_command(CommandContext& context);
void object_idletime_command(CommandContext& context);
void object_refcount_command(CommandContext& context);
void object_version_command(CommandContext& context);
void object_help_command(CommandContext& context);

// generic_dump.cc
void dump_command(CommandContext& context);
void restore_command(CommandContext& context);

// generic_database.cc
void select_command(CommandContext& context);
void swapdb_command(CommandContext& context);
void flushdb_command(CommandContext& context);
void flushall_command(CommandContext& context);
void dbsize_command(CommandContext& context);

// generic_wait.cc
void wait_command(CommandContext& context);
void waitaof_command(CommandContext& context);

}  // namespace kvorum::server
