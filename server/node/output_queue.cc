#include "server/node/output_queue.h"

#include <utility>

#include "base/check.h"

namespace kvorum::server {

namespace {
// A buffer that grew beyond this is given back once everything in it has left.
constexpr size_t kKeptBytes = 64 * 1024;
// Sent bytes are cut off the front once they are this many and the larger half.
constexpr size_t kCompactBytes = 64 * 1024;
}  // namespace

void OutputQueue::seal(const Gate& gate, OutputKind kind) {
  if (sealed_ == buffer_.size()) return;
  sealed_ = buffer_.size();
  if (marks_.empty() && gate.position.lsn == storage::Lsn{0}) {
    open_ = sealed_;
  } else {
    marks_.push_back({gate, sealed_, kind});
  }
}

bool OutputQueue::open(storage::Lsn commit) {
  const size_t before = open_;
  while (!marks_.empty() && marks_.front().gate.position.lsn <= commit) {
    open_ = marks_.front().end;
    marks_.pop_front();
  }
  return open_ > before;
}

bool OutputQueue::undo_above(storage::Lsn kept, std::string_view write_error,
                             std::string_view read_error) {
  CHECK(sealed_ == buffer_.size());
  std::string rebuilt = buffer_.substr(0, open_);
  size_t begin = open_;
  std::deque<Mark> marks = std::exchange(marks_, {});
  for (Mark& mark : marks) {
    const std::string_view bytes = std::string_view(buffer_).substr(begin, mark.end - begin);
    begin = mark.end;
    if (mark.gate.position.lsn <= kept) {
      rebuilt.append(bytes);
    } else {
      if (mark.kind != OutputKind::kPush) {
        rebuilt.append(mark.kind == OutputKind::kWrite ? write_error : read_error);
      }
      mark.gate = Gate{};
    }
    mark.end = rebuilt.size();
    marks_.push_back(mark);
  }
  buffer_ = std::move(rebuilt);
  sealed_ = buffer_.size();
  return open(kept);
}

void OutputQueue::sent(size_t bytes) {
  CHECK(bytes <= open_ - sent_);
  sent_ += bytes;
  if (sent_ == buffer_.size()) {
    sent_ = open_ = sealed_ = 0;
    buffer_.clear();
    if (buffer_.capacity() > kKeptBytes) buffer_.shrink_to_fit();
    return;
  }
  if (sent_ < kCompactBytes || sent_ < buffer_.size() / 2) return;
  buffer_.erase(0, sent_);
  open_ -= sent_;
  sealed_ -= sent_;
  for (Mark& mark : marks_) mark.end -= sent_;
  sent_ = 0;
}

}  // namespace kvorum::server
