// Commands that go through a database. Keys that have expired are not shown, and are deleted on the
// way as by any command that meets them.
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string>
#include <vector>

#include "server/node/commands/arguments.h"
#include "server/node/commands/generic_handlers.h"
#include "server/node/commands/value_names.h"
#include "server/node/glob.h"
#include "server/node/node.h"

namespace kvorum::server {

using Lookup = Node::Lookup;
using storage::Entry;

namespace {

constexpr std::string_view kEverything = "*";
constexpr int kMaxTriesOnFullDisk = 100;

// Deletes what the walk has found to be expired. The walk itself may not: it must not change what
// it goes through.
void delete_expired(CommandContext& context, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) context.node.lookup(context, key, Lookup::kPeek);
}

struct ScanOptions {
  std::string_view pattern = kEverything;
  std::string_view type;  // empty: any
  bool any_type = true;
  int64_t count = 10;
};

bool read_scan_options(CommandContext& context, ScanOptions& options) {
  const resp::Arguments arguments = context.arguments;
  for (size_t i = 2; i < arguments.size(); i += 2) {
    const bool has_value = i + 1 < arguments.size();
    if (has_value && is_word(arguments[i], "COUNT")) {
      if (!read_integer(context, arguments[i + 1], options.count)) return false;
      if (options.count >= 1) continue;
    } else if (has_value && is_word(arguments[i], "MATCH")) {
      options.pattern = arguments[i + 1];
      continue;
    } else if (has_value && is_word(arguments[i], "TYPE")) {
      options.type = arguments[i + 1];
      options.any_type = false;
      continue;
    }
    context.reply.error(kSyntaxError);
    return false;
  }
  return true;
}

// Redis reads cursors with strtoul, so this does too: an empty one is 0, a sign is taken.
bool read_cursor(CommandContext& context, std::string_view argument, uint64_t& cursor) {
  const std::string text(argument);
  char* end = nullptr;
  errno = 0;
  cursor = std::strtoull(text.c_str(), &end, 10);
  const bool space = std::isspace(static_cast<unsigned char>(text.c_str()[0])) != 0;
  if (!space && *end == '\0' && errno != ERANGE) return true;
  context.reply.error("ERR invalid cursor");
  return false;
}

}  // namespace

// KEYS pattern
void keys_command(CommandContext& context) {
  const std::string_view pattern = context.arguments[1];
  const bool everything = pattern == kEverything;
  std::vector<std::string> expired;
  size_t count = 0;
  const size_t mark = context.reply.begin_array();
  context.node.keyspace().for_each(context.session.database, [&](const Entry& entry) {
    if (!everything && !glob_matches(pattern, entry.key())) return;
    if (context.node.expired(entry)) {
      expired.emplace_back(entry.key());
      return;
    }
    context.reply.bulk(entry.key());
    ++count;
  });
  context.reply.end_array(mark, count);
  delete_expired(context, expired);
}

// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
void scan_command(CommandContext& context) {
  uint64_t cursor = 0;
  ScanOptions options;
  if (!read_cursor(context, context.arguments[1], cursor)) return;
  if (!read_scan_options(context, options)) return;
  const bool everything = options.pattern == kEverything;

  std::vector<std::string> expired, found;
  const uint64_t next = context.node.keyspace().scan(
      context.session.database, cursor, static_cast<size_t>(options.count),
      [&](const Entry& entry) {
        if (!everything && !glob_matches(options.pattern, entry.key())) return;
        if (!options.any_type && !is_word(options.type, type_name(entry.type()))) return;
        (context.node.expired(entry) ? expired : found).emplace_back(entry.key());
      });
  context.reply.array(2);
  context.reply.bulk(std::to_string(next));
  context.reply.array(found.size());
  for (const std::string& key : found) context.reply.bulk(key);
  delete_expired(context, expired);
}

// RANDOMKEY
void randomkey_command(CommandContext& context) {
  Node& node = context.node;
  const int database = context.session.database;
  // While the disk is full expired keys stay, and there may be nothing else.
  int tries_left = node.log().disk_full() ? kMaxTriesOnFullDisk : INT_MAX;
  while (tries_left-- > 0) {
    const Entry* entry = node.keyspace().random_entry(database, node.host().random());
    if (entry == nullptr) break;
    if (!node.expired(*entry)) {
      context.reply.bulk(entry->key());
      return;
    }
    delete_expired(context, {std::string(entry->key())});
  }
  context.reply.null();
}

}  // namespace kvorum::server
