// What one connection has been shown and has written: whatever it reads afterwards, on whichever
// node it is, may not be older. Forget it with the connection. One thread.
//
// Each check tells what is wrong, or nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace kvorum::chaos {

class SessionChecker {
 public:
  // A counter that only INCR changes. No value: the key is not there.
  std::string read_counter(const std::string& key, std::optional<int64_t> value);
  std::string wrote_counter(const std::string& key, int64_t value);

  // A text that only APPEND changes: every older state is a prefix.
  std::string read_text(const std::string& key, const std::string& text);
  std::string wrote_text(const std::string& key, const std::string& appended, size_t length);

  // Two keys that are only written together.
  static std::string read_pair(const std::optional<std::string>& first,
                               const std::optional<std::string>& second);

 private:
  struct Text {
    std::string seen;
    std::string appended;     // by this connection, last
    size_t appended_end = 0;  // where that ended
  };

  std::map<std::string, int64_t> counters_;
  std::map<std::string, Text> texts_;
};

}  // namespace kvorum::chaos
