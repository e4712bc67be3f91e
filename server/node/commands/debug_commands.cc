// DEBUG, where the option enable-debug-command allows it.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/str_format.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {
namespace {

bool allowed(const CommandContext& context) {
  const std::string& who = context.node.options().values().enable_debug_command;
  return who == "yes" || (who == "local" && context.session.loopback);
}

// Nobody is served until then, as if the server slept; the answer comes after it.
void debug_sleep(CommandContext& context) {
  const std::string_view text = context.arguments[2];
  double seconds = 0;  // what is no number sleeps not at all, as in Redis
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr double kLongestSeconds = 3600;
  seconds = std::isfinite(seconds) ? std::clamp(seconds, 0.0, kLongestSeconds) : 0;
  Node& node = context.node;
  const int64_t now_us = node.monotonic_us();
  const int64_t until_us = now_us + static_cast<int64_t>(seconds * 1e6);
  if (until_us == now_us || node.executing_transaction()) {
    context.reply.ok();
    return;
  }
  node.client_pause().pause(ClientPause::Mode::kAll, now_us, until_us);
  auto blocked = std::make_unique<Blocked>();
  blocked->deadline_us = until_us;
  blocked->unblockable = false;
  blocked->try_finish = [](Session&) { return false; };
  blocked->on_timeout = [](Session& session) { session.writer().ok(); };
  node.block(context.session, std::move(blocked));
}

}  // namespace

// DEBUG SLEEP seconds | DIGEST | HELP
void debug_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  if (!allowed(context)) {
    context.reply.error(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", "
        "you can run it from a local connection, otherwise you need to set this option in the "
        "configuration file, and then restart the server.");
  } else if (is_word(arguments[1], "sleep") && arguments.size() == 3) {
    debug_sleep(context);
  } else if (is_word(arguments[1], "digest") && arguments.size() == 2) {
    context.reply.simple_string(absl::StrFormat("%040x", context.node.keyspace().digest()));
  } else if (is_word(arguments[1], "help") && arguments.size() == 2) {
    reply_help(context, "debug");
  } else {
    reply_subcommand_syntax(context);
  }
}

}  // namespace kvorum::server
