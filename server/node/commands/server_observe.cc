// MONITOR, SLOWLOG and LATENCY.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/text.h"
#include "server/node/command_docs.h"
#include "server/node/commands/arguments.h"
#include "server/node/commands/command_help.h"
#include "server/node/commands/server_handlers.h"
#include "server/node/node.h"

namespace kvorum::server {
namespace {

struct Spikes {
  double mean_ms = 0, deviation_ms = 0, period_s = 0;
};

// REQUIRES: the event has samples.
Spikes summarize(const LatencyMonitor::Event& event, int64_t now_s) {
  const auto count = static_cast<double>(event.samples.size());
  Spikes spikes;
  for (const auto& sample : event.samples) {
    spikes.mean_ms += static_cast<double>(sample.latency_ms) / count;
  }
  for (const auto& sample : event.samples) {
    spikes.deviation_ms +=
        std::abs(static_cast<double>(sample.latency_ms) - spikes.mean_ms) / count;
  }
  spikes.period_s = static_cast<double>(now_s - event.samples.front().time_s) / count;
  return spikes;
}

// Counts below powers of two, as long as they grow.
void write_histogram(resp::ReplyWriter& reply, const CommandStatistics& figures) {
  const LatencyHistogram& latency = figures.latency;
  reply.map(2);
  reply.bulk("calls");
  reply.integer(static_cast<int64_t>(latency.total()));
  reply.bulk("histogram_usec");
  const size_t mark = reply.begin_map();
  size_t pairs = 0;
  uint64_t seen = 0;
  for (int64_t limit_us = 1; seen < latency.total(); limit_us *= 2) {
    const uint64_t count = latency.at_most(limit_us);
    if (count == seen) continue;
    reply.integer(limit_us);
    reply.integer(static_cast<int64_t>(count));
    seen = count;
    ++pairs;
  }
  reply.end_map(mark, pairs);
}

}  // namespace

// LATENCY DOCTOR
void latency_doctor_command(CommandContext& context) {
  const LatencyMonitor& monitor = context.node.latency();
  std::string text;
  if (context.node.options().values().latency_monitor_threshold_ms == 0) {
    text =
        "Latency monitoring is disabled in this instance. You may use \"CONFIG SET "
        "latency-monitor-threshold <milliseconds>.\" in order to enable it.\n";
  } else if (monitor.events().empty()) {
    text = "No latency spike was observed during the lifetime of this instance.\n";
  } else {
    text = "Latency spikes were observed in this instance:\n\n";
    size_t number = 0;
    for (const auto& [name, event] : monitor.events()) {
      const Spikes spikes = summarize(event, context.node.now_us() / 1'000'000);
      text += absl::StrFormat(
          "%d. %s: %d latency spikes (average %.0fms, mean deviation %.0fms, period %.2f sec). "
          "Worst all time event %dms.\n",
          ++number, name, event.samples.size(), spikes.mean_ms, spikes.deviation_ms,
          spikes.period_s, event.maximum_ms);
    }
    text +=
        "\nSLOWLOG GET shows the commands that took long; INFO persistence shows how long the last "
        "fsync took.\n";
  }
  context.reply.verbatim("txt", text);
}

// LATENCY HELP
void latency_help_command(CommandContext& context) { reply_help(context, "latency"); }

// LATENCY HISTOGRAM [command [command ...]]
void latency_histogram_command(CommandContext& context) {
  const auto& statistics = context.node.statistics().commands;
  std::vector<const Command*> wanted;
  const auto add = [&](const Command& command) {
    wanted.push_back(&command);
    for (const Command& subcommand : command.subcommands) wanted.push_back(&subcommand);
  };
  if (context.arguments.size() == 2) {
    for (const Command* command : all_commands()) add(*command);
  } else {
    for (const std::string_view name : context.arguments.subspan(2)) {
      const Command* command = find_full_command(name);
      if (command != nullptr) add(*command);
    }
  }
  const size_t mark = context.reply.begin_map();
  size_t pairs = 0;
  for (const Command* command : wanted) {
    const auto row = statistics.find(command);
    if (row == statistics.end() || row->second.latency.total() == 0) continue;
    context.reply.bulk(command->name);
    write_histogram(context.reply, row->second);
    ++pairs;
  }
  context.reply.end_map(mark, pairs);
}

// LATENCY HISTORY event
void latency_history_command(CommandContext& context) {
  const auto& events = context.node.latency().events();
  const auto event = events.find(context.arguments[2]);
  if (event == events.end()) {
    context.reply.array(0);
    return;
  }
  context.reply.array(event->second.samples.size());
  for (const auto& sample : event->second.samples) {
    context.reply.array(2);
    context.reply.integer(sample.time_s);
    context.reply.integer(sample.latency_ms);
  }
}

// LATENCY LATEST
void latency_latest_command(CommandContext& context) {
  const auto& events = context.node.latency().events();
  context.reply.array(events.size());
  for (const auto& [name, event] : events) {
    context.reply.array(4);
    context.reply.bulk(name);
    context.reply.integer(event.samples.back().time_s);
    context.reply.integer(event.samples.back().latency_ms);
    context.reply.integer(event.maximum_ms);
  }
}

// LATENCY RESET [event [event ...]]
void latency_reset_command(CommandContext& context) {
  LatencyMonitor& monitor = context.node.latency();
  size_t count = 0;
  if (context.arguments.size() == 2) {
    count = monitor.reset_all();
  } else {
    for (const std::string_view event : context.arguments.subspan(2)) {
      if (monitor.reset(event)) ++count;
    }
  }
  context.reply.integer(static_cast<int64_t>(count));
}

// MONITOR
void monitor_command(CommandContext& context) {
  context.node.monitors().add(context.session);
  context.reply.ok();
}

// SLOWLOG GET [count]
void slowlog_get_command(CommandContext& context) {
  int64_t count = 10;
  if (context.arguments.size() > 3) {
    reply_subcommand_syntax(context);
    return;
  }
  if (context.arguments.size() == 3 &&
      !read_integer_between(context, context.arguments[2], -1, std::numeric_limits<int64_t>::max(),
                            count, "ERR count should be greater than or equal to -1")) {
    return;
  }
  const auto& entries = context.node.slow_log().entries();
  const size_t shown =
      count < 0 ? entries.size() : std::min(entries.size(), static_cast<size_t>(count));
  context.reply.array(shown);
  for (size_t i = 0; i < shown; ++i) {
    const SlowLog::Entry& entry = entries[i];
    context.reply.array(6);
    context.reply.integer(entry.id);
    context.reply.integer(entry.time_s);
    context.reply.integer(entry.duration_us);
    context.reply.array(entry.arguments.size());
    for (const std::string& argument : entry.arguments) context.reply.bulk(argument);
    context.reply.bulk(entry.address);
    context.reply.bulk(entry.name);
  }
}

// SLOWLOG HELP
void slowlog_help_command(CommandContext& context) { reply_help(context, "slowlog"); }

// SLOWLOG LEN
void slowlog_len_command(CommandContext& context) {
  context.reply.integer(static_cast<int64_t>(context.node.slow_log().entries().size()));
}

// SLOWLOG RESET
void slowlog_reset_command(CommandContext& context) {
  context.node.slow_log().reset();
  context.reply.ok();
}

}  // namespace kvorum::server
