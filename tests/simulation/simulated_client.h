// One client: connects to some node, runs commands and transactions on a few keys one after the
// other or in pipelines, goes elsewhere when a connection breaks or an answer does not come. Writes
// down what it asked and what it was told.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resp/reply_reader.h"
#include "server/node/consistency.h"
#include "tests/simulation/log_checker.h"
#include "tests/simulation/world.h"
#include "tests/support/history.h"

namespace kvorum::simulation {

// What all clients have done, and what they need to know of each other.
struct ClientRecords {
  std::deque<Operation> operations;  // their references stay
  std::deque<uint64_t> tokens;       // of the operation with the same index; 0: it writes none
  std::deque<bool> weak;             // acknowledged by less than a majority: may be lost
  uint64_t next_token = 1;
  // Voters of the smallest and of the largest membership there has been.
  std::function<size_t()> fewest_voters, most_voters;
};

class SimulatedClient {
 public:
  // `pinned`: talks to this node only; 0: to any.
  SimulatedClient(World& world, ClientRecords& records, const LogChecker& logs, int number,
                  Endpoint pinned = 0);

  void start();
  // Finishes what is under way and begins nothing new.
  void stop() { stopping_ = true; }
  Endpoint node() const { return node_; }
  bool idle() const { return stopping_ && pending_.empty(); }
  // Writes acknowledged since the last call.
  uint64_t take_acknowledged() { return std::exchange(acknowledged_, 0); }

  // The node lets a reply go; what it acknowledges has to be true then.
  void reply_leaves(SimulatedNetwork::ConnectionId connection, const resp::Reply& reply,
                    const ReplyFacts& facts);

 private:
  enum class Step : uint8_t {
    kSetup,  // CLIENT QUORUM, MULTI, what it queues: the reply decides nothing by itself
    kQuorum,
    kConsistency,
    kGiveToken,
    kTakeToken,
    kWatch,
    kCommand,
    kExec,
    kSelect,  // of another database
    kOther,   // what is said there: the reply says nothing that is checked
    kReturn,
  };
  // One reply that is due.
  struct Pending {
    Step step;
    size_t operation = SIZE_MAX;
    ReplyFacts facts;
  };

  std::string key_name(const Operation& operation, int key) const;
  Operation draw_operation();
  size_t begin(Operation operation);
  void connect();
  void connected();
  void connection_lost();
  void ask_for_level();
  void arrived(std::string_view bytes);
  void handle(const Pending& pending, const resp::Reply& reply);
  void next_soon();
  void next();
  void issue_plain();
  void issue_set_both();
  void issue_watch();
  void issue_other();
  void go_on_elsewhere();
  void judge_other(const resp::Reply& reply);
  void go_on_with_watched(const resp::Reply& reply);
  void expect(Step step, size_t operation = SIZE_MAX);
  void send(std::initializer_list<std::string_view> words);
  void send_operation(const Operation& operation);
  void flush();
  void handle_setting(Step step, const resp::Reply& reply);
  void finish(size_t index, const resp::Reply& reply, const ReplyFacts& facts);
  void take_reply(Operation& operation, const resp::Reply& reply);
  void finish_read(Operation& operation, const resp::Reply& reply, const ReplyFacts& facts);
  void check_read(const Operation& operation, const ReplyFacts& facts);
  void check_acknowledged(const Pending& pending, const resp::Reply& reply);
  size_t voters_needed() const;
  bool is_asynchronous() const;
  Outcome outcome_of(const resp::Reply& reply);

  World& world_;
  ClientRecords& records_;
  const LogChecker& logs_;
  const Endpoint endpoint_, pinned_;
  Random random_;
  bool stopping_ = false;

  SimulatedNetwork::ConnectionId connection_ = 0;
  Endpoint node_ = 0;
  uint64_t epoch_ = 0;  // of the connection, for timers
  resp::ReplyReader reader_;
  std::deque<Pending> pending_;
  size_t left_ = 0;  // of pending_: replies that have left the node
  std::string out_;
  std::string quorum_, asked_quorum_;
  server::Consistency level_ = server::Consistency::kSession, asked_level_ = level_;
  uint64_t floor_ = 0;  // this connection's reads show nothing older, but for prefix
  // What an earlier connection was given, and what it had seen by then.
  std::string token_;
  uint64_t token_floor_ = 0;
  // CAS under way: the key is watched.
  Operation watched_;
  bool watching_ = false;
  bool may_watch_ = false;  // a WATCH was not answered as it should be
  int database_ = 0;        // selected, or about to be
  uint64_t answered_ = 0, acknowledged_ = 0;
};

}  // namespace kvorum::simulation
