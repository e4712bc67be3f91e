// MONITOR: the sessions that see every command. Belongs to the loop.
#pragma once

#include <cstdint>

#include "absl/container/btree_map.h"
#include "resp/parser.h"

namespace kvorum::server {

class Node;
class Session;

class Monitors {
 public:
  void add(Session& session);
  void remove(Session& session);  // RESET, disconnect; nothing if it is none

  bool anyone() const { return !sessions_.empty(); }
  // Shows the command to every monitor, passwords left out. The caller leaves out commands marked
  // kSkipMonitor or kAdmin.
  void feed(Node& node, const Session& session, resp::Arguments arguments);

 private:
  absl::btree_map<uint64_t, Session*> sessions_;  // by id
};

}  // namespace kvorum::server
