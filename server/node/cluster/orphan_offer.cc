#include "server/node/cluster/orphan_offer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"
#include "server/node/cluster/cluster.h"
#include "server/node/node.h"
#include "storage/orphan_file.h"
#include "storage/orphan_record.h"

namespace kvorum::server {

using storage::NodeId;

namespace {
constexpr NodeId kNobody{0};
}  // namespace

bool OrphanOffer::active() const {
  const Cluster& cluster = node_.cluster();
  return cluster.started() && listed_ && cluster.membership().merges() && !node_.log().closing();
}

void OrphanOffer::start() {
  auto found = std::make_shared<absl::StatusOr<std::vector<std::string>>>();
  node_.host().run(
      Lane::kBackground,
      [this, found, directory = node_.log().directory()] {
        *found = storage::list_orphan_files(node_.host().file_system(), directory);
      },
      [this, found] {
        listed_ = true;
        if (found->ok()) {
          // What was saved meanwhile is among them.
          for (std::string& path : **found) {
            if (std::find(files_.begin(), files_.end(), path) == files_.end()) {
              files_.push_back(std::move(path));
            }
          }
          std::sort(files_.begin(), files_.end());
        } else {
          node_.host().log(LogLevel::kError, base::concat("orphaned records cannot be looked for: ",
                                                          found->status().message()));
        }
        step();
      });
}

void OrphanOffer::saved(std::string path) {
  if (std::find(files_.begin(), files_.end(), path) != files_.end()) return;
  files_.push_back(std::move(path));
  // The leader is told before anything that this node acknowledges from now on: it has not passed
  // the tombstones yet that these records may meet.
  step();
}

void OrphanOffer::state() {
  Cluster& cluster = node_.cluster();
  if (cluster.leads()) return;
  if (told_ == cluster.leader() && told_term_ == cluster.term() && told_files_ == files_left()) {
    return;
  }
  PeerLink* link = cluster.ready_link(cluster.leader());
  if (link == nullptr) return;
  told_ = cluster.leader();
  told_term_ = cluster.term();
  told_files_ = files_left();
  link->send(peer::Orphans{told_term_, told_files_, {}});
}

void OrphanOffer::leader_changed() {
  asked_ = kNobody;
  again_at_us_ = 0;
  step();
}

void OrphanOffer::link_ready(NodeId peer) {
  if (!node_.cluster().started() || peer != node_.cluster().leader()) return;
  asked_ = told_ = kNobody;
  step();
}

void OrphanOffer::link_lost(NodeId peer) {
  if (asked_ == peer) asked_ = kNobody;
  if (told_ == peer) told_ = kNobody;
}

void OrphanOffer::step() {
  if (!active()) return;
  state();
  if (files_.empty() || busy_) return;
  if (!loaded_) return load();
  if (offered_ == records_.size()) return file_done();
  const Cluster& cluster = node_.cluster();
  const NodeId self = cluster.identity().node;
  const int64_t now_us = node_.monotonic_us();
  if (asked_ == self) {
    if (!cluster.leads() || cluster.term() != asked_term_) {
      asked_ = kNobody;
    } else if (node_.log().commit().lsn >= own_judged_.gate) {
      return answered(own_judged_);
    }
  } else if (asked_ != kNobody && now_us - asked_us_ > kAnswerUs) {
    asked_ = kNobody;
  }
  if (asked_ == kNobody && now_us >= again_at_us_) offer_some();
}

void OrphanOffer::load() {
  busy_ = true;
  auto read = std::make_shared<absl::StatusOr<storage::MergeableRecords>>();
  node_.host().run(
      Lane::kBackground,
      [this, read, path = files_.front(), identity = node_.cluster().identity()] {
        const auto records = storage::read_orphan_file(node_.host().file_system(), path, identity);
        if (records.ok()) {
          *read = storage::mergeable_records(*records);
        } else {
          *read = records.status();
        }
      },
      [this, read] {
        busy_ = false;
        if (!read->ok()) {
          node_.host().log(LogLevel::kError,
                           base::concat("ALARM: orphaned records cannot be offered to the leader: ",
                                        read->status().message()));
          return next_file();
        }
        loaded_ = true;
        records_ = std::move((*read)->records);
        offered_ = 0;
        merged_ = lost_ = 0;
        kept_ = (*read)->kept;
        step();
      });
}

void OrphanOffer::offer_some() {
  Cluster& cluster = node_.cluster();
  PeerLink* link = cluster.ready_link(cluster.leader());
  if (!cluster.leads() && (link == nullptr || link->full())) return;
  const std::string_view rest = std::string_view(records_).substr(offered_);
  chunk_bytes_ = 0;
  for (std::string_view bytes = rest; !bytes.empty();) {
    const storage::RecordView record = storage::take_record(bytes);
    if (chunk_bytes_ > 0 && chunk_bytes_ + record.bytes.size() > kChunkBytes) break;
    chunk_bytes_ += record.bytes.size();
    chunk_last_ = {record.header.term, record.header.lsn};
  }
  asked_term_ = cluster.term();
  asked_us_ = node_.monotonic_us();
  if (cluster.leads()) return offer_to_self();
  asked_ = cluster.leader();
  link->send_bulk(
      peer::Orphans{asked_term_, files_left(), std::string(rest.substr(0, chunk_bytes_))});
}

void OrphanOffer::offer_to_self() {
  const auto judged = own_.merge(std::string_view(records_).substr(offered_, chunk_bytes_));
  if (!judged.has_value()) {
    again_at_us_ = asked_us_ + kComeAgainUs;
    return;
  }
  asked_ = node_.cluster().identity().node;
  own_judged_ = *judged;
}

void OrphanOffer::receive(NodeId from, const peer::OrphansAck& ack) {
  if (asked_ == kNobody || from != asked_ || ack.term != asked_term_) return;
  if (ack.refused) {
    asked_ = kNobody;
    again_at_us_ = node_.monotonic_us() + kComeAgainUs;
  } else if (ack.last == chunk_last_) {
    answered({ack.last, ack.merged, ack.lost, ack.kept, {}});
  }
}

void OrphanOffer::answered(const OrphanMerge::Judged& judged) {
  asked_ = kNobody;
  offered_ += chunk_bytes_;
  merged_ += judged.merged;
  lost_ += judged.lost;
  kept_ += judged.kept;
  step();
}

void OrphanOffer::file_done() {
  busy_ = true;
  auto renamed = std::make_shared<absl::StatusOr<std::string>>();
  node_.host().run(
      Lane::kBackground,
      [this, renamed, directory = node_.log().directory(), path = files_.front()] {
        *renamed = storage::mark_offered(node_.host().file_system(), directory, path);
      },
      [this, renamed] {
        busy_ = false;
        const std::string told = base::concat(merged_, " merged, ", lost_,
                                              " older than what is there or merged before, ", kept_,
                                              " that cannot be merged");
        if (renamed->ok()) {
          node_.host().log(
              LogLevel::kWarning,
              base::concat("the leader has judged the orphaned records of ", files_.front(), ": ",
                           told, "; they are kept in ", **renamed));
        } else {
          node_.host().log(LogLevel::kError,
                           base::concat("the leader has judged the orphaned records of ",
                                        files_.front(), ": ", told,
                                        "; the file could not be renamed, and is offered again at "
                                        "the next start: ",
                                        renamed->status().message()));
        }
        next_file();
      });
}

void OrphanOffer::next_file() {
  files_.pop_front();
  loaded_ = false;
  records_ = {};
  step();
}

}  // namespace kvorum::server
