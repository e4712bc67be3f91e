#include "tests/chaos/session_checker.h"

#include <algorithm>

#include "base/text.h"

namespace kvorum::chaos {
namespace {

// Keys come and go; what concerns the oldest is forgotten.
constexpr size_t kRememberedKeys = 64;

template <class Map>
typename Map::mapped_type& remembered(Map& map, const std::string& key) {
  if (map.size() >= kRememberedKeys && !map.contains(key)) map.clear();
  return map[key];
}

}  // namespace

std::string SessionChecker::read_counter(const std::string& key, std::optional<int64_t> value) {
  int64_t& seen = remembered(counters_, key);
  if (value.value_or(0) < seen) {
    return base::concat(key, " was read as ", value.value_or(0), " on a connection that knew ",
                        seen);
  }
  seen = value.value_or(0);
  return "";
}

std::string SessionChecker::wrote_counter(const std::string& key, int64_t value) {
  int64_t& seen = remembered(counters_, key);
  if (value <= seen) {
    return base::concat(key, " was counted to ", value, " on a connection that knew ", seen);
  }
  seen = value;
  return "";
}

std::string SessionChecker::read_text(const std::string& key, const std::string& text) {
  Text& known = remembered(texts_, key);
  if (!text.starts_with(known.seen)) {
    return base::concat(key, " was read as '", text, "' on a connection that knew '", known.seen,
                        "'");
  }
  const size_t begin = known.appended_end - known.appended.size();
  if (text.size() < known.appended_end ||
      text.compare(begin, known.appended.size(), known.appended) != 0) {
    return base::concat(key, " was read as '", text, "' on a connection that had appended '",
                        known.appended, "' up to ", known.appended_end);
  }
  known.seen = text;
  return "";
}

std::string SessionChecker::wrote_text(const std::string& key, const std::string& appended,
                                       size_t length) {
  Text& known = remembered(texts_, key);
  const size_t least = std::max(known.seen.size(), known.appended_end) + appended.size();
  if (length < least) {
    return base::concat(key, " had ", length, " bytes after '", appended,
                        "' on a connection that knew of ", least);
  }
  known.appended = appended;
  known.appended_end = length;
  return "";
}

std::string SessionChecker::read_pair(const std::optional<std::string>& first,
                                      const std::optional<std::string>& second) {
  if (first == second) return "";
  return base::concat("of two keys written together one was read as '", first.value_or("(nil)"),
                      "', the other as '", second.value_or("(nil)"), "'");
}

}  // namespace kvorum::chaos
