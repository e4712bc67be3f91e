#include "server/node/persistence.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "server/node/cluster/birth_file.h"
#include "server/node/cluster/cluster.h"
#include "server/node/cluster_options.h"
#include "server/node/node.h"
#include "storage/wal.h"

namespace kvorum::server {

namespace {

// How often a due snapshot is looked for, and how long a failed one is not tried again.
constexpr int64_t kCheckIntervalUs = 1'000'000;
constexpr int64_t kRetryIntervalUs = 30'000'000;
// A segment's file grows by so much at a time, and by less where segments are small. Each growth
// costs the file system a transaction of its journal, each byte of it a byte of the disk's time.
constexpr uint64_t kGrowBytes = 128 << 10;
constexpr uint64_t kGrowthsPerSegment = 16;

std::array<uint8_t, 16> random_id(Host& host) {
  std::array<uint8_t, 16> id;
  for (uint8_t& byte : id) byte = static_cast<uint8_t>(host.random() >> 32);
  return id;
}

bool has_peers(const Options& options) { return options.peers.size() > 1; }

// A fresh identity, for a directory that has none yet. A cluster of several is born when all of
// them are there (birth.h); a lone node is born at once.
storage::Identity newborn(const Options& options, Host& host) {
  storage::Identity identity;
  identity.node = storage::NodeId{static_cast<uint16_t>(options.id)};
  if (!has_peers(options)) identity.incarnation = random_id(host);
  identity.instance = random_id(host);
  identity.hash_seed = host.random();
  identity.partition_count = storage::kPartitionCount;
  return identity;
}

// 40 hex digits, as Redis' replication ids have, made of the incarnation.
std::string replication_id(const storage::Incarnation& incarnation) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < 20; ++i) {
    const uint8_t byte = incarnation[i % incarnation.size()];
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

absl::Status differing_keyspace() {
  return absl::FailedPreconditionError(
      "the keyspace of this node differs from the majority's: back up another node");
}

uint64_t keep_for_ms(const Options& options) {
  return static_cast<uint64_t>(options.keep_for_s) * 1000;
}

storage::WalOptions wal_options(const Options& options, Host& host) {
  storage::WalOptions result;
  result.directory = options.data_dir;
  result.segment_bytes = options.segment_size;
  result.grow_bytes = std::min(kGrowBytes, options.segment_size / kGrowthsPerSegment);
  result.fsync = options.fsync;
  result.keep_for_ms = keep_for_ms(options);
  result.keep_bytes = options.keep_bytes;
  result.kernel_boot = host.kernel_boot();
  result.monotonic_us = host.lane_clock_us();
  return result;
}

// What the options say: the seed of a new cluster.
replication::Membership configured_membership(const Options& options) {
  replication::Membership membership;
  const auto peers = parse_peers(options.peers);
  CHECK(peers.ok());  // checked at start
  for (const PeerAddress& peer : *peers) {
    membership.members.push_back({peer.id, peer.address, {}, true});
  }
  membership.write_quorum = *replication::WriteQuorum::parse(options.write_quorum);
  membership.heartbeat_ms = static_cast<uint32_t>(options.heartbeat_ms);
  membership.election_timeout_ms = static_cast<uint32_t>(options.election_timeout_ms);
  membership.max_clock_drift_ms = static_cast<uint32_t>(options.max_clock_drift_ms);
  membership.divergence = options.divergence == "merge" ? replication::Divergence::kMerge
                                                        : replication::Divergence::kSave;
  return membership;
}

// In force where the log names none: a lone node's.
replication::Membership lone_membership(const Options& options, const storage::Identity& identity) {
  replication::Membership membership = configured_membership(options);
  membership.members = {{identity.node, {}, identity.instance, true}};
  membership.write_quorum = replication::WriteQuorum();
  return membership;
}

std::string_view fsync_name(storage::FsyncPolicy policy) {
  switch (policy) {
    case storage::FsyncPolicy::kAlways:
      return "always";
    case storage::FsyncPolicy::kEverySecond:
      return "everysec";
    case storage::FsyncPolicy::kNever:
      return "never";
  }
  return "unknown";
}

}  // namespace

Persistence::Persistence(Node& node)
    : node_(node),
      taker_(node.host(), node.log(),
             [this](const SnapshotTaker::Outcome& outcome) { snapshot_taken(outcome); }),
      backup_(node.host(), node.log()) {}

Persistence::~Persistence() = default;

absl::Status Persistence::open() {
  const Options& options = node_.options().values();
  absl::StatusOr<storage::DataDirectory> directory = storage::open_data_directory(
      node_.host().file_system(), options.data_dir, newborn(options, node_.host()));
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  if (storage::is_member(directory_.identity)) {
    absl::StatusOr<peer::Birth> birth = load_birth(node_.host().file_system(), directory_.path);
    if (!birth.ok() && !absl::IsNotFound(birth.status())) return birth.status();
    if (birth.ok()) birth_ = *std::move(birth);
    const bool founds = directory_.identity.restored && !birth_.has_value() && has_peers(options);
    if (!founds) {
      load();
      return absl::OkStatus();
    }
    node_.host().log(LogLevel::kInfo,
                     "a restored data directory: its cluster is founded anew when all other nodes "
                     "are up with empty ones");
  } else {
    node_.host().log(LogLevel::kInfo, "not a member of a cluster yet: waiting for its other nodes");
  }
  node_.cluster().form(directory_.identity, configured_membership(options),
                       [this](const peer::Birth& birth, bool learner) { born(birth, learner); });
  return absl::OkStatus();
}

// The order of the steps is birth.h's: whatever a crash leaves can be gone on from.
void Persistence::born(const peer::Birth& birth, bool learner) {
  storage::FileSystem& files = node_.host().file_system();
  absl::Status status = save_birth(files, directory_.path, birth);
  if (status.ok() && !storage::is_member(directory_.identity)) {
    status = storage::join_cluster(files, directory_, birth.incarnation, birth.hash_seed);
  }
  if (!status.ok()) {
    node_.host().log(LogLevel::kError,
                     base::concat("cannot become a member of the cluster: ", status.message()));
    node_.host().stopped(1);
    return;
  }
  node_.host().log(LogLevel::kInfo, learner ? "joining a cluster that was born without this node's "
                                              "data directory: learning until it is caught up"
                                            : "the cluster is born");
  birth_ = birth;
  node_.cluster().birth_durable();
  load();
}

void Persistence::load() {
  node_.reset_keyspace(directory_.identity.hash_seed);
  node_.set_replication_id(replication_id(directory_.identity.incarnation));
  Loader::Settings settings;
  settings.identity = directory_.identity;
  settings.directory = directory_.path;
  settings.member = member();
  settings.reset = [this]() -> storage::Keyspace& {
    node_.reset_keyspace(directory_.identity.hash_seed);
    return node_.keyspace();
  };
  loader_ = std::make_unique<Loader>(node_.host(), node_.keyspace(), std::move(settings),
                                     [this](const absl::Status& status, Loader::Result result) {
                                       loaded(status, std::move(result));
                                     });
  loader_->start();
}

bool Persistence::member() const {
  return birth_.has_value() || has_peers(node_.options().values());
}

void Persistence::loaded(const absl::Status& status, Loader::Result result) {
  absl::Status outcome = status;
  if (outcome.ok()) outcome = start_log(std::move(result));
  if (!outcome.ok()) {
    node_.host().log(LogLevel::kError, base::concat("cannot load the data directory ",
                                                    directory_.path, ": ", outcome.message()));
    node_.host().stopped(1);
  }
}

// What has to be settled before the log is written on.
absl::Status Persistence::prepare_log(Loader::Result& result) {
  storage::FileSystem& files = node_.host().file_system();
  const bool empty = result.log.segments.empty() && result.snapshots.empty();
  newborn_ = empty && !directory_.identity.has_log;
  const std::string vanished =
      base::concat(directory_.path, " was used before and holds no log and no snapshot");
  if (empty && directory_.identity.has_log && member()) {
    node_.host().log(LogLevel::kWarning,
                     base::concat(vanished,
                                  ": what they held comes from the other nodes, and this "
                                  "one votes again when it is caught up"));
    absl::Status status = storage::renew_instance(files, directory_, random_id(node_.host()));
    if (!status.ok()) return status;
  } else if (empty && directory_.identity.has_log && !result.log.next_segment_exists) {
    // With a first segment that has not begun it is a start that was cut short: nothing was
    // acknowledged.
    return absl::DataLossError(
        base::concat(vanished,
                     ": nobody else has what they held; put the files back, or begin anew "
                     "with an empty directory"));
  }
  if (result.log.damaged) {
    node_.host().log(LogLevel::kError,
                     base::concat("ALARM: ", result.log.damage,
                                  "; the log ends before it, the rest comes from the other nodes"));
  }
  // Under everysec and never a power cut may have taken what was acknowledged.
  const bool another_boot = result.log.kernel_boot != node_.host().kernel_boot();
  if (member() && !newborn_ && !result.log.clean_stop && another_boot &&
      node_.options().values().fsync != storage::FsyncPolicy::kAlways) {
    result.log.claim_unknown = true;
  }
  return absl::OkStatus();
}

absl::Status Persistence::start_log(Loader::Result result) {
  if (absl::Status status = prepare_log(result); !status.ok()) return status;
  storage::FileSystem& files = node_.host().file_system();
  absl::StatusOr<std::unique_ptr<storage::Wal>> wal = storage::Wal::start(
      files, wal_options(node_.options().values(), node_.host()), directory_.identity, result.log);
  if (!wal.ok()) return wal.status();
  if (absl::Status status = storage::note_log(files, directory_); !status.ok()) return status;
  LogStart start;
  start.directory = directory_.path;
  start.identity = directory_.identity;
  start.hard_state = result.log.hard_state;
  start.last = result.log.last;
  start.last_hlc = result.log.last_hlc;
  start.applied = result.applied;
  start.applied_hlc = result.applied_hlc;
  start.recent = std::move(result.recent);
  node_.refresh_clock();
  node_.log().start(node_.keyspace(), *std::move(wal), std::move(start));
  snapshots_ = result.snapshots;
  last_check_us_ = node_.monotonic_us();
  last_save_ms_ =
      snapshots_.empty() ? static_cast<uint64_t>(node_.now_ms()) : snapshots_.back().wall_ms;
  node_.host().log(LogLevel::kInfo, base::concat("loaded: ", loader_->progress().loaded_keys,
                                                 " keys, lsn ", result.log.last.lsn.value(),
                                                 ", term ", result.log.hard_state.term.value()));
  start_cluster(result);
  return absl::OkStatus();
}

void Persistence::start_cluster(Loader::Result& result) {
  ClusterStart start;
  start.identity = directory_.identity;
  start.hard_state = result.log.hard_state;
  start.log = std::move(result.terms);
  start.commit = node_.log().commit();
  start.newborn = newborn_;
  start.claim = result.log.claim;
  start.claim_unknown = result.log.claim_unknown;
  start.birth = birth_;
  if (!result.memberships.empty()) {
    start.membership_lsn = result.memberships.back().first;
    start.membership = std::move(result.memberships.back().second);
    result.memberships.pop_back();
    if (!result.memberships.empty()) {
      start.earlier_membership_lsn = result.memberships.back().first;
      start.earlier_membership = std::move(result.memberships.back().second);
    }
  } else if (birth_.has_value()) {
    begin_with_founding_record(start);
  } else {
    start.membership = lone_membership(node_.options().values(), directory_.identity);
  }
  warn_of_difference(start.membership);
  node_.cluster().start(std::move(start));
}

// The log's membership is in force; the options only seed the first start.
void Persistence::warn_of_difference(const replication::Membership& membership) const {
  if (!has_peers(node_.options().values())) return;
  replication::Membership configured = configured_membership(node_.options().values());
  for (replication::Member& member : configured.members) {
    const replication::Member* known = membership.find(member.id);
    if (known != nullptr) member.instance = known->instance;
    if (known != nullptr) member.voter = known->voter;
    if (known != nullptr) member.stays_learner = known->stays_learner;
  }
  if (configured == membership) return;
  node_.host().log(LogLevel::kWarning,
                   "the options of [cluster] differ from the membership in the log, which is in "
                   "force: peers, write-quorum, divergence and the times only count at the first "
                   "start");
}

// The founding record is the first of every log of the cluster: committed by construction. One who
// was not there at the birth waits for it like for any other.
void Persistence::begin_with_founding_record(ClusterStart& start) {
  std::string_view bytes = birth_->record;
  storage::RecordView record;
  CHECK(storage::decode_record(birth_->incarnation, bytes, record) == storage::RecordError::kNone);
  CHECK(replication::decode_membership(record.payload, start.membership));
  const replication::Member* self = start.membership.find(directory_.identity.node);
  const bool founder = self != nullptr && self->instance == directory_.identity.instance;
  const storage::Position position{record.header.term, record.header.lsn};
  if (!founder) return;
  if (node_.log().last().lsn >= position.lsn) {
    // Of a restored directory: what the others have to catch up with lies before the log's begin.
    start.membership_lsn = start.commit.lsn;
    return;
  }
  node_.log().accept(std::span(&record, 1));
  node_.log().commit_to(position);
  start.log.append(position);
  start.commit = position;
  start.membership_lsn = position.lsn;
  // Its term was entered by whoever has it.
  start.hard_state.term = std::max(start.hard_state.term, position.term);
  node_.log().save_hard_state(start.hard_state);
}

void Persistence::snapshot_installed(PublishedSnapshot snapshot) {
  std::erase_if(snapshots_, [&](const PublishedSnapshot& each) {
    const bool overtaken = each.lsn >= snapshot.lsn;
    if (overtaken && each.path != snapshot.path) forgotten_.push_back(each.path);
    return overtaken;
  });
  last_save_ms_ = snapshot.wall_ms;
  snapshots_.push_back(std::move(snapshot));
  retire();
}

void Persistence::let_go(std::unique_ptr<storage::Keyspace> keyspace) {
  wanted_ = false;
  if (backup_.writing()) return backup_.abandon(std::move(keyspace));
  taker_.abandon(std::move(keyspace));
}

bool Persistence::step() {
  if (!node_.loaded()) return false;
  if (taker_.in_progress()) return taker_.step();
  if (backup_.writing() || backup_.waiting()) return step_backup();
  if (wanted_) return start_snapshot().ok() && !wanted_;
  if (node_.monotonic_us() - last_check_us_ < kCheckIntervalUs) return false;
  last_check_us_ = node_.monotonic_us();
  if (!node_.shutting_down() && snapshot_due() && start_snapshot().ok()) return true;
  return false;
}

bool Persistence::snapshot_due() const {
  if (changes_since_snapshot() == 0 || node_.log().disk_full()) return false;
  if (!last_ok_ && node_.monotonic_us() - failed_us_ < kRetryIntervalUs) return false;
  const Options& options = node_.options().values();
  const uint64_t last_bytes = snapshots_.empty() ? 0 : snapshots_.back().bytes;
  const uint64_t log_bytes = node_.log().wal().bytes_since(snapshot_lsn());
  if (options.snapshot_wal_size != 0 &&
      log_bytes > std::max(options.snapshot_wal_size, last_bytes)) {
    return true;
  }
  const int64_t age_ms = node_.now_ms() - static_cast<int64_t>(last_save_ms_);
  return options.snapshot_interval_s != 0 && age_ms > options.snapshot_interval_s * 1000;
}

absl::Status Persistence::start_snapshot() {
  if (!node_.loaded()) return absl::UnavailableError("the data is being loaded");
  if (taker_.in_progress()) return absl::UnavailableError("Background save already in progress");
  // There is one cut at a time: a backup's comes first if it is there first.
  std::optional<storage::SnapshotInfo> info;
  if (!backup_.writing()) info = cut();
  wanted_ = !info.has_value();
  if (wanted_) return absl::OkStatus();
  started_us_ = node_.monotonic_us();
  taker_.start(node_.keyspace(), *std::move(info), directory_.path);
  return absl::OkStatus();
}

std::optional<storage::SnapshotInfo> Persistence::cut() const {
  // Inside a transaction the cut has to wait for the end of its record. A snapshot holds the
  // membership in force at its cut.
  const bool early = node_.log().record_open() ||
                     node_.cluster().replica().membership_lsn() > node_.log().applied().lsn;
  if (early) return std::nullopt;
  storage::SnapshotInfo info;
  info.incarnation = directory_.identity.incarnation;
  info.node = directory_.identity.node;
  info.position = node_.log().applied();
  info.hlc = node_.log().applied_hlc();
  info.membership = replication::encode_membership(node_.cluster().membership());
  info.wall_ms = static_cast<uint64_t>(node_.now_ms());
  return info;
}

absl::Status Persistence::start_backup(const std::string& directory, Backup::Done done) {
  if (!node_.loaded()) return absl::UnavailableError("the data is being loaded");
  if (backup_.in_progress()) return absl::UnavailableError("a backup is in progress already");
  if (node_.cluster().keyspace_differs()) return differing_keyspace();
  backup_.start(directory, directory_.identity, birth_, std::move(done));
  return absl::OkStatus();
}

bool Persistence::step_backup() {
  if (backup_.writing()) return backup_.step();
  if (node_.cluster().keyspace_differs()) {
    backup_.fail(differing_keyspace());
    return false;
  }
  std::optional<storage::SnapshotInfo> info = cut();
  if (!info.has_value()) return false;
  // A lone node is the only one that its membership names; a restored one has another instance.
  if (!birth_.has_value() && node_.cluster().membership().members.size() == 1) {
    info->membership.clear();
  }
  backup_.write(node_.keyspace(), *std::move(info));
  return true;
}

bool Persistence::snapshot_in_progress() const { return wanted_ || taker_.in_progress(); }

void Persistence::snapshot_taken(const SnapshotTaker::Outcome& outcome) {
  last_seconds_ = (node_.host().monotonic_us() - started_us_) / 1'000'000;
  last_ok_ = outcome.status.ok();
  if (!last_ok_) {
    failed_us_ = node_.host().monotonic_us();
    node_.host().log(LogLevel::kError,
                     base::concat("snapshot at lsn ", outcome.info.position.lsn.value(),
                                  " failed: ", outcome.status.message()));
    return;
  }
  if (!snapshots_.empty() && outcome.info.position.lsn < snapshots_.back().lsn) {
    // One from the leader has overtaken it.
    forgotten_.push_back(outcome.path);
    retire();
    return;
  }
  ++taken_;
  last_save_ms_ = outcome.info.wall_ms;
  // Of the same cut: it has taken the place of the one before, under the same name.
  if (!snapshots_.empty() && snapshots_.back().path == outcome.path) snapshots_.pop_back();
  snapshots_.push_back(
      {outcome.path, outcome.info.position.lsn, outcome.info.wall_ms, outcome.bytes});
  node_.host().log(LogLevel::kInfo,
                   base::concat("snapshot at lsn ", outcome.info.position.lsn.value(), ": ",
                                outcome.info.total_keys(), " keys, ", outcome.bytes, " bytes, ",
                                last_seconds_, " s"));
  retire();
}

void Persistence::retire() {
  if (retiring_) return;  // the next snapshot will try again
  // What is kept must start with a snapshot: the newest one that is as old as the options want.
  const Options& options = node_.options().values();
  storage::Wal& wal = node_.log().wal();
  size_t first = 0;
  bool reached = false;
  for (size_t i = 0; i < snapshots_.size(); ++i) {
    const bool old_enough =
        snapshots_[i].wall_ms + keep_for_ms(options) <= static_cast<uint64_t>(node_.now_ms());
    if (!old_enough || wal.bytes_since(snapshots_[i].lsn) < options.keep_bytes) continue;
    first = i;
    reached = true;
  }
  storage::Lsn needed{snapshots_[first].lsn.value() + 1};
  // A log from its first record on needs no snapshot before it.
  if (!reached && wal.oldest_lsn() == storage::Lsn{1}) needed = storage::Lsn{1};
  // Followers are fed from segments as far as that saves them a snapshot.
  for (const auto& [follower, progress] : node_.cluster().replica().progress()) {
    const storage::Lsn next = progress.match.lsn.next();
    if (node_.cluster().leads() && next < needed &&
        wal.bytes_since(progress.match.lsn) <= 2 * options.snapshot_wal_size) {
      needed = next;
    }
  }
  // A snapshot of what is committed elsewhere may be ahead of what is synced here.
  needed = std::min(needed, wal.synced().lsn.next());
  std::vector<std::string> old_files = std::exchange(forgotten_, {});
  for (size_t i = 0; i < first; ++i) old_files.push_back(snapshots_[i].path);
  snapshots_.erase(snapshots_.begin(), snapshots_.begin() + static_cast<ptrdiff_t>(first));

  retiring_ = true;
  auto job = std::make_shared<std::unique_ptr<storage::RetireJob>>(
      wal.retire_before(needed, static_cast<uint64_t>(node_.now_ms())));
  auto removed = std::make_shared<absl::Status>();
  node_.host().run(
      Lane::kBackground,
      [this, old_files = std::move(old_files), job, removed] {
        if (*job != nullptr) (*job)->run();
        for (const std::string& path : old_files) {
          removed->Update(node_.host().file_system().remove(path));
        }
      },
      [this, job, removed] {
        retiring_ = false;
        if (*job != nullptr) removed->Update(node_.log().wal().finish(std::move(*job)));
        if (!removed->ok()) {
          node_.host().log(LogLevel::kWarning,
                           base::concat("old files could not be removed: ", removed->message()));
        }
      });
}

void Persistence::options_changed() {
  if (!node_.loaded()) return;
  const Options& options = node_.options().values();
  node_.log().wal().set_fsync(options.fsync);
  node_.log().wal().set_retention(keep_for_ms(options), options.keep_bytes);
}

storage::Lsn Persistence::snapshot_lsn() const {
  return snapshots_.empty() ? storage::Lsn{0} : snapshots_.back().lsn;
}

uint64_t Persistence::changes_since_snapshot() const {
  const uint64_t applied = node_.log().applied().lsn.value();
  return applied - std::min(applied, snapshot_lsn().value());
}

PersistenceFigures Persistence::figures() const {
  PersistenceFigures figures;
  figures.backup = backup_.figures();
  figures.fsync_policy = fsync_name(node_.options().values().fsync);
  if (loader_ != nullptr) figures.loading = loader_->progress();
  figures.snapshot_in_progress = taker_.in_progress();
  figures.snapshot_last_ok = last_ok_;
  figures.snapshot_last_save_s = static_cast<int64_t>(last_save_ms_ / 1000);
  figures.snapshot_last_seconds = last_seconds_;
  if (taker_.in_progress()) {
    figures.snapshot_current_seconds = (node_.monotonic_us() - started_us_) / 1'000'000;
    figures.snapshot_keys_done = taker_.keys_done();
    figures.snapshot_keys_total = taker_.keys_total();
  }
  figures.snapshots_taken = taken_;
  figures.snapshot_last_bytes = snapshots_.empty() ? 0 : snapshots_.back().bytes;
  if (!node_.loaded()) return figures;
  figures.changes_since_snapshot = changes_since_snapshot();
  const storage::WalStats wal = node_.log().wal().stats();
  figures.wal_last_write_ok = !node_.log().disk_full();
  figures.wal_last_error = figures.wal_last_write_ok ? "" : "No space left on device";
  figures.wal_current_bytes = wal.current_bytes;
  figures.wal_base_bytes = wal.base_bytes;
  figures.wal_pending_bytes = wal.pending_bytes;
  figures.wal_segments = wal.segments;
  figures.wal_fsyncs = wal.syncs;
  figures.wal_batches = wal.batches;
  figures.wal_last_fsync_us = wal.last_sync_us;
  return figures;
}

}  // namespace kvorum::server
