// Commands on the time at which keys expire. Expiries are logged as results: a Unix time in
// milliseconds, or a delete where that time is past.
#include <algorithm>
#include <limits>

#include "base/text.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/generic_handlers.h"
#include "server/node/commands/observe.h"
#include "server/node/node.h"

namespace kvorum::server {

using Lookup = Node::Lookup;
using storage::Effect;
using storage::EffectKind;
using storage::Entry;
using storage::ExpiryMs;

namespace {

constexpr int64_t kMillisecondsPerSecond = 1000;

struct ExpireConditions {
  bool only_without = false;  // NX
  bool only_with = false;     // XX
  bool only_later = false;    // GT
  bool only_earlier = false;  // LT

  // `current` 0: the key does not expire, which is later than any time.
  bool allow(ExpiryMs current, ExpiryMs wanted) const {
    const bool expires = current != 0;
    if (only_without && expires) return false;
    if (only_with && !expires) return false;
    if (only_later && (!expires || wanted <= current)) return false;
    return !(only_earlier && expires && wanted >= current);
  }
};

bool read_conditions(CommandContext& context, ExpireConditions& conditions) {
  for (std::string_view word : context.arguments.subspan(3)) {
    if (is_word(word, "NX")) {
      conditions.only_without = true;
    } else if (is_word(word, "XX")) {
      conditions.only_with = true;
    } else if (is_word(word, "GT")) {
      conditions.only_later = true;
    } else if (is_word(word, "LT")) {
      conditions.only_earlier = true;
    } else {
      context.reply.error(base::concat("ERR Unsupported option ", word.substr(0, word.find('\0'))));
      return false;
    }
  }
  if (conditions.only_without &&
      (conditions.only_with || conditions.only_later || conditions.only_earlier)) {
    context.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (conditions.only_later && conditions.only_earlier) {
    context.reply.error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// The time an EXPIRE-like command names. It may be past, even before 1970.
bool read_time(CommandContext& context, int64_t scale, int64_t base, ExpiryMs& time_ms) {
  constexpr int64_t kMaximum = std::numeric_limits<int64_t>::max();
  constexpr int64_t kMinimum = std::numeric_limits<int64_t>::min();
  int64_t value = 0;
  if (!read_integer(context, context.arguments[2], value)) return false;
  if (value > kMaximum / scale || value < kMinimum / scale || value * scale > kMaximum - base) {
    reply_invalid_expiry(context);
    return false;
  }
  time_ms = value * scale + base;
  return true;
}

void expire(CommandContext& context, int64_t scale, int64_t base) {
  Node& node = context.node;
  const std::string_view key = context.arguments[1];
  const int database = context.session.database;
  ExpireConditions conditions;
  ExpiryMs time_ms = 0;
  if (!read_conditions(context, conditions)) return;
  if (!read_time(context, scale, base, time_ms)) return;
  const Entry* entry = node.lookup(context, key, Lookup::kWrite);
  if (entry == nullptr || !conditions.allow(entry->expiry_ms(), time_ms)) {
    context.reply.integer(0);
    return;
  }
  const bool past = time_ms <= node.expiry_clock_ms();
  node.change(Effect{.kind = past ? EffectKind::kDelete : EffectKind::kSetExpiry,
                     .database = static_cast<uint8_t>(database),
                     .key = key,
                     .expiry_ms = past ? 0 : time_ms});
  node.notify('g', past ? "del" : "expire", key, database);
  context.reply.integer(1);
}

enum class TimeUnit : uint8_t { kSeconds, kMilliseconds };

// Answers the expiry counted from `base`, rounded to the unit; -1 without one, -2 without a key.
void reply_expiry(CommandContext& context, TimeUnit unit, int64_t base) {
  const Entry* entry = observe(context, context.arguments[1]);
  if (entry == nullptr) return context.reply.integer(-2);
  if (entry->expiry_ms() == 0) return context.reply.integer(-1);
  const int64_t time_ms = std::max<int64_t>(entry->expiry_ms() - base, 0);
  if (unit == TimeUnit::kMilliseconds) return context.reply.integer(time_ms);
  // To the nearest second; a time near the end of time has no room for the half.
  context.reply.integer(time_ms / kMillisecondsPerSecond +
                        (time_ms % kMillisecondsPerSecond >= kMillisecondsPerSecond / 2 ? 1 : 0));
}

}  // namespace

// EXPIRE key seconds [NX | XX | GT | LT]
void expire_command(CommandContext& context) {
  expire(context, kMillisecondsPerSecond, context.node.expiry_base_ms());
}

// PEXPIRE key milliseconds [NX | XX | GT | LT]
void pexpire_command(CommandContext& context) { expire(context, 1, context.node.expiry_base_ms()); }

// EXPIREAT key unix-time-seconds [NX | XX | GT | LT]
void expireat_command(CommandContext& context) { expire(context, kMillisecondsPerSecond, 0); }

// PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]
void pexpireat_command(CommandContext& context) { expire(context, 1, 0); }

// TTL key
void ttl_command(CommandContext& context) {
  reply_expiry(context, TimeUnit::kSeconds, context.node.expiry_base_ms());
}

// PTTL key
void pttl_command(CommandContext& context) {
  reply_expiry(context, TimeUnit::kMilliseconds, context.node.expiry_base_ms());
}

// EXPIRETIME key
void expiretime_command(CommandContext& context) { reply_expiry(context, TimeUnit::kSeconds, 0); }

// PEXPIRETIME key
void pexpiretime_command(CommandContext& context) {
  reply_expiry(context, TimeUnit::kMilliseconds, 0);
}

// PERSIST key
void persist_command(CommandContext& context) {
  const std::string_view key = context.arguments[1];
  const Entry* entry = context.node.lookup(context, key, Lookup::kWrite);
  if (entry == nullptr || entry->expiry_ms() == 0) {
    context.reply.integer(0);
    return;
  }
  context.node.change(Effect{.kind = EffectKind::kSetExpiry,
                             .database = static_cast<uint8_t>(context.session.database),
                             .key = key});
  context.node.notify('g', "persist", key, context.session.database);
  context.reply.integer(1);
}

}  // namespace kvorum::server
