#include "tests/chaos/nemesis.h"

#include <algorithm>

#include "base/text.h"

namespace kvorum::chaos {
namespace {

// For an answer of a node that may hang.
constexpr int kPatienceMs = 1000;
// A change of members that has not happened by then waits for the end of the faults.
constexpr int64_t kChangeAmongFaultsUs = 15'000'000;
constexpr const char* kDiskFull = "disk full: ";

// A fail point's operation, and how many of them at most pass before.
struct CallToDieIn {
  const char* name;
  bool writes;
  int64_t most;
};
constexpr std::array<CallToDieIn, 9> kCallsToDieIn = {{{"wal.write", true, 300},
                                                       {"wal.sync", false, 300},
                                                       {"wal.create", false, 3},
                                                       {"wal.rename", false, 3},
                                                       {"snapshot.create", false, 2},
                                                       {"snapshot.write", true, 4},
                                                       {"snapshot.sync", false, 2},
                                                       {"snapshot.rename", false, 2},
                                                       {"directory.any", false, 8}}};

std::string list(const std::set<int>& nodes) {
  std::string text;
  for (const int node : nodes) text += base::concat(" ", node);
  return text;
}

}  // namespace

Nemesis::Nemesis(ChaosCluster& cluster, Tally& tally, uint64_t seed,
                 std::function<void(const std::string&)> told)
    : cluster_(cluster), tally_(tally), random_(seed ^ 0x6e656d65736973u), told_(std::move(told)) {
  deal();
  next_us_ = now_us() + draw_us(500, 1500);
}

int64_t Nemesis::draw_us(int64_t least_ms, int64_t most_ms) {
  return random_.between(least_ms * 1000, most_ms * 1000);
}

void Nemesis::deal() {
  for (size_t i = 0; i < kFaultKinds; ++i) deck_.push_back(static_cast<Fault>(i));
  // Three may become five within one deck, and are three again at its end.
  deck_.insert(deck_.end(), {Fault::kMemberAdded, Fault::kMemberRemoved});
  for (size_t i = 1; i < deck_.size(); ++i) std::swap(deck_[i], deck_[random_.below(i + 1)]);
}

void Nemesis::turn() {
  tally_.fail(cluster_.unexpected_end());
  const int64_t now = now_us();
  end_strikes(now);
  if (!go_on_with_change() && now_us() - change_->begin_us() > kChangeAmongFaultsUs) heal();
  if (now < next_us_ || tally_.failed()) return;
  if (deck_.empty() && strikes_.empty() && change_ == nullptr) {
    heal();
    ++decks_;
    deal();
  }
  if (!deck_.empty() && strike(deck_.back())) {
    deck_.pop_back();
    next_us_ = now_us() + draw_us(100, 2500);
  }
}

void Nemesis::end_strikes(int64_t now_us) {
  for (size_t i = 0; i < strikes_.size();) {
    if (strikes_[i].end_us > now_us) {
      ++i;
      continue;
    }
    const Strike strike = std::move(strikes_[i]);
    strikes_.erase(strikes_.begin() + static_cast<int64_t>(i));
    const bool fired = strike.end();
    const std::string name(kFaultNames[static_cast<size_t>(strike.fault)]);
    told_(base::concat(name, list(strike.nodes), fired ? " is over" : " was without effect"));
    if (fired) {
      ++fired_[static_cast<size_t>(strike.fault)];
    } else {
      deck_.insert(deck_.begin(), strike.fault);
    }
  }
}

void Nemesis::heal() {
  end_strikes(INT64_MAX);
  for (int i = 1; i <= ChaosCluster::kMostNodes; ++i) cluster_.clock(i).shift(0);
  if (!integration::eventually([this] { return go_on_with_change() || tally_.failed(); })) {
    tally_.fail(base::concat("everything was healed, and node ", change_->node(),
                             change_->leaves() ? " does not leave" : " does not join", " within ",
                             integration::kPatienceMs / 1000, " s: ", change_->last_answer()));
  }
  for (const int i : cluster_.present()) {
    if (!tally_.failed() && !cluster_.processes().wait_in_order(i)) {
      tally_.fail(base::concat("everything was healed, and node ", i, " is not in order after ",
                               integration::kPatienceMs / 1000, " s"));
      tally_.fail(cluster_.unexpected_end());
    }
  }
  told_("all nodes are in order");
}

bool Nemesis::held(int node) const {
  return std::any_of(strikes_.begin(), strikes_.end(),
                     [node](const Strike& strike) { return strike.nodes.contains(node); });
}

std::vector<int> Nemesis::present() {
  std::vector<int> nodes(cluster_.present().begin(), cluster_.present().end());
  for (size_t i = 1; i < nodes.size(); ++i) std::swap(nodes[i], nodes[random_.below(i + 1)]);
  if (random_.one_in(2)) {
    const auto leader = std::find(nodes.begin(), nodes.end(), cluster_.leader());
    if (leader != nodes.end()) std::iter_swap(leader, nodes.begin());
  }
  return nodes;
}

std::vector<int> Nemesis::idle() {
  std::vector<int> nodes = present();
  std::erase_if(nodes, [this](int node) { return held(node) || cluster_.down(node); });
  return nodes;
}

int Nemesis::any_idle() {
  const std::vector<int> nodes = idle();
  return nodes.empty() ? 0 : nodes[0];
}

bool Nemesis::strikes(Fault first, Fault last) const {
  return std::any_of(strikes_.begin(), strikes_.end(), [&](const Strike& strike) {
    return strike.fault >= first && strike.fault <= last;
  });
}

void Nemesis::add(Fault fault, std::set<int> nodes, std::function<bool()> end) {
  told_(base::concat(kFaultNames[static_cast<size_t>(fault)], list(nodes)));
  strikes_.push_back({fault, now_us() + draw_us(200, 3000), std::move(nodes), std::move(end)});
}

bool Nemesis::strike(Fault fault) {
  switch (fault) {
    case Fault::kKillOne:
      return kill(fault, 1);
    case Fault::kKillTwo:
      return kill(fault, 2);
    case Fault::kKillAll:
      return kill(fault, cluster_.present().size());
    case Fault::kKillInsideWrite:
      return kill_inside_write();
    case Fault::kPause:
      return pause();
    case Fault::kPartition:
    case Fault::kOneWayPartition:
    case Fault::kBridge:
      return cut(fault);
    case Fault::kClockStep:
      return step_clock();
    case Fault::kFullDisk:
      return cluster_.small_disk_node() != 0 && random_.one_in(2) ? fill_small_disk() : fill_disk();
    case Fault::kHandOver:
      return hand_over();
    case Fault::kMemberAdded:
    case Fault::kMemberRemoved:
      return change_members(fault);
    case Fault::kWipe:
      return wipe();
    case Fault::kRollingRestart:
      return restart_all();
    case Fault::kCount:
      break;
  }
  return true;
}

void Nemesis::restart(int node) {
  if (!cluster_.down(node)) cluster_.kill({node});
  cluster_.launch(node);
}

bool Nemesis::kill(Fault fault, size_t count) {
  const std::vector<int> nodes = idle();
  if (nodes.size() < count) return false;
  const std::set<int> killed(nodes.begin(), nodes.begin() + static_cast<int64_t>(count));
  cluster_.kill(killed);
  add(fault, killed, [this, killed] {
    for (const int node : killed) cluster_.launch(node);
    return true;
  });
  return true;
}

bool Nemesis::kill_inside_write() {
  const int node = any_idle();
  if (node == 0) return false;
  cluster_.kill({node});
  const CallToDieIn call = random_.pick(kCallsToDieIn);
  const bool half = call.writes && random_.one_in(3);
  const char* const action = half ? "=kill-half" : random_.one_in(2) ? "=kill" : "=kill-after";
  const std::string point =
      base::concat(call.name, ":after:", random_.between(0, call.most), action);
  told_(base::concat("node ", node, " runs with ", point));
  cluster_.launch(node, point);
  cluster_.expect_end(node);
  add(Fault::kKillInsideWrite, {node}, [this, node] {
    const bool fired = cluster_.down(node);
    restart(node);
    return fired;
  });
  return true;
}

bool Nemesis::pause() {
  const int node = any_idle();
  if (node == 0) return false;
  cluster_.pause(node);
  add(Fault::kPause, {node}, [this, node] {
    cluster_.resume(node);
    return true;
  });
  return true;
}

bool Nemesis::cut(Fault fault) {
  if (strikes(Fault::kPartition, Fault::kBridge)) return false;
  std::vector<int> others = present();
  const int node = others.front();
  others.erase(others.begin());
  Links& links = cluster_.links();
  if (fault == Fault::kPartition) {
    // Of five perhaps two, who still reach each other.
    const int beside = others.size() > 3 && random_.one_in(2) ? others.back() : 0;
    for (const int other : others) {
      if (other == beside) continue;
      links.cut_both(node, other);
      if (beside != 0) links.cut_both(beside, other);
    }
  } else if (fault == Fault::kBridge) {
    links.cut_both(node, others.front());
  } else {
    // Deaf, or mute, to all or to one.
    const bool deaf = random_.one_in(2);
    if (random_.one_in(2)) others.resize(1);
    for (const int other : others) deaf ? links.cut(other, node) : links.cut(node, other);
  }
  told_(base::concat("node ", node, " is cut off, the leader is ", cluster_.leader()));
  add(fault, {}, [this] {
    cluster_.links().heal();
    return true;
  });
  return true;
}

bool Nemesis::step_clock() {
  if (strikes(Fault::kClockStep, Fault::kClockStep)) return false;
  const int node = present().front();
  constexpr std::array<int64_t, 4> kReach = {100, 1'000, 60'000, 86'400'000};
  const int64_t reach_ms = random_.pick(kReach);
  const int64_t shift_ms = random_.between(-reach_ms, reach_ms);
  told_(base::concat("the clock of node ", node, " goes off by ", shift_ms, " ms"));
  cluster_.clock(node).shift(shift_ms);
  add(Fault::kClockStep, {}, [this, node] {
    cluster_.clock(node).shift(0);
    return true;
  });
  return true;
}

bool Nemesis::fill_small_disk() {
  const std::vector<int> nodes = idle();
  const int node = cluster_.small_disk_node();
  if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) return false;
  const size_t before = cluster_.logged(node, kDiskFull);
  cluster_.small_disk().fill();
  cluster_.expect_end(node);  // it may be about to start, which needs room
  add(Fault::kFullDisk, {node}, [this, node, before] {
    cluster_.small_disk().make_room();
    if (cluster_.down(node)) cluster_.launch(node);
    return cluster_.logged(node, kDiskFull) > before;
  });
  return true;
}

bool Nemesis::fill_disk() {
  const int node = any_idle();
  if (node == 0) return false;
  const size_t before = cluster_.logged(node, kDiskFull);
  cluster_.kill({node});
  const std::string point = base::concat(
      "wal.write:after:", random_.between(10, 200),
      ":times:", random_.one_in(2) ? "always" : std::to_string(random_.between(1, 20)), "=enospc");
  told_(base::concat("node ", node, " runs with ", point));
  cluster_.launch(node, point);
  cluster_.expect_end(node);  // a start may need room
  add(Fault::kFullDisk, {node}, [this, node, before] {
    const bool fired = cluster_.logged(node, kDiskFull) > before;
    restart(node);
    return fired;
  });
  return true;
}

// To anybody or to one node, and perhaps by force: that one may be down or cut off.
bool Nemesis::hand_over() {
  const int leader = cluster_.leader();
  const auto node = leader == 0 ? nullptr : cluster_.connect(leader, kPatienceMs);
  if (node == nullptr) return false;
  integration::Arguments command = {"FAILOVER"};
  if (!random_.one_in(3)) {
    std::vector<int> others = present();
    std::erase(others, leader);
    const int to = random_.pick(others);
    command.insert(command.end(),
                   {"TO", cluster_.peer_address(to).first, cluster_.peer_address(to).second});
    if (random_.one_in(2)) command.emplace_back("FORCE");
  }
  if (command.back() == "FORCE" || random_.one_in(2)) {
    command.emplace_back("TIMEOUT");
    command.push_back(std::to_string(random_.between(1, 500)));
  }
  const std::string answer = node->ask(command);
  std::string told;
  for (const std::string& word : command) told += " " + word;
  told_(base::concat("node ", leader, " was told", told, ": ", answer));
  add(Fault::kHandOver, {}, [this, leader, taken = answer == "OK"] {
    // What a node that is down cannot take is given up.
    if (!cluster_.down(leader)) {
      if (const auto waiting = cluster_.connect(leader, kPatienceMs))
        waiting->ask({"FAILOVER", "ABORT"});
    }
    return taken;
  });
  return true;
}

// One at a time; what cannot be yet comes back from below the deck.
bool Nemesis::change_members(Fault fault) {
  const bool joins = fault == Fault::kMemberAdded;
  const int end = joins ? ChaosCluster::kMostNodes : ChaosCluster::kNodes;
  if (change_ != nullptr || static_cast<int>(cluster_.present().size()) == end) {
    deck_.insert(deck_.begin(), fault);
    return true;
  }
  joins ? begin_join() : begin_leave();
  return true;
}

void Nemesis::begin_join() {
  std::vector<int> absent;
  for (int i = 1; i <= ChaosCluster::kMostNodes; ++i) {
    if (!cluster_.present().contains(i)) absent.push_back(i);
  }
  const int node = random_.pick(absent);
  std::vector<int> listed = present();
  listed.resize(1 + random_.below(listed.size()));
  // What is mounted cannot be removed.
  const bool empty = node != cluster_.small_disk_node() && !random_.one_in(3);
  const bool as_learner = random_.one_in(3);
  told_(base::concat("node ", node, " joins", empty ? " with nothing" : " with what it has",
                     as_learner ? ", as a learner first" : ""));
  cluster_.bring(node, {listed.begin(), listed.end()}, empty);
  using Kind = MemberChange::Kind;
  change_ = std::make_unique<MemberChange>(
      cluster_, random_, as_learner ? Kind::kJoinAsLearnerFirst : Kind::kJoin, node, told_);
}

void Nemesis::begin_leave() {
  const int node = present().front();
  told_(base::concat("node ", node, " leaves, the leader is ", cluster_.leader()));
  change_ =
      std::make_unique<MemberChange>(cluster_, random_, MemberChange::Kind::kLeave, node, told_);
}

bool Nemesis::go_on_with_change() {
  if (change_ == nullptr) return true;
  const int node = change_->node();
  const bool leaves = change_->leaves();
  if (!change_->turn() || (leaves && held(node))) return false;
  change_ = nullptr;
  if (leaves && cluster_.take_away(node) != integration::Exit{0, 0}) {
    tally_.fail(
        base::concat("node ", node, " was removed and stopped:\n", cluster_.last_words(node)));
  }
  told_(base::concat("node ", node, leaves ? " has left" : " has joined", ", now there are",
                     list(cluster_.present())));
  ++fired_[static_cast<size_t>(leaves ? Fault::kMemberRemoved : Fault::kMemberAdded)];
  return true;
}

// Alone: until the node has everything again, the others may lose nothing.
bool Nemesis::wipe() {
  if (!strikes_.empty()) return false;
  heal();
  const std::vector<int> nodes = idle();
  const auto node = std::find_if(nodes.begin(), nodes.end(), [this](int each) {
    return each != cluster_.small_disk_node();  // what is mounted cannot be removed
  });
  if (tally_.failed() || node == nodes.end()) return false;
  told_(base::concat("wiped disk ", *node));
  cluster_.kill({*node});
  cluster_.wipe(*node);
  cluster_.launch(*node);
  heal();
  const bool votes = integration::eventually([&] {
    const std::string role = cluster_.processes().info(*node, "quorum", "node_role");
    return tally_.failed() || (!role.empty() && role != "learner");
  });
  if (!votes) tally_.fail(base::concat("node ", *node, " was wiped and does not vote again"));
  ++fired_[static_cast<size_t>(Fault::kWipe)];
  return true;
}

// One after the other, each when all are in order: what an upgrade does, or going back. The first
// one changes its build, of the others perhaps only some.
bool Nemesis::restart_all() {
  if (!strikes_.empty()) return false;
  heal();
  std::vector<int> order = idle();
  told_("rolling restart");
  for (const int node : order) {
    if (tally_.failed()) return true;
    const integration::Exit exit = cluster_.stop(node);
    if (exit != integration::Exit{0, 0}) {
      tally_.fail(base::concat("node ", node, " was stopped:\n", cluster_.last_words(node)));
      return true;
    }
    if (node == order.front() || random_.one_in(2)) cluster_.replace_build(node);
    told_(base::concat("node ", node, " starts as the ",
                       cluster_.runs_later_build(node) ? "later" : "earlier", " build"));
    cluster_.launch(node);
    heal();
  }
  ++fired_[static_cast<size_t>(Fault::kRollingRestart)];
  return true;
}

}  // namespace kvorum::chaos
