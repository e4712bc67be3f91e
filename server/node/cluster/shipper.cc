#include "server/node/cluster/shipper.h"

#include <utility>

#include "base/text.h"

namespace kvorum::server {

using replication::Message;
using replication::Replica;
using replication::Shipment;
using storage::Lsn;
using storage::NodeId;

namespace {
// What one read of the segments brings: large enough to be worth a turn of the lane.
constexpr size_t kSliceBytes = 512 * 1024;
}  // namespace

Shipper::Shipper(Host& host, RecordLog& log, std::function<PeerLink*(NodeId)> link,
                 std::function<void()> read)
    : host_(host), log_(log), link_(std::move(link)), read_(std::move(read)) {}

void Shipper::ship(Replica& replica) {
  for (const auto& [follower, progress] : replica.progress()) {
    PeerLink* link = link_(follower);
    if (link != nullptr) ship_to(replica, follower, *link);
  }
}

void Shipper::stop() { catchups_.clear(); }

void Shipper::ship_to(Replica& replica, NodeId follower, PeerLink& link) {
  while (!link.full()) {
    const std::optional<Shipment> shipment = replica.shipment(follower);
    if (!shipment.has_value()) return;
    const bool in_memory = shipment->first > log_.recent().base().lsn;
    const bool sent = in_memory ? ship_recent(replica, follower, link, *shipment)
                                : ship_from_disk(replica, follower, link, *shipment);
    if (!sent) return;
  }
}

bool Shipper::ship_recent(Replica& replica, NodeId follower, PeerLink& link,
                          const Shipment& shipment) {
  catchups_.erase(follower);
  std::optional<RecentRecords::Block> block = log_.recent().from(shipment.first);
  if (!block.has_value() || block->last.lsn > shipment.last) return false;
  const Message message = replica.append_message(follower, shipment, block->last.lsn);
  link.send_append(message, std::move(block->bytes));
  return true;
}

bool Shipper::ship_from_disk(Replica& replica, NodeId follower, PeerLink& link,
                             const Shipment& shipment) {
  std::shared_ptr<Catchup>& catchup = catchups_[follower];
  if (catchup == nullptr) catchup = std::make_shared<Catchup>();
  if (catchup->busy) return false;
  if (!catchup->status.ok()) {
    const absl::Status status = catchup->status;
    catchups_.erase(follower);
    // Cut meanwhile: the next try finds it otherwise. Else it cannot be had from the log.
    if (absl::IsAborted(status)) return false;
    if (!absl::IsNotFound(status)) {
      host_.log(LogLevel::kError, base::concat("ALARM: the log could not be read for node ",
                                               follower.value(), ": ", status.message()));
    }
    replica.need_snapshot(follower);
    return false;
  }
  if (!catchup->more || catchup->slice.first != shipment.first ||
      catchup->slice.last.lsn > shipment.last) {
    read_on(catchup, shipment.first);
    return false;
  }
  const Message message = replica.append_message(follower, shipment, catchup->slice.last.lsn);
  link.send_append(message, std::make_shared<const std::string>(std::move(catchup->slice.bytes)));
  catchup->more = false;
  return true;
}

void Shipper::read_on(const std::shared_ptr<Catchup>& catchup, Lsn first) {
  storage::LogPlan plan = log_.wal().plan(first);
  if (catchup->reader != nullptr && catchup->reader->next() == first) {
    catchup->reader->extend(std::move(plan));
  } else {
    catchup->reader =
        std::make_unique<storage::LogReader>(host_.file_system(), std::move(plan), first);
  }
  catchup->busy = true;
  catchup->more = false;
  host_.run(
      Lane::kBackground,
      [catchup] {
        const absl::StatusOr<bool> read = catchup->reader->read_some(kSliceBytes, catchup->slice);
        catchup->status = read.status();
        catchup->more = read.ok() && *read;
      },
      [this, catchup] {
        catchup->busy = false;
        read_();
      });
}

}  // namespace kvorum::server
