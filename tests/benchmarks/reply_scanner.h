#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kvorum::load {

struct ReplyCounts {
  uint64_t replies = 0;  // all of them, errors and nils included
  uint64_t errors = 0;
  uint64_t nils = 0;
};

// Counts RESP2 replies in a byte stream cut anywhere. Knows the replies the workloads can get:
// simple strings, errors, integers, bulk strings; anything else makes it malformed for good.
class ReplyScanner {
 public:
  ReplyCounts feed(std::string_view bytes);

  bool malformed() const { return state_ == State::kMalformed; }
  const std::string& first_error() const { return first_error_; }

 private:
  enum class State { kType, kLine, kBulkBody, kMalformed };

  // Returns the bytes used; counts the reply when its line ends it.
  size_t feed_line(std::string_view bytes, ReplyCounts& counts);
  void finish_line(ReplyCounts& counts);

  State state_ = State::kType;
  char type_ = 0;
  std::string line_;            // after the type byte, up to CR LF
  size_t body_bytes_left_ = 0;  // CR LF included
  std::string first_error_;
};

}  // namespace kvorum::load
