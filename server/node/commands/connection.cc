// AUTH, HELLO, PING and the other commands about the connection itself.
#include <algorithm>
#include <optional>

#include "base/secret.h"
#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/cluster/forwarding.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/client_line.h"
#include "server/node/commands/connection_handlers.h"
#include "server/node/node.h"
#include "server/node/session.h"
#include "server/node/version.h"

namespace kvorum::server {
namespace {

constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kNoCluster = "ERR This instance has cluster support disabled";

void log_denial(CommandContext& context) {
  constexpr int64_t kSecond = 1'000'000;
  Statistics& statistics = context.node.statistics();
  ++statistics.denied_authentication;
  const int64_t now_us = context.node.monotonic_us();
  if (statistics.denial_logged_us != 0 && now_us - statistics.denial_logged_us < kSecond) return;
  statistics.denial_logged_us = now_us;
  context.node.host().log(LogLevel::kWarning,
                          base::concat("authentication failed for client ", context.session.address,
                                       ", ", statistics.denied_authentication, " failures in all"));
}

// False with the error answered. There is one user, "default"; without requirepass any password is
// right.
bool authenticate(CommandContext& context, std::string_view user, std::string_view password) {
  const std::string& secret = context.node.options().values().requirepass;
  // Both are judged before either is acted on: no difference to be timed.
  const bool right = base::same_secret(password, secret) || secret.empty();
  if (user == "default" && right) {
    context.session.authenticated = true;
    return true;
  }
  log_denial(context);
  context.reply.error(kWrongPassword);
  return false;
}

struct HelloRequest {
  std::optional<int64_t> protocol;
  bool has_password = false, has_name = false;
  std::string_view user, password, name;
};

// False with the error answered.
bool read_hello(CommandContext& context, HelloRequest& request) {
  const resp::Arguments& arguments = context.arguments;
  if (arguments.size() >= 2) {
    int64_t version = 0;
    if (!read_integer(context, arguments[1], version,
                      "ERR Protocol version is not an integer or out of range")) {
      return false;
    }
    if (version < 2 || version > 3) {
      context.reply.error("NOPROTO unsupported protocol version");
      return false;
    }
    request.protocol = version;
  }
  for (size_t i = 2; i < arguments.size(); ++i) {
    const size_t more = arguments.size() - 1 - i;
    if (base::equal_ignoring_case(arguments[i], "auth") && more >= 2) {
      request.has_password = true;
      request.user = arguments[++i];
      request.password = arguments[++i];
    } else if (base::equal_ignoring_case(arguments[i], "setname") && more >= 1) {
      request.has_name = true;
      request.name = arguments[++i];
      if (!valid_client_word(request.name)) {
        context.reply.error(kInvalidClientName);
        return false;
      }
    } else {
      context.reply.error(base::concat("ERR Syntax error in HELLO option '", arguments[i], "'"));
      return false;
    }
  }
  return true;
}

}  // namespace

// AUTH [username] password
void auth_command(CommandContext& context) {
  if (context.arguments.size() > 3) {
    context.reply.error(kSyntaxError);
    return;
  }
  if (context.arguments.size() == 2) {
    if (context.node.options().values().requirepass.empty()) {
      context.reply.error(
          "ERR AUTH <password> called without any password configured for the default user. Are "
          "you sure your configuration is correct?");
      return;
    }
    if (authenticate(context, "default", context.arguments[1])) context.reply.ok();
    return;
  }
  if (authenticate(context, context.arguments[1], context.arguments[2])) context.reply.ok();
}

// HELLO [protover [AUTH username password] [SETNAME clientname]]
void hello_command(CommandContext& context) {
  HelloRequest request;
  if (!read_hello(context, request)) return;
  if (request.has_password && !authenticate(context, request.user, request.password)) return;
  Session& session = context.session;
  if (!session.authenticated) {
    context.reply.error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH "
        "<user> <pass> option can be used to authenticate the client and select the RESP protocol "
        "version at the same time");
    return;
  }
  if (request.has_name) session.name = request.name;
  if (request.protocol) {
    session.protocol = *request.protocol == 3 ? resp::Protocol::kResp3 : resp::Protocol::kResp2;
  }
  resp::ReplyWriter reply = session.writer();  // in the protocol just chosen
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(static_cast<int64_t>(session.protocol));
  reply.bulk("id");
  reply.integer(static_cast<int64_t>(session.id));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk(context.node.cluster().follows() ? "replica" : "master");
  reply.bulk("modules");
  reply.array(0);
}

// PING [message]
void ping_command(CommandContext& context) {
  if (context.arguments.size() > 2) {
    reply_wrong_arity(context);
    return;
  }
  const bool has_message = context.arguments.size() == 2;
  if (context.session.subscribed() && context.session.protocol == resp::Protocol::kResp2) {
    context.reply.array(2);
    context.reply.bulk("pong");
    context.reply.bulk(has_message ? context.arguments[1] : "");
  } else if (has_message) {
    context.reply.bulk(context.arguments[1]);
  } else {
    context.reply.simple_string("PONG");
  }
}

// ECHO message
void echo_command(CommandContext& context) { context.reply.bulk(context.arguments[1]); }

// QUIT
void quit_command(CommandContext& context) {
  context.reply.ok();
  context.session.close_after_reply = true;
}

// RESET
void reset_command(CommandContext& context) {
  Session& session = context.session;
  context.node.monitors().remove(session);
  context.node.transactions().discard(session);
  context.node.forwarding().forwarder().unwatch(session);
  context.node.pubsub().forget(session);
  session.database = 0;
  session.protocol = resp::Protocol::kResp2;
  session.reply_mode = ReplyMode::kOn;
  session.name.clear();
  session.no_evict = session.no_touch = session.capability_redirect = false;
  session.write_quorum.reset();
  session.consistency.reset();
  session.authenticated = context.node.options().values().requirepass.empty();
  session.writer().simple_string("RESET");
}

// ASKING
void asking_command(CommandContext& context) { context.reply.error(kNoCluster); }

// READONLY
void readonly_command(CommandContext& context) { context.reply.error(kNoCluster); }

// READWRITE
void readwrite_command(CommandContext& context) { context.reply.error(kNoCluster); }

}  // namespace kvorum::server
