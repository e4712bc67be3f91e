#include "server/node/cluster/snapshot_sender.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace kvorum::server {
namespace {

constexpr uint64_t kReadBytes = 256 << 10;

}  // namespace

struct SnapshotSender::Reading {
  std::unique_ptr<storage::File> file;
  uint64_t offset = 0;
  std::string bytes;  // wanted, then read
  absl::Status status;
  bool abandoned = false;  // the loop's: the sender is gone

  // On the lane.
  absl::Status read(storage::FileSystem& files, const std::string& path) {
    if (file == nullptr) {
      auto opened = files.open(path, storage::OpenMode::kRead);
      if (!opened.ok()) return opened.status();
      file = *std::move(opened);
    }
    const auto got = file->read_at(offset, bytes.data(), bytes.size());
    if (!got.ok()) return got.status();
    if (*got == bytes.size()) return absl::OkStatus();
    return absl::DataLossError(base::concat(path, ": shorter than it was when it was written"));
  }
};

SnapshotSender::SnapshotSender(Host& host, Source source, storage::Term term, bool keyspace_only,
                               Events events)
    : host_(host),
      source_(std::move(source)),
      term_(term),
      keyspace_only_(keyspace_only),
      events_(std::move(events)),
      reading_(std::make_shared<Reading>()) {}

SnapshotSender::~SnapshotSender() { reading_->abandoned = true; }

void SnapshotSender::start() {
  acknowledged_us_ = last_io_us_ = host_.monotonic_us();
  read_on();
}

void SnapshotSender::acknowledged(const peer::SnapshotAck& ack) {
  if (finished_ || ack.term != term_ || ack.cut != source_.cut) return;
  last_io_us_ = host_.monotonic_us();
  if (ack.failed) return finish(absl::AbortedError("the follower could not receive or load it"));
  if (ack.offset > source_.bytes || ack.offset == acknowledged_) return;
  // Further than what was sent since a resend: that had come after all.
  sent_ = ack.offset < acknowledged_ ? ack.offset : std::max(sent_, ack.offset);
  acknowledged_ = ack.offset;
  acknowledged_us_ = last_io_us_;
  if (acknowledged_ == source_.bytes) return finish(absl::OkStatus());
  read_on();
}

void SnapshotSender::tick() {
  const int64_t now_us = host_.monotonic_us();
  if (finished_ || now_us - acknowledged_us_ < kResendUs) return;
  acknowledged_us_ = now_us;
  sent_ = acknowledged_;
  read_on();
}

void SnapshotSender::read_on() {
  const uint64_t end = std::min(source_.bytes, acknowledged_ + kWindowBytes);
  if (busy_ || finished_ || sent_ >= end) return;
  busy_ = true;
  reading_->offset = sent_;
  reading_->bytes.resize(std::min(kReadBytes, end - sent_));
  host_.run(
      Lane::kBackground,
      [reading = reading_, &files = host_.file_system(), path = source_.path] {
        reading->status = reading->read(files, path);
      },
      [this, reading = reading_] {
        if (!reading->abandoned) send_chunks();
      });
}

void SnapshotSender::send_chunks() {
  const std::shared_ptr<Reading> reading = reading_;  // `send` may destroy this
  if (finished_) return;
  if (!reading->status.ok()) return finish(reading->status);
  last_io_us_ = host_.monotonic_us();
  std::string_view rest = reading->bytes;
  uint64_t offset = reading->offset;
  // Begun anew elsewhere meanwhile: this is not what is wanted any more.
  while (!rest.empty() && offset == sent_) {
    peer::SnapshotChunk chunk;
    chunk.term = term_;
    chunk.cut = source_.cut;
    chunk.total_bytes = source_.bytes;
    chunk.offset = offset;
    chunk.keyspace_only = keyspace_only_;
    chunk.bytes = rest.substr(0, kChunkBytes);
    rest.remove_prefix(chunk.bytes.size());
    offset += chunk.bytes.size();
    sent_ = offset;
    events_.send(std::move(chunk));
    if (reading->abandoned) return;
  }
  busy_ = false;
  read_on();
}

void SnapshotSender::finish(const absl::Status& status) {
  finished_ = true;
  const auto finished = events_.finished;  // it may destroy this
  finished(status);
}

}  // namespace kvorum::server
