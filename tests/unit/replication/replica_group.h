// Some replicas, each with a log and a disk in memory, and a network whose every packet the test
// delivers, drops or repeats: the driver that replica.h asks for, in miniature.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "replication/replica.h"
#include "storage/record.h"

namespace kvorum::replication {

struct TestRecord {
  storage::Term term{0};
  storage::RecordKind kind = storage::RecordKind::kEffects;
  std::string payload;
  bool operator==(const TestRecord&) const = default;
};

// A log that begins after `base`.
struct TestLog {
  storage::Position base;
  std::vector<TestRecord> records;

  storage::Position last() const;
  storage::Position at(storage::Lsn lsn) const;
  const TestRecord& record(storage::Lsn lsn) const;
  void truncate(storage::Lsn kept);
};

struct Packet {
  Message message;  // its records point nowhere: `records` has them
  std::vector<TestRecord> records;
  storage::InstanceId instance{};
};

std::string describe(const Message& message, size_t records);
std::string_view name_of(Role role);

class ReplicaGroup {
 public:
  struct Options {
    uint16_t nodes = 3;
    uint64_t seed = 1;
    bool newborn = true;
    uint32_t window = 4;
    size_t batch = 3;           // records per message
    bool auto_persist = true;   // all that is given to the disk is on it at once
    bool instances = false;     // the membership binds ids to instances
    bool shared_clock = false;  // each node looks at it before each of its inputs
  };
  struct Node {
    storage::NodeId id{0};
    storage::InstanceId instance{};
    std::unique_ptr<Replica> replica;  // null: down
    TestLog log, disk_log;
    storage::HardState hard, disk_hard;
    storage::Position commit, disk_commit;
    std::vector<Packet> after_save;
    storage::Position claim;  // for the next start
    bool claim_unknown = false;
    bool learner = false;
    bool unsynced = false;
    int64_t clock_us = 1'000'000;
    int64_t wall_offset_us = 0;
  };

  explicit ReplicaGroup(Options options);

  Node& node(uint16_t id) { return nodes_.at(id); }
  Replica& replica(uint16_t id) { return *nodes_.at(id).replica; }
  std::map<uint16_t, Node>& nodes() { return nodes_; }
  bool up(uint16_t id) const { return nodes_.at(id).replica != nullptr; }
  const Membership& membership() const { return membership_; }
  int64_t now_us() const { return now_us_; }

  // Time passes for one node, or (0) for all.
  void tick(uint16_t id, int64_t milliseconds);
  // The shared clock moves, and nobody looks at it yet.
  void pass(int64_t microseconds) { now_us_ += microseconds; }
  void look(uint16_t id);
  // Steps of 10 ms; everything is delivered and persisted.
  void run(int64_t milliseconds);
  // run() until the condition holds; false if it does not within the time.
  bool run_until(const std::function<bool()>& condition, int64_t milliseconds);
  // Runs until a leader has settled, all others with its commit; its id. 0: there is none.
  uint16_t settle(int64_t milliseconds = 6000);
  // The leader of the highest term; 0: none.
  uint16_t leader() const;

  void propose(uint16_t id, std::string payload);
  void propose_membership(uint16_t id, const Membership& membership);
  void persist(uint16_t id);
  void crash(uint16_t id);
  // Its disk has lost what is after `kept`, though it may have acknowledged it. REQUIRES: down.
  void lose_synced(uint16_t id, storage::Lsn kept);
  // `newborn`: as if at birth.
  void restart(uint16_t id, bool newborn = false);
  // A log of these terms, all on disk. The node restarts.
  void set_log(uint16_t id, const std::vector<uint64_t>& terms, bool newborn = true);
  // Cuts the log's beginning at the leader, as if its segments were gone.
  void compact(uint16_t id, storage::Lsn base);
  // The follower installs the leader's state up to the leader's commit.
  void install_snapshot(uint16_t from, uint16_t to);
  // Does what the replica's Ready says.
  void pump(uint16_t id);

  std::vector<Packet>& network() { return network_; }
  void deliver(size_t index, bool keep = false);
  void deliver_all();
  // Packets from and to these are lost when they are sent.
  void cut(uint16_t from, uint16_t to) { cuts_.insert({from, to}); }
  void isolate(uint16_t id);
  void heal() { cuts_.clear(); }
  void drop_all() { network_.clear(); }

  // Called with each line of the story: deliveries, and changes of role, term, leader, commit.
  std::function<void(const std::string&)> trace;
  std::function<void(Node&)> on_change;  // after every Ready
  void set_auto_persist(bool automatic) { options_.auto_persist = automatic; }

 private:
  void start(Node& node, bool newborn);
  void tell_time(Node& node);
  void do_ready(Node& node, Ready ready);
  void ship(Node& node);
  void send(Node& node, Message message, std::vector<TestRecord> records);
  void say(const std::string& line) {
    if (trace) trace(line);
  }

  Options options_;
  Membership membership_;
  std::map<uint16_t, Node> nodes_;
  std::vector<Packet> network_;
  std::set<std::pair<uint16_t, uint16_t>> cuts_;
  int64_t now_us_ = 1'000'000;
  uint64_t starts_ = 0;
};

}  // namespace kvorum::replication
