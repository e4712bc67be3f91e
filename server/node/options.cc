#include "server/node/options.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/text.h"
#include "replication/membership.h"
#include "server/node/keyspace_events.h"

namespace kvorum::server {

namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
constexpr int64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

using Field =
    std::variant<bool Options::*, int64_t Options::*, uint64_t Options::*, std::string Options::*,
                 std::vector<std::string> Options::*, storage::FsyncPolicy Options::*>;

struct Row {
  Option option;
  Field field;
};

std::vector<Row> node_rows() {
  using enum OptionType;
  return {
      {{"node", "id", "", kInteger, false, false, 1, 65535, "",
        "Number of this node in its cluster; the data directory remembers it."},
       &Options::id},
      {{"node", "bind", "", kStringList, false, false, 0, 0, "",
        "Addresses to listen on; one that begins with - may be missing, * and ::* mean all."},
       &Options::bind},
      {{"node", "port", "", kInteger, false, false, 0, 65535, "",
        "TCP port of clients and nodes; 0 listens on no TCP port."},
       &Options::port},
      {{"node", "unix-socket", "unixsocket", kString, false, false, 0, 0, "",
        "Path of a Unix socket to listen on; empty: none."},
       &Options::unix_socket},
      {{"node", "unix-socket-permissions", "unixsocketperm", kOctal, false, false, 0, 0777, "",
        "Octal permissions of the Unix socket; 0 leaves them to the umask."},
       &Options::unix_socket_permissions},
      {{"node", "data-dir", "dir", kString, false, false, 0, 0, "",
        "Directory of the write-ahead log and the snapshots; created where it is missing."},
       &Options::data_dir},
      {{"node", "protected-mode", "", kBoolean, true, false, 0, 1, "",
        "Without a password, refuse clients that are not on a loopback address."},
       &Options::protected_mode},
      {{"node", "requirepass", "", kString, true, true, 0, 0, "",
        "Password that clients give with AUTH; empty: none is asked for."},
       &Options::requirepass},
      {{"node", "maxclients", "", kInteger, true, false, 1, 1'000'000, "",
        "Connections served at a time; more are refused with an error."},
       &Options::maxclients},
      {{"node", "maxmemory", "", kBytes, true, false, 0, kNoLimit, "",
        "Memory for data beyond which writes that need more are refused with -OOM; 0: no limit."},
       &Options::maxmemory},
      {{"node", "timeout", "", kSeconds, true, false, 0, kNoLimit, "",
        "Seconds after which an idle client is disconnected; 0: never."},
       &Options::timeout_s},
      {{"node", "tcp-keepalive", "", kSeconds, true, false, 0, 1'000'000, "",
        "Seconds between TCP keepalive probes; 0: none."},
       &Options::tcp_keepalive_s},
      {{"node", "tcp-backlog", "", kInteger, false, false, 1, 65535, "",
        "Connections the system queues before they are accepted."},
       &Options::tcp_backlog},
  };
}

std::vector<Row> cluster_rows() {
  using enum OptionType;
  return {
      {{"cluster", "cluster-id", "", kString, false, false, 0, 0, "",
        "Name of the cluster; nodes with another one are refused. Needed with more than one peer.",
        "id"},
       &Options::cluster_id},
      {{"cluster", "cluster-secret", "", kString, false, true, 0, 0, "",
        "What nodes prove to each other before anything else; the same on every node.", "secret"},
       &Options::cluster_secret},
      {{"cluster", "peers", "", kStringList, false, false, 0, 0, "",
        "All nodes of the cluster, this one included, as id=host:port; empty: this node alone."},
       &Options::peers},
      {{"cluster", "write-quorum", "", kQuorum, false, false, 0, 0, "",
        "Nodes that must have a write on disk before it is answered, the leader counted."},
       &Options::write_quorum},
      {{"cluster", "write-timeout-ms", "", kInteger, true, false, 1, 3'600'000, "",
        "Milliseconds to wait for the write quorum before a write is answered -TIMEOUT."},
       &Options::write_timeout_ms},
      {{"cluster", "heartbeat-ms", "", kInteger, false, false, 1, 60'000, "",
        "Milliseconds between a leader's heartbeats; less than a third of election-timeout-ms."},
       &Options::heartbeat_ms},
      {{"cluster", "election-timeout-ms", "", kInteger, false, false, 10, 600'000, "",
        "Milliseconds without a leader after which a follower may campaign; each waits between "
        "this and twice as long."},
       &Options::election_timeout_ms},
      {{"cluster", "max-clock-drift-ms", "", kInteger, false, false, 1, 3'600'000, "",
        "A node whose clock differs by more than this from a majority's does not lead."},
       &Options::max_clock_drift_ms},
      {{"cluster", "divergence", "", kChoice, false, false, 0, 0, "save|merge",
        "What becomes of records that a deposed leader has to drop: save them in a file, or, with "
        "a "
        "write-quorum below a majority, offer them to the new leader too, which merges those that "
        "are newer than what it has."},
       &Options::divergence},
      {{"cluster", "follower-writes", "", kChoice, true, false, 0, 0, "forward|readonly|redirect",
        "What a follower does with a write: forward it to the leader, refuse it with -READONLY, or "
        "name the leader with -REDIRECT to clients that know it."},
       &Options::follower_writes},
      {{"cluster", "read-consistency", "", kChoice, true, false, 0, 0,
        "linearizable|session|prefix",
        "What the reads of a connection promise that has not said CLIENT CONSISTENCY."},
       &Options::read_consistency},
  };
}

std::vector<Row> wal_rows() {
  using enum OptionType;
  return {
      {{"wal", "fsync", "appendfsync", kChoice, true, false, 0, 0, "always|everysec|never",
        "When the log is synced: always answers a write when it is on disk, everysec may lose the "
        "last second, never leaves it to the system."},
       &Options::fsync},
      {{"wal", "segment-size", "", kBytes, false, false, 64 * kKiB, 4 * kGiB, "",
        "Bytes after which a new log segment is begun."},
       &Options::segment_size},
      {{"wal", "keep-for", "", kSeconds, true, false, 0, kNoLimit, "",
        "Seconds of log to keep, with the snapshot before it, beyond what a restart needs."},
       &Options::keep_for_s},
      {{"wal", "keep-bytes", "", kBytes, true, false, 0, kNoLimit, "",
        "Bytes of log to keep, with the snapshot before it, beyond what a restart needs."},
       &Options::keep_bytes},
      {{"wal", "max-uncommitted-bytes", "", kBytes, true, false, kMiB, kNoLimit, "",
        "Bytes of records not yet on disk beyond which writes wait."},
       &Options::max_uncommitted_bytes},
  };
}

std::vector<Row> snapshot_rows() {
  using enum OptionType;
  return {
      {{"snapshot", "snapshot-wal-size", "", kBytes, true, false, 0, kNoLimit, "",
        "A snapshot is taken when the log since the last one is longer than this and than that "
        "snapshot; 0: never for its size."},
       &Options::snapshot_wal_size},
      {{"snapshot", "snapshot-interval", "", kSeconds, true, false, 0, kNoLimit, "",
        "A snapshot is taken when the last one is older than this and anything changed; 0: never "
        "for its age."},
       &Options::snapshot_interval_s},
  };
}

std::vector<Row> limits_rows() {
  using enum OptionType;
  return {
      {{"limits", "max-bulk-bytes", "proto-max-bulk-len", kBytes, true, false, kMiB, 2 * kGiB - 1,
        "", "Longest string a client may send or build."},
       &Options::max_bulk_bytes},
      {{"limits", "max-query-bytes", "client-query-buffer-limit", kBytes, true, false, kMiB,
        kNoLimit, "", "Most bytes of unexecuted commands held for one client."},
       &Options::max_query_bytes},
      {{"limits", "max-output-bytes", "", kBytes, true, false, 0, kNoLimit, "",
        "Most bytes of unsent replies held for one client before it is disconnected; 0: no limit."},
       &Options::max_output_bytes},
      {{"limits", "max-pubsub-output-bytes", "", kBytes, true, false, 0, kNoLimit, "",
        "The same for a client that subscribes or monitors."},
       &Options::max_pubsub_output_bytes},
  };
}

std::vector<Row> log_rows() {
  using enum OptionType;
  return {
      {{"log", "log-level", "loglevel", kChoice, true, false, 0, 0,
        "debug|info|warning|error|verbose|notice", "Least severe messages that are logged."},
       &Options::log_level},
      {{"log", "log-file", "logfile", kString, false, false, 0, 0, "",
        "File the log goes to; empty: standard output."},
       &Options::log_file},
      {{"log", "log-rotate-size", "", kBytes, false, false, 0, kNoLimit, "",
        "Bytes after which the log file is rotated; 0: never."},
       &Options::log_rotate_size},
      {{"log", "log-rotate-files", "", kInteger, false, false, 1, 1000, "",
        "Rotated log files to keep."},
       &Options::log_rotate_files},
  };
}

std::vector<Row> observe_rows() {
  using enum OptionType;
  return {
      {{"observe", "notify-keyspace-events", "", kEvents, true, false, 0, 0, "",
        "Keyspace events to publish, in Redis' letters; empty: none."},
       &Options::notify_keyspace_events},
      {{"observe", "slowlog-log-slower-than", "", kInteger, true, false, -1, kNoLimit, "",
        "Microseconds from which a command enters the slow log; -1: none does."},
       &Options::slowlog_log_slower_than_us},
      {{"observe", "slowlog-max-len", "", kInteger, true, false, 0, 1'000'000, "",
        "Entries of the slow log."},
       &Options::slowlog_max_len},
      {{"observe", "latency-monitor-threshold", "", kInteger, true, false, 0, kNoLimit, "",
        "Milliseconds from which LATENCY remembers an event; 0: none."},
       &Options::latency_monitor_threshold_ms},
      {{"observe", "enable-debug-command", "", kChoice, false, false, 0, 0, "no|yes|local",
        "Who may run DEBUG: nobody, everybody, or clients on this machine."},
       &Options::enable_debug_command},
  };
}

const std::vector<Row>& rows() {
  static const auto* const kRows = [] {
    auto* all = new std::vector<Row>();
    std::array sections = {node_rows(),   cluster_rows(), wal_rows(),    snapshot_rows(),
                           limits_rows(), log_rows(),     observe_rows()};
    for (std::vector<Row>& section : sections) {
      for (Row& row : section) all->push_back(std::move(row));
    }
    return all;
  }();
  return *kRows;
}

const Row& row_of(const Option& option) {
  for (const Row& row : rows()) {
    if (row.option.name == option.name) return row;
  }
  CHECK(false) << "no such option: " << option.name;
  return rows().front();
}

// "64mb" → 67108864: Redis' units, k and kb differ by 1000 and 1024.
bool parse_bytes(std::string_view text, int64_t& bytes) {
  const std::string lower = base::lower(text);
  const size_t digits = std::min(lower.find_first_not_of("0123456789"), lower.size());
  const std::string_view unit = std::string_view(lower).substr(digits);
  static constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"", 1},        {"b", 1},     {"k", 1000},       {"kb", kKiB},
      {"m", 1000000}, {"mb", kMiB}, {"g", 1000000000}, {"gb", kGiB}};
  const auto found = std::find_if(std::begin(kUnits), std::end(kUnits),
                                  [&](const auto& each) { return each.first == unit; });
  const auto number = base::parse_integer<int64_t>(std::string_view(lower).substr(0, digits));
  if (found == std::end(kUnits) || !number || *number > kNoLimit / found->second) {
    return false;
  }
  bytes = *number * found->second;
  return true;
}

bool parse_octal(std::string_view text, int64_t& value) {
  if (text.empty() || text.size() > 6) return false;
  value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '7') return false;
    value = value * 8 + (digit - '0');
  }
  return true;
}

bool parse_decimal(std::string_view text, int64_t& value) {
  const auto number = base::parse_integer<int64_t>(text);
  if (number) value = *number;
  return number.has_value();
}

absl::Status parse_number(const Option& option, std::string_view text, int64_t& value) {
  const bool parsed = option.type == OptionType::kBytes   ? parse_bytes(text, value)
                      : option.type == OptionType::kOctal ? parse_octal(text, value)
                                                          : parse_decimal(text, value);
  if (!parsed) {
    return absl::InvalidArgumentError(option.type == OptionType::kBytes
                                          ? "argument must be a memory value"
                                          : "argument couldn't be parsed into an integer");
  }
  if (value < option.minimum || value > option.maximum) {
    return absl::InvalidArgumentError(base::concat("argument must be between ", option.minimum,
                                                   " and ", option.maximum, " inclusive"));
  }
  return absl::OkStatus();
}

std::vector<std::string> split(std::string_view text, std::string_view separators) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

absl::Status check_choice(const Option& option, std::string_view text) {
  const std::vector<std::string> choices = split(option.choices, "|");
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      base::concat("argument(s) must be one of the following: ", join(choices, ", ")));
}

constexpr std::string_view kFsyncNames[] = {"always", "everysec", "never"};

// Assigns `text` to a field of the right type.
struct Setter {
  const Option& option;
  std::string_view text;
  Options& values;

  absl::Status operator()(bool Options::*field) const {
    const std::string lower = base::lower(text);
    const bool yes = lower == "yes" || lower == "true";
    if (!yes && lower != "no" && lower != "false") {
      return absl::InvalidArgumentError("argument must be 'yes' or 'no'");
    }
    values.*field = yes;
    return absl::OkStatus();
  }
  absl::Status operator()(int64_t Options::*field) const {
    int64_t number = 0;
    if (absl::Status status = parse_number(option, text, number); !status.ok()) return status;
    values.*field = number;
    return absl::OkStatus();
  }
  absl::Status operator()(uint64_t Options::*field) const {
    int64_t number = 0;
    if (absl::Status status = parse_number(option, text, number); !status.ok()) return status;
    values.*field = static_cast<uint64_t>(number);
    return absl::OkStatus();
  }
  absl::Status operator()(std::string Options::*field) const {
    if (option.type == OptionType::kChoice) {
      if (absl::Status status = check_choice(option, text); !status.ok()) return status;
    }
    if (option.type == OptionType::kEvents) {
      const auto flags = parse_keyspace_events(text);
      if (!flags) {
        return absl::InvalidArgumentError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
      }
      values.*field = format_keyspace_events(*flags);
      return absl::OkStatus();
    }
    if (option.type == OptionType::kQuorum && !replication::WriteQuorum::parse(text)) {
      return absl::InvalidArgumentError("argument must be majority, all or a number of nodes");
    }
    values.*field = std::string(text);
    return absl::OkStatus();
  }
  absl::Status operator()(std::vector<std::string> Options::*field) const {
    values.*field = split(text, " ,");
    return absl::OkStatus();
  }
  absl::Status operator()(storage::FsyncPolicy Options::*field) const {
    // Redis' name for "never".
    const std::string_view wanted = text == "no" ? "never" : text;
    if (absl::Status status = check_choice(option, wanted); !status.ok()) return status;
    const auto name = std::find(std::begin(kFsyncNames), std::end(kFsyncNames), wanted);
    values.*field = static_cast<storage::FsyncPolicy>(name - std::begin(kFsyncNames));
    return absl::OkStatus();
  }
};

struct Getter {
  const Option& option;
  const Options& values;

  std::string operator()(bool Options::*field) const { return values.*field ? "yes" : "no"; }
  std::string operator()(int64_t Options::*field) const {
    if (option.type != OptionType::kOctal) return std::to_string(values.*field);
    std::string digits;
    for (int64_t rest = values.*field; rest > 0; rest /= 8) {
      digits.insert(digits.begin(), static_cast<char>('0' + rest % 8));
    }
    return digits.empty() ? "0" : digits;
  }
  std::string operator()(uint64_t Options::*field) const { return std::to_string(values.*field); }
  std::string operator()(std::string Options::*field) const { return values.*field; }
  std::string operator()(std::vector<std::string> Options::*field) const {
    return join(values.*field, " ");
  }
  std::string operator()(storage::FsyncPolicy Options::*field) const {
    return std::string(kFsyncNames[static_cast<size_t>(values.*field)]);
  }
};

// Levenshtein's distance, two rows at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      current[j] = std::min(
          {previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
    }
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace

std::span<const Option> OptionTable::options() {
  static const auto* const kOptions = [] {
    auto* options = new std::vector<Option>();
    for (const Row& row : rows()) options->push_back(row.option);
    return options;
  }();
  return *kOptions;
}

const Option* OptionTable::find(std::string_view name) {
  for (const Option& option : options()) {
    if (base::equal_ignoring_case(option.name, name)) return &option;
    if (!option.redis_name.empty() && base::equal_ignoring_case(option.redis_name, name)) {
      return &option;
    }
  }
  return nullptr;
}

const Option* OptionTable::find_key(std::string_view section, std::string_view key) {
  for (const Option& option : options()) {
    if (option.section == section && option.key() == key) return &option;
  }
  return nullptr;
}

std::string_view OptionTable::nearest(std::string_view name) {
  const auto all = options();
  const auto distance = [name](const Option& option) {
    return std::min(edit_distance(option.name, name), edit_distance(option.key(), name));
  };
  return std::min_element(
             all.begin(), all.end(),
             [&](const Option& a, const Option& b) { return distance(a) < distance(b); })
      ->name;
}

std::string OptionTable::get(const Option& option) const {
  return std::visit(Getter{option, values_}, row_of(option).field);
}

std::string OptionTable::default_value(const Option& option) {
  return std::visit(Getter{option, Options()}, row_of(option).field);
}

absl::Status OptionTable::set(const Option& option, std::string_view text) {
  return std::visit(Setter{option, text, values_}, row_of(option).field);
}

bool OptionTable::is_default(const Option& option) const {
  return get(option) == default_value(option);
}

void OptionTable::set_origin(const Option& option, std::vector<std::string> origin) {
  origins_[option.name] = std::move(origin);
}

std::string OptionTable::origin(const Option& option, size_t element) const {
  const auto found = origins_.find(option.name);
  if (found == origins_.end() || found->second.empty()) return "the default";
  return found->second[std::min(element, found->second.size() - 1)];
}

}  // namespace kvorum::server
