#include "server/node/cluster/snapshot_receiver.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "storage/incoming_snapshot.h"
#include "storage/snapshot_loader.h"
#include "storage/snapshot_reader.h"

namespace kvorum::server {
namespace {

// Twice what a sender may have under way: more is not taken.
constexpr uint64_t kMaxQueuedBytes = 2 << 20;

}  // namespace

// What lane and loop share. The lane has it while a job is out, except for `keyspace`, `loader`,
// the block that is not being read, and `abandoned`.
struct SnapshotReceiver::Transfer {
  std::unique_ptr<storage::IncomingSnapshot> file;
  std::vector<std::string> writing;
  std::unique_ptr<storage::SnapshotReader> reader;
  std::array<storage::SnapshotBlock, 2> blocks;  // one is read while the other is loaded
  size_t reading = 0;
  bool more = false;
  absl::Status status;

  std::unique_ptr<storage::Keyspace> keyspace;
  std::unique_ptr<storage::SnapshotLoader> loader;
  bool abandoned = false;
};

SnapshotReceiver::SnapshotReceiver(Host& host, const storage::Identity& identity,
                                   std::string directory, Events events)
    : host_(host),
      identity_(identity),
      directory_(std::move(directory)),
      events_(std::move(events)) {}

SnapshotReceiver::~SnapshotReceiver() { abandon(); }

void SnapshotReceiver::abandon() {
  if (transfer_ == nullptr) return;
  transfer_->abandoned = true;
  transfer_->loader = nullptr;
  // On the lane, behind its last job and before any of another transfer: that may use the same
  // name.
  host_.run(
      Lane::kBackground,
      [transfer = std::move(transfer_)] {
        transfer->file = nullptr;
        transfer->reader = nullptr;
        transfer->keyspace = nullptr;
      },
      [] {});
  transfer_ = nullptr;
}

void SnapshotReceiver::run_on_lane(std::function<absl::Status(Transfer&)> work,
                                   std::function<void()> next) {
  host_.run(
      Lane::kBackground,
      [transfer = transfer_, work = std::move(work)] { transfer->status = work(*transfer); },
      [this, transfer = transfer_, next = std::move(next)] {
        if (transfer->abandoned) return;
        if (!transfer->status.ok()) return fail(transfer->status);
        next();
      });
}

void SnapshotReceiver::receive(peer::SnapshotChunk&& chunk) {
  if (chunk.term < term_) return;
  const bool other = chunk.term != term_ || chunk.cut != cut_ ||
                     chunk.total_bytes != total_bytes_ || chunk.keyspace_only != keyspace_only_;
  if (other || stage_ == Stage::kNone) begin(chunk);
  last_io_us_ = host_.monotonic_us();
  if (stage_ != Stage::kReceiving || chunk.offset != received_) return acknowledge();
  const uint64_t size = chunk.bytes.size();
  if (size == 0 || size > total_bytes_ - received_) {
    return fail(
        absl::InvalidArgumentError(base::concat("a chunk of ", size, " bytes at offset ",
                                                chunk.offset, " of a snapshot of ", total_bytes_)));
  }
  if (received_ - written_ + size > kMaxQueuedBytes) return;
  received_ += size;
  queue_.push_back(std::move(chunk.bytes));
  write_on();
}

void SnapshotReceiver::begin(const peer::SnapshotChunk& chunk) {
  abandon();
  stage_ = Stage::kReceiving;
  term_ = chunk.term;
  cut_ = chunk.cut;
  total_bytes_ = chunk.total_bytes;
  keyspace_only_ = chunk.keyspace_only;
  transfer_ = std::make_shared<Transfer>();
  queue_.clear();
  received_ = 0;
  written_ = 0;
  writing_ = false;
}

void SnapshotReceiver::write_on() {
  if (writing_ || queue_.empty()) return;
  writing_ = true;
  transfer_->writing.swap(queue_);
  run_on_lane(
      [&files = host_.file_system(), directory = directory_, cut = cut_](Transfer& transfer) {
        if (transfer.file == nullptr) {
          auto file = storage::IncomingSnapshot::create(files, directory, cut);
          if (!file.ok()) return file.status();
          transfer.file = *std::move(file);
        }
        for (const std::string& bytes : transfer.writing) {
          absl::Status status = transfer.file->write(transfer.file->bytes(), bytes);
          if (!status.ok()) return status;
        }
        return absl::OkStatus();
      },
      [this] {
        writing_ = false;
        for (const std::string& bytes : transfer_->writing) written_ += bytes.size();
        transfer_->writing.clear();
        acknowledge();
        if (written_ == total_bytes_) return verify();
        write_on();
      });
}

void SnapshotReceiver::verify() {
  stage_ = Stage::kLoading;
  run_on_lane(
      [&files = host_.file_system(), identity = identity_](Transfer& transfer) {
        if (const auto report = transfer.file->finish(identity); !report.ok()) {
          return report.status();
        }
        auto reader = storage::SnapshotReader::open(files, transfer.file->path());
        if (!reader.ok()) return reader.status();
        transfer.reader = *std::move(reader);
        return absl::OkStatus();
      },
      [this] { load(); });
}

void SnapshotReceiver::load() {
  Transfer& transfer = *transfer_;
  transfer.keyspace = std::make_unique<storage::Keyspace>(transfer.reader->info().hash_seed);
  transfer.loader = std::make_unique<storage::SnapshotLoader>(
      *transfer.keyspace, *transfer.reader, static_cast<uint64_t>(host_.wall_us() / 1000));
  read_block();
}

void SnapshotReceiver::read_block() {
  run_on_lane(
      [](Transfer& transfer) {
        const auto more = transfer.reader->read_block(transfer.blocks[transfer.reading]);
        transfer.more = more.ok() && *more;
        return more.status();
      },
      [this] { block_read(); });
}

void SnapshotReceiver::block_read() {
  Transfer& transfer = *transfer_;
  if (!transfer.more) {
    if (absl::Status status = transfer.loader->finish(); !status.ok()) return fail(status);
    return install();
  }
  const storage::SnapshotBlock& block = transfer.blocks[transfer.reading];
  transfer.reading = 1 - transfer.reading;
  read_block();  // into the other one, while this one is added
  if (absl::Status status = transfer.loader->add(block); !status.ok()) fail(status);
}

void SnapshotReceiver::install() {
  stage_ = Stage::kInstalled;
  const std::shared_ptr<Transfer> transfer = std::move(transfer_);
  transfer_ = nullptr;
  transfer->loader = nullptr;
  const peer::SnapshotAck ack{term_, cut_, total_bytes_, false};
  const Events events = events_;  // `installed` may destroy this
  events.installed(std::move(transfer->keyspace), transfer->reader->info(),
                   transfer->reader->path(), transfer->reader->file_bytes());
  events.acknowledge(ack);
}

void SnapshotReceiver::acknowledge() {
  // The last byte stands for the rest of the work: while it is missing the leader asks again.
  const uint64_t offset =
      stage_ == Stage::kInstalled ? total_bytes_ : std::min(written_, total_bytes_ - 1);
  events_.acknowledge({term_, cut_, offset, false});
}

void SnapshotReceiver::fail(const absl::Status& status) {
  abandon();
  stage_ = Stage::kNone;
  events_.acknowledge({term_, cut_, 0, true});
  events_.failed(status);
}

}  // namespace kvorum::server
