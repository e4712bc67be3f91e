// Brings the leader's records to each follower: from memory while it keeps up, from the segments on
// disk while it lags, with a snapshot where they begin too late. What it holds for a follower is
// one slice, however far that one is behind. Belongs to the loop; files are read on the background
// lane.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "replication/replica.h"
#include "server/node/cluster/peer_link.h"
#include "server/node/host.h"
#include "server/node/record_log.h"
#include "storage/log_reader.h"

namespace kvorum::server {

class Shipper {
 public:
  // All of these outlive it. `link` gives the link to a peer if messages may be sent; `written` is
  // called when a slice has been read: ship() again.
  Shipper(Host& host, RecordLog& log, std::function<PeerLink*(storage::NodeId)> link,
          std::function<void()> read);

  // Sends every follower what it may be sent now. REQUIRES: replica.leading().
  void ship(replication::Replica& replica);
  // This node leads no more.
  void stop();

 private:
  // A follower that is fed from the segments.
  struct Catchup {
    std::unique_ptr<storage::LogReader> reader;  // the lane's while busy
    storage::LogReader::Slice slice;
    bool busy = false;
    bool more = false;  // the slice holds records that were not sent yet
    absl::Status status;
  };

  void ship_to(replication::Replica& replica, storage::NodeId follower, PeerLink& link);
  // True if something was sent.
  bool ship_recent(replication::Replica& replica, storage::NodeId follower, PeerLink& link,
                   const replication::Shipment& shipment);
  bool ship_from_disk(replication::Replica& replica, storage::NodeId follower, PeerLink& link,
                      const replication::Shipment& shipment);
  void read_on(const std::shared_ptr<Catchup>& catchup, storage::Lsn first);

  Host& host_;
  RecordLog& log_;
  const std::function<PeerLink*(storage::NodeId)> link_;
  const std::function<void()> read_;
  // Shared with the job that is on the lane.
  std::map<storage::NodeId, std::shared_ptr<Catchup>> catchups_;
};

}  // namespace kvorum::server
