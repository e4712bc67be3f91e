#include "server/shell/lane.h"

#include <pthread.h>

#include <utility>

#include "base/check.h"

namespace kvorum::server {

LaneThread::LaneThread(uv_loop_t* loop, const char* name) {
  CHECK_EQ(
      uv_async_init(loop, &finished_event_,
                    [](uv_async_t* event) { static_cast<LaneThread*>(event->data)->deliver(); }),
      0);
  finished_event_.data = this;
  thread_ = std::thread([this] { serve(); });
  pthread_setname_np(thread_.native_handle(), name);
}

LaneThread::~LaneThread() { CHECK(!thread_.joinable()) << "close() was not called"; }

void LaneThread::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  arrived_.notify_one();
  thread_.join();
  uv_close(reinterpret_cast<uv_handle_t*>(&finished_event_), nullptr);
}

void LaneThread::run(std::function<void()> work, std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(work), std::move(done)});
  }
  arrived_.notify_one();
}

void LaneThread::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job.work();
    job.work = nullptr;  // what it owns goes here, not under the lock
    lock.lock();
    finished_.push_back(std::move(job.done));
    uv_async_send(&finished_event_);
  }
}

void LaneThread::deliver() {
  std::vector<std::function<void()>> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const auto& done : finished) done();
}

}  // namespace kvorum::server
