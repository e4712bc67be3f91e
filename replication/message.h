// What replicas tell each other. The bytes on the wire are server/node/cluster/peer_message.h's
// business. Plain values.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::replication {

enum class MessageKind : uint8_t {
  kVoteRequest,  // also the pre-vote (dissertation 9.6) and a transfer's (3.10)
  kVoteReply,
  kAppend,      // records after `position`; without records: a heartbeat
  kAck,         // durable up to `position`; counts only in this term
  kReject,      // `position` of an append does not match: where the logs may still agree
  kTimeoutNow,  // campaign at once: the leader hands over (dissertation 3.10)
};

struct Message {
  MessageKind kind = MessageKind::kAppend;
  storage::NodeId from{0}, to{0};
  // The sender's term; of a pre-vote (request and granting reply): the term it would campaign in.
  storage::Term term{0};
  // kVoteRequest: the candidate's last. kVoteReply: the voter's last. kAppend: the record before
  // the first one. kAck: durable at the follower and known to match the leader's log. kReject:
  // hint.
  storage::Position position;
  // kAppend: the leader's; the receiver takes it as far as this message proves that the logs match.
  storage::Lsn commit{0};
  // kAppend: the leader's monotonic clock when it was sent; 0 and no records: only news of the
  // commit, not to be answered. kAck, kReject: the newest of those that this follower has received
  // in this term; the lease counts from it. kVoteRequest: names the candidate's attempt.
  // kVoteReply: that of the request.
  int64_t sent_us = 0;
  // The sender's Unix time when it was sent: clock drift is judged by it.
  int64_t wall_us = 0;
  bool pre_vote = false;  // kVoteRequest, kVoteReply
  bool granted = false;   // kVoteReply
  bool transfer = false;  // kVoteRequest: the old leader asked for it; stickiness does not hold
  bool everyone = false;  // kVoteRequest: every voter has answered the pre-vote, and no log is
                          // newer than the candidate's (DESIGN: doubtful nodes)
  // kVoteReply: refused for no other reason than that the voter may have acknowledged records up to
  // here and lost them (the largest position there is: it does not know how far). Zeros: no.
  storage::Position claim;
  // kAppend: views into bytes that live as long as Replica::step and the Ready taken after it.
  std::vector<storage::RecordView> records;
};

}  // namespace kvorum::replication
