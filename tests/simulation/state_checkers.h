// What a node has promised: one leader in a term; a term that never falls; one vote in a term, kept
// over every restart.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/text.h"
#include "storage/types.h"
#include "tests/simulation/trace.h"

namespace kvorum::simulation {

class LeaderChecker {
 public:
  explicit LeaderChecker(Verdict& verdict) : verdict_(verdict) {}

  // True: it is news.
  bool leads(uint32_t node, storage::Term term) {
    const auto [leader, is_new] = leaders_.emplace(term, node);
    if (leader->second != node) {
      verdict_.fail(base::concat("term ", term.value(), " has two leaders: nodes ", leader->second,
                                 " and ", node));
    }
    return is_new;
  }

 private:
  Verdict& verdict_;
  std::map<storage::Term, uint32_t> leaders_;
};

class HardStateChecker {
 public:
  HardStateChecker(int nodes, Verdict& verdict)
      : verdict_(verdict), nodes_(static_cast<size_t>(nodes) + 1) {}

  // What the running process goes by; `saved`: it is on disk.
  void now(uint32_t node, const storage::HardState& state, bool saved) {
    State& known = nodes_[node];
    check(node, known.now, state);
    known.now = state;
    if (saved) known.saved = state;
  }
  // A new process has read this from its disk.
  void recovered(uint32_t node, const storage::HardState& state) {
    check(node, nodes_[node].saved, state);
    nodes_[node].now = nodes_[node].saved = state;
  }
  void disk_lost(uint32_t node) { nodes_[node] = {}; }

 private:
  struct State {
    storage::HardState now, saved;
  };

  void check(uint32_t node, const storage::HardState& before, const storage::HardState& after) {
    if (after.term < before.term) {
      verdict_.fail(base::concat("node ", node, " goes back from term ", before.term.value(),
                                 " to ", after.term.value()));
    } else if (after.term == before.term && before.voted_for != storage::NodeId{0} &&
               after.voted_for != before.voted_for) {
      verdict_.fail(base::concat("node ", node, " voted for ", before.voted_for.value(),
                                 " in term ", after.term.value(), ", and now for ",
                                 after.voted_for.value()));
    }
  }

  Verdict& verdict_;
  std::vector<State> nodes_;
};

}  // namespace kvorum::simulation
