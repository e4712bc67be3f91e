#include "server/node/cluster/orphan_merge.h"

#include <algorithm>

#include "base/check.h"
#include "server/node/cluster/cluster.h"
#include "server/node/node.h"
#include "storage/effect.h"
#include "storage/orphan_record.h"
#include "storage/tombstones.h"

namespace kvorum::server {

using storage::Effect;
using storage::EffectKind;
using storage::Hlc;
using storage::HybridLogicalClock;
using storage::Lsn;
using storage::NodeId;
using storage::OrphanRecord;
using storage::RecordView;
using storage::Stamp;

namespace {

// Tombstones that nobody needs are looked for so often.
constexpr int64_t kForgetIntervalUs = 1'000'000;
// So many, or those of one record, go in one turn of the loop, on every node.
constexpr size_t kForgottenAtOnce = 10'000;

enum class Verdict : uint8_t {
  kWins,
  kLoses,  // a key of it has a newer change
  kKept,   // it changes what was there: it cannot be said without that
};

Verdict judge_orphan(const storage::Keyspace& keyspace, const OrphanRecord& orphan) {
  if (orphan.effects.empty() || !storage::is_blind(orphan.effects)) return Verdict::kKept;
  Effect effect;
  for (std::string_view rest = orphan.effects; !rest.empty();) {
    CHECK(storage::decode_effect(rest, effect));
    const Stamp last = keyspace.tombstones()->last_change(
        effect.database, effect.key, keyspace.find(effect.database, effect.key));
    if (last >= orphan.stamp) return Verdict::kLoses;
  }
  return Verdict::kWins;
}

}  // namespace

bool OrphanMerge::may_write() const {
  Cluster& cluster = node_.cluster();
  const RecordLog& log = node_.log();
  if (!cluster.leads() || !cluster.replica().settled() || cluster.replica().transferring() ||
      cluster.leaving() || node_.shutting_down() || node_.keyspace().tombstones() == nullptr) {
    return false;
  }
  return !log.record_open() && !log.disk_full() &&
         log.uncommitted_bytes() <= node_.options().values().max_uncommitted_bytes &&
         node_.client_pause().mode(node_.monotonic_us()) == ClientPause::Mode::kNone;
}

bool OrphanMerge::has_room() const {
  const uint64_t maxmemory = node_.options().values().maxmemory;
  return maxmemory == 0 || node_.used_bytes() < maxmemory;
}

bool OrphanMerge::ahead_of_time(std::string_view records) const {
  const uint32_t drift_ms = node_.cluster().membership().max_clock_drift_ms;
  if (drift_ms == 0) return false;
  const uint64_t latest_ms = static_cast<uint64_t>(node_.now_ms()) + drift_ms;
  while (!records.empty()) {
    const RecordView record = storage::take_record(records);
    if (record.header.kind != storage::RecordKind::kEffects) continue;
    if (HybridLogicalClock::wall_ms(storage::orphan_record(record).stamp.hlc) > latest_ms)
      return true;
  }
  return false;
}

std::optional<OrphanMerge::Judged> OrphanMerge::merge(std::string_view records) {
  if (!may_write() || !has_room() || ahead_of_time(records)) return std::nullopt;
  Judged judged;
  while (!records.empty()) {
    const RecordView record = storage::take_record(records);
    judged.last = {record.header.term, record.header.lsn};
    if (record.header.kind == storage::RecordKind::kEffects) judge(record, judged);
  }
  // What has beaten a record may be taken back as well as what has won.
  judged.gate = node_.log().last().lsn;
  merged_records_ += judged.merged;
  return judged;
}

void OrphanMerge::judge(const RecordView& record, Judged& judged) {
  const OrphanRecord orphan = storage::orphan_record(record);
  switch (judge_orphan(node_.keyspace(), orphan)) {
    case Verdict::kWins:
      node_.merge(orphan.stamp, orphan.effects);
      ++judged.merged;
      return;
    case Verdict::kLoses:
      ++judged.lost;
      return;
    case Verdict::kKept:
      ++judged.kept;
      return;
  }
}

void OrphanMerge::receive(const Session& from, const peer::Orphans& orphans) {
  const Cluster& cluster = node_.cluster();
  // Whoever leads is told again.
  if (!cluster.leads() || orphans.term != cluster.term()) return;
  // Records may have been overtaken by what was stated after them.
  if (orphans.records.empty()) {
    stated_[from.peer] = {from.id, orphans.files_left};
    return;
  }
  const std::optional<Judged> judged = merge(orphans.records);
  Waiting waiting;
  waiting.peer = from.peer;
  waiting.ack.term = orphans.term;
  if (judged.has_value()) {
    waiting.gate = judged->gate;
    waiting.ack.last = judged->last;
    waiting.ack.merged = judged->merged;
    waiting.ack.lost = judged->lost;
    waiting.ack.kept = judged->kept;
  } else {
    waiting.ack.refused = true;
  }
  waiting_.push_back(std::move(waiting));
  serve();
}

void OrphanMerge::serve() {
  const Lsn commit = node_.log().commit().lsn;
  while (!waiting_.empty() && waiting_.front().gate <= commit) {
    PeerLink* link = node_.cluster().ready_link(waiting_.front().peer);
    if (link != nullptr) link->send(waiting_.front().ack);
    waiting_.pop_front();
  }
}

void OrphanMerge::stop_leading() {
  waiting_.clear();
  stated_.clear();
}

void OrphanMerge::peer_session_closed(const Session& session) {
  const auto stated = stated_.find(session.peer);
  if (stated != stated_.end() && stated->second.session == session.id) stated_.erase(stated);
}

bool OrphanMerge::everybody_has_offered_all() const {
  const std::vector<NodeId> voters = node_.cluster().membership().voters();
  return std::all_of(voters.begin(), voters.end(), [this](NodeId voter) {
    if (voter == node_.cluster().identity().node) return true;
    const auto stated = stated_.find(voter);
    return stated != stated_.end() && stated->second.files_left == 0;
  });
}

void OrphanMerge::tick(bool own_files) {
  const storage::Tombstones* tombstones = node_.keyspace().tombstones();
  if (tombstones == nullptr || tombstones->size() == 0 || own_files || !may_write()) return;
  if (node_.monotonic_us() - looked_us_ < kForgetIntervalUs) return;
  looked_us_ = node_.monotonic_us();
  if (!everybody_has_offered_all()) return;
  const replication::Replica& replica = node_.cluster().replica();
  const Lsn passed =
      std::min(replica.durable_on(node_.cluster().voters()).lsn, node_.log().commit().lsn);
  const std::optional<Hlc> horizon = node_.log().hlc_of(passed);
  if (!horizon.has_value() || tombstones->nth_oldest(1) > *horizon) return;
  const Hlc some = tombstones->nth_oldest(kForgottenAtOnce);
  if (some < *horizon) looked_us_ = 0;  // the others with the next ticks
  node_.forget_tombstones(std::min(some, *horizon));
}

}  // namespace kvorum::server
