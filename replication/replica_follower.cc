// Following: log matching, acknowledging what is durable, rejecting with a hint.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "replication/replica.h"

namespace kvorum::replication {

using storage::Lsn;
using storage::NodeId;
using storage::Position;
using storage::RecordKind;
using storage::RecordView;

void Replica::step_append(const Message& message) {
  CHECK(!leading()) << "two leaders in term " << term();
  if (!is_well_formed(message)) return;
  follow(message);
  if (!matches(message.position)) return reject(message);
  const bool appended = accept_records(message);
  const Lsn end =
      message.records.empty() ? message.position.lsn : message.records.back().header.lsn;
  matched_ = std::max(matched_, end);
  leader_commit_ = std::max(leader_commit_, message.commit);
  commit_to(std::min(message.commit, end));  // 3.5
  review_doubt();
  if (appended) return;  // acknowledged when it is on disk
  if (message.records.empty() && message.sent_us == 0) return;
  acknowledge();
}

// Contiguous after `position`, of terms that do not fall and are not above the leader's.
bool Replica::is_well_formed(const Message& message) {
  Position before = message.position;
  for (const RecordView& record : message.records) {
    if (record.header.lsn != before.lsn.next()) return false;
    if (record.header.term < before.term || record.header.term > message.term) return false;
    Membership membership;
    if (record.header.kind == RecordKind::kMembership &&
        !decode_membership(record.payload, membership)) {
      return false;
    }
    before = {record.header.term, record.header.lsn};
  }
  return before.term <= message.term;
}

// 3.5. What is committed here is in every later leader's log: 3.6.3.
bool Replica::matches(Position position) const {
  return position.lsn <= commit_.lsn || log_.contains(position);
}

void Replica::follow(const Message& message) {
  if (role_ != Role::kFollower || leader_ != message.from) {
    CHECK(role_ != Role::kFollower || leader_ == NodeId{0}) << "two leaders in term " << term();
    become_follower(term(), message.from);
  }
  leader_heard_us_ = now_us_;
  leader_sent_us_ = std::max(leader_sent_us_, message.sent_us);
  restart_election_timer();
}

// Skips what the log has, cuts off what conflicts, takes the rest. True if there was a rest.
bool Replica::accept_records(const Message& message) {
  size_t known = 0;
  for (const RecordView& record : message.records) {
    if (record.header.lsn > log_.last().lsn) break;
    const auto ours = log_.term_at(record.header.lsn);  // none: committed and compacted
    if (ours && *ours != record.header.term) {
      const Lsn kept = record.header.lsn.previous();
      cut_log(kept);
      ready_.truncate = log_.last();
      break;
    }
    ++known;
  }
  const auto rest = std::span(message.records).subspan(known);
  if (rest.empty()) return false;
  CHECK(ready_.append.empty()) << "the Ready of an append was not taken";
  ready_.append = rest;
  for (const RecordView& record : rest) {
    log_.append({record.header.term, record.header.lsn});
    if (record.header.kind != RecordKind::kMembership) continue;
    Membership membership;
    CHECK(decode_membership(record.payload, membership));
    enter_membership(record.header.lsn, membership);
  }
  return true;
}

// Durable here and known to be in the leader's log: what it is told, and what it may count.
Position Replica::durable_match() const {
  const Lsn known = std::max(matched_, commit_.lsn);
  const Lsn lsn = std::min(known, durable_.lsn);
  return {*log_.term_at(lsn), lsn};
}

void Replica::acknowledge() {
  Message ack;
  ack.kind = MessageKind::kAck;
  ack.to = leader_;
  ack.term = term();
  ack.position = durable_match();
  ack.sent_us = leader_sent_us_;
  acknowledged_ = std::max(acknowledged_, ack.position.lsn);
  send(std::move(ack));
}

// The newest record that may be the leader's too: not later than what it asked for, not of a later
// term (5.3 of the paper, the optimisation), and never before what is committed.
void Replica::reject(const Message& message) {
  Message reply;
  reply.kind = MessageKind::kReject;
  reply.to = message.from;
  reply.term = term();
  reply.position = log_.newest_up_to(message.position.term, message.position.lsn);
  if (reply.position.lsn < commit_.lsn) reply.position = commit_;
  reply.sent_us = message.term == term() ? leader_sent_us_ : 0;
  send(std::move(reply));
}

}  // namespace kvorum::replication
