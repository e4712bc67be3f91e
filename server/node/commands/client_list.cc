// CLIENT ID, INFO and LIST.
#include <vector>

#include "base/text.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/client_line.h"
#include "server/node/commands/connection_handlers.h"
#include "server/node/node.h"
#include "server/node/session.h"

namespace kvorum::server {

// CLIENT ID
void client_id_command(CommandContext& context) {
  context.reply.integer(static_cast<int64_t>(context.session.id));
}

// CLIENT INFO
void client_info_command(CommandContext& context) {
  context.reply.verbatim("txt", client_line(context.node, context.session) + '\n');
}

// CLIENT LIST [TYPE NORMAL|MASTER|REPLICA|PUBSUB] [ID client-id [client-id ...]]
void client_list_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  const auto& sessions = context.node.sessions();
  std::string lines;
  const auto add = [&](const Session& session) {
    lines += client_line(context.node, session);
    lines += '\n';
  };
  if (arguments.size() == 2) {
    for (const auto& [id, session] : sessions) add(*session);
  } else if (arguments.size() == 4 && is_word(arguments[2], "type")) {
    ClientType type{};
    if (!parse_client_type(arguments[3], type)) {
      context.reply.error(base::concat("ERR Unknown client type '", arguments[3], "'"));
      return;
    }
    for (const auto& [id, session] : sessions) {
      if (client_type(*session) == type) add(*session);
    }
  } else if (arguments.size() >= 4 && is_word(arguments[2], "id")) {
    for (const std::string_view argument : arguments.subspan(3)) {
      int64_t id = 0;
      if (!read_integer(context, argument, id, "ERR Invalid client ID")) return;
      const auto row = sessions.find(static_cast<uint64_t>(id));
      if (row != sessions.end()) add(*row->second);
    }
  } else {
    context.reply.error(kSyntaxError);
    return;
  }
  context.reply.verbatim("txt", lines);
}

}  // namespace kvorum::server
