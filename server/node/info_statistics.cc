// INFO's sections about what was done: stats, commands, errors, keyspace.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/text.h"
#include "server/node/command.h"
#include "server/node/host.h"
#include "server/node/info_section.h"
#include "server/node/node.h"

namespace kvorum::server {
namespace {

using CommandFigures = std::pair<const Command*, const CommandStatistics*>;

// Those that were called or refused, by name.
std::vector<CommandFigures> sorted_commands(Node& node) {
  std::vector<CommandFigures> rows;
  for (const auto& [command, figures] : node.statistics().commands) {
    if (figures.calls + figures.rejected_calls + figures.failed_calls == 0) continue;
    rows.emplace_back(command, &figures);
  }
  std::sort(rows.begin(), rows.end(), [](const CommandFigures& a, const CommandFigures& b) {
    return a.first->name < b.first->name;
  });
  return rows;
}

double kilobytes(const RateMeter& meter) { return meter.per_second() / 1024; }

}  // namespace

void write_stats_section(Node& node, InfoLines& lines) {
  const Statistics& statistics = node.statistics();
  const ProcessFigures process = node.host().process_figures();
  lines.add("total_connections_received", statistics.connections_received);
  lines.add("total_commands_processed", statistics.commands_processed);
  lines.add("instantaneous_ops_per_sec",
            static_cast<int64_t>(statistics.commands_rate.per_second()));
  lines.add("total_net_input_bytes", process.network_input_bytes);
  lines.add("total_net_output_bytes", process.network_output_bytes);
  lines.add("total_net_repl_input_bytes", 0);
  lines.add("total_net_repl_output_bytes", 0);
  lines.add_real("instantaneous_input_kbps", kilobytes(statistics.input_rate), 2);
  lines.add_real("instantaneous_output_kbps", kilobytes(statistics.output_rate), 2);
  lines.add("instantaneous_input_repl_kbps", "0.00");
  lines.add("instantaneous_output_repl_kbps", "0.00");
  lines.add("rejected_connections", statistics.connections_rejected);
  lines.add("sync_full", 0);
  lines.add("sync_partial_ok", 0);
  lines.add("sync_partial_err", 0);
  lines.add("expired_keys", statistics.expired_keys);
  lines.add("expired_stale_perc", "0.00");
  lines.add("expired_time_cap_reached_count", 0);
  lines.add("evicted_keys", 0);
  lines.add("evicted_clients", 0);
  lines.add("total_eviction_exceeded_time", 0);
  lines.add("current_eviction_exceeded_time", 0);
  lines.add("keyspace_hits", statistics.keyspace_hits);
  lines.add("keyspace_misses", statistics.keyspace_misses);
  lines.add("pubsub_channels", node.pubsub().channel_count());
  lines.add("pubsub_patterns", node.pubsub().pattern_count());
  lines.add("pubsubshard_channels", node.pubsub().shard_channel_count());
  lines.add("latest_fork_usec", 0);
  lines.add("total_forks", 0);
  lines.add("migrate_cached_sockets", 0);
  lines.add("slave_expires_tracked_keys", 0);
  lines.add("tracking_total_keys", 0);
  lines.add("tracking_total_items", 0);
  lines.add("tracking_total_prefixes", 0);
  lines.add("unexpected_error_replies", 0);
  lines.add("total_error_replies", statistics.error_replies);
  lines.add("dump_payload_sanitizations", 0);
  lines.add("total_reads_processed", statistics.reads_processed);
  lines.add("total_writes_processed", statistics.writes_processed);
  lines.add("io_threaded_reads_processed", 0);
  lines.add("io_threaded_writes_processed", 0);
  lines.add("protocol_errors", statistics.protocol_errors);
  lines.add("denied_authentications", statistics.denied_authentication);
  lines.add("client_output_limit_disconnections", statistics.output_limit_disconnections);
}

void write_commandstats_section(Node& node, InfoLines& lines) {
  for (const auto& [command, figures] : sorted_commands(node)) {
    const double mean = figures->calls == 0 ? 0
                                            : static_cast<double>(figures->microseconds) /
                                                  static_cast<double>(figures->calls);
    lines.add(
        base::concat("cmdstat_", command->name),
        std::string_view(absl::StrFormat(
            "calls=%d,usec=%d,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d", figures->calls,
            figures->microseconds, mean, figures->rejected_calls, figures->failed_calls)));
  }
}

void write_errorstats_section(Node& node, InfoLines& lines) {
  const auto& errors = node.statistics().errors;
  std::vector<std::pair<std::string_view, uint64_t>> rows(errors.begin(), errors.end());
  std::sort(rows.begin(), rows.end());
  for (const auto& [code, count] : rows) {
    lines.add(base::concat("errorstat_", code), std::string_view(base::concat("count=", count)));
  }
}

void write_latencystats_section(Node& node, InfoLines& lines) {
  for (const auto& [command, figures] : sorted_commands(node)) {
    const LatencyHistogram& latency = figures->latency;
    if (latency.total() == 0) continue;
    lines.add(base::concat("latency_percentiles_usec_", command->name),
              std::string_view(absl::StrFormat("p50=%.3f,p99=%.3f,p99.9=%.3f",
                                               static_cast<double>(latency.percentile_us(50)),
                                               static_cast<double>(latency.percentile_us(99)),
                                               static_cast<double>(latency.percentile_us(99.9)))));
  }
}

void write_keyspace_section(Node& node, InfoLines& lines) {
  const storage::Keyspace& keyspace = node.keyspace();
  for (int database = 0; database < storage::kDatabaseCount; ++database) {
    if (keyspace.size(database) == 0) continue;
    lines.add(base::concat("db", database),
              std::string_view(base::concat(
                  "keys=", keyspace.size(database), ",expires=", keyspace.expires(database),
                  ",avg_ttl=", keyspace.average_ttl_ms(database, node.expiry_base_ms()))));
  }
}

}  // namespace kvorum::server
