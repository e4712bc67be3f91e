#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/benchmarks/options.h"

namespace kvorum::load {

// Writes the requests of one workload. Two writers with the same options write the same bytes, so
// every target sees the same keys and values in the same order.
class RequestWriter {
 public:
  explicit RequestWriter(const Options& options);

  void append_request(std::string& out);

 private:
  uint64_t next_random();
  uint64_t next_key();
  void append_key_argument();
  void append_value_argument();

  const uint64_t keys_;
  const uint64_t key_size_;
  const uint64_t value_size_;
  const std::string key_prefix_;
  const bool sequential_;
  std::string shape_;             // a whole request with every key digit '0'
  std::vector<size_t> key_ends_;  // offsets in shape_ just past each key
  std::vector<size_t> value_begins_;
  std::string value_pool_;  // values are cut from here: cheap, yet hard to compress
  uint64_t random_state_;
  uint64_t next_sequential_ = 0;
};

}  // namespace kvorum::load
