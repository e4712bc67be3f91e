#include "tests/chaos/chaos_run.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/text.h"

namespace kvorum::chaos {
namespace {

using integration::eventually;
using integration::kPatienceMs;

constexpr int kClients = 9;
constexpr int kRemovalPatienceMs = 4000;
constexpr int kTurnMs = 10;
constexpr int64_t kShowEveryUs = 500'000;
// Beyond the time that was asked for, until each kind of fault has struck.
constexpr int64_t kExtraUs = 240'000'000;
// Fewer acknowledged writes than these prove little.
constexpr uint64_t kWritesPerSecond = 20;
constexpr uint64_t kLeastOfEachDeed = 5;
constexpr uint64_t kProgress = 50;

double seconds(int64_t us) { return static_cast<double>(us) / 1e6; }

unsigned long long printable(uint64_t number) { return number; }

}  // namespace

ChaosRun::ChaosRun(const RunOptions& options)
    : options_(options),
      begin_us_(now_us()),
      cluster_(options.directory, options.seed, options.plain),
      nemesis_(cluster_, tally_, options.seed, [this](const std::string& event) { tell(event); }) {
  for (int i = 0; i < kClients; ++i) {
    clients_.push_back(std::make_unique<LoadClient>(
        i, ChaosCluster::kMostNodes, options.seed,
        [this](int node, int patience_ms) { return cluster_.connect(node, patience_ms); }, groups_,
        tally_));
  }
}

ChaosRun::~ChaosRun() { stop_judging(); }

void ChaosRun::tell(const std::string& event) {
  std::ofstream(options_.directory + "/events", std::ios::app)
      << seconds(now_us() - begin_us_) << " s: " << event << "\n";
}

void ChaosRun::show_progress() {
  const int64_t now = now_us();
  if (::isatty(STDOUT_FILENO) == 0 || now - shown_us_ < kShowEveryUs) return;
  shown_us_ = now;
  const Tally::Figures figures = tally_.figures();
  uint64_t strikes = 0;
  for (const uint64_t each : nemesis_.fired()) strikes += each;
  std::printf(
      "\r\033[K%.0f/%lld s, %llu writes acknowledged, %llu refused, %llu unknown, "
      "%llu faults, %llu histories judged",
      seconds(now - begin_us_), static_cast<long long>(options_.seconds),
      printable(figures.acknowledged_writes), printable(figures.of(Answer::kRefused)),
      printable(figures.of(Answer::kUnknown)), printable(strikes),
      printable(figures.groups_judged));
  std::fflush(stdout);
}

bool ChaosRun::time_is_left() const {
  const int64_t elapsed = now_us() - begin_us_;
  const int64_t wanted = options_.seconds * 1'000'000;
  return elapsed < wanted || (nemesis_.decks() == 0 && elapsed < wanted + kExtraUs);
}

bool ChaosRun::run() {
  std::printf("seed %llu, %lld s: %s\n", printable(options_.seed),
              static_cast<long long>(options_.seconds), cluster_.surroundings().c_str());
  std::fflush(stdout);
  if (!cluster_.start()) {
    tally_.fail("the cluster does not serve");
  } else {
    for (const auto& client : clients_) client->start();
    judging_ = true;
    judge_ = std::thread([this] { judge_in_background(); });
    while (time_is_left() && !tally_.failed()) {
      nemesis_.turn();
      show_progress();
      eventually([this] { return tally_.failed(); }, kTurnMs);
    }
    settle();
  }
  print_summary();
  if (tally_.failed()) cluster_.keep_files();
  return !tally_.failed();
}

void ChaosRun::settle() {
  tell("the end: everything is healed");
  nemesis_.heal();
  if (!tally_.failed()) expect_progress();
  if (!tally_.failed()) expect_members();
  for (const auto& client : clients_) client->stop();
  if (!tally_.failed()) read_what_is_left();
  groups_.retire_all();
  stop_judging();
  judge_groups();
  if (!tally_.failed()) check_disks();
  if (tally_.failed()) return;
  for (const std::string& each :
       what_is_missing(tally_.figures(), nemesis_.fired(), options_.seconds)) {
    tally_.fail(each);
  }
}

void ChaosRun::expect_progress() {
  const uint64_t before = tally_.figures().acknowledged_writes;
  const bool goes_on =
      eventually([&] { return tally_.figures().acknowledged_writes >= before + kProgress; });
  if (!goes_on) tally_.fail("everything was healed, and hardly a write is acknowledged");
  for (const int i : cluster_.present()) {
    const bool taken = eventually([&] {
      return cluster_.processes().ask(i, {"SET", "{harness}", "healed"}) == "OK";
    });
    if (!taken) tally_.fail(base::concat("everything was healed, and node ", i, " takes no write"));
  }
}

// Everybody knows the members that the nemesis has left.
void ChaosRun::expect_members() {
  for (const int i : cluster_.present()) {
    std::set<int> listed;
    const bool equal = eventually([&] {
      listed.clear();
      const auto reply = cluster_.command(i, {"MEMBER", "LIST"}, kPatienceMs);
      if (reply) {
        // A row is an array of names and values, the id's first.
        for (const integration::Reply& row : reply->elements) {
          if (row.elements.size() > 1) listed.insert(static_cast<int>(row.elements[1].integer));
        }
      }
      return listed == cluster_.present();
    });
    if (equal) continue;
    std::string text = base::concat("node ", i, " lists other members than there are:");
    for (const int each : listed) text += base::concat(" ", each);
    tally_.fail(text);
  }
}

// When all is quiet every node has all, and every history ends with what is there.
void ChaosRun::read_what_is_left() {
  std::string difference;
  if (!cluster_.processes().wait_until_equal(difference)) {
    return tally_.fail("the nodes differ, though all is quiet:\n" + difference);
  }
  for (const int i : cluster_.present()) {
    const auto node = cluster_.connect(i, kPatienceMs);
    if (node == nullptr) return tally_.fail(base::concat("node ", i, " takes no connection"));
    for (const auto& client : clients_) {
      const std::string wrong = client->check(*node);
      if (!wrong.empty()) tally_.fail(base::concat("on node ", i, ": ", wrong));
    }
    for (const auto& group : groups_.serving()) {
      Operation operation;
      operation.kind =
          group->kind() == GroupKind::kPair ? OperationKind::kGetBoth : OperationKind::kGet;
      operation.invoked_us = now_us();
      for (size_t key = 0; key < group->keys().size(); ++key) {
        const auto reply = node->command({"GET", group->keys()[key]});
        if (reply && !reply->is_nil()) operation.read[key] = reply->text;
      }
      operation.completed_us = now_us();
      operation.outcome = simulation::Outcome::kOk;
      group->add(std::move(operation), kClients, i);
    }
  }
}

void ChaosRun::check_disks() {
  for (int i = 1; i <= ChaosCluster::kMostNodes; ++i) {
    const std::string directory = cluster_.processes().node(i).data_directory();
    if (!std::filesystem::exists(directory)) continue;  // it never was there
    // One that was taken away was stopped then.
    if (cluster_.present().contains(i) && cluster_.stop(i) != integration::Exit{0, 0}) {
      tally_.fail(base::concat("node ", i, " was not stopped cleanly"));
    }
    const integration::Outcome verified =
        integration::run_program({KVORUM_WAL, "verify", directory});
    if (verified.exit != integration::Exit{0, 0}) {
      tally_.fail(base::concat("the disk of node ", i, ":\n", verified.output, verified.error));
    }
  }
}

std::vector<std::string> what_is_missing(const Tally::Figures& figures, const FaultCounts& fired,
                                         int64_t seconds) {
  std::vector<std::string> missing;
  const auto wanted = static_cast<uint64_t>(seconds) * kWritesPerSecond;
  if (figures.acknowledged_writes < wanted) {
    missing.push_back(base::concat("only ", figures.acknowledged_writes,
                                   " writes were acknowledged, not ", wanted));
  }
  for (size_t i = 0; i < kDeeds; ++i) {
    const uint64_t done = figures.deeds[i][static_cast<size_t>(Answer::kDone)];
    if (done >= kLeastOfEachDeed) continue;
    missing.push_back(base::concat("only ", done, " times answered: ", kDeedNames[i]));
  }
  for (size_t i = 0; i < kFaultKinds; ++i) {
    if (fired[i] != 0) continue;
    missing.push_back(base::concat("this fault never struck: ", kFaultNames[i]));
  }
  if (10 * figures.groups_undecided > figures.groups_judged) {
    missing.push_back(base::concat(figures.groups_undecided, " of ", figures.groups_judged,
                                   " histories were too tangled to be judged"));
  }
  return missing;
}

void ChaosRun::judge_groups() {
  while (const std::shared_ptr<KeyGroup> group = groups_.take_finished()) {
    const Linearizable verdict = group->judge();
    tally_.count_judged(verdict != Linearizable::kUndecided);
    if (verdict == Linearizable::kNo) {
      tally_.fail(group->story(KeyGroup::Detail::kShort));
      std::ofstream(base::concat(options_.directory, "/history-", group->key()))
          << group->story(KeyGroup::Detail::kWhole);
    }
    // Not asked about again: small keyspaces make quick full syncs. It does not matter if it fails.
    for (int i = 1; judging_ && i <= ChaosCluster::kMostNodes; ++i) {
      const auto node = cluster_.connect(i, kRemovalPatienceMs);
      if (node == nullptr) continue;
      integration::Arguments removal = {"DEL"};
      for (const std::string& key : group->keys()) removal.push_back(key);
      node->command(removal);
      break;
    }
  }
}

void ChaosRun::judge_in_background() {
  while (judging_) {
    judge_groups();
    eventually([this] { return !judging_; }, kTurnMs);
  }
}

void ChaosRun::stop_judging() {
  judging_ = false;
  if (judge_.joinable()) judge_.join();
}

void ChaosRun::print_summary() const {
  const Tally::Figures figures = tally_.figures();
  std::printf(
      "%s%.1f s: %llu writes acknowledged, longest time without one %.0f ms; "
      "%llu histories judged, %llu undecided\n",
      ::isatty(STDOUT_FILENO) != 0 ? "\r\033[K" : "", seconds(now_us() - begin_us_),
      printable(figures.acknowledged_writes), static_cast<double>(figures.longest_gap_us) / 1e3,
      printable(figures.groups_judged), printable(figures.groups_undecided));
  std::printf("%-20s %10s %10s %10s\n", "operations", "done", "refused", "unknown");
  for (size_t i = 0; i < kDeeds; ++i) {
    const auto& answers = figures.deeds[i];
    std::printf("%-20s %10llu %10llu %10llu\n", std::string(kDeedNames[i]).c_str(),
                printable(answers[0]), printable(answers[1]), printable(answers[2]));
  }
  std::printf("errors:");
  for (const auto& [word, count] : figures.errors) {
    std::printf(" %s %llu", word.c_str(), printable(count));
  }
  std::printf("\nfaults:");
  for (size_t i = 0; i < kFaultKinds; ++i) {
    std::printf("%s %s %llu", i == 0 ? "" : ",", std::string(kFaultNames[i]).c_str(),
                printable(nemesis_.fired()[i]));
  }
  std::printf("\n");
  for (const std::string& failure : tally_.failures()) {
    std::printf("failed: seed %llu: %s\n", printable(options_.seed), failure.c_str());
  }
  std::fflush(stdout);
}

}  // namespace kvorum::chaos
