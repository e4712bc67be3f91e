#include "server/node/cluster/hand_over.h"

#include <limits>

#include "base/check.h"

namespace kvorum::server {

using replication::Replica;

namespace {

// Whoever is silent would only keep the writes waiting.
bool can_take_over(const Replica& replica, storage::NodeId to) {
  const auto target = replica.progress().find(to);
  return target == replica.progress().end() || target->second.active;
}

}  // namespace

bool HandOver::begin(Replica& replica, const Request& request, int64_t now_us) {
  CHECK(!in_progress_ && replica.leading());
  if (!can_take_over(replica, request.to) || !replica.transfer(request.to)) return false;
  request_ = request;
  term_ = replica.term();
  deadline_us_ =
      request.timeout_us == 0 ? std::numeric_limits<int64_t>::max() : now_us + request.timeout_us;
  in_progress_ = true;
  hurried_ = false;
  return true;
}

void HandOver::abort(Replica& replica) {
  CHECK(in_progress_);
  in_progress_ = false;
  replica.abort_transfer();
}

void HandOver::tick(Replica& replica, int64_t now_us) {
  if (!in_progress_) return;
  if (!replica.leading() || replica.term() != term_) {
    in_progress_ = false;
  } else if (!can_take_over(replica, request_.to)) {
    abort(replica);
  } else if (now_us < deadline_us_) {
    if (!replica.transferring()) replica.transfer(request_.to);
  } else if (!request_.force) {
    abort(replica);
  } else if (!hurried_) {
    hurried_ = true;
    if (!replica.transferring()) replica.transfer(request_.to);
    replica.hurry_transfer();
  } else if (!replica.transferring()) {
    in_progress_ = false;
  }
}

std::string_view HandOver::state(const Replica& replica) {
  if (!replica.transferring()) return "no-failover";
  return replica.transfer_announced() ? "failover-in-progress" : "waiting-for-sync";
}

}  // namespace kvorum::server
