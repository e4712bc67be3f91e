// What the world gives a node: clocks, randomness, lanes for blocking work, a log, and the
// connections its sessions stand for. Two implementations: the libuv shell and the simulator.
// Everything is called on the node's loop; only `work` of run() leaves it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/node/loading_progress.h"
#include "storage/file_system.h"
#include "storage/types.h"

namespace kvorum::server {

class Session;

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

// Each lane runs its jobs one at a time, in order, beside the loop.
enum class Lane : uint8_t { kWal, kBackground };

// What only the process knows, for INFO.
struct ProcessFigures {
  uint64_t resident_bytes = 0;
  uint64_t peak_resident_bytes = 0;
  uint64_t allocated_bytes = 0;  // live allocations, allocator's count
  uint64_t allocator_active_bytes = 0;
  uint64_t allocator_resident_bytes = 0;
  uint64_t total_system_bytes = 0;
  double cpu_user_seconds = 0, cpu_system_seconds = 0;
  double cpu_user_children_seconds = 0, cpu_system_children_seconds = 0;
  int64_t process_id = 0;
  uint64_t network_input_bytes = 0, network_output_bytes = 0;
  std::string executable, config_file, operating_system, multiplexing_api, allocator, compiler;
};

class Host {
 public:
  virtual ~Host() = default;
  virtual int64_t wall_us() = 0;       // Unix time
  virtual int64_t monotonic_us() = 0;  // CLOCK_BOOTTIME
  virtual uint64_t random() = 0;
  // Identifies this run of the kernel, zeros where unknown: a power cut makes it another.
  virtual std::array<uint8_t, 16> kernel_boot() = 0;
  // A clock that lanes may read, to time what they do; null: there is none.
  virtual uint64_t (*lane_clock_us())() = 0;
  virtual void log(LogLevel level, std::string_view message) = 0;  // escapes; lanes may call it
  // Loading has come further, or ended: a line of the log, or a bar where somebody watches.
  virtual void show_loading(const LoadingProgress& progress) = 0;
  virtual storage::FileSystem& file_system() = 0;
  // Runs `work` on the lane, then `done` on the loop.
  virtual void run(Lane lane, std::function<void()> work, std::function<void()> done) = 0;
  // The session has output to send, may execute again, or is to be closed. Called at most once
  // until the host has looked at it (Session::clear_ready).
  virtual void session_ready(Session& session) = 0;
  // Begins to connect to a peer's client port ("host:port"). The node hears, in a later turn of the
  // loop, peer_connected or peer_closed. REQUIRES: no connection to it is open or being opened.
  virtual void dial(storage::NodeId peer, const std::string& address) = 0;
  // Appends to what is sent to the peer: `head`, then `body` (may be null; shared with others and
  // never copied while it waits for the socket). REQUIRES: connected to it.
  virtual void send_to_peer(storage::NodeId peer, std::string head,
                            std::shared_ptr<const std::string> body) = 0;
  // Bytes given to send_to_peer that the socket has not taken yet. When some of them have gone the
  // node hears peer_sent.
  virtual size_t peer_unsent_bytes(storage::NodeId peer) = 0;
  // Closes the connection (or stops opening one); the node hears nothing more of it.
  virtual void hang_up(storage::NodeId peer) = 0;
  virtual ProcessFigures process_figures() = 0;
  // An option was changed by CONFIG SET: the host re-reads those it cares about.
  virtual void options_changed() = 0;
  // Writes the options in force to the configuration file (CONFIG REWRITE).
  virtual absl::Status rewrite_configuration() = 0;
  // The node has drained and synced (SHUTDOWN, SIGTERM): leave with this exit code.
  virtual void stopped(int exit_code) = 0;
  // How soon Node::tick is called where Node::tick_wanted() says so; 0: no sooner than else. What
  // can wait so long may: it mostly finds company.
  virtual int64_t soon_us() const { return 0; }
};

}  // namespace kvorum::server
