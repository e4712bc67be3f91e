#include "server/node/node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/cluster/forwarding.h"
#include "server/node/keyspace_events.h"
#include "server/node/persistence.h"

namespace kvorum::server {

using storage::Effect;
using storage::EffectKind;
using storage::Entry;
using storage::Lsn;
using storage::Position;

namespace {

constexpr int64_t kSampleIntervalUs = 100'000;
constexpr int64_t kProbeIntervalUs = 1'000'000;
// Keys deleted by one expiry record; more wait for the next turn of the loop.
constexpr int kExpiredPerTurn = 64;
// Entries of dropped tables freed in one turn of the loop.
constexpr size_t kReclaimedPerTurn = 2000;

// Who has not given the password yet gets short answers, and must read them.
constexpr uint64_t kMaxUnauthenticatedOutputBytes = 64 << 10;

constexpr OutputQueue::Errors kDiskFullErrors = {
    "-MISCONF Errors writing to the WAL: No space left on device. The command was not "
    "executed.\r\n",
    "-TRYAGAIN What was read has been undone: the disk is full. Ask again.\r\n"};
// Another leader's records took the place of what was waited for: nothing of it has happened.
constexpr OutputQueue::Errors kReplacedErrors = {
    "-TRYAGAIN The leader changed and the command was not executed. Ask again.\r\n",
    "-TRYAGAIN What was read has been undone: the leader changed. Ask again.\r\n"};
// The same where they are offered to that leader: it may merge them.
constexpr OutputQueue::Errors kOfferedErrors = {
    "-TIMEOUT The leader changed and is offered the write, to merge it: outcome unknown.\r\n",
    kReplacedErrors.read};
constexpr OutputQueue::Errors kLeadershipLostErrors = {
    "", "-TRYAGAIN This node leads no more and cannot confirm what was read. Ask again.\r\n"};
constexpr OutputQueue::Errors kTimeoutErrors = {
    "-TIMEOUT The write quorum did not confirm in time: outcome unknown. The write is in the log "
    "and may still take effect.\r\n",
    "-TRYAGAIN What was read was not confirmed in time. Ask again.\r\n"};

std::string random_hex(Host& host, size_t digits) {
  std::string text;
  while (text.size() < digits) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    uint64_t bits = host.random();
    for (int i = 0; i < 16; ++i, bits >>= 4) text += kDigits[bits & 15];
  }
  text.resize(digits);
  return text;
}

}  // namespace

Node::Node(OptionTable& options, Host& host)
    : options_(options),
      host_(host),
      keyspace_(std::make_unique<storage::Keyspace>(0)),
      log_(host,
           {[this](Position durable, const storage::HardState& saved) {
              cluster_->log_persisted(durable, saved);
            },
            [this](Position kept, const absl::Status& reason) { on_tail_lost(kept, reason); },
            [this](Lsn lsn, storage::Digest digest) { cluster_->digest_reached(lsn, digest); },
            [this](const std::string& path) { cluster_->orphans_saved(path); },
            [this](const absl::Status& reason) { on_fatal(reason); }}),
      cluster_(std::make_unique<Cluster>(*this)),
      forwarding_(std::make_unique<Forwarding>(*this)),
      persistence_(std::make_unique<Persistence>(*this)),
      pubsub_(*this),
      slow_log_(options.values()),
      latency_(options.values()),
      run_id_(random_hex(host, 40)) {
  refresh_clock();
  started_us_ = clock_us_;
  notify_flags_ = *parse_keyspace_events(options.values().notify_keyspace_events);
  default_consistency_ = *parse_consistency(options.values().read_consistency);
}

Node::~Node() = default;

absl::Status Node::start() { return persistence_->open(); }

void Node::reset_keyspace(uint64_t hash_seed) {
  CHECK(!log_.started());
  keyspace_ = std::make_unique<storage::Keyspace>(hash_seed);
}

void Node::replace_keyspace(std::unique_ptr<storage::Keyspace> keyspace) {
  std::swap(keyspace_, keyspace);
  persistence_->let_go(std::move(keyspace));
  transactions_.touch_all();
}

bool Node::loaded() const { return cluster_->started(); }

Session& Node::connect() {
  const uint64_t id = next_session_id_++;
  Session& session = *(sessions_[id] = std::make_unique<Session>(id));
  session.authenticated = options_.values().requirepass.empty();
  session.created_us = session.last_interaction_us = clock_us_;
  ++statistics_.connections_received;
  return session;
}

void Node::disconnect(Session& session) {
  cluster_->session_closed(session);
  forwarding_->session_closed(session);
  transactions_.discard(session);
  pubsub_.forget(session);
  monitors_.remove(session);
  for (auto* list : {&gated_, &blocked_, &postponed_}) std::erase(*list, &session);
  sessions_.erase(session.id);
}

Execution Node::protocol_error(Session& session, std::string_view message) {
  if (session.forwarded != 0) return come_again(session);  // what came before is answered first
  ++statistics_.protocol_errors;
  session.writer().error(base::concat("ERR ", message));
  statistics_.count_error(session.output.unsealed());
  session.close_after_reply = true;
  seal_reply(session, {}, OutputKind::kRead);
  return Execution::kDone;
}

void Node::refresh_clock() {
  clock_us_ = host_.monotonic_us();
  wall_offset_us_ = host_.wall_us() - clock_us_;
  command_wall_us_ = clock_us_ + wall_offset_us_;
  log_clock_.refresh(clock_us_, command_wall_us_, log_.last_hlc(), cluster_->clock_judged());
  command_log_us_ = log_clock_.read_us(clock_us_);
}

void Node::options_changed() {
  notify_flags_ = *parse_keyspace_events(options_.values().notify_keyspace_events);
  default_consistency_ = *parse_consistency(options_.values().read_consistency);
  persistence_->options_changed();
  host_.options_changed();
}

const Entry* Node::lookup_in(int database, std::string_view key, Lookup mode) {
  const Entry* entry = keyspace_->find(database, key);
  if (entry != nullptr && expired(*entry)) {
    // A follower, or a full disk, makes no record: then the key only looks deleted.
    if (log_.leading() && !log_.disk_full()) expire_now(database, *entry);
    expired_unlogged_ |= log_.leading() && log_.disk_full();
    entry = nullptr;
  }
  if (entry == nullptr) {
    dependency_ = std::max(dependency_, log_.newest_removal());
    if (mode == Lookup::kRead) {
      ++statistics_.keyspace_misses;
      notify('m', "keymiss", key, database);
    }
    return nullptr;
  }
  dependency_ = std::max(dependency_, log_.newest_swap());
  if (log_.leading() && entry->stamp().hlc > log_.commit_hlc()) {
    dependency_ = std::max(dependency_, log_.lsn_of(entry->stamp().hlc));
  }
  if (mode == Lookup::kRead) ++statistics_.keyspace_hits;
  const bool touches = mode != Lookup::kPeek && (current_ == nullptr || !current_->no_touch);
  if (touches) entry->touch(static_cast<uint64_t>(now_us()) / 1'000'000);
  return entry;
}

void Node::change(const Effect& effect) {
  transactions_.touch(effect, *keyspace_);
  log_.change(effect, static_cast<uint64_t>(log_ms()));
}

void Node::merge(storage::Stamp stamp, std::string_view effects) {
  log_.observe(stamp.hlc);
  change({.kind = EffectKind::kMerge, .stamp = stamp});
  Effect effect;
  while (!effects.empty()) {
    CHECK(storage::decode_effect(effects, effect));
    change(effect);
    const bool set = effect.kind == EffectKind::kSet;
    notify(set ? '$' : 'g', set ? "set" : "del", effect.key, effect.database);
  }
  publish_events(log_.seal());
}

void Node::forget_tombstones(storage::Hlc horizon) {
  change({.kind = EffectKind::kForgetTombstones, .stamp = {horizon, {}}});
  log_.seal();
}

void Node::expire_now(int database, const Entry& entry) {
  // The entry moves into the inverse: its key stays readable until the record is committed.
  const std::string_view key = entry.key();
  change({.kind = EffectKind::kDelete, .database = static_cast<uint8_t>(database), .key = key});
  ++statistics_.expired_keys;
  notify('x', "expired", key, database);
}

bool Node::expire_some() {
  if (!log_.leading() || log_.disk_full() || shutting_down_ || cluster_->replica().transferring() ||
      log_.uncommitted_bytes() > options_.values().max_uncommitted_bytes ||
      client_pause_.mode(clock_us_) != ClientPause::Mode::kNone) {
    return false;
  }
  int expired_keys = 0;
  for (int database = 0; database < storage::kDatabaseCount; ++database) {
    while (expired_keys < kExpiredPerTurn) {
      const Entry* entry = keyspace_->next_to_expire(database);
      if (entry == nullptr || !expired(*entry)) break;
      expire_now(database, *entry);
      ++expired_keys;
    }
  }
  if (!log_.record_open()) return false;
  const Position position = log_.seal();
  publish_events(position);
  return expired_keys == kExpiredPerTurn;
}

void Node::notify(char event_class, std::string_view event, std::string_view key, int database) {
  if (!keyspace_event_wanted(notify_flags_, event_class)) return;
  events_.push_back({event_class, std::string(event), std::string(key), database});
}

void Node::publish_events(Position gate) {
  for (const Event& event : std::exchange(events_, {})) {
    if (notify_flags_ & kKeyspaceChannel) {
      pubsub_.publish(base::concat("__keyspace@", event.database, "__:", event.key), event.event,
                      gate);
    }
    if (notify_flags_ & kKeyeventChannel) {
      pubsub_.publish(base::concat("__keyevent@", event.database, "__:", event.event), event.key,
                      gate);
    }
  }
}

void Node::block(Session& session, std::unique_ptr<Blocked> blocked) {
  CHECK(!in_exec_);
  session.blocked = std::move(blocked);
  blocked_.push_back(&session);
}

void Node::unblock(Session& session, bool with_error) {
  const std::unique_ptr<Blocked> blocked = std::move(session.blocked);
  std::erase(blocked_, &session);
  if (with_error) {
    session.writer().error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
  } else {
    blocked->on_timeout(session);
  }
  apply_reply_mode(session);
  seal_reply(session, {}, OutputKind::kRead);
  make_ready(session);
}

void Node::check_blocked() {
  for (Session* session : std::vector<Session*>(blocked_)) {
    if (session->blocked->try_finish(*session)) {
      session->blocked = nullptr;
      std::erase(blocked_, session);
      apply_reply_mode(*session);
      seal_reply(*session, {}, OutputKind::kRead);
      make_ready(*session);
    } else if (session->blocked->deadline_us != 0 && session->blocked->deadline_us <= clock_us_) {
      unblock(*session, false);
    }
  }
}

void Node::make_ready(Session& session) {
  if (session.ready) return;
  session.ready = true;
  if (session.remote != nullptr) {
    forwarding_->ready(session);
  } else {
    host_.session_ready(session);
  }
}

void Node::wake_postponed() {
  if (client_pause_.mode(clock_us_) == ClientPause::Mode::kAll) return;
  for (Session* session : std::exchange(postponed_, {})) {
    session->postponed = false;
    make_ready(*session);
  }
}

void Node::enforce_output_limit(Session& session) {
  const Options& options = options_.values();
  const bool pushed_to = session.subscribed() || session.monitor;
  const uint64_t limit = !session.authenticated ? kMaxUnauthenticatedOutputBytes
                         : pushed_to            ? options.max_pubsub_output_bytes
                                                : options.max_output_bytes;
  if (limit == 0 || session.output.size() <= limit || session.close_now) return;
  session.close_now = true;
  ++statistics_.output_limit_disconnections;
  host_.log(LogLevel::kWarning,
            base::concat("client id=", session.id, " addr=", session.address,
                         " closed: its unsent output passed the limit of ", limit, " bytes"));
  make_ready(session);
}

void Node::open_gates() {
  if (!gated_.empty()) {
    const GateView view = cluster_->gate_view();
    for (Session* session : std::exchange(gated_, {})) {
      const bool opened = session->output.open(view);
      session->gated_listed = session->output.gated();
      if (session->gated_listed) gated_.push_back(session);
      if (opened) make_ready(*session);
    }
  }
  if (!blocked_.empty()) check_blocked();
  if (!postponed_.empty()) wake_postponed();
}

void Node::drop_gates_above(Lsn kept, bool disk_full) {
  for (const auto& [id, session] : sessions_) {
    if (session->last_write.lsn > kept) session->last_write = log_.last();
  }
  const OutputQueue::Errors& errors = disk_full                         ? kDiskFullErrors
                                      : cluster_->membership().merges() ? kOfferedErrors
                                                                        : kReplacedErrors;
  for (Session* session : gated_) session->output.drop_above(kept, errors);
  open_gates();
}

void Node::leadership_lost() {
  const int64_t reads_until_us = cluster_->replica().reads_until_us();
  for (Session* session : gated_) session->output.drop_reads(reads_until_us, kLeadershipLostErrors);
  transactions_.touch_all();
  newest_early_write_ = Lsn{0};
  open_gates();
}

void Node::fail_gates() {
  for (Session* session : gated_) session->output.expire(INT64_MAX, kTimeoutErrors);
  open_gates();
}

void Node::expire_gates() {
  bool expired = false;
  for (Session* session : gated_) {
    if (session->output.deadline_us() > clock_us_) continue;
    session->output.expire(clock_us_, kTimeoutErrors);
    expired = true;
  }
  if (expired) open_gates();
}

void Node::on_tail_lost(Position kept, const absl::Status& reason) {
  host_.log(LogLevel::kError,
            base::concat("disk full: records above lsn ", kept.lsn.value(),
                         " were undone and are refused until there is room: ", reason.message()));
  last_probe_us_ = clock_us_;
  if (cluster_->voters() == 1) {
    drop_gates_above(kept.lsn, /*disk_full=*/true);
  } else {
    // What others have been sent may still be committed, or be replaced: unknown here.
    for (Session* session : gated_) session->output.drop_above(kept.lsn, kTimeoutErrors);
    open_gates();
  }
  cluster_->log_tail_lost(kept);
}

void Node::end_turn() {
  forwarding_->end_turn();
  cluster_->end_turn();
}

void Node::peer_connected(storage::NodeId peer) { cluster_->peer_connected(peer); }

void Node::peer_received(storage::NodeId peer, std::string_view bytes) {
  cluster_->peer_received(peer, bytes);
}

void Node::peer_sent(storage::NodeId peer) { cluster_->peer_sent(peer); }

void Node::peer_closed(storage::NodeId peer, std::string_view reason) {
  cluster_->peer_closed(peer, reason);
}

void Node::on_fatal(const absl::Status& reason) {
  host_.log(LogLevel::kError,
            base::concat("the log cannot be written, nothing more can be promised: ",
                         reason.message(), "; stopping"));
  host_.stopped(1);
}

bool Node::tick_wanted() const {
  return cluster_->started() && cluster_->replica().commit_news_pending();
}

bool Node::tick() {
  refresh_clock();
  if (clock_us_ - last_sample_us_ >= kSampleIntervalUs) sample_rates();
  cluster_->tick();
  forwarding_->tick();
  bool more = persistence_->step();
  more |= expire_some();
  more |= keyspace_->reclaim(kReclaimedPerTurn);
  check_blocked();
  if (!postponed_.empty()) wake_postponed();
  if (log_.waits_for_room() && clock_us_ - last_probe_us_ >= kProbeIntervalUs) {
    last_probe_us_ = clock_us_;
    log_.probe();
  }
  if (!gated_.empty()) expire_gates();
  if (shutting_down_) advance_shut_down();
  end_turn();
  return more || log_.applied().lsn < std::min(log_.commit(), log_.last()).lsn;
}

void Node::sample_rates() {
  last_sample_us_ = clock_us_;
  const ProcessFigures figures = host_.process_figures();
  statistics_.commands_rate.sample(clock_us_, statistics_.commands_processed);
  statistics_.input_rate.sample(clock_us_, figures.network_input_bytes);
  statistics_.output_rate.sample(clock_us_, figures.network_output_bytes);
}

void Node::shut_down(bool snapshot, bool force) {
  if (shutting_down_) return;
  shutting_down_ = true;
  shut_down_us_ = clock_us_;
  shut_down_force_ = force;
  shut_down_snapshot_ = snapshot;
  if (snapshot && !persistence_->snapshot_in_progress()) {
    const absl::Status status = persistence_->start_snapshot();
    if (!status.ok() && !force) {
      host_.log(LogLevel::kError,
                base::concat("not stopping, as no snapshot can be taken: ", status.message()));
      shutting_down_ = false;
      return;
    }
  }
  host_.log(LogLevel::kInfo, "stopping: no more writes, syncing what is queued");
  advance_shut_down();
}

// Another node's turn: what has been taken is answered, and nothing more is taken, so that whoever
// is cut off knows that what it asked last was not executed.
bool Node::draining() const {
  return shutting_down_ && cluster_->voters() > 1 && !cluster_->leads();
}

// Everything queued is on disk, and leadership is another node's as far as that can be.
bool Node::handed_over() {
  if (cluster_->voters() <= 1) return log_.idle();
  constexpr int64_t kPatienceUs = 2'000'000;
  const bool patient = clock_us_ - shut_down_us_ < kPatienceUs;
  if (cluster_->leads() && patient) {
    led_us_ = clock_us_;
    if (!cluster_->replica().transferring()) cluster_->transfer(storage::NodeId{0});
    return false;
  }
  // What other nodes forward here until they hear of the new leader is refused, and goes there:
  // unanswered its outcome would be unknown.
  const bool known = clock_us_ - led_us_ >= int64_t{2000} * cluster_->membership().heartbeat_ms;
  const bool answered = gated_.empty() && !forwarding_->forwarder().anything_under_way();
  if (patient && !(known && answered)) return false;
  return log_.quiet() && !log_.wal().truncation_pending();
}

bool Node::abort_shut_down() {
  if (!shutting_down_ || closing_log_) return false;
  shutting_down_ = false;
  return true;
}

void Node::advance_shut_down() {
  if (closing_log_) return;
  if (shut_down_snapshot_ && persistence_->snapshot_in_progress()) return;
  if (shut_down_snapshot_ && !persistence_->figures().snapshot_last_ok && !shut_down_force_) {
    host_.log(LogLevel::kError, "not stopping: the snapshot asked for could not be written");
    shutting_down_ = false;
    return;
  }
  if (!cluster_->started()) {  // still loading: nothing of this run is on disk
    closing_log_ = true;
    host_.stopped(0);
    return;
  }
  if (log_.waits_for_room()) {
    // Nothing is queued: what did not fit was undone and refused, or is still in the log on disk.
    closing_log_ = true;
    host_.log(LogLevel::kWarning, "the disk is full: stopping without a mark of a clean stop");
    host_.stopped(0);
    return;
  }
  if (!handed_over()) return;  // on to the next tick
  closing_log_ = true;
  log_.close_cleanly([this](const absl::Status& status) {
    if (!status.ok()) host_.log(LogLevel::kError, base::view(status.message()));
    host_.stopped(status.ok() ? 0 : 1);
  });
}

}  // namespace kvorum::server
