// CLIENT PAUSE: until when commands, or only writes, are told to come again. Belongs to the loop.
#pragma once

#include <cstdint>

namespace kvorum::server {

class ClientPause {
 public:
  enum class Mode : uint8_t { kNone, kWrite, kAll };
  // Redis' rule: a pause in force is only ever made longer and stricter. Times are monotonic.
  void pause(Mode mode, int64_t now_us, int64_t until_us);
  void end() { mode_ = Mode::kNone; }
  Mode mode(int64_t now_us) const { return now_us < until_us_ ? mode_ : Mode::kNone; }
  int64_t until_us() const { return until_us_; }

 private:
  Mode mode_ = Mode::kNone;
  int64_t until_us_ = 0;
};

}  // namespace kvorum::server
