// The bytes of one connection that have arrived and are not yet used up: a contiguous stretch of
// one allocation, filled at its end and consumed from its beginning. Part of the parser.
#pragma once

#include <cstddef>
#include <span>

namespace kvorum::resp {

class QueryBuffer {
 public:
  // An empty buffer larger than this is freed at once, so a huge query is not paid for twice.
  static constexpr size_t kKeptBytes = size_t{64} * 1024;
  // The rest of a large bulk is reserved in one piece up to this, or up to the bytes already here.
  static constexpr size_t kFreelyReservedBytes = size_t{1024} * 1024;

  QueryBuffer() = default;
  ~QueryBuffer();
  QueryBuffer(const QueryBuffer&) = delete;
  QueryBuffer& operator=(const QueryBuffer&) = delete;

  char* data() { return memory_ + begin_; }
  const char* data() const { return memory_ + begin_; }
  size_t size() const { return end_ - begin_; }
  size_t capacity() const { return capacity_; }

  // Space behind the bytes: at_least bytes of it, unless `limit` allows less in all. `pending` is
  // what is missing of a large bulk, 0 if none: then exactly that much is enough. May move data().
  // Copies every byte a bounded number of times however the calls are cut.
  std::span<char> reserve(size_t at_least, size_t pending, size_t limit);
  // REQUIRES: bytes <= the size of the span returned last.
  void commit(size_t bytes);
  // Drops bytes from the beginning. REQUIRES: bytes <= size().
  void consume(size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) empty();
  }
  // Frees the memory. REQUIRES: size() == 0.
  void release();

 private:
  void empty() {
    begin_ = end_ = 0;
    if (capacity_ > kKeptBytes) release();
  }
  void compact();
  void reallocate(size_t capacity);

  char* memory_ = nullptr;  // from malloc: a large block grows in place or by remapping
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace kvorum::resp
