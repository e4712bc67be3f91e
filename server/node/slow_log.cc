#include "server/node/slow_log.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "server/node/redaction.h"
#include "server/node/session.h"

namespace kvorum::server {
namespace {

std::string trim(std::string_view argument) {
  if (argument.size() <= SlowLog::kMaxArgumentBytes) return std::string(argument);
  return base::concat(argument.substr(0, SlowLog::kMaxArgumentBytes), "... (",
                      argument.size() - SlowLog::kMaxArgumentBytes, " more bytes)");
}

}  // namespace

void SlowLog::record(const Session& session, resp::Arguments arguments, int64_t duration_us,
                     int64_t now_s) {
  if (!slow(duration_us)) return;
  Entry entry;
  entry.id = next_id_++;
  entry.time_s = now_s;
  entry.duration_us = duration_us;
  entry.address = session.address;
  entry.name = session.name;
  const bool too_many = arguments.size() > kMaxArguments;
  const std::vector<std::string_view> shown = redact(arguments);
  const size_t kept = too_many ? kMaxArguments - 1 : shown.size();
  for (size_t i = 0; i < kept; ++i) entry.arguments.push_back(trim(shown[i]));
  if (too_many) {
    entry.arguments.push_back(base::concat("... (", shown.size() - kept, " more arguments)"));
  }
  entries_.push_front(std::move(entry));
  const auto limit = static_cast<size_t>(std::max<int64_t>(options_.slowlog_max_len, 0));
  while (entries_.size() > limit) entries_.pop_back();
}

}  // namespace kvorum::server
