// An operator who lets nodes join and leave while everything else goes wrong: says MEMBER to some
// node, one change after the other, and looks after the processes of those that come and go.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "resp/reply_reader.h"
#include "tests/simulation/simulated_node.h"
#include "tests/simulation/world.h"

namespace kvorum::simulation {

class MemberChanger {
 public:
  MemberChanger(World& world, std::vector<std::unique_ptr<SimulatedNode>>& nodes);

  // Begins a change. False: one is under way, or none makes sense now.
  bool begin();
  // None is under way: it was answered, or nobody answers any more.
  bool idle() const { return connection_ == 0; }
  // No more changes.
  void stop() { stopped_ = true; }

 private:
  bool add();
  bool promote();
  bool remove();
  void prepare(SimulatedNode& machine);
  void say(std::vector<std::string> words, std::vector<Fault> outcomes);
  void answered(const std::string& answer);
  void hang_up();

  World& world_;
  std::vector<std::unique_ptr<SimulatedNode>>& nodes_;
  Random random_;
  bool stopped_ = false;
  std::set<Endpoint> removed_;  // at some time
  SimulatedNetwork::ConnectionId connection_ = 0;
  uint64_t changes_ = 0;
  resp::ReplyReader reader_;
  std::vector<Fault> outcomes_;  // of the change under way, if it succeeds
};

}  // namespace kvorum::simulation
