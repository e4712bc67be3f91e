#include "tests/support/linearizability.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/text.h"
#include "tests/support/random.h"

namespace kvorum::simulation {

namespace {

// One number for each text, so that states compare as numbers. 0: no value.
class Texts {
 public:
  uint32_t number_of(std::string_view text) {
    const auto found = numbers_.find(std::string(text));
    if (found != numbers_.end()) return found->second;
    texts_.emplace_back(text);
    return numbers_[texts_.back()] = static_cast<uint32_t>(texts_.size());
  }
  const std::string& text_of(uint32_t number) const { return texts_[number - 1]; }
  uint32_t joined(uint32_t front, uint32_t back) {
    const uint64_t pair = uint64_t{front} << 32 | back;
    const auto found = joined_.find(pair);
    if (found != joined_.end()) return found->second;
    return joined_[pair] = number_of(front == 0 ? text_of(back) : text_of(front) + text_of(back));
  }

 private:
  std::unordered_map<std::string, uint32_t> numbers_;
  std::vector<std::string> texts_;
  std::unordered_map<uint64_t, uint32_t> joined_;
};

struct Value {
  uint32_t text = 0;
  bool may_expire = false;
};
using State = std::array<Value, 2>;

// The marks of operations come from seeds below: else a state could undo an operation's mark.
constexpr uint64_t kStateSeeds = uint64_t{1} << 63;

uint64_t hash_of(const State& state) {
  const uint64_t bits = uint64_t{state[0].text} << 33 | uint64_t{state[1].text} << 2 |
                        uint64_t{state[0].may_expire} << 1 | uint64_t{state[1].may_expire};
  return Random(kStateSeeds | bits).next();
}

class Model {
 public:
  // The states the operation may lead to, if its reply agrees with what it found.
  void successors(const Operation& operation, const State& state, std::vector<State>& out) {
    out.clear();
    if (operation.kind == OperationKind::kSetBoth) {
      const Value value{texts_.number_of(operation.value), false};
      out.push_back({value, value});
      return;
    }
    for (const Value& first : views(state[static_cast<size_t>(operation.key)])) {
      State next = state;
      next[static_cast<size_t>(operation.key)] = first;
      if (operation.kind != OperationKind::kGetBoth) {
        if (apply(operation, next[static_cast<size_t>(operation.key)])) out.push_back(next);
        continue;
      }
      for (const Value& second : views(state[1])) {
        next[1] = second;
        if (agrees(operation, operation.read[0], first) &&
            agrees(operation, operation.read[1], second)) {
          out.push_back(next);
        }
      }
    }
  }

 private:
  // What the key may be now: as it was, or gone if it had an expiry.
  static std::vector<Value> views(const Value& value) {
    if (value.text != 0 && value.may_expire) return {value, Value{}};
    return {value};
  }
  bool agrees(const Operation& operation, const std::optional<std::string>& read,
              const Value& value) {
    if (operation.outcome != Outcome::kOk) return true;
    return (read.has_value() ? texts_.number_of(*read) : 0) == value.text;
  }
  static bool told(const Operation& operation, bool flag) {
    return operation.outcome != Outcome::kOk || operation.flag == flag;
  }
  static bool told_number(const Operation& operation, int64_t number) {
    return operation.outcome != Outcome::kOk || operation.number == number;
  }

  bool apply(const Operation& operation, Value& value) {
    switch (operation.kind) {
      case OperationKind::kSet:
        value = {texts_.number_of(operation.value), false};
        return true;
      case OperationKind::kSetVolatile:
        value = {texts_.number_of(operation.value), true};
        return true;
      case OperationKind::kSetIfAbsent: {
        const bool absent = value.text == 0;
        if (absent) value = {texts_.number_of(operation.value), false};
        return told(operation, absent);
      }
      case OperationKind::kAppend:
        value.text = texts_.joined(value.text, texts_.number_of(operation.value));
        return told_number(operation, static_cast<int64_t>(texts_.text_of(value.text).size()));
      case OperationKind::kIncrement: {
        int64_t number = 0;
        if (value.text != 0) {
          number = base::parse_integer<int64_t>(texts_.text_of(value.text)).value_or(0);
        }
        value.text = texts_.number_of(std::to_string(number + 1));
        return told_number(operation, number + 1);
      }
      case OperationKind::kDelete: {
        const bool present = value.text != 0;
        value = {};
        return told(operation, present);
      }
      case OperationKind::kGet:
        return agrees(operation, operation.read[0], value);
      case OperationKind::kCompareAndSet: {
        const uint32_t expected =
            operation.expected.has_value() ? texts_.number_of(*operation.expected) : 0;
        if (value.text != expected) return false;
        value = {texts_.number_of(operation.value), false};
        return true;
      }
      case OperationKind::kSetBoth:
      case OperationKind::kGetBoth:
        break;
    }
    return false;
  }

  Texts texts_;
};

class Search {
 public:
  Search(std::span<const Operation> operations, size_t max_steps) : max_steps_(max_steps) {
    for (const Operation& operation : operations) {
      const bool tells = operation.outcome == Outcome::kOk || !operation.reads_only();
      if (operation.outcome != Outcome::kRefused && tells) operations_.push_back(&operation);
    }
    make_events();
  }

  Linearizable run() {
    size_t at = next_[kHead];
    size_t alternative = 0;
    while (missing_ > 0) {
      if (++steps_ > max_steps_) return Linearizable::kUndecided;
      if (at != kHead && events_[at].is_call && take(at, alternative)) {
        at = next_[kHead];
        alternative = 0;
      } else if (at != kHead && events_[at].is_call) {
        at = next_[at];
        alternative = 0;
      } else {
        // Somebody was answered here whose operation fits nowhere before it.
        if (taken_.empty()) return Linearizable::kNo;
        give_back(at, alternative);
      }
    }
    return Linearizable::kYes;
  }

 private:
  static constexpr size_t kHead = 0;
  struct Event {
    int64_t time_us = 0;
    bool is_call = false;
    size_t operation = 0;
    size_t partner = kHead;  // of a call: its return, if there is one
  };
  struct Taken {
    size_t event = 0;
    size_t alternative = 0;
    State before;
  };

  void make_events() {
    std::vector<Event> sorted;
    for (size_t i = 0; i < operations_.size(); ++i) {
      sorted.push_back({operations_[i]->invoked_us, true, i, kHead});
      if (operations_[i]->outcome == Outcome::kOk) {
        sorted.push_back({operations_[i]->completed_us, false, i, kHead});
        ++missing_;
      }
      marks_.push_back(Random(i + 1).next());
    }
    // At one time calls come first: such operations count as concurrent.
    std::stable_sort(sorted.begin(), sorted.end(), [](const Event& a, const Event& b) {
      return a.time_us != b.time_us ? a.time_us < b.time_us : a.is_call > b.is_call;
    });
    events_.push_back({});
    events_.insert(events_.end(), sorted.begin(), sorted.end());
    std::vector<size_t> call_of(operations_.size());
    for (size_t i = 1; i < events_.size(); ++i) {
      if (events_[i].is_call) {
        call_of[events_[i].operation] = i;
      } else {
        events_[call_of[events_[i].operation]].partner = i;
      }
    }
    next_.resize(events_.size());
    previous_.resize(events_.size());
    for (size_t i = 0; i < events_.size(); ++i) {
      next_[i] = (i + 1) % events_.size();
      previous_[next_[i]] = i;
    }
  }

  void unlink(size_t event) {
    next_[previous_[event]] = next_[event];
    previous_[next_[event]] = previous_[event];
  }
  void relink(size_t event) {
    next_[previous_[event]] = event;
    previous_[next_[event]] = event;
  }

  // Puts the operation next in the order, if a way to do so from `alternative` on leads to new
  // land.
  bool take(size_t event, size_t alternative) {
    const Event& call = events_[event];
    model_.successors(*operations_[call.operation], state_, successors_);
    for (size_t i = alternative; i < successors_.size(); ++i) {
      const uint64_t been = set_ ^ marks_[call.operation] ^ hash_of(successors_[i]);
      if (!seen_.insert(been).second) continue;
      taken_.push_back({event, i, state_});
      state_ = successors_[i];
      set_ ^= marks_[call.operation];
      unlink(event);
      if (call.partner != kHead) {
        unlink(call.partner);
        --missing_;
      }
      return true;
    }
    return false;
  }

  void give_back(size_t& event, size_t& alternative) {
    const Taken last = taken_.back();
    taken_.pop_back();
    const Event& call = events_[last.event];
    if (call.partner != kHead) {
      relink(call.partner);
      ++missing_;
    }
    relink(last.event);
    set_ ^= marks_[call.operation];
    state_ = last.before;
    event = last.event;
    alternative = last.alternative + 1;
  }

  const size_t max_steps_;
  size_t steps_ = 0;
  std::vector<const Operation*> operations_;
  std::vector<Event> events_;  // [kHead] is none
  std::vector<size_t> next_, previous_;
  std::vector<uint64_t> marks_;
  size_t missing_ = 0;  // completed operations that are not in the order yet
  Model model_;
  State state_;
  uint64_t set_ = 0;  // which operations are in the order
  std::vector<State> successors_;
  std::vector<Taken> taken_;
  std::unordered_set<uint64_t> seen_;
};

}  // namespace

Linearizable check_linearizable(std::span<const Operation> operations, size_t max_steps) {
  return Search(operations, max_steps).run();
}

const Operation& first_misfit(std::span<const Operation> operations) {
  std::vector<size_t> completed;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (operations[i].outcome == Outcome::kOk) completed.push_back(i);
  }
  std::sort(completed.begin(), completed.end(), [&](size_t a, size_t b) {
    return operations[a].completed_us < operations[b].completed_us;
  });
  // As it was known after the first `count` replies.
  const auto fits = [&](size_t count) {
    std::vector<Operation> known(operations.begin(), operations.end());
    for (size_t i = count; i < completed.size(); ++i) {
      Operation& later = known[completed[i]];
      later.outcome = later.reads_only() ? Outcome::kRefused : Outcome::kUnknown;
    }
    return check_linearizable(known) != Linearizable::kNo;
  };
  size_t good = 0, bad = completed.size();
  while (good + 1 < bad) {
    const size_t middle = (good + bad) / 2;
    (fits(middle) ? good : bad) = middle;
  }
  return operations[completed[bad - 1]];
}

}  // namespace kvorum::simulation
