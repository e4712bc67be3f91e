// A cluster of real servers on 127.0.0.1, each with a data directory of its own. Nodes are counted
// from 1, as their ids.
#pragma once

#include <signal.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/network.h"
#include "tests/integration/server_process.h"

namespace kvorum::integration {

// The value of `name` in what INFO answered; empty if it is not there.
std::string info_field(const std::string& info, const std::string& name);

class ClusterProcess {
 public:
  using Flags = ServerProcess::Flags;
  enum class Links { kDirect, kThroughNetwork };

  // `flags` are given to every node at every start.
  explicit ClusterProcess(int nodes, const Flags& flags = {}, Links links = Links::kDirect)
      : ClusterProcess(std::vector<Surroundings>(static_cast<size_t>(nodes)), flags, links) {}
  // A node in each of the surroundings, which reach each other by their hosts.
  ClusterProcess(const std::vector<Surroundings>& surroundings, const Flags& flags, Links links);

  // One more node, which is not started. Its configuration names these nodes and itself; the
  // others' do not name it. Its number. REQUIRES: kDirect.
  int add(const std::vector<int>& listed);

  // From its next start on the node's configuration has this value of --peers.
  void configure(int number, const std::string& peers);

  int size() const { return static_cast<int>(nodes_.size()); }
  ServerProcess& node(int number) { return *nodes_[static_cast<size_t>(number - 1)]; }
  int port(int number) { return node(number).port(); }
  std::unique_ptr<Client> connect(int number) { return node(number).connect(); }
  std::string ask(int number, const Arguments& arguments) { return node(number).ask(arguments); }
  // What stands between the nodes. REQUIRES: kThroughNetwork.
  Network& network() { return *network_; }
  std::string address(int number) { return "127.0.0.1:" + std::to_string(port(number)); }
  // The value of --peers, of the nodes that were there first.
  const std::string& peers() const { return peers_; }

  // Starts every node that does not run, and waits until the cluster serves on all of them.
  bool start();
  // Starts one node and waits until it follows a leader, or leads.
  bool start(int number, const Flags& flags = {}, const std::string& fail_points = {});
  void kill(int number) { node(number).stop(SIGKILL); }
  bool runs(int number) { return node(number).running(); }

  // One field of INFO of a node; empty if it does not answer.
  std::string info(int number, const std::string& section, const std::string& name);
  uint64_t info_number(int number, const std::string& section, const std::string& name);

  // The node that says it leads, in the highest term if several do; 0: none.
  int leader();
  // A node that leads and has taken a write. 0: none within the time.
  int wait_for_leader(int timeout_ms = kPatienceMs);
  // The node leads or hears a leader.
  bool in_order(int number);
  bool wait_in_order(int number);
  // Some node that does not lead. REQUIRES: there is one that runs.
  int a_follower();

  // All running nodes have the same lsn committed, and equal digests. The error says what differs.
  bool wait_until_equal(std::string& difference);

  // Everybody's log, for a failure.
  std::string logs();

 private:
  std::string peers_;
  const Flags flags_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<ServerProcess>> nodes_;
};

}  // namespace kvorum::integration
