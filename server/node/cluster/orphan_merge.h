// The leader's half of merging what a deposed leader had to drop: judges each record by its
// last-writer-wins stamp, whole, and executes those that win as records of its own.
// docs/replication.md, Merging; the other half is orphan_offer.h. Belongs to the loop.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>

#include "server/node/cluster/peer_message.h"
#include "server/node/session.h"
#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::server {

class Node;

class OrphanMerge {
 public:
  // What became of some records. It is true once `gate` is committed.
  struct Judged {
    storage::Position last;  // of them
    uint64_t merged = 0, lost = 0, kept = 0;
    storage::Lsn gate{0};
  };

  explicit OrphanMerge(Node& node) : node_(node) {}

  // `records`: whole and verified, in log order, at least one. nullopt: not now.
  [[nodiscard]] std::optional<Judged> merge(std::string_view records);

  void receive(const Session& from, const peer::Orphans& orphans);
  // The commit has moved: answers what is settled.
  void serve();
  void stop_leading();
  // What the peer has said of its files counts as long as this connection.
  void peer_session_closed(const Session& session);
  // Lets tombstones go that every voter has passed. `own_files`: what this node has still to offer.
  void tick(bool own_files);

  uint64_t merged_records() const { return merged_records_; }

 private:
  // What a peer has said.
  struct Stated {
    uint64_t session = 0;  // on which
    uint64_t files_left = 0;
  };
  struct Waiting {
    storage::NodeId peer{0};
    storage::Lsn gate{0};
    peer::OrphansAck ack;
  };

  bool may_write() const;
  // For more than there is: what was dropped has to wait as a client's write has.
  bool has_room() const;
  // A stamp that is further ahead of this node's clock than clocks may differ has to wait: the
  // clock of every later record would follow it.
  bool ahead_of_time(std::string_view records) const;
  void judge(const storage::RecordView& record, Judged& judged);
  bool everybody_has_offered_all() const;

  Node& node_;
  std::map<storage::NodeId, Stated> stated_;
  std::deque<Waiting> waiting_;
  int64_t looked_us_ = 0;
  uint64_t merged_records_ = 0;
};

}  // namespace kvorum::server
