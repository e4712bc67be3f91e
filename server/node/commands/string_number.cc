// Commands that count: the string is read as a number, and the sum is stored as text.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/string_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {

using Lookup = Node::Lookup;
using storage::Effect;
using storage::EffectKind;
using storage::Entry;
using storage::ValueType;

namespace {

constexpr size_t kMaxIntegerDigits = 20;  // of -2^63, sign included
// The largest long double has 4,933 digits before the point.
constexpr size_t kMaxFloatDigits = size_t{5} * 1024;

// Stores the new text where `entry` (null: nothing) was, its expiry kept.
void store_number(CommandContext& context, const Entry* entry, std::string_view text,
                  std::string_view event) {
  const std::string_view key = context.arguments[1];
  const bool created = entry == nullptr;
  context.node.change(Effect{.kind = EffectKind::kSet,
                             .database = static_cast<uint8_t>(context.session.database),
                             .key = key,
                             .value = text,
                             .expiry_ms = created ? 0 : entry->expiry_ms()});
  if (created) context.node.notify('n', "new", key, context.session.database);
  context.node.notify('$', event, key, context.session.database);
}

void add(CommandContext& context, int64_t increment) {
  const Entry* entry = context.node.lookup(context, context.arguments[1], Lookup::kWrite);
  if (refuse_other_type(context, entry, ValueType::kString)) return;
  int64_t value = 0;
  if (entry != nullptr && !read_integer(context, entry->string(), value)) return;
  if (__builtin_add_overflow(value, increment, &value)) {
    context.reply.error("ERR increment or decrement would overflow");
    return;
  }
  char digits[kMaxIntegerDigits];
  const char* end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  store_number(context, entry, {digits, static_cast<size_t>(end - digits)}, "incrby");
  context.reply.integer(value);
}

// Seventeen decimals without trailing zeros: what people write comes back as they wrote it.
// REQUIRES: value is finite. Returns the length.
size_t print_for_people(long double value, char (&buffer)[kMaxFloatDigits]) {
  const int printed = std::snprintf(buffer, sizeof(buffer), "%.17Lf", value);
  CHECK(printed > 0 && static_cast<size_t>(printed) < sizeof(buffer));
  size_t length = static_cast<size_t>(printed);
  while (buffer[length - 1] == '0') --length;
  if (buffer[length - 1] == '.') --length;
  if (std::string_view(buffer, length) == "-0") {
    buffer[0] = '0';
    length = 1;
  }
  return length;
}

}  // namespace

// INCR key
void incr_command(CommandContext& context) { add(context, 1); }

// DECR key
void decr_command(CommandContext& context) { add(context, -1); }

// INCRBY key increment
void incrby_command(CommandContext& context) {
  int64_t increment = 0;
  if (read_integer(context, context.arguments[2], increment)) add(context, increment);
}

// DECRBY key decrement
void decrby_command(CommandContext& context) {
  int64_t decrement = 0;
  if (!read_integer(context, context.arguments[2], decrement)) return;
  if (decrement == std::numeric_limits<int64_t>::min()) {
    context.reply.error("ERR decrement would overflow");
    return;
  }
  add(context, -decrement);
}

// INCRBYFLOAT key increment
void incrbyfloat_command(CommandContext& context) {
  const Entry* entry = context.node.lookup(context, context.arguments[1], Lookup::kWrite);
  if (refuse_other_type(context, entry, ValueType::kString)) return;
  long double value = 0, increment = 0;
  if ((entry != nullptr && !parse_long_double(entry->string(), value)) ||
      !parse_long_double(context.arguments[2], increment)) {
    context.reply.error(kNotAFloat);
    return;
  }
  value += increment;
  if (!std::isfinite(value)) {
    context.reply.error("ERR increment would produce NaN or Infinity");
    return;
  }
  char buffer[kMaxFloatDigits];
  const std::string_view text(buffer, print_for_people(value, buffer));
  store_number(context, entry, text, "incrbyfloat");
  context.reply.bulk(text);
}

}  // namespace kvorum::server
