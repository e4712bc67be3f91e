// Every option of the server in one table: TOML key, flag, CONFIG name, type, limits, default and
// the sentence that documents it. The file reader, the command line, CONFIG and
// docs/configuration.md all read this table. Belongs to the loop once the server runs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "storage/wal.h"

namespace kvorum::server {

// The values in force. Names as in the file, `[section] key-name` → key_name.
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
  kEvents
};

struct Option {
  std::string_view section;     // "wal"
  std::string_view name;        // "segment-size": TOML key, --flag and CONFIG name
  std::string_view redis_name;  // further CONFIG name where Redis has one: "appendfsync"; or empty
  OptionType type;
  bool changeable;                 // by CONFIG SET while running
  bool secret;                     // never logged
  int64_t minimum, maximum;        // for numbers
  std::string_view choices;        // "always|everysec|never"
  std::string_view documentation;  // one sentence
};

class OptionTable {
 public:
  const Options& values() const { return values_; }
  static std::span<const Option> options();
  static const Option* find(std::string_view name);        // by name or redis_name, any case
  static std::string_view nearest(std::string_view name);  // by edit distance, over names

  // As text, in the form `set` takes. Bytes are plain numbers.
  std::string get(const Option& option) const;
  static std::string default_value(const Option& option);
  // Checks type and limits; on error nothing changes. "64mb", "1gb", "yes|no|true|false".
  [[nodiscard]] absl::Status set(const Option& option, std::string_view text);

  bool is_default(const Option& option) const;

 private:
  Options values_;
};

}  // namespace kvorum::server
