// Stands between the nodes of a cluster: each node's peers reach it at a port of this object, which
// passes the bytes on unless the way is cut. It tells who dials by the HELLO that comes first; what
// says none is a client and is always passed on. One thread of its own; any thread may cut.
#pragma once

#include <array>
#include <list>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kvorum::integration {

class Network {
 public:
  // One port in front of each of these; the first is node 1's.
  explicit Network(const std::vector<int>& targets);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  const std::vector<int>& ports() const { return ports_; }

  // Bytes from one node to the other are held back, as by a network that drops packets: connections
  // stay open and go on when the way is whole again.
  void cut(int from, int to);
  void cut_both(int a, int b) {
    cut(a, b);
    cut(b, a);
  }
  // All ways to and from the node.
  void isolate(int node);
  void heal();

 private:
  // One direction of a connection.
  struct Direction {
    std::string held;
    bool ended = false;  // nothing more comes
  };
  struct Connection {
    int dialled = -1;  // the socket of the node that dialled
    int target = -1;   // ours, to the node that is dialled
    int from = 0;      // 0: not known yet
    int to = 0;
    bool client = false;
    Direction there, back;
  };

  void run();
  void accept_on(size_t node);
  void tell_who(Connection& connection) const;
  // False: the connection is over.
  bool read(int socket, Direction& direction) const;
  bool write(int socket, Direction& direction) const;
  bool serve(Connection& connection, short dialled_events, short target_events);
  bool passes(int from, int to);
  void wake() const;

  const std::vector<int> targets_;
  std::vector<int> ports_, listeners_;
  std::list<Connection> connections_;  // the thread's own
  std::array<int, 2> wake_pipe_{};
  std::mutex mutex_;
  std::set<std::pair<int, int>> cuts_;  // guarded by mutex_
  bool stop_ = false;                   // guarded by mutex_
  std::thread thread_;
};

}  // namespace kvorum::integration
