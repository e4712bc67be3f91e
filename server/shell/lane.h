// One thread that runs blocking jobs in order and reports each back to the loop.
// run() belongs to the loop; so do the `done` callbacks.
#pragma once

#include <uv.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace kvorum::server {

class LaneThread {
 public:
  // `loop` outlives the lane. `name` is what the thread is called in /proc; at most 15 bytes.
  LaneThread(uv_loop_t* loop, const char* name);
  // Finishes every job; their `done` callbacks that have not run yet are dropped.
  ~LaneThread();
  LaneThread(const LaneThread&) = delete;
  LaneThread& operator=(const LaneThread&) = delete;

  // `work` runs on the thread, then `done` on the loop.
  void run(std::function<void()> work, std::function<void()> done);

  // Stops the thread and lets the loop forget the lane; the loop must run once more before it is
  // closed.
  void close();

 private:
  struct Job {
    std::function<void()> work, done;
  };
  void serve();
  void tell_loop() const;
  void deliver();

  // Of our own, and no uv_async_t: there the loop spins until the thread, which it has just
  // displaced from its core, is out of the call that woke it.
  int finished_fd_ = -1;  // an eventfd
  uv_poll_t finished_event_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Job> waiting_;                      // guarded by mutex_
  std::vector<std::function<void()>> finished_;  // guarded by mutex_
  bool closing_ = false;                         // guarded by mutex_
  std::thread thread_;
};

}  // namespace kvorum::server
