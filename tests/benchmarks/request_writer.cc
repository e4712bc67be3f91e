#include "tests/benchmarks/request_writer.h"

#include <cstring>

namespace kvorum::load {
namespace {

constexpr size_t kValueOffsets = 65536;

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

}  // namespace

RequestWriter::RequestWriter(const Options& options)
    : keys_(options.keys),
      key_size_(options.key_size),
      value_size_(options.value_size),
      key_prefix_(options.key_prefix),
      sequential_(options.sequential),
      random_state_(options.seed) {
  value_pool_.resize(kValueOffsets + value_size_);
  for (char& byte : value_pool_) byte = static_cast<char>('!' + next_random() % 94);

  switch (options.workload) {
    case Workload::kGet:
      shape_ = "*2\r\n" + bulk("GET");
      append_key_argument();
      break;
    case Workload::kIncr:
      shape_ = "*2\r\n" + bulk("INCR");
      append_key_argument();
      break;
    case Workload::kSet:
      shape_ = "*3\r\n" + bulk("SET");
      append_key_argument();
      append_value_argument();
      break;
    case Workload::kMset:
      shape_ = "*" + std::to_string(1 + 2 * options.mset_keys) + "\r\n" + bulk("MSET");
      for (uint64_t i = 0; i < options.mset_keys; ++i) {
        append_key_argument();
        append_value_argument();
      }
      break;
  }
}

void RequestWriter::append_key_argument() {
  shape_ += bulk(key_prefix_ + std::string(key_size_ - key_prefix_.size(), '0'));
  key_ends_.push_back(shape_.size() - 2);
}

void RequestWriter::append_value_argument() {
  shape_ += bulk(std::string(value_size_, 'v'));
  value_begins_.push_back(shape_.size() - 2 - value_size_);
}

uint64_t RequestWriter::next_random() {  // splitmix64
  uint64_t z = random_state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t RequestWriter::next_key() {
  if (!sequential_) return next_random() % keys_;
  const uint64_t key = next_sequential_;
  next_sequential_ = key + 1 == keys_ ? 0 : key + 1;
  return key;
}

void RequestWriter::append_request(std::string& out) {
  const size_t begin = out.size();
  out.append(shape_);
  char* request = out.data() + begin;
  for (const size_t key_end : key_ends_) {
    char* digit = request + key_end;
    for (uint64_t key = next_key(); key != 0; key /= 10)
      *--digit = static_cast<char>('0' + key % 10);
  }
  for (const size_t value_begin : value_begins_) {
    std::memcpy(request + value_begin, value_pool_.data() + next_random() % kValueOffsets,
                value_size_);
  }
}

}  // namespace kvorum::load
