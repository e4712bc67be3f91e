// Stories told in golden/*.script, and what the replicas do in golden/*.trace. With
// KVORUM_REWRITE_GOLDEN=1 in the environment the traces are written instead of compared.
//
//   nodes N [window W] [batch B] [instances]   a cluster that is just being born
//   disk auto|manual     what is given to a disk is on it at once, or at `persist`
//   log NODE T…          its log has records of these terms; it starts with it
//   claim NODE T.L|unknown   at its next start it is doubtful up to there
//   crash NODE, restart NODE, persist NODE, lose-tail NODE
//   tick NODE|all MS     time passes for it
//   run MS               time passes in steps of 10 ms, everything is delivered; messages not shown
//   deliver all|A B      what is under way (also what comes of it), or only what is now, from A to
//   B repeat A B           delivers the oldest from A to B and keeps it drop all|A B, cut A B,
//   isolate NODE, heal propose NODE COUNT, voters NODE ID…, transfer NODE TO, step-down NODE
//   compact NODE LSN, snapshot A B, link-lost A B
//   wall NODE MS         its Unix time is this far ahead
//   confirm NODE, reads NODE, show
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/replication/replica_group.h"

namespace kvorum::replication {
namespace {

using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::Term;

std::string folder() { return std::string(KVORUM_SOURCE_DIR) + "/tests/unit/replication/golden"; }

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string text(Position position) {
  return std::to_string(position.term.value()) + "." + std::to_string(position.lsn.value());
}

class Story {
 public:
  std::string tell(const std::string& script) {
    std::istringstream lines(script);
    for (std::string line; std::getline(lines, line);) {
      out_ += line.empty() || line[0] == '#' ? line + "\n" : "> " + line + "\n";
      if (line.empty() || line[0] == '#') continue;
      words_.clear();
      std::istringstream words(line);
      for (std::string word; words >> word;) words_.push_back(word);
      perform();
    }
    return out_;
  }

 private:
  using Action = void (Story::*)();

  void perform() {
    static const std::map<std::string, Action> kActions = {
        {"nodes", &Story::nodes},
        {"disk", &Story::disk},
        {"log", &Story::log},
        {"claim", &Story::claim},
        {"crash", &Story::crash},
        {"restart", &Story::restart},
        {"persist", &Story::persist},
        {"lose-tail", &Story::lose_tail},
        {"tick", &Story::tick},
        {"run", &Story::run},
        {"deliver", &Story::deliver},
        {"repeat", &Story::repeat},
        {"drop", &Story::drop},
        {"cut", &Story::cut},
        {"isolate", &Story::isolate},
        {"heal", &Story::heal},
        {"propose", &Story::propose},
        {"voters", &Story::voters},
        {"transfer", &Story::transfer},
        {"step-down", &Story::step_down},
        {"compact", &Story::compact},
        {"snapshot", &Story::snapshot},
        {"link-lost", &Story::link_lost},
        {"confirm", &Story::confirm},
        {"wall", &Story::wall},
        {"reads", &Story::reads},
        {"show", &Story::show},
    };
    const auto action = kActions.find(words_[0]);
    ASSERT_NE(action, kActions.end()) << "no such command: " << words_[0];
    (this->*action->second)();
  }

  const std::string& word(size_t index) const { return words_.at(index); }
  uint64_t number(size_t index) const { return std::stoull(word(index)); }
  uint16_t id(size_t index) const { return static_cast<uint16_t>(number(index)); }
  Replica& replica(size_t index) { return group_->replica(id(index)); }
  void say(const std::string& line) { out_ += "  " + line + "\n"; }
  // Packets from word(1) to word(2).
  bool is_meant(const Packet& packet) const {
    return packet.message.from.value() == id(1) && packet.message.to.value() == id(2);
  }

  void nodes() {
    ReplicaGroup::Options options;
    options.nodes = id(1);
    for (size_t i = 2; i < words_.size(); ++i) {
      if (word(i) == "window") options.window = static_cast<uint32_t>(number(i + 1));
      if (word(i) == "batch") options.batch = number(i + 1);
      if (word(i) == "instances") options.instances = true;
    }
    group_ = std::make_unique<ReplicaGroup>(options);
    group_->trace = [this](const std::string& line) {
      const bool is_message = line.find("->") != std::string::npos;
      if (!is_message || !running_) say(line);
    };
  }
  void disk() { group_->set_auto_persist(word(1) == "auto"); }
  void log() {
    std::vector<uint64_t> terms;
    for (size_t i = 2; i < words_.size(); ++i) terms.push_back(number(i));
    group_->set_log(id(1), terms);
  }
  void claim() {
    ReplicaGroup::Node& node = group_->node(id(1));
    node.claim_unknown = word(2) == "unknown";
    if (node.claim_unknown) return;
    const size_t point = word(2).find('.');
    node.claim = {Term{std::stoull(word(2).substr(0, point))},
                  Lsn{std::stoull(word(2).substr(point + 1))}};
  }
  void crash() { group_->crash(id(1)); }
  void restart() { group_->restart(id(1)); }
  void persist() { group_->persist(id(1)); }
  void lose_tail() {
    ReplicaGroup::Node& node = group_->node(id(1));
    node.log.truncate(node.replica->durable().lsn);
    node.replica->lost_tail(node.replica->durable());
    group_->pump(id(1));
  }
  void tick() { group_->tick(word(1) == "all" ? 0 : id(1), static_cast<int64_t>(number(2))); }
  void run() {
    running_ = true;
    group_->run(static_cast<int64_t>(number(1)));
    running_ = false;
  }
  void deliver() {
    if (word(1) == "all") return group_->deliver_all();
    auto& network = group_->network();
    auto meant = [this](const Packet& packet) { return is_meant(packet); };
    for (auto left = std::count_if(network.begin(), network.end(), meant); left > 0; --left) {
      const auto first = std::find_if(network.begin(), network.end(), meant);
      group_->deliver(static_cast<size_t>(first - network.begin()));
    }
  }
  void repeat() {
    for (size_t i = 0; i < group_->network().size(); ++i) {
      if (is_meant(group_->network()[i])) return group_->deliver(i, true);
    }
    FAIL() << "nothing to repeat";
  }
  void drop() {
    if (word(1) == "all") return group_->drop_all();
    std::erase_if(group_->network(), [this](const Packet& packet) { return is_meant(packet); });
  }
  void cut() { group_->cut(id(1), id(2)); }
  void isolate() { group_->isolate(id(1)); }
  void heal() { group_->heal(); }
  void propose() {
    ASSERT_TRUE(replica(1).leading()) << out_;
    for (uint64_t i = 0; i < number(2); ++i) group_->propose(id(1), std::to_string(++proposed_));
  }
  void voters() {
    ASSERT_TRUE(replica(1).settled()) << out_;
    Membership membership = replica(1).membership();
    for (Member& member : membership.members) member.voter = false;
    for (size_t i = 2; i < words_.size(); ++i) {
      auto& members = membership.members;
      const auto found = std::find_if(members.begin(), members.end(), [&](const Member& member) {
        return member.id.value() == id(i);
      });
      if (found != members.end()) found->voter = true;
    }
    group_->propose_membership(id(1), membership);
  }
  void transfer() {
    say(replica(1).transfer(NodeId{id(2)}) ? "transferring" : "nobody to hand over to");
    group_->pump(id(1));
  }
  void step_down() {
    replica(1).step_down();
    group_->pump(id(1));
  }
  void compact() { group_->compact(id(1), Lsn{number(2)}); }
  void snapshot() { group_->install_snapshot(id(1), id(2)); }
  void link_lost() {
    replica(1).link_lost(NodeId{id(2)});
    group_->pump(id(1));
  }
  void wall() { group_->node(id(1)).wall_offset_us = static_cast<int64_t>(number(2)) * 1000; }
  void confirm() {
    replica(1).confirm_leadership();
    group_->pump(id(1));
  }
  void reads() {
    const int64_t until_us = replica(1).reads_until_us();
    if (until_us < 0) return say("no reads");
    say("reads of up to " + std::to_string((until_us - group_->node(id(1)).clock_us) / 1000) +
        " ms from now");
  }

  void show() {
    for (auto& [id, node] : group_->nodes()) {
      if (node.replica == nullptr) {
        say(std::to_string(id) + " is down, its log ends at " + text(node.log.last()));
        continue;
      }
      show(id, *node.replica);
    }
  }
  void show(uint16_t id, const Replica& replica) {
    const bool ours = replica.hard_state().voted_for == replica.id();
    say(std::to_string(id) + " " + std::string(name_of(replica.role())) + " term " +
        std::to_string(replica.term().value()) + " voted " +
        (ours ? "itself" : std::to_string(replica.hard_state().voted_for.value())) + " last " +
        text(replica.log().last()) + " durable " + text(replica.durable()) + " commit " +
        text(replica.commit()) + (replica.doubtful() ? " doubtful" : "") +
        (replica.is_voter() ? "" : " learner"));
    static const std::map<Progress::State, std::string> kStates = {
        {Progress::State::kProbe, "probe"},
        {Progress::State::kReplicate, "replicate"},
        {Progress::State::kSnapshot, "snapshot"}};
    for (const auto& [follower, progress] : replica.progress()) {
      say("  " + std::to_string(follower.value()) + " " + kStates.at(progress.state) + " match " +
          text(progress.match) + " next " + std::to_string(progress.next.value()) + " inflight " +
          std::to_string(progress.inflight) + (progress.active ? "" : " silent"));
    }
  }

  std::unique_ptr<ReplicaGroup> group_;
  std::vector<std::string> words_;
  std::string out_;
  uint64_t proposed_ = 0;
  bool running_ = false;
};

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".script") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, TheTraceIsTheStoredOne) {
  const std::string path = folder() + "/" + GetParam();
  const std::string trace = Story().tell(read_file(path + ".script"));
  if (std::getenv("KVORUM_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(path + ".trace") << trace;
    return;
  }
  EXPECT_EQ(trace, read_file(path + ".trace"));
}

INSTANTIATE_TEST_SUITE_P(Scripts, GoldenTest, ::testing::ValuesIn(scripts()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace kvorum::replication
