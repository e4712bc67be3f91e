#include "server/shell/lane.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/check.h"

namespace kvorum::server {

LaneThread::LaneThread(uv_loop_t* loop, const char* name) {
  finished_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  CHECK(finished_fd_ >= 0) << "no eventfd for a lane";
  CHECK_EQ(uv_poll_init(loop, &finished_event_, finished_fd_), 0);
  finished_event_.data = this;
  CHECK_EQ(uv_poll_start(&finished_event_, UV_READABLE,
                         [](uv_poll_t* event, int, int) {
                           static_cast<LaneThread*>(event->data)->deliver();
                         }),
           0);
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
  ::close(std::exchange(finished_fd_, -1));
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
    const bool first = finished_.empty();
    finished_.push_back(std::move(job.done));
    if (!first) continue;  // the loop has been told and has not looked yet
    // Not under the lock: the loop wants it as soon as it wakes.
    lock.unlock();
    tell_loop();
    lock.lock();
  }
}

void LaneThread::tell_loop() const {
  const uint64_t one = 1;
  CHECK_EQ(write(finished_fd_, &one, sizeof one), ssize_t{sizeof one});
}

void LaneThread::deliver() {
  // Before the look: what is finished after it tells again.
  uint64_t told = 0;
  if (read(finished_fd_, &told, sizeof told) < 0) CHECK_EQ(errno, EAGAIN);
  std::vector<std::function<void()>> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const auto& done : finished) done();
}

}  // namespace kvorum::server
