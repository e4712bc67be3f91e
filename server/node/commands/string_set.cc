// Commands that store whole strings. SET without options is a hot path: it allocates nothing and
// looks nothing up that the change itself does not look up.
#include "server/node/commands/arguments.h"
#include "server/node/commands/string_handlers.h"
#include "server/node/commands/string_options.h"
#include "server/node/node.h"

namespace kvorum::server {

using Lookup = Node::Lookup;
using storage::Effect;
using storage::EffectKind;
using storage::Entry;
using storage::ExpiryMs;
using storage::ValueType;

namespace {

void store(CommandContext& context, std::string_view key, std::string_view value,
           ExpiryMs expiry_ms) {
  context.node.change(Effect{.kind = EffectKind::kSet,
                             .database = static_cast<uint8_t>(context.session.database),
                             .key = key,
                             .value = value,
                             .expiry_ms = expiry_ms});
}

void notify_stored(CommandContext& context, std::string_view key, bool created) {
  if (created) context.node.notify('n', "new", key, context.session.database);
  context.node.notify('$', "set", key, context.session.database);
}

// Stores the value, without expiry, whatever the key held. Only those who listen to keyspace events
// have to be told whether the key is new or had expired, so only for them it is looked up.
void replace(CommandContext& context, std::string_view key, std::string_view value) {
  if (context.node.options().values().notify_keyspace_events.empty()) [[likely]] {
    store(context, key, value, 0);
    return;
  }
  const bool created = context.node.lookup(context, key, Lookup::kWrite) == nullptr;
  store(context, key, value, 0);
  notify_stored(context, key, created);
}

void store_with_expiry(CommandContext& context, ExpiryForm form) {
  const std::string_view key = context.arguments[1];
  ExpiryMs expiry_ms = 0;
  if (!read_expiry(context, context.arguments[2], form, expiry_ms)) return;
  const bool created = context.node.lookup(context, key, Lookup::kWrite) == nullptr;
  store(context, key, context.arguments[3], expiry_ms);
  notify_stored(context, key, created);
  context.node.notify('g', "expire", key, context.session.database);
  context.reply.ok();
}

void set_with_options(CommandContext& context) {
  const std::string_view key = context.arguments[1];
  StringOptions options;
  ExpiryMs expiry_ms = 0;
  if (!read_string_options(context, 3, OptionsOf::kSet, options)) return;
  const bool expires = options.form != ExpiryForm::kNone;
  if (expires && !read_expiry(context, options.expiry, options.form, expiry_ms)) return;

  const Entry* entry =
      context.node.lookup(context, key, options.get ? Lookup::kRead : Lookup::kWrite);
  if (options.get) {
    if (refuse_other_type(context, entry, ValueType::kString)) return;
    entry == nullptr ? context.reply.null() : context.reply.bulk(entry->string());
  }
  const bool created = entry == nullptr;
  if ((options.only_if_absent && !created) || (options.only_if_present && created)) {
    if (!options.get) context.reply.null();
    return;
  }
  if (options.keep_expiry && !created) expiry_ms = entry->expiry_ms();
  store(context, key, context.arguments[2], expiry_ms);
  notify_stored(context, key, created);
  if (expires) context.node.notify('g', "expire", key, context.session.database);
  if (!options.get) context.reply.ok();
}

}  // namespace

// SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds |
//     PXAT unix-time-milliseconds | KEEPTTL]
void set_command(CommandContext& context) {
  if (context.arguments.size() > 3) return set_with_options(context);
  replace(context, context.arguments[1], context.arguments[2]);
  context.reply.ok();
}

// SETNX key value
void setnx_command(CommandContext& context) {
  const std::string_view key = context.arguments[1];
  if (context.node.lookup(context, key, Lookup::kWrite) != nullptr) {
    context.reply.integer(0);
    return;
  }
  store(context, key, context.arguments[2], 0);
  notify_stored(context, key, true);
  context.reply.integer(1);
}

// SETEX key seconds value
void setex_command(CommandContext& context) { store_with_expiry(context, ExpiryForm::kSeconds); }

// PSETEX key milliseconds value
void psetex_command(CommandContext& context) {
  store_with_expiry(context, ExpiryForm::kMilliseconds);
}

// GETSET key value
void getset_command(CommandContext& context) {
  const std::string_view key = context.arguments[1];
  const Entry* entry = context.node.lookup(context, key, Lookup::kRead);
  if (refuse_other_type(context, entry, ValueType::kString)) return;
  const bool created = entry == nullptr;
  created ? context.reply.null() : context.reply.bulk(entry->string());
  store(context, key, context.arguments[2], 0);
  notify_stored(context, key, created);
}

// MSET key value [key value ...]
void mset_command(CommandContext& context) {
  const resp::Arguments arguments = context.arguments;
  if (arguments.size() % 2 == 0) return reply_wrong_arity(context);
  for (size_t i = 1; i < arguments.size(); i += 2) replace(context, arguments[i], arguments[i + 1]);
  context.reply.ok();
}

// MSETNX key value [key value ...]
void msetnx_command(CommandContext& context) {
  const resp::Arguments arguments = context.arguments;
  if (arguments.size() % 2 == 0) return reply_wrong_arity(context);
  for (size_t i = 1; i < arguments.size(); i += 2) {
    if (context.node.lookup(context, arguments[i], Lookup::kWrite) != nullptr) {
      context.reply.integer(0);
      return;
    }
  }
  for (size_t i = 1; i < arguments.size(); i += 2) replace(context, arguments[i], arguments[i + 1]);
  context.reply.integer(1);
}

}  // namespace kvorum::server
