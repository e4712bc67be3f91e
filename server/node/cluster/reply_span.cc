#include "server/node/cluster/reply_span.h"

#include <charconv>
#include <cstdint>

namespace kvorum::server {

namespace {

constexpr size_t kNowhere = std::string_view::npos;

bool has_length(char type) {
  return std::string_view("$=!*~>%|").find(type) != std::string_view::npos;
}

bool parse_length(std::string_view text, int64_t& length) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return error == std::errc() && end == text.data() + text.size() && length >= -1;
}

}  // namespace

size_t reply_end(std::string_view bytes, size_t begin) {
  for (size_t missing = 1; missing > 0; --missing) {
    const size_t line_end = bytes.find("\r\n", begin);
    if (line_end == kNowhere || line_end == begin) return kNowhere;
    const char type = bytes[begin];
    const std::string_view text = bytes.substr(begin + 1, line_end - begin - 1);
    begin = line_end + 2;
    if (!has_length(type)) continue;
    int64_t length = 0;
    // Every element is a byte at least: what is longer than the bytes is not whole.
    if (!parse_length(text, length) || length > static_cast<int64_t>(bytes.size())) {
      return kNowhere;
    }
    if (length < 0) continue;  // nil of RESP2
    const auto count = static_cast<size_t>(length);
    if (type == '$' || type == '=' || type == '!') {
      begin += count + 2;
      if (begin > bytes.size()) return kNowhere;
    } else if (type == '%') {
      missing += 2 * count;
    } else if (type == '|') {
      missing += 2 * count + 1;  // an attribute is followed by what it annotates
    } else {
      missing += count;
    }
  }
  return begin;
}

}  // namespace kvorum::server
