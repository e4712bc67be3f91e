// Commands on whole keys, whatever they hold.
#include "server/node/commands/arguments.h"
#include "server/node/commands/generic_handlers.h"
#include "server/node/commands/observe.h"
#include "server/node/commands/value_names.h"
#include "server/node/node.h"

namespace kvorum::server {

using Lookup = Node::Lookup;
using storage::Effect;
using storage::EffectKind;
using storage::Entry;

namespace {

void rename(CommandContext& context, bool only_if_absent) {
  Node& node = context.node;
  const int database = context.session.database;
  const std::string_view from = context.arguments[1];
  const std::string_view to = context.arguments[2];
  if (node.lookup(context, from, Lookup::kWrite) == nullptr) {
    context.reply.error(kNoSuchKey);
    return;
  }
  // A key renamed to itself stays as it is; to RENAMENX the new name is taken.
  const bool same = from == to;
  if (only_if_absent && (same || node.lookup(context, to, Lookup::kWrite) != nullptr)) {
    context.reply.integer(0);
    return;
  }
  if (!same) {
    node.lookup(context, to, Lookup::kWrite);  // one that has expired is deleted as such
    node.change(Effect{.kind = EffectKind::kRename,
                       .database = static_cast<uint8_t>(database),
                       .key = from,
                       .other_key = to});
    node.notify('n', "new", to, database);
    node.notify('g', "rename_from", from, database);
    node.notify('g', "rename_to", to, database);
  }
  only_if_absent ? context.reply.integer(1) : context.reply.ok();
}

struct CopyOptions {
  int database = 0;
  bool replace = false;
};

bool read_copy_options(CommandContext& context, CopyOptions& options) {
  const resp::Arguments arguments = context.arguments;
  for (size_t i = 3; i < arguments.size(); ++i) {
    if (is_word(arguments[i], "REPLACE")) {
      options.replace = true;
    } else if (is_word(arguments[i], "DB") && i + 1 < arguments.size()) {
      if (!read_database(context, arguments[++i], options.database)) return false;
    } else {
      context.reply.error(kSyntaxError);
      return false;
    }
  }
  return true;
}

}  // namespace

// DEL key [key ...]
// UNLINK key [key ...]
void del_command(CommandContext& context) {
  const int database = context.session.database;
  int64_t deleted = 0;
  for (std::string_view key : context.arguments.subspan(1)) {
    if (context.node.lookup(context, key, Lookup::kWrite) == nullptr) continue;
    context.node.change(Effect{
        .kind = EffectKind::kDelete, .database = static_cast<uint8_t>(database), .key = key});
    context.node.notify('g', "del", key, database);
    ++deleted;
  }
  context.reply.integer(deleted);
}

// EXISTS key [key ...]
void exists_command(CommandContext& context) {
  int64_t count = 0;  // a key named twice counts twice
  for (std::string_view key : context.arguments.subspan(1)) {
    if (observe(context, key) != nullptr) ++count;
  }
  context.reply.integer(count);
}

// TOUCH key [key ...]
void touch_command(CommandContext& context) {
  int64_t count = 0;
  for (std::string_view key : context.arguments.subspan(1)) {
    if (context.node.lookup(context, key, Lookup::kRead) != nullptr) ++count;
  }
  context.reply.integer(count);
}

// TYPE key
void type_command(CommandContext& context) {
  const Entry* entry = observe(context, context.arguments[1]);
  context.reply.simple_string(entry == nullptr ? "none" : type_name(entry->type()));
}

// RENAME key newkey
void rename_command(CommandContext& context) { rename(context, false); }

// RENAMENX key newkey
void renamenx_command(CommandContext& context) { rename(context, true); }

// COPY source destination [DB destination-db] [REPLACE]
void copy_command(CommandContext& context) {
  Node& node = context.node;
  const int database = context.session.database;
  const std::string_view from = context.arguments[1];
  const std::string_view to = context.arguments[2];
  CopyOptions options{.database = database};
  if (!read_copy_options(context, options)) return;
  if (options.database == database && from == to) {
    context.reply.error(kSameObject);
    return;
  }
  if (node.lookup(context, from, Lookup::kRead) == nullptr ||
      (node.lookup_in(options.database, to, Lookup::kWrite) != nullptr && !options.replace)) {
    context.reply.integer(0);
    return;
  }
  node.change(Effect{.kind = EffectKind::kCopy,
                     .database = static_cast<uint8_t>(database),
                     .other_database = static_cast<uint8_t>(options.database),
                     .key = from,
                     .other_key = to});
  node.notify('n', "new", to, options.database);
  node.notify('g', "copy_to", to, options.database);
  context.reply.integer(1);
}

// MOVE key db
void move_command(CommandContext& context) {
  Node& node = context.node;
  const int from = context.session.database;
  const std::string_view key = context.arguments[1];
  int to = 0;
  if (!read_database(context, context.arguments[2], to)) return;
  if (from == to) {
    context.reply.error(kSameObject);
    return;
  }
  if (node.lookup(context, key, Lookup::kWrite) == nullptr ||
      node.lookup_in(to, key, Lookup::kWrite) != nullptr) {
    context.reply.integer(0);
    return;
  }
  node.change(Effect{.kind = EffectKind::kMove,
                     .database = static_cast<uint8_t>(from),
                     .other_database = static_cast<uint8_t>(to),
                     .key = key});
  node.notify('n', "new", key, to);
  node.notify('g', "move_from", key, from);
  node.notify('g', "move_to", key, to);
  context.reply.integer(1);
}

}  // namespace kvorum::server
