// Virtual time: what happens next, in the order of its time and, at the same time, of its making.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace kvorum::simulation {

class EventQueue {
 public:
  using Action = std::function<void()>;

  // Microseconds since the simulation began: the true time, which no node knows.
  int64_t now_us() const { return now_us_; }
  void after(int64_t delay_us, Action action) { at(now_us_ + delay_us, std::move(action)); }
  // A time that has passed means now.
  void at(int64_t time_us, Action action) {
    events_.push_back({std::max(time_us, now_us_), next_++, std::move(action)});
    std::push_heap(events_.begin(), events_.end(), later);
  }
  bool empty() const { return events_.empty(); }
  uint64_t executed() const { return executed_; }
  // Moves time to the next event and executes it. REQUIRES: !empty().
  void run_next() {
    std::pop_heap(events_.begin(), events_.end(), later);
    Event event = std::move(events_.back());
    events_.pop_back();
    now_us_ = event.time_us;
    ++executed_;
    event.action();
  }

 private:
  struct Event {
    int64_t time_us;
    uint64_t number;
    Action action;
  };
  static bool later(const Event& a, const Event& b) {
    return a.time_us != b.time_us ? a.time_us > b.time_us : a.number > b.number;
  }

  std::vector<Event> events_;  // a heap, the next one first
  int64_t now_us_ = 0;
  uint64_t next_ = 0, executed_ = 0;
};

}  // namespace kvorum::simulation
