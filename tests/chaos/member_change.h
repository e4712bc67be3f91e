// One change of the cluster's members, on its way: a node that joins, or one that leaves. It is
// asked for again and again, of any node, until it has happened, whatever strikes meanwhile. One
// thread, the cluster's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "tests/chaos/chaos_cluster.h"
#include "tests/chaos/tally.h"
#include "tests/integration/client.h"
#include "tests/support/random.h"

namespace kvorum::chaos {

class MemberChange {
 public:
  enum class Kind : uint8_t {
    kJoin,                // a learner that becomes a voter by itself
    kJoinAsLearnerFirst,  // by MEMBER PROMOTE
    kLeave,
  };

  // Of a node that runs. All outlive it.
  MemberChange(ChaosCluster& cluster, simulation::Random& random, Kind kind, int node,
               std::function<void(const std::string&)> told)
      : cluster_(cluster), random_(random), kind_(kind), node_(node), told_(std::move(told)) {}

  int node() const { return node_; }
  bool leaves() const { return kind_ == Kind::kLeave; }
  int64_t begin_us() const { return begin_us_; }
  const std::string& last_answer() const { return last_answer_; }

  // Takes the next step if it is time to, and waits for two answers at most. True: just now the
  // node voted and said so, or said that it is no member any more.
  bool turn();

 private:
  // What the leader says of a member.
  struct Row {
    std::string role, promotion;
  };
  // By id, one of them the leader; empty if nobody is reached that knows one.
  std::map<int, Row> list();
  bool join(const std::map<int, Row>& members);
  bool leave(const std::map<int, Row>& members);
  void change(const std::map<int, Row>& members, integration::Arguments arguments);
  int anybody();

  ChaosCluster& cluster_;
  simulation::Random& random_;
  const Kind kind_;
  const int node_;
  const std::function<void(const std::string&)> told_;
  const int64_t begin_us_ = now_us();
  int64_t next_us_ = 0;
  std::string last_answer_ = "nobody was asked";
};

}  // namespace kvorum::chaos
