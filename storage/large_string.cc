#include "storage/large_string.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/check.h"
#include "storage/allocation_size.h"
#include "storage/digest.h"

namespace kvorum::storage {

LargeString::~LargeString() { std::free(data_); }

void LargeString::release() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

LargeString::Reference LargeString::create(std::string_view bytes) {
  Reference string(new LargeString);
  string->reserve(bytes.size());
  std::memcpy(string->data_, bytes.data(), bytes.size());
  string->size_ = bytes.size();
  string->hash_ = hash_chunks(bytes, 0, bytes.size());
  return string;
}

LargeString::Reference LargeString::create_spliced(std::string_view old, size_t offset,
                                                   std::string_view bytes, size_t length) {
  CHECK(offset <= length && bytes.size() <= length - offset);
  old = old.substr(0, length);
  Reference string(new LargeString);
  string->reserve(length);
  if (!old.empty()) std::memcpy(string->data_, old.data(), old.size());
  std::memset(string->data_ + old.size(), 0, length - old.size());
  if (!bytes.empty()) std::memcpy(string->data_ + offset, bytes.data(), bytes.size());
  string->size_ = length;
  string->hash_ = hash_chunks(string->view(), 0, length);
  return string;
}

LargeString::Reference LargeString::share() {
  references_.fetch_add(1, std::memory_order_relaxed);
  return Reference(this);
}

LargeString::Reference LargeString::clone() const {
  Reference copy(new LargeString);
  copy->reserve(size_);
  std::memcpy(copy->data_, data_, size_);
  copy->size_ = size_;
  copy->hash_ = hash_;
  return copy;
}

size_t LargeString::memory_bytes() const {
  return allocation_bytes(sizeof(LargeString)) + capacity_;
}

void LargeString::reserve(size_t capacity) {
  if (capacity <= capacity_ && data_ != nullptr) return;
  capacity = allocation_bytes(capacity);
  char* data = static_cast<char*>(std::realloc(data_, capacity));
  CHECK(data != nullptr) << "out of memory for " << capacity << " bytes";
  data_ = data;
  capacity_ = capacity;
}

LargeString::Undo LargeString::undo_of_splice(size_t offset, size_t size, size_t new_length) const {
  // Everything that changes lies in one range: the written bytes, and the end if it moves.
  size_t begin = std::min(offset, size_);
  size_t end = std::min(offset + size, size_);
  if (new_length < size_) {
    begin = std::min(begin, new_length);
    end = size_;
  }
  return Undo{begin, std::string(view().substr(begin, end - begin)), size_};
}

void LargeString::splice(size_t offset, std::string_view bytes, size_t new_length) {
  CHECK(!shared() && offset <= new_length && bytes.size() <= new_length - offset);
  const size_t old_length = size_;
  size_t begin = offset;
  size_t end = offset + bytes.size();
  if (new_length != old_length) {
    begin = std::min({begin, old_length, new_length});
    end = std::max(old_length, new_length);
  }
  begin -= begin % kValueChunkBytes;

  hash_ -= hash_chunks(view(), begin, end);
  if (new_length > capacity_) reserve(std::max(new_length, capacity_ + capacity_ / 4));
  if (new_length > old_length) std::memset(data_ + old_length, 0, new_length - old_length);
  if (!bytes.empty()) std::memcpy(data_ + offset, bytes.data(), bytes.size());
  size_ = new_length;
  hash_ += hash_chunks(view(), begin, end);
}

}  // namespace kvorum::storage
