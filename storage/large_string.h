// A string value above kMaxInlineValueBytes: contiguous, growing geometrically, with the hash of
// its chunks kept up to date. Shared by reference count: entries that were copied and the blocks of
// a snapshot hold the same bytes, and a writer clones a shared one first (copy on write).
//
// Thread: changed on the node's loop only, and only while not shared; any thread may read and
// release one that it holds a reference to.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace kvorum::storage {

class LargeString {
 public:
  struct Release {
    void operator()(LargeString* string) const { string->release(); }
  };
  using Reference = std::unique_ptr<LargeString, Release>;

  // Capacity is exactly what the bytes need.
  static Reference create(std::string_view bytes);

  // What splicing `bytes` into `old` gives: see splice().
  static Reference create_spliced(std::string_view old, size_t offset, std::string_view bytes,
                                  size_t length);

  Reference share();
  Reference clone() const;
  [[nodiscard]] bool shared() const { return references_.load(std::memory_order_acquire) > 1; }

  [[nodiscard]] std::string_view view() const { return {data_, size_}; }
  [[nodiscard]] uint64_t hash() const { return hash_; }
  [[nodiscard]] size_t memory_bytes() const;

  // What takes a splice back: splice(offset, bytes, length) with these.
  struct Undo {
    size_t offset = 0;
    std::string bytes;
    size_t length = 0;
  };

  // Puts `bytes` at `offset` and makes the string `new_length` long; a gap is filled with zeros.
  // REQUIRES: !shared(), offset + bytes.size() <= new_length, `bytes` is not part of this string.
  void splice(size_t offset, std::string_view bytes, size_t new_length);
  [[nodiscard]] Undo undo_of_splice(size_t offset, size_t size, size_t new_length) const;

 private:
  LargeString() = default;
  ~LargeString();
  void release();
  void reserve(size_t capacity);

  std::atomic<uint32_t> references_{1};
  size_t size_ = 0;
  size_t capacity_ = 0;
  uint64_t hash_ = 0;
  char* data_ = nullptr;
};

}  // namespace kvorum::storage
