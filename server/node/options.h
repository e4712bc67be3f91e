// Every option of the server in one table: TOML key, flag, CONFIG name, type, limits, default and
// the sentence that documents it. The file reader, the command line, CONFIG and
// docs/configuration.md all read this table; what several options must agree on is in
// cluster_options.h. Belongs to the loop once the server runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "storage/wal.h"

namespace kvorum::server {

// The values in force, by the names of the options: `write-timeout-ms` → write_timeout_ms.
struct Options {
  // [node]
  int64_t id = 1;
  std::vector<std::string> bind = {"127.0.0.1", "-::1"};  // "-": not an error if it cannot be bound
  int64_t port = 6379;                                    // 0: no TCP
  std::string unix_socket;
  int64_t unix_socket_permissions = 0;  // 0: the umask's
  std::string data_dir = "./data";
  bool protected_mode = true;
  std::string requirepass;
  int64_t maxclients = 10000;
  uint64_t maxmemory = 0;
  int64_t timeout_s = 0;
  int64_t tcp_keepalive_s = 300;
  int64_t tcp_backlog = 511;
  // [cluster]
  std::string cluster_id;
  std::string cluster_secret;
  std::vector<std::string> peers;         // "1=127.0.0.1:7000"; see parse_peers()
  std::string write_quorum = "majority";  // seeds the first start, as do peers and timing
  int64_t write_timeout_ms = 5000;
  int64_t heartbeat_ms = 50;
  int64_t election_timeout_ms = 300;
  int64_t max_clock_drift_ms = 500;
  std::string divergence = "save";           // save, merge
  std::string follower_writes = "forward";   // forward, readonly, redirect
  std::string read_consistency = "session";  // see parse_consistency()
  // [wal]
  storage::FsyncPolicy fsync = storage::FsyncPolicy::kAlways;
  uint64_t segment_size = 64 << 20;
  int64_t keep_for_s = 0;
  uint64_t keep_bytes = 0;
  uint64_t max_uncommitted_bytes = 256 << 20;
  // [snapshot]
  uint64_t snapshot_wal_size = 1 << 30;  // 0: never
  int64_t snapshot_interval_s = 3600;    // 0: never
  // [limits]
  uint64_t max_bulk_bytes = 512 << 20;  // proto-max-bulk-len
  uint64_t max_query_bytes = 1 << 30;   // client-query-buffer-limit
  uint64_t max_output_bytes = 0;        // client-output-buffer-limit normal, hard; 0: none
  uint64_t max_pubsub_output_bytes = 32 << 20;
  // [log]
  std::string log_level = "info";
  std::string log_file;          // empty: standard output
  uint64_t log_rotate_size = 0;  // 0: no rotation
  int64_t log_rotate_files = 5;
  // [observe]
  std::string notify_keyspace_events;
  int64_t slowlog_log_slower_than_us = 10000;
  int64_t slowlog_max_len = 128;
  int64_t latency_monitor_threshold_ms = 0;
  std::string enable_debug_command = "no";  // no, yes, local
};

enum class OptionType : uint8_t {
  kBoolean,
  kInteger,
  kBytes,
  kSeconds,
  kOctal,
  kString,
  kStringList,
  kChoice,
  kEvents,
  kQuorum
};

struct Option {
  std::string_view section;     // "wal"
  std::string_view name;        // "segment-size": --flag and CONFIG name, unique
  std::string_view redis_name;  // further CONFIG name where Redis has one: "appendfsync"; or empty
  OptionType type;
  bool changeable;                  // by CONFIG SET while running
  bool secret;                      // never logged
  int64_t minimum, maximum;         // for numbers
  std::string_view choices;         // "always|everysec|never"
  std::string_view documentation;   // one sentence
  std::string_view short_key = {};  // TOML key where it is not the name: [cluster] "id"

  std::string_view key() const { return short_key.empty() ? name : short_key; }
};

class OptionTable {
 public:
  const Options& values() const { return values_; }
  static std::span<const Option> options();
  static const Option* find(std::string_view name);  // by name or redis_name, any case
  static const Option* find_key(std::string_view section, std::string_view key);  // of the file
  static std::string_view nearest(std::string_view name);  // by edit distance, over names and keys

  // As text, in the form `set` takes. Bytes are plain numbers.
  std::string get(const Option& option) const;
  static std::string default_value(const Option& option);
  // Checks type and limits; on error nothing changes. "64mb", "1gb", "yes|no|true|false".
  [[nodiscard]] absl::Status set(const Option& option, std::string_view text);

  bool is_default(const Option& option) const;

  // Where the value comes from, for messages: "node.toml:7", "--peers". One for each element of a
  // list that is written over several lines; the last holds for further elements.
  void set_origin(const Option& option, std::vector<std::string> origin);
  // "the default" where nothing set it.
  std::string origin(const Option& option, size_t element = 0) const;

 private:
  Options values_;
  std::map<std::string_view, std::vector<std::string>> origins_;  // by name
};

}  // namespace kvorum::server
