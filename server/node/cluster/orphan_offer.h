// The other half of merging (orphan_merge.h): a node that had to drop records offers them to
// whoever leads, file after file, some records at a time, until each has been judged and what was
// merged is committed. Then the file gets another name. Belongs to the loop; files are read on the
// background lane.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "server/node/cluster/orphan_merge.h"
#include "server/node/cluster/peer_message.h"
#include "storage/types.h"

namespace kvorum::server {

class Node;

class OrphanOffer {
 public:
  // `own`: the same node's, for when it leads itself. Both outlive this.
  OrphanOffer(Node& node, OrphanMerge& own) : node_(node), own_(own) {}

  // Finds what earlier starts have left.
  void start();
  // A file was saved.
  void saved(std::string path);
  void receive(storage::NodeId from, const peer::OrphansAck& ack);
  void leader_changed();
  void link_ready(storage::NodeId peer);
  void link_lost(storage::NodeId peer);
  // Goes on where it can.
  void step();

  // Known, and not offered whole; before the directory was read more than none.
  uint64_t files_left() const { return listed_ ? files_.size() : 1; }

 private:
  static constexpr size_t kChunkBytes = 64 * 1024;
  // An answer takes no longer, or it was lost.
  static constexpr int64_t kAnswerUs = 2'000'000;
  static constexpr int64_t kComeAgainUs = 200'000;

  // This cluster merges, and nothing has to be known first.
  bool active() const;
  // Tells the leader how much is to come, unless it knows. REQUIRES: active().
  void state();
  void load();
  void offer_some();
  void offer_to_self();
  void answered(const OrphanMerge::Judged& judged);
  void file_done();
  // The first file is done with, or of no use.
  void next_file();

  Node& node_;
  OrphanMerge& own_;
  bool listed_ = false;
  std::deque<std::string> files_;  // paths, oldest first
  bool busy_ = false;              // the lane has the first file
  bool loaded_ = false;
  std::string records_;  // of the first file, those that can be merged, while they are offered
  size_t offered_ = 0;   // bytes of them that were judged

  // What a leader was told last; told_ 0: nothing, or the link to it was lost since.
  storage::NodeId told_{0};
  storage::Term told_term_{0};
  uint64_t told_files_ = 0;

  // The records under way; asked_ 0: none are.
  storage::NodeId asked_{0};
  storage::Term asked_term_{0};
  size_t chunk_bytes_ = 0;
  storage::Position chunk_last_;
  OrphanMerge::Judged own_judged_;  // asked_ is this node
  int64_t asked_us_ = 0, again_at_us_ = 0;
  uint64_t merged_ = 0, lost_ = 0, kept_ = 0;  // of this file
};

}  // namespace kvorum::server
