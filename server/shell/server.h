// The libuv shell around a node: listens, owns the connections, gives the node its clocks, lanes
// and turns of the loop. One thread, besides the lanes'.
#pragma once

#include <uv.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "resp/limits.h"
#include "server/node/host.h"
#include "server/node/node.h"
#include "server/node/options.h"
#include "server/shell/connection.h"
#include "server/shell/lane.h"
#include "server/shell/listener.h"
#include "server/shell/peer_connection.h"

namespace kvorum::server {

class Server : public Host, private PeerEvents {
 public:
  struct Settings {
    std::string executable;
    std::string config_file;  // empty: none was given
    std::function<absl::Status(const OptionTable&)> rewrite_configuration;
    std::function<void(const Options&)> options_changed;
  };

  // All of these outlive the server.
  Server(OptionTable& options, storage::FileSystem& files, Settings settings);
  ~Server() override;

  // Opens the data directory and the sockets, then serves until stopped; the process' exit code.
  // The error of what could not be opened is in `status`.
  int run(absl::Status& status);

  // --- For connections.
  uv_loop_t* loop() { return &loop_; }
  Node& node() { return *node_; }
  const Options& options() const { return options_.values(); }
  resp::Limits client_limits() const;
  resp::Limits peer_limits() const;
  // Why a client that connects now is not served, as it is told; empty: it is.
  std::string_view refusal(bool loopback) const;
  // There are peers, and room for one more connection that may turn out to be one of them.
  bool may_be_peer() const;
  void count_connection(Standing before, Standing now);
  void connection_closed(Connection& connection);
  void count_input(size_t bytes);
  // This turn has executed enough: what clients send now is left to the next one, so that
  // heartbeats and the log do not wait until everybody's input has been executed.
  bool turn_is_long();
  // Has it handled (Connection::handle_deferred) when those before it have been.
  void defer(Connection& connection);
  void count_output(size_t bytes);
  void log_client(LogLevel level, const Session& session, std::string_view what);
  // Somebody speaks HTTP to us: logged once a minute at most.
  void log_cross_protocol(const Session& session);

  // --- Host.
  int64_t wall_us() override;
  int64_t monotonic_us() override;
  uint64_t random() override;
  std::array<uint8_t, 16> kernel_boot() override;
  uint64_t (*lane_clock_us())() override;
  void log(LogLevel level, std::string_view message) override;
  void show_loading(const LoadingProgress& progress) override;
  storage::FileSystem& file_system() override { return files_; }
  void run(Lane lane, std::function<void()> work, std::function<void()> done) override;
  void session_ready(Session& session) override { ready_.push_back(&session); }
  void dial(storage::NodeId peer, const std::string& address) override;
  void send_to_peer(storage::NodeId peer, std::string head,
                    std::shared_ptr<const std::string> body) override;
  size_t peer_unsent_bytes(storage::NodeId peer) override;
  void hang_up(storage::NodeId peer) override;
  ProcessFigures process_figures() override;
  void options_changed() override;
  absl::Status rewrite_configuration() override;
  void stopped(int exit_code) override;
  int64_t soon_us() const override;

 private:
  // PeerEvents.
  void peer_connected(storage::NodeId peer) override;
  void peer_received(storage::NodeId peer, std::string_view bytes) override;
  void peer_sent(storage::NodeId peer) override;
  void peer_closed(storage::NodeId peer, std::string_view reason) override;

  absl::Status open();
  void start_loop_handles();
  void end_turn();
  void serve_ready();
  void serve_deferred();
  void tick();
  void look_at_idle_clients(int64_t now_us);
  void drain_output();
  void handle_signal(int number);
  void close_everything();
  std::vector<std::pair<uint64_t, Session*>> all_sessions() const;

  OptionTable& options_;
  storage::FileSystem& files_;
  const Settings settings_;
  uv_loop_t loop_;
  uv_prepare_t before_poll_;
  uv_timer_t timer_;
  uv_timer_t soon_;      // once, for what the node wants soon
  uv_idle_t busy_;       // active while the node has work of its own
  uv_idle_t deferring_;  // active while input waits: then the loop does not
  uv_signal_t terminate_, interrupt_;
  std::unique_ptr<LaneThread> wal_lane_, background_lane_;
  std::unique_ptr<Node> node_;
  Listeners listeners_;
  PeerConnections peers_;
  std::vector<Session*> ready_;
  std::vector<Session*>* serving_ = nullptr;  // the batch of ready_ being served
  std::deque<Connection*> deferred_;
  int64_t turn_input_us_ = 0;  // when the first input of this turn was executed; 0: not yet
  std::array<size_t, 4> connections_{};  // by Standing
  uint64_t input_bytes_ = 0, output_bytes_ = 0;
  int64_t loading_logged_us_ = 0;
  int64_t last_idle_check_us_ = 0, last_http_log_us_ = 0;
  bool signalled_ = false;  // a signal has asked it to stop
  bool stopped_ = false;
  int exit_code_ = 0;
};

}  // namespace kvorum::server
