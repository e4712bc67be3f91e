#include "tests/benchmarks/reply_scanner.h"

#include <algorithm>
#include <charconv>

namespace kvorum::load {

ReplyCounts ReplyScanner::feed(std::string_view bytes) {
  ReplyCounts counts;
  while (!bytes.empty() && !malformed()) {
    size_t used = 0;
    switch (state_) {
      case State::kType:
        type_ = bytes.front();
        state_ = std::string_view("+-:$").find(type_) == std::string_view::npos ? State::kMalformed
                                                                                : State::kLine;
        used = 1;
        break;
      case State::kLine:
        used = feed_line(bytes, counts);
        break;
      case State::kBulkBody:
        used = std::min(bytes.size(), body_bytes_left_);
        body_bytes_left_ -= used;
        if (body_bytes_left_ == 0) {
          ++counts.replies;
          state_ = State::kType;
        }
        break;
      case State::kMalformed:
        break;
    }
    bytes.remove_prefix(used);
  }
  return counts;
}

size_t ReplyScanner::feed_line(std::string_view bytes, ReplyCounts& counts) {
  const size_t end = bytes.find('\n');
  if (end == std::string_view::npos) {
    line_.append(bytes);
    return bytes.size();
  }
  line_.append(bytes.substr(0, end));
  finish_line(counts);
  line_.clear();
  return end + 1;
}

void ReplyScanner::finish_line(ReplyCounts& counts) {
  if (line_.empty() || line_.back() != '\r') {
    state_ = State::kMalformed;
    return;
  }
  line_.pop_back();
  state_ = State::kType;
  if (type_ == '$') {
    int64_t length = 0;
    const auto [end, error] = std::from_chars(line_.data(), line_.data() + line_.size(), length);
    if (error != std::errc() || end != line_.data() + line_.size() || length < -1) {
      state_ = State::kMalformed;
      return;
    }
    if (length >= 0) {
      body_bytes_left_ = static_cast<size_t>(length) + 2;
      state_ = State::kBulkBody;
      return;
    }
    ++counts.nils;
  } else if (type_ == '-') {
    ++counts.errors;
    if (first_error_.empty()) first_error_ = line_;
  }
  ++counts.replies;
}

}  // namespace kvorum::load
