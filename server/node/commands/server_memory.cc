// MEMORY.
#include <algorithm>

#include "server/node/commands/arguments.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/host.h"
#include "server/node/node.h"

namespace kvorum::server {
namespace {

constexpr size_t kTableSlotBytes = sizeof(void*);

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

struct Figure {
  std::string_view name;
  double value;
  bool real = false;
};

}  // namespace

// MEMORY DOCTOR
void memory_doctor_command(CommandContext& context) {
  constexpr uint64_t kLittle = 5 << 20;
  const Node& node = context.node;
  const uint64_t limit = context.node.options().values().maxmemory;
  std::string_view text = "No problem found in the memory of this instance.\n";
  if (limit != 0 && node.used_bytes() > limit / 10 * 9) {
    text =
        "More than nine tenths of maxmemory are used: soon, writes that need memory will be "
        "refused with -OOM. Raise maxmemory or delete keys.\n";
  } else if (node.used_bytes() < kLittle) {
    text = "This instance is empty or is using very little memory: nothing to examine.\n";
  }
  context.reply.verbatim("txt", text);
}

// MEMORY HELP
void memory_help_command(CommandContext& context) { reply_help(context, "memory"); }

// MEMORY STATS
void memory_stats_command(CommandContext& context) {
  Node& node = context.node;
  const ProcessFigures process = node.host().process_figures();
  const auto dataset = static_cast<double>(node.keyspace().memory_bytes());
  const double total =
      std::max(static_cast<double>(process.allocated_bytes != 0 ? process.allocated_bytes
                                                                : node.used_bytes()),
               dataset);
  const double peak = std::max(static_cast<double>(process.peak_resident_bytes), total);
  const auto active = static_cast<double>(process.allocator_active_bytes);
  const auto resident = static_cast<double>(process.allocator_resident_bytes);
  const auto process_resident = static_cast<double>(process.resident_bytes);
  double keys = 0;
  for (int database = 0; database < storage::kDatabaseCount; ++database) {
    keys += static_cast<double>(node.keyspace().size(database));
  }
  const Figure figures[] = {
      {"peak.allocated", peak},
      {"total.allocated", total},
      {"startup.allocated", 0},
      {"replication.backlog", 0},
      {"aof.buffer", static_cast<double>(node.uncommitted_bytes())},
      {"overhead.total", total - dataset},
      {"keys.count", keys},
      {"keys.bytes-per-key", share(dataset, keys)},
      {"dataset.bytes", dataset},
      {"dataset.percentage", 100 * share(dataset, total), true},
      {"peak.percentage", 100 * share(total, peak), true},
      {"allocator.allocated", static_cast<double>(process.allocated_bytes)},
      {"allocator.active", active},
      {"allocator.resident", resident},
      {"allocator-fragmentation.ratio", share(active, total), true},
      {"allocator-fragmentation.bytes", active - total},
      {"allocator-rss.ratio", share(resident, active), true},
      {"allocator-rss.bytes", resident - active},
      {"rss-overhead.ratio", share(process_resident, resident), true},
      {"rss-overhead.bytes", process_resident - resident},
      {"fragmentation", share(process_resident, total), true},
      {"fragmentation.bytes", process_resident - total},
  };
  context.reply.map(std::size(figures));
  for (const Figure& figure : figures) {
    context.reply.bulk(figure.name);
    if (figure.real) {
      context.reply.real(figure.value);
    } else {
      context.reply.integer(static_cast<int64_t>(figure.value));
    }
  }
}

// MEMORY USAGE key [SAMPLES count]
void memory_usage_command(CommandContext& context) {
  const resp::Arguments& arguments = context.arguments;
  for (size_t i = 3; i < arguments.size(); i += 2) {
    if (!is_word(arguments[i], "samples") || i + 1 == arguments.size()) {
      context.reply.error(kSyntaxError);
      return;
    }
    int64_t samples = 0;  // a string has one value: nothing to sample
    if (!read_integer(context, arguments[i + 1], samples)) return;
    if (samples < 0) {
      context.reply.error(kSyntaxError);
      return;
    }
  }
  const storage::Entry* entry = context.node.lookup(context, arguments[2], Node::Lookup::kPeek);
  if (entry == nullptr) {
    context.reply.null();
    return;
  }
  context.reply.integer(static_cast<int64_t>(entry->memory_bytes() + kTableSlotBytes));
}

}  // namespace kvorum::server
