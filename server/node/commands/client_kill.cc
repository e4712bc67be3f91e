// CLIENT KILL.
#include <optional>

#include "base/text.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/client_line.h"
#include "server/node/commands/connection_handlers.h"
#include "server/node/node.h"
#include "server/node/session.h"

namespace kvorum::server {
namespace {

struct KillFilter {
  std::optional<uint64_t> id;
  std::optional<ClientType> type;
  std::optional<std::string_view> address, local_address;
  bool skip_me = true;

  bool matches(const Session& session, const Session& me) const {
    return !(id && *id != session.id) && !(type && *type != client_type(session)) &&
           !(address && *address != session.address) &&
           !(local_address && *local_address != session.local_address) &&
           !(skip_me && &session == &me);
  }
};

// One filter and its value. False with the error answered.
bool read_filter(CommandContext& context, std::string_view name, std::string_view value,
                 KillFilter& filter) {
  if (is_word(name, "id")) {
    constexpr std::string_view kError = "ERR client-id should be greater than 0";
    int64_t id = 0;
    if (!read_integer(context, value, id, kError)) return false;
    if (id < 1) {
      context.reply.error(kError);
      return false;
    }
    filter.id = static_cast<uint64_t>(id);
  } else if (is_word(name, "type")) {
    ClientType type{};
    if (!parse_client_type(value, type)) {
      context.reply.error(base::concat("ERR Unknown client type '", value, "'"));
      return false;
    }
    filter.type = type;
  } else if (is_word(name, "addr")) {
    filter.address = value;
  } else if (is_word(name, "laddr")) {
    filter.local_address = value;
  } else if (is_word(name, "user")) {
    if (value != "default") {
      context.reply.error(base::concat("ERR No such user '", value, "'"));
      return false;
    }
  } else if (is_word(name, "skipme") && (is_word(value, "yes") || is_word(value, "no"))) {
    filter.skip_me = is_word(value, "yes");
  } else {
    context.reply.error(kSyntaxError);
    return false;
  }
  return true;
}

void kill(CommandContext& context, Session& session) {
  if (&session == &context.session) {
    session.close_after_reply = true;
    return;
  }
  session.close_now = true;
  context.node.make_ready(session);
}

// How many were killed.
int64_t kill_matching(CommandContext& context, const KillFilter& filter) {
  int64_t killed = 0;
  for (const auto& [id, session] : context.node.sessions()) {
    if (session->close_now || !filter.matches(*session, context.session)) continue;
    kill(context, *session);
    ++killed;
  }
  return killed;
}

}  // namespace

// CLIENT KILL ip:port
// CLIENT KILL [ID client-id] [TYPE type] [ADDR ip:port] [LADDR ip:port] [USER name] [SKIPME yes|no]
void client_kill_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  KillFilter filter;
  if (arguments.size() == 3) {
    filter.address = arguments[2];
    filter.skip_me = false;
    if (kill_matching(context, filter) == 0) {
      context.reply.error("ERR No such client");
    } else {
      context.reply.ok();
    }
    return;
  }
  for (size_t i = 2; i < arguments.size(); i += 2) {
    if (i + 1 == arguments.size()) {
      context.reply.error(kSyntaxError);
      return;
    }
    if (!read_filter(context, arguments[i], arguments[i + 1], filter)) return;
  }
  context.reply.integer(kill_matching(context, filter));
}

}  // namespace kvorum::server
