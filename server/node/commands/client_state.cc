// What a client tells about itself and its connection, and CLIENT PAUSE and UNBLOCK.
#include <optional>

#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/client_line.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/connection_handlers.h"
#include "server/node/node.h"
#include "server/node/session.h"

namespace kvorum::server {
namespace {

// ON or OFF; nothing, with the error answered, otherwise.
std::optional<bool> read_switch(CommandContext& context, std::string_view text) {
  if (is_word(text, "on")) return true;
  if (is_word(text, "off")) return false;
  context.reply.error(kSyntaxError);
  return std::nullopt;
}

}  // namespace

// CLIENT CACHING YES|NO
void client_caching_command(CommandContext& context) {
  context.reply.error(
      "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
      "OPTOUT mode enabled");
}

// CLIENT CAPA capability [capability ...]
void client_capa_command(CommandContext& context) {
  for (const std::string_view capability : context.arguments.subspan(2)) {
    if (is_word(capability, "redirect")) context.session.capability_redirect = true;
  }
  context.reply.ok();
}

// CLIENT CONSISTENCY LINEARIZABLE|SESSION|PREFIX
void client_consistency_command(CommandContext& context) {
  const auto level = parse_consistency(base::lower(context.arguments[2]));
  if (!level.has_value()) {
    context.reply.error("ERR the consistency must be LINEARIZABLE, SESSION or PREFIX");
    return;
  }
  context.session.consistency = *level;
  context.reply.ok();
}

// CLIENT GETNAME
void client_getname_command(CommandContext& context) {
  if (context.session.name.empty()) {
    context.reply.null();
  } else {
    context.reply.bulk(context.session.name);
  }
}

// CLIENT GETREDIR
void client_getredir_command(CommandContext& context) { context.reply.integer(-1); }

// CLIENT HELP
void client_help_command(CommandContext& context) { reply_help(context, "client"); }

// CLIENT NO-EVICT ON|OFF
void client_no_evict_command(CommandContext& context) {
  const auto on = read_switch(context, context.arguments[2]);
  if (!on) return;
  context.session.no_evict = *on;
  context.reply.ok();
}

// CLIENT NO-TOUCH ON|OFF
void client_no_touch_command(CommandContext& context) {
  const auto on = read_switch(context, context.arguments[2]);
  if (!on) return;
  context.session.no_touch = *on;
  context.reply.ok();
}

// CLIENT PAUSE timeout [WRITE|ALL]
void client_pause_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  ClientPause::Mode mode = ClientPause::Mode::kAll;
  if (arguments.size() > 4) {
    reply_subcommand_syntax(context);
    return;
  }
  if (arguments.size() == 4) {
    if (is_word(arguments[3], "write")) {
      mode = ClientPause::Mode::kWrite;
    } else if (!is_word(arguments[3], "all")) {
      context.reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL");
      return;
    }
  }
  int64_t timeout_ms = 0;
  if (!read_timeout_ms(context, arguments[2], timeout_ms)) return;
  const int64_t now_us = context.node.monotonic_us();
  constexpr int64_t kLongestMs = int64_t{1} << 50;  // so that microseconds do not overflow
  context.node.client_pause().pause(mode, now_us, now_us + std::min(timeout_ms, kLongestMs) * 1000);
  context.reply.ok();
}

// CLIENT QUORUM n|MAJORITY|ALL
void client_quorum_command(CommandContext& context) {
  const auto quorum = replication::WriteQuorum::parse(base::lower(context.arguments[2]));
  if (!quorum.has_value()) {
    context.reply.error("ERR the quorum must be a number from 1, MAJORITY or ALL");
    return;
  }
  const size_t voters = context.node.cluster().voters();
  if (quorum->needed(voters) > voters) {
    context.reply.error(base::concat("ERR the cluster has ", voters, " voters"));
    return;
  }
  context.session.write_quorum = *quorum;
  context.reply.ok();
}

// CLIENT REPLY ON|OFF|SKIP
void client_reply_command(CommandContext& context) {
  const std::string_view mode = context.arguments[2];
  ReplyMode& current = context.session.reply_mode;
  if (is_word(mode, "on")) {
    current = ReplyMode::kOn;
    context.reply.ok();
  } else if (is_word(mode, "off")) {
    current = ReplyMode::kOff;
  } else if (is_word(mode, "skip")) {
    if (current != ReplyMode::kOff) current = ReplyMode::kSkipNext;
  } else {
    context.reply.error(kSyntaxError);
  }
}

// CLIENT SETINFO LIB-NAME|LIB-VER value
void client_setinfo_command(CommandContext& context) {
  const std::string_view option = context.arguments[2], value = context.arguments[3];
  const bool name = is_word(option, "lib-name");
  if (!name && !is_word(option, "lib-ver")) {
    context.reply.error(base::concat("ERR Unrecognized option '", option, "'"));
    return;
  }
  if (!valid_client_word(value)) {
    context.reply.error(base::concat("ERR ", base::lower(option),
                                     " cannot contain spaces, newlines or special characters."));
    return;
  }
  (name ? context.session.library_name : context.session.library_version) = value;
  context.reply.ok();
}

// CLIENT SETNAME connection-name
void client_setname_command(CommandContext& context) {
  const std::string_view name = context.arguments[2];
  if (!valid_client_word(name)) {
    context.reply.error(kInvalidClientName);
    return;
  }
  context.session.name = name;
  context.reply.ok();
}

// CLIENT TRACKING ON|OFF …
void client_tracking_command(CommandContext& context) {
  const auto on = read_switch(context, context.arguments[2]);
  if (!on) return;
  if (*on) {
    context.reply.error("ERR client-side caching (CLIENT TRACKING) is not supported");
  } else {
    context.reply.ok();
  }
}

// CLIENT TRACKINGINFO
void client_trackinginfo_command(CommandContext& context) {
  context.reply.map(3);
  context.reply.bulk("flags");
  context.reply.set(1);
  context.reply.bulk("off");
  context.reply.bulk("redirect");
  context.reply.integer(-1);
  context.reply.bulk("prefixes");
  context.reply.array(0);
}

// CLIENT UNBLOCK client-id [TIMEOUT|ERROR]
void client_unblock_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  bool with_error = false;
  if (arguments.size() > 4) {
    reply_subcommand_syntax(context);
    return;
  }
  if (arguments.size() == 4) {
    with_error = is_word(arguments[3], "error");
    if (!with_error && !is_word(arguments[3], "timeout")) {
      context.reply.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
      return;
    }
  }
  int64_t id = 0;
  if (!read_integer(context, arguments[2], id)) return;
  const auto& sessions = context.node.sessions();
  const auto row = sessions.find(static_cast<uint64_t>(id));
  const bool waits =
      row != sessions.end() && row->second->blocked != nullptr && row->second->blocked->unblockable;
  if (waits) context.node.unblock(*row->second, with_error);
  context.reply.integer(waits ? 1 : 0);
}

// CLIENT UNPAUSE
void client_unpause_command(CommandContext& context) {
  context.node.client_pause().end();
  context.reply.ok();
}

}  // namespace kvorum::server
