// INFO.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/info.h"

namespace kvorum::server {

// INFO [section [section ...]]
void info_command(CommandContext& context) {
  std::set<std::string, std::less<>> names;
  for (const std::string_view name : context.arguments.subspan(1)) {
    names.insert(base::lower(name));
  }
  const bool everything = names.contains("all") || names.contains("everything");
  const bool defaults = names.empty() || names.contains("default");
  std::string text;
  write_info(
      context.node,
      [&](std::string_view name, bool shown_by_default) {
        return everything || (defaults && shown_by_default) || names.contains(name);
      },
      text);
  context.reply.verbatim("txt", text);
}

}  // namespace kvorum::server
