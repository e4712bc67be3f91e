#include "tests/simulation/member_changer.h"

#include <utility>

#include "base/text.h"
#include "resp/request.h"

namespace kvorum::simulation {

namespace {

constexpr Endpoint kOperator = kFirstClient + 900;
constexpr int64_t kPatienceUs = 6'000'000;
// As few voters as it leaves.
constexpr size_t kFewestVoters = 1;

}  // namespace

MemberChanger::MemberChanger(World& world, std::vector<std::unique_ptr<SimulatedNode>>& nodes)
    : world_(world), nodes_(nodes), random_(world.parameters.seed ^ 0x6d656d62657273u) {}

bool MemberChanger::begin() {
  if (!idle() || stopped_) return false;
  if (random_.one_in(3) && promote()) return true;
  const bool adds = random_.one_in(2);
  return adds ? add() || remove() : remove() || add();
}

bool MemberChanger::add() {
  std::vector<SimulatedNode*> others;
  for (const auto& machine : nodes_) {
    if (!world_.members.all.contains(machine->id())) others.push_back(machine.get());
  }
  if (others.empty()) return false;
  SimulatedNode& added = *random_.pick(others);
  prepare(added);
  const std::string id = std::to_string(added.id());
  std::vector<std::string> words = {"MEMBER", "ADD", id, base::concat("node-", id, ":7000")};
  std::vector<Fault> outcomes = {Fault::kMemberAdded};
  if (removed_.contains(added.id())) outcomes.push_back(Fault::kMemberAddedAgain);
  if (random_.one_in(3)) {
    words.emplace_back("LEARNER");
    outcomes.push_back(Fault::kLearnerAdded);
  }
  say(std::move(words), std::move(outcomes));
  return true;
}

// Its process starts before or after the cluster knows it. Who was a member before comes with what
// it had, or, if the removal is certain, with an empty disk: of those there is one at a time, or
// they would be taken for a cluster that is not born yet.
void MemberChanger::prepare(SimulatedNode& machine) {
  bool somebody_waits = false;
  for (const auto& each : nodes_) somebody_waits |= each->node() != nullptr && !each->loaded();
  const bool certain = removed_.contains(machine.id()) && world_.members.committed;
  if (certain && !somebody_waits && random_.one_in(2)) {
    machine.crash();
    machine.wipe();
    machine.needs_repair = false;  // it has no vote: nobody relies on what it had
  }
  machine.restart_after(random_.one_in(2) ? 0 : random_.between(100'000, 1'000'000));
}

bool MemberChanger::promote() {
  const auto& learners = world_.members.learners_for_good;
  if (learners.empty()) return false;
  say({"MEMBER", "PROMOTE", std::to_string(*learners.begin())}, {Fault::kMemberPromoted});
  return true;
}

bool MemberChanger::remove() {
  const Members& members = world_.members;
  const std::vector<Endpoint> all(members.all.begin(), members.all.end());
  const Endpoint id = random_.pick(all);
  if (members.voters.contains(id) && members.voters.size() <= kFewestVoters) return false;
  std::vector<Fault> outcomes = {Fault::kMemberRemoved};
  if (nodes_[id - 1]->leads()) outcomes.push_back(Fault::kLeaderRemoved);
  removed_.insert(id);
  say({"MEMBER", "REMOVE", std::to_string(id)}, std::move(outcomes));
  return true;
}

void MemberChanger::say(std::vector<std::string> words, std::vector<Fault> outcomes) {
  const std::vector<Endpoint> all(world_.members.all.begin(), world_.members.all.end());
  const Endpoint node = random_.pick(all);
  outcomes_ = std::move(outcomes);
  reader_ = {};
  ++changes_;
  std::string request;
  const std::vector<std::string_view> views(words.begin(), words.end());
  resp::append_request(request, views);
  std::string line = base::concat("operator asks node ", node, ":");
  for (const std::string& word : words) line += base::concat(" ", word);
  world_.print(line);
  ConnectionEnd end;
  end.connected = [this, request] { world_.network.send(connection_, Side::kDialler, request); };
  end.received = [this](std::string bytes) {
    reader_.feed(bytes);
    resp::Reply reply;
    if (reader_.next(reply) == resp::ReplyReader::Result::kReply) answered(reply.text);
  };
  end.closed = [this](std::string_view) { connection_ = 0; };
  connection_ = world_.network.dial(kOperator, node, std::move(end));
  world_.queue.after(kPatienceUs, [this, change = changes_] {
    if (change == changes_) hang_up();
  });
}

void MemberChanger::answered(const std::string& answer) {
  world_.print("operator hears: ", answer);
  if (answer == "OK") {
    for (const Fault outcome : outcomes_) world_.faults.count(outcome);
  }
  hang_up();
}

void MemberChanger::hang_up() {
  if (connection_ != 0) world_.network.close(std::exchange(connection_, 0), Side::kDialler);
}

}  // namespace kvorum::simulation
