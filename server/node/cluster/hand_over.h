// FAILOVER: leadership goes to another voter on an operator's word. While a transfer is under way
// the leader takes no new commands, so that the other one catches up (Raft dissertation, section
// 3.10); what fails is tried again until the time is over. Pure; belongs to the loop.
#pragma once

#include <cstdint>
#include <string_view>

#include "replication/replica.h"

namespace kvorum::server {

class HandOver {
 public:
  struct Request {
    storage::NodeId to{0};   // 0: the voter that has most
    int64_t timeout_us = 0;  // 0: none
    // When the time is over the other one campaigns although it has not caught up: it wins if it
    // has everything that is committed. Else this node goes on leading.
    bool force = false;
  };

  // False: nobody, or not that node, can take over. REQUIRES: leading, !in_progress().
  [[nodiscard]] bool begin(replication::Replica& replica, const Request& request, int64_t now_us);
  // Tries no more; who has been told to campaign does so all the same. REQUIRES: in_progress().
  void abort(replication::Replica& replica);
  // Tries again what has failed, while the other one is heard of; what is over is no longer in
  // progress.
  void tick(replication::Replica& replica, int64_t now_us);

  bool in_progress() const { return in_progress_; }
  // As INFO has it in master_failover_state, also for a transfer that nobody asked for.
  static std::string_view state(const replication::Replica& replica);

 private:
  Request request_;
  storage::Term term_{0};
  int64_t deadline_us_ = 0;
  bool in_progress_ = false;
  bool hurried_ = false;
};

}  // namespace kvorum::server
