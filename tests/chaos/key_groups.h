// The keys that all clients share, in small groups, each with the history of what was asked and
// answered. A group serves for a while, then another takes its place and its history is judged: a
// search for an order stays short that way, however long a run is.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/history.h"
#include "tests/support/linearizability.h"

namespace kvorum::chaos {

using simulation::Linearizable;
using simulation::Operation;
using simulation::OperationKind;

enum class GroupKind : uint8_t { kCounter, kText, kRegister, kPair };
inline constexpr size_t kGroupKinds = 4;

// Any thread.
class KeyGroup {
 public:
  KeyGroup(GroupKind kind, uint64_t number, int64_t born_us)
      : kind_(kind), number_(number), born_us_(born_us) {}

  GroupKind kind() const { return kind_; }
  std::string key(int index = 0) const;
  std::vector<std::string> keys() const;
  int64_t born_us() const { return born_us_; }

  void add(Operation operation, int client, int node);
  size_t size() const;

  // Of what has been added so far.
  Linearizable judge() const;
  // The history in words, with the first reply that fits nowhere: all of it, or what came before.
  // REQUIRES: judged kNo.
  enum class Detail : uint8_t { kShort, kWhole };
  std::string story(Detail detail) const;

 private:
  struct Origin {
    int client = 0;
    int node = 0;
  };
  std::string line(size_t i, bool misfit) const;

  const GroupKind kind_;
  const uint64_t number_;
  const int64_t born_us_;
  mutable std::mutex mutex_;
  std::vector<Operation> operations_;
  std::vector<Origin> origins_;  // of the operations
};

// Any thread.
class KeyGroups {
 public:
  // A group to ask about now. Whoever holds it may still add to its history.
  std::shared_ptr<KeyGroup> take(GroupKind kind, size_t slot, int64_t now_us);
  // A group that has been replaced and that nobody holds any more; null: none.
  std::shared_ptr<KeyGroup> take_finished();
  // Those that serve. REQUIRES: no client runs.
  std::vector<std::shared_ptr<KeyGroup>> serving() const;
  // Replaces all.
  void retire_all();

  static constexpr size_t kSlots = 2;  // groups of one kind that serve at a time

 private:
  mutable std::mutex mutex_;
  uint64_t next_number_ = 0;
  std::array<std::array<std::shared_ptr<KeyGroup>, kSlots>, kGroupKinds> serving_;
  std::deque<std::shared_ptr<KeyGroup>> retired_;
};

// One line.
std::string describe(const Operation& operation);

}  // namespace kvorum::chaos
