#include "tests/simulation/simulation.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "storage/orphan_file.h"
#include "storage/tombstones.h"

namespace kvorum::simulation {

namespace {

constexpr int64_t kPollUs = 50'000;
// More events than that in a virtual second: somebody answers every answer.
constexpr uint64_t kStormEvents = 1'000'000;

constexpr std::array<std::string_view, 10> kOperationNames = {
    "SET", "SET with expiry", "SETNX", "APPEND",         "INCR", "DEL",
    "GET", "pair of SETs",    "MGET",  "SET after WATCH"};

}  // namespace

Simulation::Simulation(const Parameters& parameters, bool print)
    : world_(parameters, print),
      observer_(world_),
      nemesis_(world_, nodes_,
               {[this](SimulatedNode& machine) { observer_.disk_damaged(machine); }}) {
  world_.observer = this;
  records_.fewest_voters = [this] { return logs().fewest_voters(); };
  records_.most_voters = [this] { return logs().most_voters(); };
  for (int id = 1; id <= parameters.machines(); ++id) {
    nodes_.push_back(std::make_unique<SimulatedNode>(world_, static_cast<Endpoint>(id)));
    VirtualClock& clock = nodes_.back()->clock();
    clock.set_wall_offset(0, world_.random.between(-20'000, 20'000));
    clock.set_drift(0, world_.random.between(-200, 200));
  }
  for (int number = 0; number < parameters.clients; ++number) {
    clients_.push_back(
        std::make_unique<SimulatedClient>(world_, records_, observer_.logs(), number));
  }
}

Simulation::~Simulation() = default;

void Simulation::start_nodes() {
  for (const Endpoint id : world_.members.all) {
    node(id).restart_after(world_.random.between(0, 200'000));
  }
}

void Simulation::start_clients() {
  for (const auto& client : clients_) {
    world_.queue.after(world_.random.between(0, 1'000'000), [&client] { client->start(); });
  }
}

bool Simulation::run_until(const std::function<bool()>& condition, int64_t us) {
  const int64_t end_us = world_.now_us() + us;
  int64_t poll_us = world_.now_us();
  while (!world_.verdict.failed() && world_.now_us() < end_us) {
    if (world_.now_us() >= poll_us) {
      judge_orphans();
      if (condition()) return true;
      poll_us = world_.now_us() + kPollUs;
    }
    world_.queue.run_next();
    world_.trace.set_time(world_.now_us());
    watch_for_storms();
  }
  return !world_.verdict.failed() && condition();
}

void Simulation::watch_for_storms() {
  const int64_t second = world_.now_us() / 1'000'000;
  if (second != second_) {
    second_ = second;
    events_before_second_ = world_.queue.executed();
  } else if (world_.queue.executed() - events_before_second_ > kStormEvents) {
    world_.fail("a storm: more than ", kStormEvents, " events in one virtual second");
  }
}

void Simulation::run_for(int64_t us) {
  // Something happens even where nobody does anything.
  world_.queue.after(us, [] {});
  run_until([] { return false; }, us);
}

SimulatedNode* Simulation::leader() {
  for (const auto& node : nodes_) {
    if (node->leads()) return node.get();
  }
  return nullptr;
}

// --- What is observed.

void Simulation::turn_ended(SimulatedNode& machine) {
  observer_.turn_ended(machine);
  if (machine.needs_repair && machine.loaded()) {
    server::Node& node = *machine.node();
    const replication::Replica& replica = node.cluster().replica();
    if (replica.is_voter() && !replica.doubtful() &&
        node.log().wal().synced().lsn.value() >= logs().committed()) {
      machine.needs_repair = false;
    }
  }
  for (const LeavingReply& each : std::exchange(leaving_, {})) {
    for (const auto* clients : {&clients_, &probes_}) {
      for (const auto& client : *clients) {
        client->reply_leaves(each.connection, each.reply, each.facts);
      }
    }
  }
}

void Simulation::reply_leaves(SimulatedNetwork::ConnectionId connection, const resp::Reply& reply,
                              const ReplyFacts& facts) {
  // The node is in the middle of its turn: what it says is judged by its state at the end.
  leaving_.push_back({connection, reply, facts});
}

// --- The end.

bool Simulation::all_serve() {
  return std::all_of(probes_.begin(), probes_.end(),
                     [](const auto& probe) { return probe->idle(); });
}

bool Simulation::all_members(const std::function<bool(SimulatedNode&)>& condition) {
  return std::all_of(world_.members.all.begin(), world_.members.all.end(),
                     [&](Endpoint id) { return condition(node(id)); });
}

// What it had to drop was offered; a clock that has jumped may make a leader wait with that.
bool Simulation::offered_all(server::Node& node) const {
  return world_.parameters.divergence != "merge" || world_.faults.of(Fault::kClockJump) > 0 ||
         !node.cluster().membership().merges() || node.cluster().orphan_offer().files_left() == 0;
}

// Every voter is back and has passed them. A clock that has jumped may make orphans wait, and with
// them the tombstones.
bool Simulation::no_tombstones(server::Node& node) const {
  const storage::Tombstones* tombstones = node.keyspace().tombstones();
  return tombstones == nullptr || tombstones->size() == 0 ||
         world_.faults.of(Fault::kClockJump) > 0;
}

bool Simulation::all_agree() {
  SimulatedNode* leading = leader();
  if (leading == nullptr) return false;
  const server::RecordLog& log = leading->node()->log();
  const storage::Digest digest = leading->node()->keyspace().digest();
  if (log.commit() != log.last()) return false;
  return all_members([&](SimulatedNode& each) {
    if (!each.loaded()) return false;
    server::Node& node = *each.node();
    const bool learns = world_.members.learners_for_good.contains(each.id());
    return offered_all(node) && no_tombstones(node) && node.log().applied() == log.last() &&
           node.keyspace().digest() == digest &&
           (nodes_.size() == 1 || node.cluster().replica().is_voter() != learns);
  });
}

std::string Simulation::what_is_missing() {
  std::string text;
  for (const auto& each : nodes_) {
    text += base::concat("; node ", each->id(), ": ");
    if (!each->loaded()) {
      text += each->node() == nullptr ? "down" : "not loaded";
      continue;
    }
    server::Node& node = *each->node();
    const replication::Replica& replica = node.cluster().replica();
    text += base::concat(
        node.log().leading() ? "leads" : "follows node ",
        node.log().leading() ? std::string() : std::to_string(replica.leader().value()),
        " in term ", replica.term().value(), ", last ", node.log().last().lsn.value(), " commit ",
        node.log().commit().lsn.value(), " applied ", node.log().applied().lsn.value(),
        replica.is_voter() ? "" : ", no voter", replica.doubtful() ? ", doubtful" : "",
        node.log().disk_full() ? ", disk full" : "");
  }
  return text;
}

void Simulation::demand_progress() {
  if (world_.verdict.failed()) return;
  const auto seconds = std::to_string(world_.parameters.heal_us / 1'000'000);
  const bool leads = run_until(
      [this] {
        SimulatedNode* leading = leader();
        return leading != nullptr && leading->node()->cluster().replica().settled() &&
               nemesis_.changes_no_members() &&
               all_members([](SimulatedNode& each) { return each.loaded(); });
      },
      world_.parameters.heal_us);
  if (world_.verdict.failed()) return;
  if (!leads) {
    world_.fail("healed, and after ", seconds, " s there is no leader or somebody is missing",
                what_is_missing());
    return;
  }
  for (const Endpoint id : world_.members.all) {
    const int number = static_cast<int>(clients_.size() + id);
    probes_.push_back(
        std::make_unique<SimulatedClient>(world_, records_, observer_.logs(), number, id));
    probes_.back()->start();
  }
  std::vector<bool> acknowledged(probes_.size(), false);
  const bool writes = run_until(
      [&] {
        for (size_t i = 0; i < probes_.size(); ++i) {
          if (probes_[i]->take_acknowledged() > 0) acknowledged[i] = true;
          if (acknowledged[i]) probes_[i]->stop();
        }
        return std::find(acknowledged.begin(), acknowledged.end(), false) == acknowledged.end();
      },
      world_.parameters.heal_us);
  if (world_.verdict.failed()) return;
  if (!writes) {
    const auto silent = std::find(acknowledged.begin(), acknowledged.end(), false);
    world_.fail("healed, and after ", seconds, " s no write has succeeded at node ",
                probes_[static_cast<size_t>(silent - acknowledged.begin())]->node(),
                what_is_missing());
    return;
  }
  for (const auto& client : clients_) client->stop();
  const bool agree =
      run_until([this] { return all_serve() && all_agree(); }, world_.parameters.heal_us);
  if (!agree && !world_.verdict.failed()) {
    world_.fail("healed, and after ", seconds, " s the nodes do not agree", what_is_missing());
  }
}

void Simulation::judge_tokens() {
  if (world_.parameters.nodes == 1) return;
  for (size_t i = 0; i < records_.operations.size(); ++i) {
    const uint64_t token = records_.tokens[i];
    Operation& operation = records_.operations[i];
    if (token == 0) continue;
    size_t committed = 0;
    for (const LogChecker::Copy& copy : logs().copies_of(token)) committed += copy.committed;
    if (committed > 1) {
      world_.fail(token_text(token), " was written ", committed, " times");
    }
    if (operation.outcome == Outcome::kRefused && committed > 0) {
      world_.fail(token_text(token), " was refused, and is in the log");
    }
    const bool does_nothing = operation.kind == OperationKind::kSetIfAbsent && !operation.flag;
    if (operation.outcome == Outcome::kOk && committed == 0 && !does_nothing) {
      world_.fail(token_text(token), " was acknowledged, and is lost");
    }
    // Its outcome is known now: nobody can have seen what never happened.
    if (operation.outcome == Outcome::kUnknown && committed == 0) {
      if (operation.kind != OperationKind::kSetIfAbsent) operation.outcome = Outcome::kRefused;
    }
  }
}

// What was dropped somewhere and has been offered to a leader since this was looked at last: later
// commits would hide what was lost.
void Simulation::judge_orphans() {
  if (world_.parameters.divergence != "merge") return;
  for (const auto& each : nodes_) {
    if (world_.verdict.failed()) return;
    storage::SimulatedDisk& disk = each->disk();
    const auto identity = storage::read_identity(disk, "data");
    const auto names = disk.list("data");
    if (!identity.ok() || !names.ok()) continue;
    for (const std::string& name : *names) {
      if (name.starts_with("offered-") && judged_files_.emplace(each->id(), name).second) {
        judge_orphan_file(*each, "data/" + name, *identity);
      }
    }
  }
}

void Simulation::judge_orphan_file(SimulatedNode& machine, const std::string& path,
                                   const storage::Identity& identity) {
  const auto records = storage::read_orphan_file(machine.disk(), path, identity);
  if (!records.ok()) return;  // its disk was damaged
  world_.faults.count(Fault::kOrphansJudged);
  const std::string error = logs().merges().judged(*records);
  if (!error.empty()) world_.fail("node ", machine.id(), ": ", error);
}

// Which partitions have keys that no history of commands explains.
std::vector<bool> Simulation::merged_partitions() const {
  std::vector<bool> merged(static_cast<size_t>(3 * world_.parameters.key_groups), false);
  for (const std::string& key : logs().merges().touched()) {
    const size_t kind = std::string_view("rcx").find(key.front());
    const auto group = base::parse_integer<size_t>(key.substr(1, key.size() - 2));
    if (kind == std::string_view::npos || !group.has_value()) continue;  // a scenario's
    if (3 * *group + kind < merged.size()) merged[3 * *group + kind] = true;
  }
  return merged;
}

void Simulation::judge_history(Result& result) {
  std::vector<std::vector<Operation>> partitions(
      static_cast<size_t>(3 * world_.parameters.key_groups));
  const std::vector<bool> merged = merged_partitions();
  for (const Operation& operation : records_.operations) {
    partitions[static_cast<size_t>(operation.partition)].push_back(operation);
  }
  for (size_t i = 0; i < partitions.size(); ++i) {
    if (merged[i]) continue;
    const Linearizable verdict = check_linearizable(partitions[i]);
    if (verdict == Linearizable::kUndecided) ++result.undecided;
    if (verdict != Linearizable::kNo) continue;
    const Operation& misfit = first_misfit(partitions[i]);
    world_.fail("the history of the keys ", std::string_view("rcx").substr(i % 3, 1), i / 3,
                " is not linearizable: the first misfit is the ",
                kOperationNames[static_cast<size_t>(misfit.kind)], " asked at ", misfit.invoked_us,
                " us and answered at ", misfit.completed_us, " us: ", misfit.value,
                misfit.read[0].value_or(" nil"), " ", misfit.number, " ",
                static_cast<int>(misfit.flag));
  }
}

Result Simulation::judge() {
  Result result;
  if (!world_.verdict.failed()) judge_tokens();
  if (!world_.verdict.failed()) judge_orphans();
  for (uint64_t i = 0; i < logs().merges().merges(); ++i) world_.faults.count(Fault::kOrphanMerged);
  if (!world_.verdict.failed()) judge_history(result);
  result.failure = world_.verdict.text();
  result.trace_hash = world_.trace.hash();
  result.virtual_us = world_.now_us();
  result.events = world_.queue.executed();
  result.operations = records_.operations.size();
  result.records = logs().committed();
  result.faults = world_.faults;
  for (const Operation& operation : records_.operations) {
    result.acknowledged += operation.outcome == Outcome::kOk;
  }
  return result;
}

Result Simulation::run() {
  start_nodes();
  start_clients();
  world_.queue.after(world_.random.between(0, 2'000'000), [this] { nemesis_.start(); });
  run_for(world_.parameters.duration_us);
  if (!world_.verdict.failed()) {
    nemesis_.heal();
    demand_progress();
  }
  return judge();
}

Result simulate(uint64_t seed, bool print) {
  return Simulation(Parameters::draw(seed), print).run();
}

}  // namespace kvorum::simulation
