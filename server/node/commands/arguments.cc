#include "server/node/commands/arguments.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "server/node/node.h"

namespace kvorum::server {

namespace {

// strtold needs a terminated string; Redis reads no more than this either.
constexpr size_t kMaxFloatBytes = size_t{5} * 1024;

constexpr int64_t kMillisecondsPerSecond = 1000;

}  // namespace

bool parse_integer(std::string_view text, int64_t& value) {
  if (text.empty()) return false;
  const char first = text.front() == '-' && text.size() > 1 ? text[1] : text.front();
  // A lone 0 is the only number that begins with one.
  if (first < '0' || first > '9' || (first == '0' && text.size() > 1)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_long_double(std::string_view text, long double& value) {
  if (text.empty() || text.size() >= kMaxFloatBytes) return false;
  if (std::isspace(static_cast<unsigned char>(text.front()))) return false;
  char buffer[kMaxFloatBytes];
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  char* end = nullptr;
  errno = 0;
  value = std::strtold(buffer, &end);
  if (end != buffer + text.size() || std::isnan(value)) return false;
  return errno != ERANGE || (!std::isinf(value) && std::fpclassify(value) != FP_ZERO);
}

bool read_integer(CommandContext& context, std::string_view text, int64_t& value,
                  std::string_view error) {
  if (parse_integer(text, value)) return true;
  context.reply.error(error);
  return false;
}

bool read_integer_between(CommandContext& context, std::string_view text, int64_t minimum,
                          int64_t maximum, int64_t& value, std::string_view error) {
  if (!read_integer(context, text, value, error.empty() ? kNotAnInteger : error)) return false;
  if (value >= minimum && value <= maximum) return true;
  if (error.empty()) {
    context.reply.error(
        base::concat("ERR value is out of range, value must between ", minimum, " and ", maximum));
  } else {
    context.reply.error(error);
  }
  return false;
}

bool read_database(CommandContext& context, std::string_view text, int& database,
                   std::string_view error) {
  int64_t value = 0;
  if (!read_integer_between(context, text, INT_MIN, INT_MAX, value, error)) return false;
  if (value < 0 || value >= storage::kDatabaseCount) {
    context.reply.error(kDatabaseOutOfRange);
    return false;
  }
  database = static_cast<int>(value);
  return true;
}

bool read_timeout_ms(CommandContext& context, std::string_view text, int64_t& timeout_ms) {
  if (!read_integer(context, text, timeout_ms, "ERR timeout is not an integer or out of range")) {
    return false;
  }
  if (timeout_ms >= 0) return true;
  context.reply.error("ERR timeout is negative");
  return false;
}

void reply_invalid_expiry(CommandContext& context) {
  context.reply.error(
      base::concat("ERR invalid expire time in '", context.command.name, "' command"));
}

void reply_wrong_arity(CommandContext& context) {
  context.reply.error(
      base::concat("ERR wrong number of arguments for '", context.command.name, "' command"));
}

bool read_expiry(CommandContext& context, std::string_view text, ExpiryForm form,
                 storage::ExpiryMs& expiry_ms) {
  constexpr int64_t kMaximum = std::numeric_limits<int64_t>::max();
  int64_t value = 0;
  if (!read_integer(context, text, value)) return false;
  const bool seconds = form == ExpiryForm::kSeconds || form == ExpiryForm::kUnixSeconds;
  const bool from_now = form == ExpiryForm::kSeconds || form == ExpiryForm::kMilliseconds;
  const int64_t scale = seconds ? kMillisecondsPerSecond : 1;
  const int64_t base = from_now ? context.node.expiry_base_ms() : 0;
  if (value <= 0 || value > kMaximum / scale || value * scale > kMaximum - base) {
    reply_invalid_expiry(context);
    return false;
  }
  expiry_ms = value * scale + base;
  return true;
}

}  // namespace kvorum::server
