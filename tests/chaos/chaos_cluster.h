// Three real nodes with real files, room for two more, and all that can be done to them. One
// thread: the one that started the nodes, which end with it.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/chaos/links.h"
#include "tests/chaos/small_disk.h"
#include "tests/chaos/wall_clock.h"
#include "tests/integration/cluster_process.h"

namespace kvorum::chaos {

class ChaosCluster {
 public:
  static constexpr int kNodes = 3;      // at first
  static constexpr int kMostNodes = 5;  // numbers are from 1 to this one

  // In the place of files of everybody's: below `directory`, which stays. Namespaces and a small
  // disk are tried unless `plain`. REQUIRES: the process has one thread.
  ChaosCluster(const std::string& directory, uint64_t seed, bool plain);

  // Starts the first nodes; false if they do not serve in time.
  bool start();

  integration::ClusterProcess& processes() { return *processes_; }
  // Any thread. Null if the node does not answer, or is not there.
  std::unique_ptr<integration::Client> connect(int number, int patience_ms);
  // One command on a connection of its own; nothing if there is no answer in time.
  std::optional<integration::Reply> command(int number, const integration::Arguments& arguments,
                                            int patience_ms);

  // Those that are members, are about to be, or have not been taken away since: up or down.
  const std::set<int>& present() const { return present_; }
  // Starts a node that is not there, whose configuration names these and itself: on an empty
  // directory, or on what it left when it was taken away. No member knows it yet.
  void bring(int number, const std::set<int>& listed, bool empty);
  // The exit of a clean stop; the node is not there any more, its directory stays.
  integration::Exit take_away(int number);
  // Host and port, as the other nodes know it.
  std::pair<std::string, std::string> peer_address(int number) const;
  Links& links() { return *links_; }
  WallClock& clock(int number) { return *clocks_[static_cast<size_t>(number) - 1]; }
  // The node with a small disk; 0: none.
  int small_disk_node() const { return small_disk_ == nullptr ? 0 : small_disk_node_; }
  SmallDisk& small_disk() { return *small_disk_; }

  // Kills or stops those that run; they are down until they are launched.
  void kill(const std::set<int>& numbers);
  // The exit of a clean stop.
  integration::Exit stop(int number);
  // Removes what is on its disk. REQUIRES: it is down and not the one with a small disk.
  void wipe(int number);
  // From its next start on the other build of the two.
  void replace_build(int number);
  bool runs_later_build(int number) const { return later_.contains(number); }
  // On what is on its disk; does not wait.
  void launch(int number, const std::string& fail_points = {});
  // The node may end by itself from now on until it is launched again.
  void expect_end(int number) { may_end_.insert(number); }
  bool down(int number) { return !processes_->runs(number); }
  void pause(int number);
  void resume(int number);

  // The node that says it leads, of those that answer quickly; 0: none.
  int leader();
  // A node that ended by itself: unless that is expected, or by a signal of its own making; with
  // what it said last. Told once. Empty: none.
  std::string unexpected_end();
  // Of a node that has ended: the end of its log, and how it ended.
  std::string last_words(int number);
  // How often a node has logged this.
  size_t logged(int number, const std::string& text) const;
  // What was used, in words.
  std::string surroundings() const;

  // Keeps the files of all nodes.
  void keep_files();

 private:
  std::string log_path(int number) const;
  // The node's configuration names these and itself from its next start on.
  void configure(int number, const std::set<int>& listed);

  const std::string directory_;
  std::vector<std::string> flags_;
  std::vector<std::unique_ptr<WallClock>> clocks_;
  std::set<int> present_;
  std::unique_ptr<NamespaceLinks> namespaces_;
  std::unique_ptr<integration::ClusterProcess> processes_;
  std::unique_ptr<ProxyLinks> proxy_;
  Links* links_ = nullptr;
  int small_disk_node_ = 0;
  std::unique_ptr<SmallDisk> small_disk_;
  std::set<int> later_;  // nodes of the later build
  std::set<int> may_end_;
  std::set<int> told_;  // unexpected ends
  std::set<int> paused_;
};

}  // namespace kvorum::chaos
