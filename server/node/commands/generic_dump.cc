// DUMP and RESTORE: a value out of the server and in again, in the format of dump_payload.h.
#include "server/node/commands/arguments.h"
#include "server/node/commands/dump_payload.h"
#include "server/node/commands/generic_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {

using Lookup = Node::Lookup;
using storage::Effect;
using storage::EffectKind;
using storage::Entry;
using storage::ExpiryMs;

namespace {

constexpr int64_t kMaxFrequency = 255;
constexpr uint64_t kMillisecondsPerSecond = 1000;

struct RestoreOptions {
  bool replace = false;
  bool absolute = false;  // the time to live is a Unix time
  int64_t idle_seconds = -1;
  int64_t frequency = -1;  // taken and not kept: there is no LFU policy
};

bool read_restore_options(CommandContext& context, RestoreOptions& options) {
  const resp::Arguments arguments = context.arguments;
  for (size_t i = 4; i < arguments.size(); ++i) {
    const bool has_value = i + 1 < arguments.size();
    if (is_word(arguments[i], "REPLACE")) {
      options.replace = true;
    } else if (is_word(arguments[i], "ABSTTL")) {
      options.absolute = true;
    } else if (is_word(arguments[i], "IDLETIME") && has_value && options.frequency == -1) {
      if (!read_integer(context, arguments[++i], options.idle_seconds)) return false;
      if (options.idle_seconds >= 0) continue;
      context.reply.error("ERR Invalid IDLETIME value, must be >= 0");
      return false;
    } else if (is_word(arguments[i], "FREQ") && has_value && options.idle_seconds == -1) {
      if (!read_integer(context, arguments[++i], options.frequency)) return false;
      if (options.frequency >= 0 && options.frequency <= kMaxFrequency) continue;
      context.reply.error("ERR Invalid FREQ value, must be >= 0 and <= 255");
      return false;
    } else {
      context.reply.error(kSyntaxError);
      return false;
    }
  }
  return true;
}

// The time at which the restored key expires, 0 for never.
bool read_restore_expiry(CommandContext& context, bool absolute, ExpiryMs& expiry_ms) {
  if (!read_integer(context, context.arguments[2], expiry_ms)) return false;
  if (expiry_ms < 0) {
    context.reply.error("ERR Invalid TTL value, must be >= 0");
    return false;
  }
  // Beyond the end of time, Redis' sum is negative: such a key has expired as it comes.
  if (expiry_ms != 0 && !absolute &&
      __builtin_add_overflow(expiry_ms, context.node.expiry_base_ms(), &expiry_ms)) {
    expiry_ms = 1;
  }
  return true;
}

bool read_payload(CommandContext& context, DumpedValue& value) {
  switch (decode_dump(context.arguments[3], value)) {
    case DumpError::kNone:
      return true;
    case DumpError::kForeign:
      context.reply.error("ERR DUMP payload version or checksum are wrong");
      return false;
    case DumpError::kMalformed:
      context.reply.error("ERR Bad data format");
      return false;
  }
  return false;
}

// A key that would come expired takes away what is there, and nothing more.
void restore_expired(CommandContext& context, bool present) {
  if (!present) return;
  const std::string_view key = context.arguments[1];
  context.node.change(Effect{.kind = EffectKind::kDelete,
                             .database = static_cast<uint8_t>(context.session.database),
                             .key = key});
  context.node.notify('g', "del", key, context.session.database);
}

void restore_value(CommandContext& context, const DumpedValue& value, ExpiryMs expiry_ms) {
  const std::string_view key = context.arguments[1];
  const int database = context.session.database;
  context.node.change(Effect{.kind = EffectKind::kSet,
                             .database = static_cast<uint8_t>(database),
                             .type = value.type,
                             .key = key,
                             .value = value.bytes,
                             .expiry_ms = expiry_ms});
  context.node.notify('n', "new", key, database);
  context.node.notify('g', "restore", key, database);
}

}  // namespace

// DUMP key
void dump_command(CommandContext& context) {
  const Entry* entry = context.node.lookup(context, context.arguments[1], Lookup::kRead);
  if (entry == nullptr) {
    context.reply.null();
    return;
  }
  context.reply.bulk(encode_dump({.type = entry->type(), .bytes = entry->string()}));
}

// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
void restore_command(CommandContext& context) {
  const std::string_view key = context.arguments[1];
  RestoreOptions options;
  ExpiryMs expiry_ms = 0;
  DumpedValue value;
  if (!read_restore_options(context, options)) return;
  const bool present = context.node.lookup(context, key, Lookup::kWrite) != nullptr;
  if (present && !options.replace) {
    context.reply.error("BUSYKEY Target key name already exists.");
    return;
  }
  if (!read_restore_expiry(context, options.absolute, expiry_ms)) return;
  if (!read_payload(context, value)) return;

  if (expiry_ms != 0 && expiry_ms <= context.node.expiry_clock_ms()) {
    restore_expired(context, present);
  } else {
    restore_value(context, value, expiry_ms);
    if (options.idle_seconds > 0) {
      const auto now_s = static_cast<uint64_t>(context.node.now_ms()) / kMillisecondsPerSecond;
      const auto idle_s = static_cast<uint64_t>(options.idle_seconds);
      const Entry* entry = context.node.keyspace().find(context.session.database, key);
      entry->touch(idle_s < now_s ? now_s - idle_s : 0);
    }
  }
  context.reply.ok();
}

}  // namespace kvorum::server
