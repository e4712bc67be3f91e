#include "tests/integration/cluster_process.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace kvorum::integration {
namespace {

constexpr size_t kShownLogBytes = 6000;

ServerProcess::Flags flags_of(int number, const std::string& peers,
                              const ServerProcess::Flags& more) {
  ServerProcess::Flags flags = {"--id", std::to_string(number),   "--cluster-id", "test", "--peers",
                                peers,  "--enable-debug-command", "yes"};
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

}  // namespace

std::string info_field(const std::string& info, const std::string& name) {
  const std::string start = "\n" + name + ":";
  const size_t at = info.find(start);
  if (at == std::string::npos) return "";
  const size_t begin = at + start.size();
  return info.substr(begin, info.find('\r', begin) - begin);
}

ClusterProcess::ClusterProcess(const std::vector<Surroundings>& surroundings, const Flags& flags,
                               Links links)
    : flags_(flags) {
  const std::vector<int> ports = lasting_ports(static_cast<int>(surroundings.size()));
  std::vector<int> reached = ports;
  if (links == Links::kThroughNetwork) {
    network_ = std::make_unique<Network>(ports);
    reached = network_->ports();
  }
  for (size_t i = 0; i < ports.size(); ++i) {
    peers_ +=
        base::concat(peers_.empty() ? "" : ",", i + 1, "=", surroundings[i].host, ":", reached[i]);
  }
  for (size_t i = 0; i < ports.size(); ++i) {
    const int id = static_cast<int>(i) + 1;
    nodes_.push_back(std::make_unique<ServerProcess>(flags_of(id, peers_, flags), ports[i]));
    nodes_.back()->place(surroundings[i]);
  }
}

int ClusterProcess::add(const std::vector<int>& listed) {
  const int number = size() + 1;
  const int port = lasting_ports(1).front();
  std::string peers = base::concat(number, "=127.0.0.1:", port);
  for (const int peer : listed) peers += base::concat(",", peer, "=", address(peer));
  nodes_.push_back(std::make_unique<ServerProcess>(flags_of(number, peers, flags_), port));
  return number;
}

void ClusterProcess::configure(int number, const std::string& peers) {
  node(number).configure(flags_of(number, peers, flags_));
}

bool ClusterProcess::start() {
  for (int i = 1; i <= size(); ++i) {
    if (!node(i).running()) node(i).launch();
  }
  // A node that ends will not come up, however long the others wait for it.
  const auto all = [this](bool (ClusterProcess::*holds)(int)) {
    for (int i = 1; i <= size(); ++i) {
      if (!(this->*holds)(i)) return false;
    }
    return true;
  };
  return eventually(
             [&] { return !all(&ClusterProcess::runs) || all(&ClusterProcess::in_order); }) &&
         all(&ClusterProcess::runs) && wait_for_leader() != 0;
}

bool ClusterProcess::start(int number, const Flags& flags, const std::string& fail_points) {
  node(number).launch(flags, fail_points);
  return wait_in_order(number);
}

std::string ClusterProcess::info(int number, const std::string& section, const std::string& name) {
  return info_field(ask(number, {"INFO", section}), name);
}

uint64_t ClusterProcess::info_number(int number, const std::string& section,
                                     const std::string& name) {
  return base::parse_integer<uint64_t>(info(number, section, name)).value_or(0);
}

int ClusterProcess::leader() {
  int found = 0;
  uint64_t highest_term = 0;
  for (int i = 1; i <= size(); ++i) {
    if (!node(i).running() || info(i, "replication", "role") != "master") continue;
    const uint64_t term = info_number(i, "quorum", "term");
    if (term >= highest_term) {
      highest_term = term;
      found = i;
    }
  }
  return found;
}

int ClusterProcess::wait_for_leader(int timeout_ms) {
  int found = 0;
  eventually(
      [&] {
        const int candidate = leader();
        if (candidate != 0 && ask(candidate, {"SET", "{harness}", "leads"}) == "OK") {
          found = candidate;
        }
        return found != 0;
      },
      timeout_ms);
  return found;
}

bool ClusterProcess::in_order(int number) {
  const std::string replication = ask(number, {"INFO", "replication"});
  return info_field(replication, "role") == "master" ||
         info_field(replication, "master_link_status") == "up";
}

bool ClusterProcess::wait_in_order(int number) {
  return eventually([&] { return !node(number).running() || in_order(number); }) &&
         node(number).running();
}

int ClusterProcess::a_follower() {
  const int leads = leader();
  for (int i = 1; i <= size(); ++i) {
    if (i != leads && node(i).running()) return i;
  }
  return 0;
}

bool ClusterProcess::wait_until_equal(std::string& difference) {
  return eventually([&] {
    std::set<std::string> states;
    difference.clear();
    for (int i = 1; i <= size(); ++i) {
      if (!node(i).running()) continue;
      const std::string quorum = ask(i, {"INFO", "quorum"});
      const std::string state =
          base::concat("commit lsn ", info_field(quorum, "commit_lsn"), ", digest ",
                       info_field(quorum, "digest"), ", ", ask(i, {"DEBUG", "DIGEST"}));
      difference += base::concat("node ", i, ": ", state, "\n");
      states.insert(state);
    }
    return states.size() == 1;
  });
}

std::string ClusterProcess::logs() {
  std::string text;
  for (int i = 1; i <= size(); ++i) {
    const std::string log = node(i).log() + node(i).error();
    text += base::concat("\n--- node ", i, "\n",
                         log.substr(log.size() - std::min(log.size(), kShownLogBytes)));
  }
  return text;
}

}  // namespace kvorum::integration
