#include "tests/chaos/chaos_cluster.h"

#include <signal.h>

#include <algorithm>

#include "base/text.h"
#include "tests/support/random.h"

namespace kvorum::chaos {
namespace {

// For questions to a node that may hang.
constexpr int kImpatienceMs = 300;
constexpr size_t kShownLogBytes = 3000;

std::string end_of(const std::string& text) {
  return text.substr(text.size() - std::min(text.size(), kShownLogBytes));
}

}  // namespace

ChaosCluster::ChaosCluster(const std::string& directory, uint64_t seed, bool plain)
    : directory_(directory) {
  simulation::Random random(seed ^ 0x636c7573746572u);
  // Small, so that segments, snapshots and full syncs come and go within seconds.
  flags_ = {"--write-timeout-ms",
            std::to_string(random.between(500, 2000)),
            "--segment-size",
            random.one_in(2) ? "64kb" : "512kb",
            "--snapshot-wal-size",
            random.one_in(2) ? "512kb" : "8mb",
            "--fsync",
            random.one_in(4) ? "everysec" : "always",
            "--protected-mode",
            "no"};
  small_disk_node_ = static_cast<int>(random.between(1, kNodes));
  if (!plain) namespaces_ = NamespaceLinks::make(kMostNodes);
  std::vector<integration::Surroundings> surroundings;
  for (int i = 1; i <= kMostNodes; ++i) {
    clocks_.push_back(std::make_unique<WallClock>(base::concat(directory, "/clock-", i)));
    integration::Surroundings& each = surroundings.emplace_back();
    each.environment = clocks_.back()->environment();
    if (namespaces_ == nullptr) continue;
    each.host = NamespaceLinks::address(i);
    each.launcher = namespaces_->launcher(i);
  }
  using Ways = integration::ClusterProcess::Links;
  processes_ = std::make_unique<integration::ClusterProcess>(
      surroundings, flags_, namespaces_ == nullptr ? Ways::kThroughNetwork : Ways::kDirect);
  links_ = namespaces_.get();
  if (links_ == nullptr) {
    proxy_ = std::make_unique<ProxyLinks>(processes_->network());
    links_ = proxy_.get();
  }
  for (int i = 1; i <= kNodes; ++i) present_.insert(i);
  for (const int number : present_) configure(number, present_);
  if (!plain) {
    small_disk_ = SmallDisk::make(processes_->node(small_disk_node_).data_directory());
  }
}

bool ChaosCluster::start() {
  for (const int number : present_) launch(number);
  for (const int number : present_) {
    if (!processes_->wait_in_order(number)) return false;
  }
  return processes_->wait_for_leader() != 0;
}

std::unique_ptr<integration::Client> ChaosCluster::connect(int number, int patience_ms) {
  return processes_->node(number).connect(patience_ms);
}

std::optional<integration::Reply> ChaosCluster::command(int number,
                                                        const integration::Arguments& arguments,
                                                        int patience_ms) {
  const auto client = connect(number, patience_ms);
  return client == nullptr ? std::nullopt : client->command(arguments);
}

void ChaosCluster::configure(int number, const std::set<int>& listed) {
  std::set<int> all = listed;
  all.insert(number);
  std::string peers;
  for (const int each : all) {
    const auto [host, port] = peer_address(each);
    peers += base::concat(peers.empty() ? "" : ",", each, "=", host, ":", port);
  }
  processes_->configure(number, peers);
}

void ChaosCluster::bring(int number, const std::set<int>& listed, bool empty) {
  if (empty) wipe(number);
  configure(number, listed);
  present_.insert(number);
  launch(number);
}

integration::Exit ChaosCluster::take_away(int number) {
  const integration::Exit exit = stop(number);
  present_.erase(number);
  return exit;
}

// Who is started without its data is given the members of now, as its first ones may be gone.
void ChaosCluster::wipe(int number) {
  processes_->node(number).wipe();
  configure(number, present_);
}

std::pair<std::string, std::string> ChaosCluster::peer_address(int number) const {
  const std::string peers = "," + processes_->peers();  // ",1=host:port,2=..."
  const std::string start = base::concat(",", number, "=");
  const size_t begin = peers.find(start) + start.size();
  const size_t colon = peers.find(':', begin);
  return {peers.substr(begin, colon - begin),
          peers.substr(colon + 1, peers.find(',', colon) - colon - 1)};
}

std::string ChaosCluster::log_path(int number) const {
  return base::concat(directory_, "/node-", number, ".log");
}

void ChaosCluster::kill(const std::set<int>& numbers) {
  for (const int number : numbers) {
    may_end_.insert(number);
    processes_->node(number).send_signal(SIGKILL);
  }
  for (const int number : numbers) processes_->node(number).exit();
}

integration::Exit ChaosCluster::stop(int number) {
  may_end_.insert(number);
  return processes_->node(number).stop(SIGTERM);
}

void ChaosCluster::replace_build(int number) {
  const bool later = later_.erase(number) == 0;
  if (later) later_.insert(number);
  processes_->node(number).replace_program(later ? KVORUM_SERVER_LATER : KVORUM_SERVER);
}

void ChaosCluster::launch(int number, const std::string& fail_points) {
  may_end_.erase(number);
  told_.erase(number);
  processes_->node(number).launch({"--log-file", log_path(number)}, fail_points);
}

void ChaosCluster::pause(int number) {
  paused_.insert(number);
  processes_->node(number).send_signal(SIGSTOP);
}

void ChaosCluster::resume(int number) {
  paused_.erase(number);
  processes_->node(number).send_signal(SIGCONT);
}

int ChaosCluster::leader() {
  for (const int i : present_) {
    if (down(i) || paused_.contains(i)) continue;
    const auto role = command(i, {"ROLE"}, kImpatienceMs);
    if (role && !role->elements.empty() && role->elements[0].text == "master") return i;
  }
  return 0;
}

std::string ChaosCluster::unexpected_end() {
  for (const int i : present_) {
    if (!down(i) || told_.contains(i)) continue;
    const integration::Exit exit = processes_->node(i).exit();
    const bool crashed = exit.signal != 0 && exit.signal != SIGKILL;
    if (may_end_.contains(i) && !crashed) continue;
    told_.insert(i);
    return base::concat("node ", i, " ended by itself:\n", last_words(i));
  }
  return "";
}

std::string ChaosCluster::last_words(int number) {
  const integration::Exit exit = processes_->node(number).exit();
  return base::concat(end_of(integration::read_file(log_path(number))),
                      processes_->node(number).error(), "code ", exit.code, ", signal ",
                      exit.signal);
}

size_t ChaosCluster::logged(int number, const std::string& text) const {
  const std::string log = integration::read_file(log_path(number));
  size_t count = 0;
  for (size_t at = 0; (at = log.find(text, at)) != std::string::npos; at += text.size()) ++count;
  return count;
}

std::string ChaosCluster::surroundings() const {
  std::string text =
      namespaces_ == nullptr ? "a proxy between the nodes" : "a network namespace for each node";
  text += small_disk_ == nullptr ? std::string(", no small disk")
                                 : base::concat(", node ", small_disk_node_, " on a small disk");
  for (const std::string& flag : flags_) text += " " + flag;
  return text;
}

void ChaosCluster::keep_files() {
  for (int i = 1; i <= kMostNodes; ++i) processes_->node(i).keep_files();
  if (small_disk_ != nullptr) {
    small_disk_->rescue(base::concat(directory_, "/node-", small_disk_node_, "-data"));
  }
}

}  // namespace kvorum::chaos
