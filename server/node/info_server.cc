// INFO's sections about the process: server, clients, memory, persistence, CPU.
#include <algorithm>

#include "server/node/host.h"
#include "server/node/info_section.h"
#include "server/node/node.h"
#include "server/node/persistence.h"
#include "server/node/session.h"
#include "server/node/version.h"

namespace kvorum::server {
namespace {

double ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

int64_t difference(uint64_t more, uint64_t less) {
  return static_cast<int64_t>(more) - static_cast<int64_t>(less);
}

// What is allocated, by the allocator's count where there is one.
uint64_t used_memory(const Node& node, const ProcessFigures& process) {
  return process.allocated_bytes != 0 ? process.allocated_bytes : node.used_bytes();
}

void write_loading(const LoadingProgress& loading, InfoLines& lines) {
  lines.add("loading_start_time", loading.started_ms / 1000);
  lines.add("loading_total_bytes", loading.total_bytes);
  lines.add("loading_rdb_used_mem", 0);
  lines.add("loading_loaded_bytes", loading.loaded_bytes);
  lines.add_real("loading_loaded_perc",
                 100 * ratio(loading.loaded_bytes, std::max<uint64_t>(loading.total_bytes, 1)), 2);
  lines.add("loading_eta_seconds", static_cast<int64_t>(loading.seconds_left));
  lines.add("loading_loaded_keys", loading.loaded_keys);
  lines.add("loading_bytes_per_sec", static_cast<int64_t>(loading.bytes_per_second));
}

void write_wal(const PersistenceFigures& figures, InfoLines& lines) {
  lines.add("wal_fsync", figures.fsync_policy);
  lines.add("wal_last_write_error", figures.wal_last_error);
  lines.add("wal_segments", figures.wal_segments);
  lines.add("wal_batches", figures.wal_batches);
  lines.add("wal_fsyncs", figures.wal_fsyncs);
  lines.add("wal_last_fsync_usec", figures.wal_last_fsync_us);
  lines.add("snapshot_last_bytes", figures.snapshot_last_bytes);
}

}  // namespace

void write_server_section(Node& node, InfoLines& lines) {
  const ProcessFigures process = node.host().process_figures();
  const int64_t uptime_s = (node.monotonic_us() - node.started_us()) / 1'000'000;
  lines.add("redis_version", kRedisVersion);
  lines.add("redis_git_sha1", "00000000");
  lines.add("redis_git_dirty", 0);
  lines.add("redis_build_id", "0000000000000000");
  lines.add("redis_mode", "standalone");
  lines.add("os", process.operating_system);
  lines.add("arch_bits", sizeof(void*) * 8);
  lines.add("monotonic_clock", "POSIX clock_gettime");
  lines.add("multiplexing_api", process.multiplexing_api);
  lines.add("atomicvar_api", "c11-builtin");
  lines.add("gcc_version", process.compiler);
  lines.add("process_id", process.process_id);
  lines.add("process_supervised", "no");
  lines.add("run_id", node.run_id());
  lines.add("tcp_port", node.options().values().port);
  lines.add("server_time_usec", node.now_us());
  lines.add("uptime_in_seconds", uptime_s);
  lines.add("uptime_in_days", uptime_s / (24 * 3600));
  lines.add("hz", 10);
  lines.add("configured_hz", 10);
  lines.add("lru_clock", (node.now_us() / 1'000'000) & 0xffffff);
  lines.add("executable", process.executable);
  lines.add("config_file", process.config_file);
  lines.add("io_threads_active", 0);
  lines.add("kvorum_version", kVersion);
}

void write_clients_section(Node& node, InfoLines& lines) {
  size_t clients = 0, peers = 0, largest_input = 0, largest_output = 0, with_deadline = 0;
  for (const auto& [id, session] : node.sessions()) {
    ++(session->peer == storage::NodeId{0} ? clients : peers);
    largest_input = std::max(largest_input, session->query_buffer_bytes);
    largest_output = std::max(largest_output, session->output.size());
    if (session->blocked != nullptr && session->blocked->deadline_us != 0) ++with_deadline;
  }
  lines.add("connected_clients", clients);
  lines.add("cluster_connections", peers);
  lines.add("maxclients", node.options().values().maxclients);
  lines.add("client_recent_max_input_buffer", largest_input);
  lines.add("client_recent_max_output_buffer", largest_output);
  lines.add("blocked_clients", node.blocked_sessions());
  lines.add("tracking_clients", 0);
  lines.add("clients_in_timeout_table", with_deadline);
}

void write_memory_section(Node& node, InfoLines& lines) {
  const ProcessFigures process = node.host().process_figures();
  const uint64_t used = used_memory(node, process);
  const uint64_t dataset = std::min<uint64_t>(node.keyspace().memory_bytes(), used);
  const uint64_t peak = std::max(process.peak_resident_bytes, used);
  size_t client_bytes = 0;
  for (const auto& [id, session] : node.sessions()) {
    client_bytes += session->query_buffer_bytes + session->query_buffer_free_bytes +
                    session->queued_bytes + session->output.size();
  }
  lines.add_bytes("used_memory", used);
  lines.add_bytes("used_memory_rss", process.resident_bytes);
  lines.add_bytes("used_memory_peak", peak);
  lines.add_percent("used_memory_peak_perc", static_cast<double>(used), static_cast<double>(peak));
  lines.add("used_memory_overhead", used - dataset);
  lines.add("used_memory_startup", 0);
  lines.add("used_memory_dataset", dataset);
  lines.add_percent("used_memory_dataset_perc", static_cast<double>(dataset),
                    static_cast<double>(used));
  lines.add("allocator_allocated", process.allocated_bytes);
  lines.add("allocator_active", process.allocator_active_bytes);
  lines.add("allocator_resident", process.allocator_resident_bytes);
  lines.add_bytes("total_system_memory", process.total_system_bytes);
  lines.add_bytes("maxmemory", node.options().values().maxmemory);
  lines.add("maxmemory_policy", "noeviction");
  lines.add_real("allocator_frag_ratio",
                 ratio(process.allocator_active_bytes, process.allocated_bytes), 2);
  lines.add("allocator_frag_bytes",
            difference(process.allocator_active_bytes, process.allocated_bytes));
  lines.add_real("allocator_rss_ratio",
                 ratio(process.allocator_resident_bytes, process.allocator_active_bytes), 2);
  lines.add("allocator_rss_bytes",
            difference(process.allocator_resident_bytes, process.allocator_active_bytes));
  lines.add_real("rss_overhead_ratio",
                 ratio(process.resident_bytes, process.allocator_resident_bytes), 2);
  lines.add("rss_overhead_bytes",
            difference(process.resident_bytes, process.allocator_resident_bytes));
  lines.add_real("mem_fragmentation_ratio", ratio(process.resident_bytes, used), 2);
  lines.add("mem_fragmentation_bytes", difference(process.resident_bytes, used));
  lines.add("mem_not_counted_for_evict", used - std::min<uint64_t>(used, node.used_bytes()));
  lines.add("mem_replication_backlog", 0);
  lines.add("mem_total_replication_buffers", 0);
  lines.add("mem_clients_slaves", 0);
  lines.add("mem_clients_normal", client_bytes);
  lines.add("mem_cluster_links", 0);
  lines.add("mem_aof_buffer", node.uncommitted_bytes());
  lines.add("mem_allocator", process.allocator);
  lines.add("active_defrag_running", 0);
  lines.add("lazyfree_pending_objects", 0);
  lines.add("lazyfreed_objects", 0);
}

void write_persistence_section(Node& node, InfoLines& lines) {
  const PersistenceFigures figures = node.persistence().figures();
  const char* last_snapshot = figures.snapshot_last_ok ? "ok" : "err";
  lines.add("loading", figures.loading.loading ? 1 : 0);
  lines.add("async_loading", 0);
  lines.add("current_cow_peak", 0);
  lines.add("current_cow_size", 0);
  lines.add("current_cow_size_age", 0);
  lines.add_real("current_fork_perc",
                 100 * ratio(figures.snapshot_keys_done, figures.snapshot_keys_total), 2);
  lines.add("current_save_keys_processed", figures.snapshot_keys_done);
  lines.add("current_save_keys_total", figures.snapshot_keys_total);
  lines.add("rdb_changes_since_last_save", figures.changes_since_snapshot);
  lines.add("rdb_bgsave_in_progress", figures.snapshot_in_progress ? 1 : 0);
  lines.add("rdb_last_save_time", figures.snapshot_last_save_s);
  lines.add("rdb_last_bgsave_status", last_snapshot);
  lines.add("rdb_last_bgsave_time_sec", figures.snapshot_last_seconds);
  lines.add("rdb_current_bgsave_time_sec", figures.snapshot_current_seconds);
  lines.add("rdb_saves", figures.snapshots_taken);
  lines.add("rdb_last_cow_size", 0);
  lines.add("rdb_last_load_keys_expired", 0);
  lines.add("rdb_last_load_keys_loaded", figures.loading.loaded_keys);
  lines.add("aof_enabled", 1);
  lines.add("aof_rewrite_in_progress", figures.snapshot_in_progress ? 1 : 0);
  lines.add("aof_rewrite_scheduled", 0);
  lines.add("aof_last_rewrite_time_sec", figures.snapshot_last_seconds);
  lines.add("aof_current_rewrite_time_sec", figures.snapshot_current_seconds);
  lines.add("aof_last_bgrewrite_status", last_snapshot);
  lines.add("aof_rewrites", figures.snapshots_taken);
  lines.add("aof_rewrites_consecutive_failures", figures.snapshot_last_ok ? 0 : 1);
  lines.add("aof_last_write_status", figures.wal_last_write_ok ? "ok" : "err");
  lines.add("aof_last_cow_size", 0);
  lines.add("module_fork_in_progress", 0);
  lines.add("module_fork_last_cow_size", 0);
  lines.add("aof_current_size", figures.wal_current_bytes);
  lines.add("aof_base_size", figures.wal_base_bytes);
  lines.add("aof_pending_rewrite", 0);
  lines.add("aof_buffer_length", figures.wal_pending_bytes);
  lines.add("aof_pending_bio_fsync", 0);
  lines.add("aof_delayed_fsync", 0);
  write_wal(figures, lines);
  lines.add("backup_in_progress", figures.backup.in_progress ? 1 : 0);
  lines.add("backup_last_status", figures.backup.last_ok ? "ok" : "err");
  lines.add("backup_last_time_sec", figures.backup.last_seconds);
  lines.add("backup_last_bytes", figures.backup.last_bytes);
  lines.add("backups", figures.backup.taken);
  if (figures.loading.loading) write_loading(figures.loading, lines);
}

void write_cpu_section(Node& node, InfoLines& lines) {
  const ProcessFigures process = node.host().process_figures();
  lines.add_real("used_cpu_sys", process.cpu_system_seconds, 6);
  lines.add_real("used_cpu_user", process.cpu_user_seconds, 6);
  lines.add_real("used_cpu_sys_children", process.cpu_system_children_seconds, 6);
  lines.add_real("used_cpu_user_children", process.cpu_user_children_seconds, 6);
}

}  // namespace kvorum::server
