// SLOWLOG: the newest commands that took long, passwords left out. Belongs to the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "resp/parser.h"
#include "server/node/options.h"

namespace kvorum::server {

class Session;

class SlowLog {
 public:
  static constexpr size_t kMaxArguments = 32;
  static constexpr size_t kMaxArgumentBytes = 128;

  struct Entry {
    int64_t id = 0;
    int64_t time_s = 0;  // Unix time
    int64_t duration_us = 0;
    std::vector<std::string> arguments;  // trimmed as Redis does
    std::string address, name;           // of the client
  };

  // `options` outlives the log: its threshold and its length are read at every record().
  explicit SlowLog(const Options& options) : options_(options) {}

  bool slow(int64_t duration_us) const {
    return options_.slowlog_log_slower_than_us >= 0 &&
           duration_us >= options_.slowlog_log_slower_than_us;
  }

  // Keeps the command if it was slow(). The caller leaves out commands marked kSkipSlowlog.
  void record(const Session& session, resp::Arguments arguments, int64_t duration_us,
              int64_t now_s);

  const std::deque<Entry>& entries() const { return entries_; }  // newest first
  void reset() { entries_.clear(); }

 private:
  const Options& options_;
  std::deque<Entry> entries_;
  int64_t next_id_ = 0;
};

}  // namespace kvorum::server
