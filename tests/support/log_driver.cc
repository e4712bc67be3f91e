#include "tests/support/log_driver.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::storage {

Identity test_identity() {
  Identity identity;
  identity.node = NodeId{1};
  for (size_t i = 0; i < identity.incarnation.size(); ++i) {
    identity.incarnation[i] = static_cast<uint8_t>(i + 1);
    identity.instance[i] = static_cast<uint8_t>(0xa0 + i);
  }
  identity.hash_seed = 0x0123456789abcdef;
  identity.partition_count = 4096;
  return identity;
}

RecoveredRecords recover_log(FileSystem& files, const RecoveryOptions& options,
                             size_t slice_bytes) {
  RecoveredRecords result;
  RecoveryOptions with_log = options;
  with_log.log = [&result](std::string_view message) { result.messages.emplace_back(message); };
  const auto reader = RecoveryReader::open(files, with_log);
  result.status = reader.status();
  if (!reader.ok()) return result;
  RecoverySlice slice;
  while (true) {
    const auto more = (*reader)->read_some(slice_bytes, slice);
    result.status = more.status();
    if (!more.ok()) return result;
    if (!*more) break;
    for (const RecordView& record : slice.records()) {
      if (result.payloads.empty()) result.first_lsn = record.header.lsn;
      result.payloads.emplace_back(record.payload);
      result.headers.push_back(record.header);
    }
    CHECK(slice.commit() >= result.slice_commit);
    result.slice_commit = slice.commit();
    const RecoveryProgress progress = (*reader)->progress();
    CHECK(progress.bytes_read <= progress.bytes_total);
  }
  CHECK((*reader)->progress().bytes_read == (*reader)->progress().bytes_total);
  result.log = (*reader)->result();
  return result;
}

LogDriver::LogDriver(FileSystem& files, WalOptions options)
    : files_(files), options_(std::move(options)) {}

absl::Status LogDriver::start(Position cut, Hlc cut_hlc) {
  drop();
  auto directory = open_data_directory(files_, options_.directory, test_identity());
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  RecoveryOptions options;
  options.directory = options_.directory;
  options.identity = directory_.identity;
  options.cut = cut;
  options.cut_hlc = cut_hlc;
  options.member = member_;
  recovered_ = recover_log(files_, options);
  if (!recovered_.status.ok()) return recovered_.status;
  auto wal = Wal::start(files_, options_, directory_.identity, recovered_.log);
  if (!wal.ok()) return wal.status();
  wal_ = *std::move(wal);
  if (absl::Status status = note_log(files_, directory_); !status.ok()) return status;
  marks_[cut.lsn] = {cut, cut_hlc};
  for (const RecordHeader& header : recovered_.headers) {
    marks_[header.lsn] = {Position{header.term, header.lsn}, header.stamp.hlc};
  }
  marks_[recovered_.log.last.lsn] = {recovered_.log.last, recovered_.log.last_hlc};
  clock_.observe(recovered_.log.last_hlc);
  term_ = std::max(term_, recovered_.log.last.term);
  return absl::OkStatus();
}

void LogDriver::drop() {
  wal_.reset();
  directory_ = DataDirectory();
  marks_.clear();
  clock_ = HybridLogicalClock();
}

Lsn LogDriver::append(std::string_view payload) {
  RecordHeader header;
  header.lsn = wal_->last().lsn.next();
  header.term = term_;
  header.stamp = Stamp{clock_.next(wall_ms_), directory_.identity.node};
  header.kind = RecordKind::kEffects;
  record_.clear();
  encode_record(directory_.identity.incarnation, header, payload, record_);
  wal_->append(header, record_);
  marks_[header.lsn] = {Position{header.term, header.lsn}, header.stamp.hlc};
  return header.lsn;
}

void LogDriver::truncate(Lsn kept) {
  wal_->truncate(position_of(kept), hlc_of(kept));
  marks_.erase(marks_.upper_bound(kept), marks_.end());
}

void LogDriver::restart_at(Position cut, Hlc cut_hlc) {
  wal_->restart_at(cut, cut_hlc);
  marks_ = {{cut.lsn, {cut, cut_hlc}}};
  clock_.observe(cut_hlc);
  term_ = std::max(term_, cut.term);
}

absl::Status LogDriver::run_job(uint64_t now_ms) {
  std::unique_ptr<WriteJob> job = wal_->take_job(now_ms);
  if (job == nullptr) return absl::OkStatus();
  job->run();
  return wal_->finish(std::move(job)).status;
}

absl::Status LogDriver::flush(uint64_t now_ms) {
  while (true) {
    absl::Status status = run_job(now_ms);
    if (!status.ok() || (wal_->queued_bytes() == 0 && !wal_->truncation_pending())) return status;
  }
}

absl::Status LogDriver::clean_stop(uint64_t now_ms) {
  while (true) {
    const bool last = wal_->queued_batches() <= 1;
    std::unique_ptr<WriteJob> job = wal_->take_stop_job(now_ms);
    job->run();
    absl::Status status = wal_->finish(std::move(job)).status;
    if (!status.ok() || last) return status;
  }
}

absl::Status LogDriver::retire_before(Lsn lsn, uint64_t wall_ms) {
  std::unique_ptr<RetireJob> job = wal_->retire_before(lsn, wall_ms);
  if (job == nullptr) return absl::OkStatus();
  job->run();
  return wal_->finish(std::move(job));
}

}  // namespace kvorum::storage
