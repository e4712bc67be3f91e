#include "server/node/cluster/forwarded_command.h"

#include <string_view>
#include <vector>

#include "server/node/command.h"
#include "server/node/session.h"

namespace kvorum::server {

namespace {

// Null if this version does not have it.
const Command* command_of(const std::vector<std::string>& arguments) {
  const Command* command = arguments.empty() ? nullptr : find_command(arguments[0]);
  if (command == nullptr || command->subcommands.empty()) return command;
  return arguments.size() < 2 ? nullptr : find_subcommand(*command, arguments[1]);
}

void queue(Session& session, const peer::Forward& forward) {
  session.in_transaction = true;
  for (const std::vector<std::string>& arguments : forward.commands) {
    const Command* command = command_of(arguments);
    if (command == nullptr || command->handler == nullptr) {
      session.transaction_broken = true;
      continue;
    }
    session.queued.push_back({command, arguments});
  }
}

}  // namespace

Execution execute_forwarded(Node& node, Session& session, const peer::Forward& forward) {
  if (forward.transaction) {
    queue(session, forward);
    static constexpr std::string_view kExec[] = {"exec"};
    const Execution execution = node.execute(session, kExec);
    if (execution == Execution::kComeAgain) {
      session.in_transaction = session.transaction_broken = false;
      session.queued.clear();
    }
    return execution;
  }
  if (forward.commands.size() != 1 || forward.commands[0].empty()) {
    session.writer().error("ERR a forwarded command without arguments");
    node.seal_reply(session, {}, OutputKind::kRead);
    return Execution::kDone;
  }
  const std::vector<std::string_view> arguments(forward.commands[0].begin(),
                                                forward.commands[0].end());
  return node.execute(session, arguments);
}

}  // namespace kvorum::server
