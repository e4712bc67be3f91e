// A client that asks one node for everything in turn, notes what it was told, and goes to another
// node when its connection breaks, or is silent too long, or now and then. One thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/key_groups.h"
#include "tests/chaos/ledger.h"
#include "tests/chaos/session_checker.h"
#include "tests/chaos/tally.h"
#include "tests/integration/client.h"
#include "tests/support/random.h"

namespace kvorum::chaos {

class LoadClient {
 public:
  // Null if the node of this number (from 1) does not answer.
  using Connect = std::function<std::unique_ptr<integration::Client>(int node, int patience_ms)>;

  // Every third one only reads: a leader that nobody hears takes no write, and its clients wait,
  // but it may still answer reads for a moment. All outlive it.
  LoadClient(int number, int nodes, uint64_t seed, Connect connect, KeyGroups& groups,
             Tally& tally);
  ~LoadClient();

  void start();
  // After its operation.
  void stop();

  // Empty, or what of its own keys that node does not have. REQUIRES: stopped, and all is quiet.
  std::string check(integration::Client& node) const;

 private:
  using Reply = integration::Reply;
  using Arguments = integration::Arguments;
  // A question to a group of keys, under way.
  struct Question {
    std::shared_ptr<KeyGroup> group;
    Deed deed = Deed::kSet;
    Operation operation;
  };

  enum class Level : uint8_t { kSession, kLinearizable, kPrefix };

  void run();
  // A connection with a level of consistency and a write quorum of its own. It goes on where the
  // one before has ended, if that has left a token.
  void open();
  bool take_token_along();
  void leave_token();
  void choose_level();
  void pause(int64_t most_us);
  bool stopping();

  // All replies; none at all if the connection broke.
  std::vector<Reply> ask_each(const std::vector<Arguments>& commands);
  // The last one.
  std::optional<Reply> ask_all(const std::vector<Arguments>& commands);
  std::optional<Reply> ask(const Arguments& arguments) { return ask_all({arguments}); }
  Answer judge(const std::optional<Reply>& reply);
  void fail(const std::string& what);

  Question begin(GroupKind kind, Deed deed, OperationKind operation);
  void settle(Question& question, Answer answer);

  void step();
  void step_counter();
  void step_text();
  void step_register();
  void step_pair();
  void step_ledger();
  void set_if_absent();
  void remove();
  void compare_and_set();
  void read(GroupKind kind);
  void finish_read(Question& question, const std::vector<Reply>& replies);
  void check_session(const Question& question);
  size_t written_slot_near(size_t slot) const;

  const int number_;
  const int nodes_;
  const bool only_reads_;
  const Connect connect_;
  KeyGroups& groups_;
  Tally& tally_;
  simulation::Random random_;
  Ledger ledger_;
  uint64_t values_ = 0;
  int node_ = 0;

  std::unique_ptr<integration::Client> client_;  // null: broken
  Level level_ = Level::kSession;                // of the connection
  std::string token_;                            // of the connection before; empty: none
  SessionChecker session_;                       // of the connection, and those it goes on from
  std::vector<bool> written_;                    // slots of the ledger that these wrote

  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stop_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace kvorum::chaos
