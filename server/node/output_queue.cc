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

bool GateView::opens(const Gate& gate) const {
  if (gate.read_us > reads_until_us) return false;
  const bool committed = gate.lsn <= commit;
  if (gate.voters == 0 && !gate.all) return committed;
  // What is committed is on the disks of a majority: also known to who leads no more.
  const size_t voters = gate.all ? durable_on.size() : gate.voters;
  if (voters <= majority && committed) return true;
  if ((gate.committed || voters >= majority) && !committed) return false;
  return voters <= durable_on.size() && gate.lsn <= durable_on[voters - 1];
}

void OutputQueue::seal(const std::optional<Gate>& gate, OutputKind kind) {
  if (sealed_ == buffer_.size()) return;
  sealed_ = buffer_.size();
  if (marks_.empty() && !gate.has_value()) {
    open_ = sealed_;
  } else {
    marks_.push_back({gate, sealed_, kind});
  }
}

bool OutputQueue::open(const GateView& view) {
  const size_t before = open_;
  while (!marks_.empty() && (!marks_.front().gate || view.opens(*marks_.front().gate))) {
    open_ = marks_.front().end;
    marks_.pop_front();
  }
  return open_ > before;
}

template <class Predicate>
void OutputQueue::replace_if(const Errors& errors, const Predicate& hopeless) {
  CHECK(sealed_ == buffer_.size());
  std::string rebuilt = buffer_.substr(0, open_);
  size_t begin = open_;
  std::deque<Mark> marks = std::exchange(marks_, {});
  for (Mark& mark : marks) {
    const std::string_view bytes = std::string_view(buffer_).substr(begin, mark.end - begin);
    begin = mark.end;
    if (!mark.gate || !hopeless(*mark.gate, mark.kind)) {
      rebuilt.append(bytes);
    } else {
      if (mark.kind != OutputKind::kPush) {
        rebuilt.append(mark.kind == OutputKind::kWrite ? errors.write : errors.read);
      }
      mark.gate.reset();
    }
    mark.end = rebuilt.size();
    marks_.push_back(mark);
  }
  buffer_ = std::move(rebuilt);
  sealed_ = buffer_.size();
}

void OutputQueue::drop_above(storage::Lsn kept, const Errors& errors) {
  replace_if(errors, [&](const Gate& gate, OutputKind) { return gate.lsn > kept; });
}

void OutputQueue::drop_reads(int64_t reads_until_us, const Errors& errors) {
  replace_if(errors, [&](const Gate& gate, OutputKind kind) {
    return kind == OutputKind::kRead && gate.read_us > reads_until_us;
  });
}

void OutputQueue::expire(int64_t now_us, const Errors& errors) {
  replace_if(errors, [&](const Gate& gate, OutputKind) { return gate.deadline_us <= now_us; });
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
