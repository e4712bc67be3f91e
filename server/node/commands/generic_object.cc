// OBJECT: what the server knows of a key besides its value.
#include <array>

#include "base/text.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/generic_handlers.h"
#include "server/node/commands/observe.h"
#include "server/node/commands/value_names.h"
#include "server/node/node.h"
#include "storage/hlc.h"

namespace kvorum::server {

using storage::Entry;

namespace {

constexpr uint64_t kMillisecondsPerSecond = 1000;
constexpr uint64_t kLogicMask = (uint64_t{1} << storage::kHlcLogicBits) - 1;

// The entry of the subcommand's key; null, with nil answered, if there is none.
const Entry* object(CommandContext& context) {
  const Entry* entry = observe(context, context.arguments[2], MissEvent::kNone);
  if (entry == nullptr) context.reply.null();
  return entry;
}

}  // namespace

// OBJECT ENCODING key
void object_encoding_command(CommandContext& context) {
  const Entry* entry = object(context);
  if (entry != nullptr) context.reply.bulk(encoding_name(*entry));
}

// OBJECT FREQ key
void object_freq_command(CommandContext& context) {
  if (object(context) == nullptr) return;
  context.reply.error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

// OBJECT IDLETIME key
void object_idletime_command(CommandContext& context) {
  const Entry* entry = object(context);
  if (entry == nullptr) return;
  const uint64_t now_seconds =
      static_cast<uint64_t>(context.node.now_ms()) / kMillisecondsPerSecond;
  context.reply.integer(entry->idle_seconds(now_seconds));
}

// OBJECT REFCOUNT key
void object_refcount_command(CommandContext& context) {
  const Entry* entry = object(context);
  if (entry != nullptr) context.reply.integer(reference_count(*entry));
}

// OBJECT VERSION key
void object_version_command(CommandContext& context) {
  const Entry* entry = object(context);
  if (entry == nullptr) return;
  const storage::Stamp stamp = entry->stamp();
  context.reply.bulk(base::concat(storage::HybridLogicalClock::wall_ms(stamp.hlc), "-",
                                  stamp.hlc.value() & kLogicMask, "-", stamp.origin.value()));
}

// OBJECT HELP
void object_help_command(CommandContext& context) {
  static constexpr std::array kLines = {
      "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "ENCODING <key>",
      "    Return the kind of internal representation used in order to store the value",
      "    associated with a <key>.",
      "FREQ <key>",
      "    Return the access frequency index of the <key>. The returned integer is",
      "    proportional to the logarithm of the recent access frequency of the key.",
      "IDLETIME <key>",
      "    Return the idle time of the <key>, that is the approximated number of",
      "    seconds elapsed since the last access to the key.",
      "REFCOUNT <key>",
      "    Return the number of references of the value associated with the specified",
      "    <key>.",
      "VERSION <key>",
      "    Return the stamp of the last change of the <key>: milliseconds and logic of",
      "    the hybrid logical clock, and the node that made it: 1700000000000-0-1.",

      "HELP",
      "    Prints this help."};
  context.reply.array(kLines.size());
  for (std::string_view line : kLines) context.reply.simple_string(line);
}

}  // namespace kvorum::server
