#include "server/node/monitor.h"

#include <string>

#include "absl/strings/str_format.h"
#include "server/node/host.h"
#include "server/node/node.h"
#include "server/node/options.h"
#include "server/node/redaction.h"
#include "server/node/session.h"

namespace kvorum::server {

void Monitors::add(Session& session) {
  session.monitor = true;
  sessions_[session.id] = &session;
}

void Monitors::remove(Session& session) {
  session.monitor = false;
  sessions_.erase(session.id);
}

void Monitors::feed(Node& node, const Session& session, resp::Arguments arguments) {
  const int64_t now_us = node.host().wall_us();
  std::string line =
      absl::StrFormat("+%d.%06d [%d ", now_us / 1000000, now_us % 1000000, session.database);
  if (session.unix_socket) {
    line += "unix:";
    line += node.options().values().unix_socket;
  } else {
    line += session.address;
  }
  line += ']';
  for (const std::string_view argument : redact(arguments)) {
    line += ' ';
    append_quoted(line, argument);
  }
  line += "\r\n";
  // Not before what it shows is durable: its record may still be open.
  const RecordLog& log = node.log();
  const storage::Position gate = log.record_open() ? log.next() : log.last();
  for (const auto& [id, monitor] : sessions_) node.push(*monitor, line, gate);
}

}  // namespace kvorum::server
