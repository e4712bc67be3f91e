// One replica, fed by hand: for rules that one message shows.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "replication/replica.h"

namespace kvorum::replication {

inline storage::Position at(uint64_t term, uint64_t lsn) {
  return {storage::Term{term}, storage::Lsn{lsn}};
}

inline storage::InstanceId instance_of(uint16_t id) {
  storage::InstanceId instance;
  instance.fill(static_cast<uint8_t>(id));
  return instance;
}

// Node 1 of `voters`, whose log has records of these terms. Its membership binds instances.
inline ReplicaStart start_of(uint16_t voters, const std::vector<uint64_t>& terms = {}) {
  ReplicaStart start;
  start.id = storage::NodeId{1};
  start.seed = 7;
  start.now_us = 1'000'000;
  start.newborn = true;
  start.instance = instance_of(1);
  for (uint16_t id = 1; id <= voters; ++id) {
    start.membership.members.push_back(
        {storage::NodeId{id}, "n" + std::to_string(id), instance_of(id), true});
  }
  for (const uint64_t term : terms) {
    start.log.append({storage::Term{term}, start.log.last().lsn.next()});
    start.hard_state.term = storage::Term{term};
  }
  return start;
}

class LoneReplica {
 public:
  explicit LoneReplica(ReplicaStart start) : now_us_(start.now_us), replica_(std::move(start)) {}

  Replica& operator*() { return replica_; }
  Replica* operator->() { return &replica_; }

  void pass(int64_t milliseconds) {
    now_us_ += milliseconds * 1000;
    replica_.tick(now_us_, now_us_);
  }
  // Nobody has looked at the clock, or at messages, for so long.
  void oversleep(int64_t milliseconds) {
    replica_.overslept(milliseconds * 1000);
    pass(milliseconds);
  }
  int64_t now_us() const { return now_us_; }

  // From node `from`, of its own instance.
  void step(uint16_t from, Message message) { step(from, instance_of(from), std::move(message)); }
  void step(uint16_t from, const storage::InstanceId& instance, Message message) {
    message.from = storage::NodeId{from};
    stepped_ = std::move(message);
    replica_.step(stepped_, instance);
  }
  void persist() { replica_.persisted(replica_.log().last(), replica_.hard_state()); }

  // Takes the Ready; all that would be sent once the disk is done.
  std::vector<Message> sent() {
    persist();
    Ready ready = replica_.ready();
    std::vector<Message> all = std::move(ready.send_now);
    for (Message& message : ready.send_after_save) all.push_back(std::move(message));
    persist();
    return all;
  }
  std::vector<Message> sent(MessageKind kind) {
    std::vector<Message> of_kind;
    for (Message& message : sent()) {
      if (message.kind == kind) of_kind.push_back(std::move(message));
    }
    return of_kind;
  }

  // Campaigns and wins with the votes of `voters`; the no-op is proposed.
  void win(const std::vector<uint16_t>& voters) {
    campaign(voters);
    const storage::Term term = replica_.term();
    for (const uint16_t voter : voters) step(voter, vote(term, attempt_));
    lead();
  }
  // As win(), up to the real vote requests.
  void campaign(const std::vector<uint16_t>& voters) {
    pass(600);
    for (const Message& request : sent(MessageKind::kVoteRequest)) attempt_ = request.sent_us;
    for (const uint16_t voter : voters) {
      Message answer = vote(replica_.term().next(), attempt_);
      answer.pre_vote = true;
      step(voter, answer);
    }
    for (const Message& request : sent(MessageKind::kVoteRequest)) attempt_ = request.sent_us;
  }
  void lead() {
    sent();
    if (replica_.leading()) propose();
    sent();
  }
  void propose() { replica_.propose({replica_.term(), replica_.log().last().lsn.next()}); }
  int64_t attempt() const { return attempt_; }

  static Message vote(storage::Term term, int64_t attempt) {
    Message message;
    message.kind = MessageKind::kVoteReply;
    message.term = term;
    message.granted = true;
    message.sent_us = attempt;
    return message;
  }
  static Message vote_request(uint64_t term, storage::Position last) {
    Message message;
    message.kind = MessageKind::kVoteRequest;
    message.term = storage::Term{term};
    message.position = last;
    message.sent_us = 1;
    return message;
  }
  // Records of `terms` after `before`.
  static Message append(uint64_t term, storage::Position before,
                        const std::vector<uint64_t>& terms = {}, uint64_t commit = 0) {
    Message message;
    message.kind = MessageKind::kAppend;
    message.term = storage::Term{term};
    message.position = before;
    message.commit = storage::Lsn{commit};
    message.sent_us = 500;
    storage::Lsn lsn = before.lsn;
    for (const uint64_t each : terms) {
      storage::RecordView record;
      record.header.lsn = ++lsn;
      record.header.term = storage::Term{each};
      message.records.push_back(record);
    }
    return message;
  }
  static Message ack(uint64_t term, storage::Position durable, int64_t sent_us = 0) {
    Message message;
    message.kind = MessageKind::kAck;
    message.term = storage::Term{term};
    message.position = durable;
    message.sent_us = sent_us;
    return message;
  }

 private:
  int64_t now_us_;
  int64_t attempt_ = 0;
  Replica replica_;
  Message stepped_;
};

// Node 1 leads `voters` in the term after the last of `terms`, with its no-op on its own disk.
inline LoneReplica leader_of(uint16_t voters, const std::vector<uint64_t>& terms = {}) {
  LoneReplica replica(start_of(voters, terms));
  std::vector<uint16_t> others;
  for (uint16_t id = 2; id <= voters / 2 + 1; ++id) others.push_back(id);
  replica.win(others);
  return replica;
}

inline const Progress& progress(LoneReplica& leader, uint16_t id) {
  return leader->progress().at(storage::NodeId{id});
}

}  // namespace kvorum::replication
