// Commands that answer whole strings. GET is a hot path: one lookup, one copy into the reply.
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

// Answers the string at the key, nil or the error; null unless there is a string.
const Entry* reply_string(CommandContext& context) {
  const Entry* entry = context.node.lookup(context, context.arguments[1], Lookup::kRead);
  if (entry == nullptr) {
    context.reply.null();
    return nullptr;
  }
  if (refuse_other_type(context, entry, ValueType::kString)) return nullptr;
  context.reply.bulk(entry->string());
  return entry;
}

void delete_key(CommandContext& context) {
  const std::string_view key = context.arguments[1];
  context.node.change(Effect{.kind = EffectKind::kDelete,
                             .database = static_cast<uint8_t>(context.session.database),
                             .key = key});
  context.node.notify('g', "del", key, context.session.database);
}

void change_expiry(CommandContext& context, ExpiryMs expiry_ms) {
  const std::string_view key = context.arguments[1];
  context.node.change(Effect{.kind = EffectKind::kSetExpiry,
                             .database = static_cast<uint8_t>(context.session.database),
                             .key = key,
                             .expiry_ms = expiry_ms});
  context.node.notify('g', expiry_ms == 0 ? "persist" : "expire", key, context.session.database);
}

}  // namespace

// GET key
void get_command(CommandContext& context) { reply_string(context); }

// GETDEL key
void getdel_command(CommandContext& context) {
  if (reply_string(context) != nullptr) delete_key(context);
}

// GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds |
//     PXAT unix-time-milliseconds | PERSIST]
void getex_command(CommandContext& context) {
  StringOptions options;
  if (!read_string_options(context, 2, OptionsOf::kGetEx, options)) return;
  const Entry* entry = context.node.lookup(context, context.arguments[1], Lookup::kRead);
  if (entry == nullptr) {
    context.reply.null();
    return;
  }
  if (refuse_other_type(context, entry, ValueType::kString)) return;

  // An expiry that cannot be is an error only where there is something to expire.
  ExpiryMs expiry_ms = 0;
  const bool expires = options.form != ExpiryForm::kNone;
  if (expires && !read_expiry(context, options.expiry, options.form, expiry_ms)) return;
  const bool had_expiry = entry->expiry_ms() != 0;
  context.reply.bulk(entry->string());
  if (expires && expiry_ms <= context.node.expiry_clock_ms()) {
    delete_key(context);
  } else if (expires || (options.persist && had_expiry)) {
    change_expiry(context, expiry_ms);
  }
}

// MGET key [key ...]
void mget_command(CommandContext& context) {
  const resp::Arguments keys = context.arguments.subspan(1);
  context.reply.array(keys.size());
  for (std::string_view key : keys) {
    const Entry* entry = context.node.lookup(context, key, Lookup::kRead);
    if (entry == nullptr || entry->type() != ValueType::kString) {
      context.reply.null();
    } else {
      context.reply.bulk(entry->string());
    }
  }
}

}  // namespace kvorum::server
