#include "server/shell/server.h"

#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <fstream>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster_options.h"
#include "server/shell/loading_bar.h"
#include "server/shell/logging.h"
#include "server/shell/process_figures.h"

namespace kvorum::server {

namespace {

constexpr uint64_t kTickMs = 10;
// How long a turn executes what clients send, besides the one command that may take longer.
constexpr int64_t kLongTurnUs = 10'000;
constexpr uint64_t kSoonMs = 1;
constexpr int64_t kIdleCheckIntervalUs = 1'000'000;
// A client that is silent for so long holds no buffer.
constexpr int64_t kIdleMemoryUs = 5'000'000;
// How long a stopping server waits for clients to take their last answers.
constexpr int64_t kDrainUs = 1'000'000;
constexpr int64_t kLoadingLogIntervalUs = 2'000'000;
constexpr int64_t kHttpLogIntervalUs = 60'000'000;
// Descriptors for files, lanes and the loop, besides one for each client.
constexpr rlim_t kOwnDescriptors = 64;
// Connections beyond maxclients that may turn out to be peers, besides one for each peer.
constexpr size_t kPeerSlots = 32;
// How long such a connection may be silent before it is refused.
constexpr int64_t kUnprovenUs = 1'000'000;
// Longer messages between nodes travel in parts of 64 KiB.
constexpr size_t kPeerMessageBytes = 1 << 20;

constexpr std::string_view kProtectedModeError =
    "-DENIED kvorum is running in protected mode because protected mode is enabled and no password "
    "is set. In this mode connections are only accepted from the loopback interface. Set a "
    "password with the option requirepass, or give protected-mode = false if the network is "
    "trusted.\r\n";
constexpr std::string_view kTooManyClients = "-ERR max number of clients reached\r\n";

int64_t read_clock_us(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

template <class Handle>
uv_handle_t* as_handle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

Server::Server(OptionTable& options, storage::FileSystem& files, Settings settings)
    : options_(options),
      files_(files),
      settings_(std::move(settings)),
      listeners_(*this),
      peers_(&loop_, *this) {
  CHECK_EQ(uv_loop_init(&loop_), 0);
}

Server::~Server() { CHECK_EQ(uv_loop_close(&loop_), 0); }

int Server::run(absl::Status& status) {
  std::signal(SIGPIPE, SIG_IGN);
  wal_lane_ = std::make_unique<LaneThread>(&loop_, "kvorum-wal");
  background_lane_ = std::make_unique<LaneThread>(&loop_, "kvorum-snapshot");
  node_ = std::make_unique<Node>(options_, *this);
  start_loop_handles();
  status = open();
  if (status.ok()) {
    while (!stopped_) uv_run(&loop_, UV_RUN_ONCE);
  } else {
    exit_code_ = 1;
  }
  close_everything();
  return exit_code_;
}

absl::Status Server::open() {
  rlimit descriptors;
  const rlim_t wanted = static_cast<rlim_t>(options().maxclients) + kPeerSlots +
                        2 * options().peers.size() + kOwnDescriptors;
  if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur < wanted) {
    descriptors.rlim_cur = std::min(wanted, descriptors.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &descriptors) != 0 || descriptors.rlim_cur < wanted) {
      log(LogLevel::kWarning,
          base::concat("the system allows ", descriptors.rlim_cur,
                       " open files: fewer clients than maxclients can be served"));
    }
  }
  for (const std::string& warning : cluster_warnings(options())) {
    log(LogLevel::kWarning, warning);
  }
  // The data directory first: its lock says whether another server uses it.
  if (absl::Status status = node_->start(); !status.ok()) return status;
  if (absl::Status status = listeners_.open(options()); !status.ok()) return status;
  log(LogLevel::kInfo, base::concat("listening on port ", options().port));
  return absl::OkStatus();
}

void Server::start_loop_handles() {
  uv_prepare_init(&loop_, &before_poll_);
  uv_timer_init(&loop_, &timer_);
  uv_timer_init(&loop_, &soon_);
  uv_idle_init(&loop_, &busy_);
  uv_idle_init(&loop_, &deferring_);
  uv_signal_init(&loop_, &terminate_);
  uv_signal_init(&loop_, &interrupt_);
  before_poll_.data = timer_.data = soon_.data = busy_.data = terminate_.data = interrupt_.data =
      this;
  uv_prepare_start(&before_poll_,
                   [](uv_prepare_t* handle) { static_cast<Server*>(handle->data)->end_turn(); });
  uv_timer_start(
      &timer_, [](uv_timer_t* handle) { static_cast<Server*>(handle->data)->tick(); }, kTickMs,
      kTickMs);
  const auto on_signal = [](uv_signal_t* handle, int number) {
    static_cast<Server*>(handle->data)->handle_signal(number);
  };
  uv_signal_start(&terminate_, on_signal, SIGTERM);
  uv_signal_start(&interrupt_, on_signal, SIGINT);
}

void Server::end_turn() {
  // What the node does at the end of a turn may let replies out: nothing waits for the next event.
  do {
    serve_ready();
    node_->end_turn();
  } while (!ready_.empty());
  peers_.end_turn();
  if (!node_->tick_wanted()) {
    uv_timer_stop(&soon_);
  } else if (!uv_is_active(as_handle(&soon_))) {
    uv_timer_start(
        &soon_, [](uv_timer_t* handle) { static_cast<Server*>(handle->data)->tick(); }, kSoonMs, 0);
  }
  turn_input_us_ = 0;
  serve_deferred();
}

bool Server::turn_is_long() {
  const int64_t now_us = node_->monotonic_us();
  if (turn_input_us_ == 0) turn_input_us_ = now_us;
  return now_us - turn_input_us_ >= kLongTurnUs;
}

void Server::defer(Connection& connection) {
  deferred_.push_back(&connection);
  if (!uv_is_active(as_handle(&deferring_))) uv_idle_start(&deferring_, [](uv_idle_t*) {});
}

// They are the first of the next turn, which the loop does not wait for: it ends what they began.
void Server::serve_deferred() {
  if (deferred_.empty()) {
    uv_idle_stop(&deferring_);
    return;
  }
  node_->refresh_clock();
  while (!deferred_.empty() && !turn_is_long()) {
    Connection* connection = deferred_.front();
    deferred_.pop_front();
    connection->handle_deferred();
  }
}

void Server::serve_ready() {
  // Serving a session may make another one ready: swap until none is left.
  std::vector<Session*> ready;
  while (!ready_.empty()) {
    ready.clear();
    std::swap(ready, ready_);
    node_->refresh_clock();
    serving_ = &ready;
    for (Session* const& session : ready) {
      if (session != nullptr) reinterpret_cast<Connection*>(session->host_tag)->handle_ready();
    }
    serving_ = nullptr;
  }
}

void Server::tick() {
  const bool more = node_->tick();
  if (more && !uv_is_active(as_handle(&busy_))) {
    uv_idle_start(&busy_, [](uv_idle_t* handle) { static_cast<Server*>(handle->data)->tick(); });
  } else if (!more) {
    uv_idle_stop(&busy_);
  }
  const int64_t now_us = monotonic_us();
  if (now_us - last_idle_check_us_ >= kIdleCheckIntervalUs) {
    last_idle_check_us_ = now_us;
    look_at_idle_clients(now_us);
  }
}

void Server::look_at_idle_clients(int64_t now_us) {
  const int64_t timeout_us = options().timeout_s * 1'000'000;
  for (const auto& [id, session] : node_->sessions()) {
    auto* connection = reinterpret_cast<Connection*>(session->host_tag);
    if (connection->standing() == Standing::kUnproven &&
        session->created_us < now_us - kUnprovenUs) {
      connection->refuse_unproven();
      node_->make_ready(*session);
    } else if (timeout_us > 0 && connection->idle_since(now_us - timeout_us)) {
      session->close_now = true;
      node_->make_ready(*session);
    } else if (session->last_interaction_us < now_us - kIdleMemoryUs) {
      connection->release_memory();
    }
  }
}

void Server::handle_signal(int number) {
  if (std::exchange(signalled_, true) && node_->shutting_down()) {
    log(LogLevel::kWarning, "asked twice to stop: leaving at once");
    stopped(1);
    return;
  }
  log(LogLevel::kInfo, base::concat("got signal ", number, ", stopping"));
  node_->shut_down(/*snapshot=*/false, /*force=*/true);
}

int64_t Server::soon_us() const { return int64_t{kSoonMs} * 1000; }

void Server::stopped(int exit_code) {
  stopped_ = true;
  exit_code_ = exit_code;
}

void Server::close_everything() {
  listeners_.close();
  drain_output();
  // The node may tell a peer that a client is gone: the peers' connections come after.
  for (const auto& [id, session] : all_sessions()) {
    reinterpret_cast<Connection*>(session->host_tag)->close();
  }
  peers_.close();
  wal_lane_->close();
  background_lane_->close();
  for (uv_handle_t* handle :
       {as_handle(&before_poll_), as_handle(&timer_), as_handle(&soon_), as_handle(&busy_),
        as_handle(&deferring_), as_handle(&terminate_), as_handle(&interrupt_)}) {
    uv_close(handle, nullptr);
  }
  uv_run(&loop_, UV_RUN_DEFAULT);
}

void Server::drain_output() {
  const int64_t deadline_us = monotonic_us() + kDrainUs;
  end_turn();
  const auto has_output = [](const auto& session) {
    return reinterpret_cast<Connection*>(session.second->host_tag)->has_output();
  };
  // The timer ends each turn, if nothing else does.
  while (monotonic_us() < deadline_us &&
         std::any_of(node_->sessions().begin(), node_->sessions().end(), has_output)) {
    uv_run(&loop_, UV_RUN_ONCE);
  }
}

std::vector<std::pair<uint64_t, Session*>> Server::all_sessions() const {
  std::vector<std::pair<uint64_t, Session*>> all;
  for (const auto& [id, session] : node_->sessions()) all.emplace_back(id, session.get());
  return all;
}

void Server::connection_closed(Connection& connection) {
  Session* session = &connection.session();
  std::erase(ready_, session);
  std::erase(deferred_, &connection);
  if (serving_ != nullptr) {
    std::replace(serving_->begin(), serving_->end(), session, static_cast<Session*>(nullptr));
  }
}

void Server::count_connection(Standing before, Standing now) {
  if (before != Standing::kNone) --connections_[static_cast<size_t>(before)];
  if (now != Standing::kNone) ++connections_[static_cast<size_t>(now)];
}

std::string_view Server::refusal(bool loopback) const {
  const size_t clients = connections_[static_cast<size_t>(Standing::kClient)];
  if (clients >= static_cast<size_t>(options().maxclients)) return kTooManyClients;
  if (options().protected_mode && options().requirepass.empty() && !loopback) {
    return kProtectedModeError;
  }
  return {};
}

bool Server::may_be_peer() const {
  const size_t peers = options().peers.size();
  return peers > 1 && connections_[static_cast<size_t>(Standing::kUnproven)] < kPeerSlots + peers;
}

resp::Limits Server::peer_limits() const {
  resp::Limits limits;
  limits.max_arguments = kPeerMessageBytes / 16;
  limits.max_bulk_bytes = limits.max_query_bytes = kPeerMessageBytes;
  return limits;
}

resp::Limits Server::client_limits() const {
  resp::Limits limits;
  limits.max_bulk_bytes = options().max_bulk_bytes;
  limits.max_query_bytes = options().max_query_bytes;
  return limits;
}

void Server::count_input(size_t bytes) {
  input_bytes_ += bytes;
  ++node_->statistics().reads_processed;
}

void Server::count_output(size_t bytes) {
  output_bytes_ += bytes;
  ++node_->statistics().writes_processed;
}

void Server::log_client(LogLevel level, const Session& session, std::string_view what) {
  log(level, base::concat("client id=", session.id, " addr=", session.address, ": ", what));
}

void Server::log_cross_protocol(const Session& session) {
  const int64_t now_us = monotonic_us();
  if (last_http_log_us_ != 0 && now_us - last_http_log_us_ < kHttpLogIntervalUs) return;
  last_http_log_us_ = now_us;
  log_client(LogLevel::kWarning, session,
             "possible security attack: it sends POST or Host: lines, as a browser made to speak "
             "to this port would; closed");
}

int64_t Server::wall_us() { return read_clock_us(CLOCK_REALTIME); }

int64_t Server::monotonic_us() { return read_clock_us(CLOCK_BOOTTIME); }

uint64_t Server::random() {
  uint64_t value = 0;
  CHECK_EQ(getrandom(&value, sizeof(value), 0), static_cast<ssize_t>(sizeof(value)));
  return value;
}

void Server::show_loading(const LoadingProgress& progress) {
  const int64_t now_us = monotonic_us();
  if (isatty(STDERR_FILENO)) {
    draw_loading_bar(progress);
  } else if (!progress.loading || now_us - loading_logged_us_ >= kLoadingLogIntervalUs) {
    loading_logged_us_ = now_us;
    log(LogLevel::kInfo, loading_text(progress));
  }
}

std::array<uint8_t, 16> Server::kernel_boot() {
  std::array<uint8_t, 16> id{};
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  file >> text;
  std::erase(text, '-');
  if (text.size() != 2 * id.size()) return {};
  for (size_t i = 0; i < id.size(); ++i) {
    std::from_chars(text.data() + 2 * i, text.data() + 2 * i + 2, id[i], 16);
  }
  return id;
}

uint64_t (*Server::lane_clock_us())() {
  return [] { return static_cast<uint64_t>(read_clock_us(CLOCK_BOOTTIME)); };
}

void Server::log(LogLevel level, std::string_view message) { write_log(level, message); }

void Server::run(Lane lane, std::function<void()> work, std::function<void()> done) {
  LaneThread& thread = lane == Lane::kWal ? *wal_lane_ : *background_lane_;
  thread.run(std::move(work), std::move(done));
}

void Server::dial(storage::NodeId peer, const std::string& address) { peers_.dial(peer, address); }

void Server::send_to_peer(storage::NodeId peer, std::string head,
                          std::shared_ptr<const std::string> body) {
  peers_.send(peer, std::move(head), std::move(body));
}

size_t Server::peer_unsent_bytes(storage::NodeId peer) { return peers_.unsent_bytes(peer); }

void Server::hang_up(storage::NodeId peer) { peers_.hang_up(peer); }

// The clock first: what arrives is judged by a time that is not before its arrival.
void Server::peer_connected(storage::NodeId peer) {
  node_->refresh_clock();
  node_->peer_connected(peer);
}

void Server::peer_received(storage::NodeId peer, std::string_view bytes) {
  node_->refresh_clock();
  node_->peer_received(peer, bytes);
}

void Server::peer_sent(storage::NodeId peer) {
  node_->refresh_clock();
  node_->peer_sent(peer);
}

void Server::peer_closed(storage::NodeId peer, std::string_view reason) {
  node_->refresh_clock();
  node_->peer_closed(peer, reason);
}

ProcessFigures Server::process_figures() {
  ProcessFigures figures = read_process_figures();
  figures.network_input_bytes = input_bytes_ + peers_.received_bytes();
  figures.network_output_bytes = output_bytes_ + peers_.sent_bytes();
  figures.executable = settings_.executable;
  figures.config_file = settings_.config_file;
  return figures;
}

void Server::options_changed() { settings_.options_changed(options()); }

absl::Status Server::rewrite_configuration() {
  if (settings_.config_file.empty()) {
    return absl::FailedPreconditionError("The server is running without a config file");
  }
  return settings_.rewrite_configuration(options_);
}

}  // namespace kvorum::server
