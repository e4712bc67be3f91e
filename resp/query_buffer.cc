#include "resp/query_buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace kvorum::resp {

QueryBuffer::~QueryBuffer() { std::free(memory_); }

std::span<char> QueryBuffer::reserve(size_t at_least, size_t pending, size_t limit) {
  const size_t room = capacity_ - end_;
  const bool enough = room >= at_least || (pending > 0 && room >= pending);
  const bool oversized =
      pending == 0 && capacity_ > kKeptBytes && capacity_ / 4 > size() + at_least;
  if (enough && !oversized) return {memory_ + end_, room};

  size_t wanted = at_least;
  if (pending > at_least) {
    wanted = std::min(pending, std::max({at_least, size(), kFreelyReservedBytes}));
  }
  const size_t most = std::max(limit, size());
  const size_t needed = std::min(size() + wanted, most);
  // Doubling keeps the copying linear; a large bulk doubles through `wanted` and ends exactly.
  const size_t target = pending > 0 ? needed : std::min(std::max(needed, 2 * size()), most);
  const bool cheap_to_move = needed <= capacity_ && size() <= begin_;
  if (!oversized && (cheap_to_move || target <= capacity_)) {
    compact();
  } else {
    reallocate(target);
  }
  return {memory_ + end_, capacity_ - end_};
}

void QueryBuffer::commit(size_t bytes) {
  CHECK(bytes <= capacity_ - end_);
  end_ += bytes;
}

void QueryBuffer::release() {
  CHECK(begin_ == end_);
  std::free(memory_);
  memory_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

void QueryBuffer::compact() {
  if (begin_ == 0) return;
  std::memmove(memory_, memory_ + begin_, size());
  end_ -= begin_;
  begin_ = 0;
}

void QueryBuffer::reallocate(size_t capacity) {
  if (size() == 0) release();
  compact();
  memory_ = static_cast<char*>(std::realloc(memory_, capacity));
  CHECK(memory_ != nullptr) << "out of memory for " << capacity << " bytes of input";
  capacity_ = capacity;
}

}  // namespace kvorum::resp
