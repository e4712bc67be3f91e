// Nodes that are being born, without their clusters. Single-threaded.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/node/cluster/birth.h"
#include "tests/unit/node/cluster_test_host.h"

namespace kvorum::server {

inline constexpr storage::Incarnation kUnborn{};

// Some nodes, each a directory that lasts and a process that does not, and the links between them.
// Nothing happens by itself: births wait until they are saved, messages until they are delivered.
class World {
 public:
  struct Directory {
    storage::InstanceId instance{};
    uint64_t boot = 0;
    std::optional<peer::Birth> birth;  // durable: the identity names its incarnation
    bool learner = false;
    storage::Incarnation restored{};  // to be founded anew with this; zeros: an ordinary directory
  };
  struct Node {
    Directory directory;
    ClusterTestHost host;
    std::unique_ptr<Birth> process;
    std::optional<std::pair<peer::Birth, bool>> saving;  // reported by `born`, not yet on disk
    std::set<uint16_t> links;                            // of ours that are up
  };
  struct Sent {
    uint16_t from, to;
    uint64_t boot;  // of the receiver, when the link was made
    peer::Birth birth;
  };

  explicit World(uint16_t count, uint64_t seed = 1) : nodes_(count), random_(seed) {
    for (uint16_t id = 1; id <= count; ++id) {
      node(id).host.random_state = random_();
      wipe(id);
    }
  }

  uint16_t size() const { return static_cast<uint16_t>(nodes_.size()); }
  Node& node(uint16_t id) { return nodes_[id - 1]; }
  bool up(uint16_t id) { return node(id).process != nullptr; }
  std::deque<Sent>& messages() { return messages_; }

  peer::Hello hello(uint16_t id) {
    peer::Hello hello;
    hello.node = storage::NodeId{id};
    hello.instance = node(id).directory.instance;
    hello.boot = node(id).directory.boot;
    // The directory's, not the process': what it says it has made durable first.
    hello.incarnation = node(id).directory.restored;
    if (node(id).directory.birth) hello.incarnation = node(id).directory.birth->incarnation;
    return hello;
  }

  Birth::Settings settings(uint16_t id, uint16_t configured) {
    Birth::Settings settings{.node = storage::NodeId{id},
                             .instance = node(id).directory.instance,
                             .seed = {},
                             .incarnation = node(id).directory.restored,
                             .hash_seed = 77};
    for (uint16_t peer = 1; peer <= configured; ++peer) {
      replication::Member member;
      member.id = storage::NodeId{peer};
      member.address = "127.0.0.1:" + std::to_string(7000 + peer);
      settings.seed.members.push_back(member);
    }
    return settings;
  }

  void start(uint16_t id) { start(id, size()); }
  void start(uint16_t id, uint16_t configured) {
    Node& self = node(id);
    ++self.directory.boot;
    const Birth::Events events = {
        .born = [this, id](const peer::Birth& birth,
                           bool as_learner) { on_born(id, birth, as_learner); },
        .send =
            [this, id](storage::NodeId to, const peer::Birth& birth) {
              EXPECT_EQ(incarnation(id), birth.incarnation);  // on disk
              messages_.push_back({id, to.value(), node(to.value()).directory.boot, birth});
            }};
    if (self.directory.birth) {
      self.process = std::make_unique<Birth>(self.host, settings(id, configured), events,
                                             *self.directory.birth);
    } else {
      self.process = std::make_unique<Birth>(self.host, settings(id, configured), events);
    }
  }
  // The process dies, at once for everybody. What it sent may still arrive.
  void stop(uint16_t id) {
    node(id).process = nullptr;
    node(id).saving.reset();
    unlink(id);
  }
  // REQUIRES: not up.
  void wipe(uint16_t id) {
    node(id).directory = {};
    const uint64_t random = random_() | 1;
    for (size_t i = 0; i < 8; ++i) {
      node(id).directory.instance[i] = static_cast<uint8_t>(random >> 8 * i);
    }
  }

  void link(uint16_t from, uint16_t to) {
    if (!up(from) || !up(to) || !node(from).links.insert(to).second) return;
    node(to).process->heard(hello(from));
    node(from).process->linked(hello(to));
  }
  void link_all() {
    for (uint16_t from = 1; from <= size(); ++from) {
      for (uint16_t to = 1; to <= size(); ++to) {
        if (from != to) link(from, to);
      }
    }
  }
  void unlink(uint16_t id) {
    for (uint16_t other = 1; other <= size(); ++other) {
      if (node(other).links.erase(id) > 0 && up(other)) {
        node(other).process->link_lost(storage::NodeId{id});
      }
      if (node(id).links.erase(other) > 0 && up(id))
        node(id).process->link_lost(storage::NodeId{other});
    }
  }

  // Makes the reported birth durable; the process has not heard of it yet.
  bool save(uint16_t id) {
    Node& self = node(id);
    if (!self.saving || self.directory.birth) return false;
    self.directory.birth = self.saving->first;
    self.directory.learner = self.saving->second;
    return true;
  }
  // It hears, and dials everybody again with its new identity.
  void tell_durable(uint16_t id, bool dial_again = true) {
    node(id).saving.reset();
    node(id).process->durable();
    if (dial_again) {
      unlink(id);
      link_all();
    }
  }
  // False: there was nothing to deliver.
  bool deliver() {
    if (messages_.empty()) return false;
    const Sent sent = messages_.front();
    messages_.pop_front();
    if (up(sent.to) && node(sent.to).directory.boot == sent.boot) {
      last_refusal = node(sent.to).process->received(sent.birth);
    }
    return true;
  }
  void settle() {
    for (bool again = true; again;) {
      again = false;
      link_all();
      while (deliver()) again = true;
      for (uint16_t id = 1; id <= size(); ++id) {
        if (!node(id).saving) continue;
        save(id);
        tell_durable(id);
        again = true;
      }
    }
  }
  void start_all() {
    for (uint16_t id = 1; id <= size(); ++id) {
      if (!up(id)) start(id);
    }
  }
  void start_and_settle() {
    start_all();
    settle();
  }

  storage::Incarnation incarnation(uint16_t id) {
    return node(id).directory.birth ? node(id).directory.birth->incarnation : kUnborn;
  }
  bool voter(uint16_t id) { return node(id).directory.birth && !node(id).directory.learner; }
  // All are voters of one cluster.
  bool born_whole() {
    for (uint16_t id = 1; id <= size(); ++id) {
      if (!voter(id) || incarnation(id) != incarnation(1)) return false;
    }
    return true;
  }

  // Called where a node founds a cluster.
  std::function<void(uint16_t founder)> on_founding;
  absl::Status last_refusal;

 private:
  void on_born(uint16_t id, const peer::Birth& birth, bool as_learner) {
    ASSERT_FALSE(node(id).saving);
    node(id).saving = {birth, as_learner};
    const auto founding = founding_membership(birth);
    ASSERT_TRUE(founding.ok());
    if (as_learner || id != 1 || !founded_.insert(birth.incarnation).second) return;
    if (on_founding) on_founding(id);
  }

  std::vector<Node> nodes_;
  std::mt19937_64 random_;
  std::deque<Sent> messages_;
  std::set<storage::Incarnation> founded_;
};

}  // namespace kvorum::server
