#include "tests/chaos/links.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "base/text.h"

namespace kvorum::chaos {
namespace {

using Words = std::vector<std::string>;

// Where a program of this name is; empty: nowhere.
std::string program(const std::string& name) {
  for (const char* folder : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    if (::access((folder + name).c_str(), X_OK) == 0) return folder + name;
  }
  return "";
}

bool run(Words words) {
  words[0] = program(words[0]);
  return integration::run_program(words).exit == integration::Exit{0, 0};
}

std::string network_of(const std::string& process) {
  std::error_code error;
  return std::filesystem::read_symlink(base::concat("/proc/", process, "/ns/net"), error).string();
}

Words rule(const std::string& verb, int from, int to) {
  return {"ip",
          "rule",
          verb,
          "from",
          NamespaceLinks::address(from),
          "to",
          NamespaceLinks::address(to),
          "blackhole"};
}

}  // namespace

std::string NamespaceLinks::address(int node) { return base::concat("10.77.", node, ".2"); }

std::unique_ptr<NamespaceLinks> NamespaceLinks::make(int nodes) {
  for (const char* name : {"ip", "nsenter", "unshare", "sleep"}) {
    if (program(name).empty()) return nullptr;
  }
  if (::unshare(CLONE_NEWNET) != 0 || !run({"ip", "link", "set", "lo", "up"})) return nullptr;
  const char* const forwarding = "/proc/sys/net/ipv4/ip_forward";
  std::ofstream(forwarding) << "1\n";
  if (integration::read_file(forwarding) != "1\n") return nullptr;
  std::unique_ptr<NamespaceLinks> links(new NamespaceLinks());
  for (int i = 1; i <= nodes; ++i) {
    if (!links->add(i)) return nullptr;
  }
  return links;
}

NamespaceLinks::~NamespaceLinks() = default;

bool NamespaceLinks::add(int node) {
  holders_.push_back(std::make_unique<integration::Process>(
      Words{program("unshare"), "--net", program("sleep"), "infinity"},
      integration::Process::Environment{}, directory_.file("output"), directory_.file("error")));
  const std::string holder = std::to_string(holders_.back()->pid());
  const bool apart = integration::eventually([&] {
    const std::string network = network_of(holder);
    return !holders_.back()->running() || (!network.empty() && network != network_of("self"));
  });
  if (!apart || !holders_.back()->running()) return false;
  const std::string ours = base::concat("node", node);
  const std::string router = base::concat("10.77.", node, ".1");
  const auto inside = [&](Words words) {
    Words all = launcher(node);
    all[0] = "nsenter";
    words[0] = program(words[0]);
    all.insert(all.end(), words.begin(), words.end());
    return run(all);
  };
  return run({"ip", "link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns",
              holder}) &&
         run({"ip", "addr", "add", router + "/24", "dev", ours}) &&
         run({"ip", "link", "set", ours, "up"}) &&
         inside({"ip", "addr", "add", address(node) + "/24", "dev", "eth0"}) &&
         inside({"ip", "link", "set", "eth0", "up"}) && inside({"ip", "link", "set", "lo", "up"}) &&
         inside({"ip", "route", "add", "default", "via", router});
}

std::vector<std::string> NamespaceLinks::launcher(int node) const {
  const pid_t holder = holders_[static_cast<size_t>(node) - 1]->pid();
  return {program("nsenter"), base::concat("--net=/proc/", holder, "/ns/net")};
}

void NamespaceLinks::cut(int from, int to) {
  CHECK(run(rule("add", from, to)));
  cuts_.emplace_back(from, to);
}

void NamespaceLinks::heal() {
  for (const auto& [from, to] : cuts_) CHECK(run(rule("del", from, to)));
  cuts_.clear();
}

}  // namespace kvorum::chaos
