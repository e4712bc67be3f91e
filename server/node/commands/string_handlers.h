// The handlers of the string commands, for string_table.cc. Each has its syntax above its
// definition.
#pragma once

#include <string_view>

#include "server/node/command.h"

namespace kvorum::server {

// string_set.cc
void set_command(CommandContext& context);
void setnx_command(CommandContext& context);
void setex_command(CommandContext& context);
void psetex_command(CommandContext& context);
void getset_command(CommandContext& context);
void mset_command(CommandContext& context);
void msetnx_command(CommandContext& context);

// string_get.cc
void get_command(CommandContext& context);
void getdel_command(CommandContext& context);
void getex_command(CommandContext& context);
void mget_command(CommandContext& context);

// string_number.cc
void incr_command(CommandContext& context);
void decr_command(CommandContext& context);
void incrby_command(CommandContext& context);
void decrby_command(CommandContext& context);
void incrbyfloat_command(CommandContext& context);

// string_range.cc
void append_command(CommandContext& context);
void strlen_command(CommandContext& context);
void setrange_command(CommandContext& context);
void getrange_command(CommandContext& context);

// string_lcs.cc
void lcs_command(CommandContext& context);

}  // namespace kvorum::server
