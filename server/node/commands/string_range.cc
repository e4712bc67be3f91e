// Commands on parts of strings. Changes are logged as splices: what a small change to a large value
// costs does not depend on the value.
#include <algorithm>

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

// True, with the error answered, if a string may not end at `offset` + `bytes`.
bool refuse_length(CommandContext& context, uint64_t offset, uint64_t bytes) {
  const uint64_t limit = context.node.options().values().max_bulk_bytes;
  if (offset <= limit && bytes <= limit - offset) return false;
  context.reply.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  return true;
}

// Writes the bytes at the offset, zeros before them where the string is shorter. Returns the new
// length. REQUIRES: refuse_length() let it pass.
uint64_t splice(CommandContext& context, uint64_t old_length, uint64_t offset,
                std::string_view bytes) {
  const uint64_t length = std::max(old_length, offset + bytes.size());
  context.node.change(Effect{.kind = EffectKind::kSplice,
                             .database = static_cast<uint8_t>(context.session.database),
                             .raw = true,
                             .key = context.arguments[1],
                             .value = bytes,
                             .offset = offset,
                             .length = length});
  return length;
}

void notify_changed(CommandContext& context, bool created, std::string_view event) {
  const std::string_view key = context.arguments[1];
  if (created) context.node.notify('n', "new", key, context.session.database);
  context.node.notify('$', event, key, context.session.database);
}

// The bytes from `start` to `end`, both included and negative ones counted from the string's end.
std::string_view slice(std::string_view text, int64_t start, int64_t end) {
  const auto length = static_cast<int64_t>(text.size());
  if (start < 0 && end < 0 && start > end) return {};
  if (start < 0) start = std::max<int64_t>(start + length, 0);
  if (end < 0) end = std::max<int64_t>(end + length, 0);
  end = std::min(end, length - 1);
  if (start > end) return {};
  return text.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1));
}

}  // namespace

// APPEND key value
void append_command(CommandContext& context) {
  const std::string_view key = context.arguments[1];
  const std::string_view bytes = context.arguments[2];
  const Entry* entry = context.node.lookup(context, key, Lookup::kWrite);
  if (refuse_other_type(context, entry, ValueType::kString)) return;
  uint64_t length = bytes.size();
  const bool created = entry == nullptr;
  if (created) {
    // A first piece is a value like any other: it may be an integer to OBJECT ENCODING.
    context.node.change(Effect{.kind = EffectKind::kSet,
                               .database = static_cast<uint8_t>(context.session.database),
                               .key = key,
                               .value = bytes});
  } else {
    const size_t old_length = entry->string().size();
    if (refuse_length(context, old_length, bytes.size())) return;
    length = splice(context, old_length, old_length, bytes);
  }
  notify_changed(context, created, "append");
  context.reply.integer(static_cast<int64_t>(length));
}

// STRLEN key
void strlen_command(CommandContext& context) {
  const Entry* entry = context.node.lookup(context, context.arguments[1], Lookup::kRead);
  if (refuse_other_type(context, entry, ValueType::kString)) return;
  context.reply.integer(entry == nullptr ? 0 : static_cast<int64_t>(entry->string().size()));
}

// SETRANGE key offset value
void setrange_command(CommandContext& context) {
  const std::string_view bytes = context.arguments[3];
  int64_t offset = 0;
  if (!read_integer(context, context.arguments[2], offset)) return;
  if (offset < 0) {
    context.reply.error("ERR offset is out of range");
    return;
  }
  const Entry* entry = context.node.lookup(context, context.arguments[1], Lookup::kWrite);
  if (refuse_other_type(context, entry, ValueType::kString)) return;
  const bool created = entry == nullptr;
  uint64_t length = created ? 0 : entry->string().size();
  if (!bytes.empty()) {
    if (refuse_length(context, static_cast<uint64_t>(offset), bytes.size())) return;
    length = splice(context, length, static_cast<uint64_t>(offset), bytes);
    notify_changed(context, created, "setrange");
  }
  context.reply.integer(static_cast<int64_t>(length));
}

// GETRANGE key start end
// SUBSTR key start end
void getrange_command(CommandContext& context) {
  int64_t start = 0, end = 0;
  if (!read_integer(context, context.arguments[2], start) ||
      !read_integer(context, context.arguments[3], end)) {
    return;
  }
  const Entry* entry = context.node.lookup(context, context.arguments[1], Lookup::kRead);
  if (refuse_other_type(context, entry, ValueType::kString)) return;
  context.reply.bulk(entry == nullptr ? "" : slice(entry->string(), start, end));
}

}  // namespace kvorum::server
