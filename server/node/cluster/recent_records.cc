#include "server/node/cluster/recent_records.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace kvorum::server {

using storage::Lsn;
using storage::Position;
using storage::RecordView;

namespace {
// A block is closed when it reaches this: what one append carries.
constexpr size_t kBlockBytes = 64 * 1024;
}  // namespace

void RecentRecords::reset(Position base) {
  base_ = last_ = base;
  blocks_.clear();
  bytes_ = 0;
  open_ = false;
}

void RecentRecords::append(const storage::RecordHeader& header, std::string_view bytes) {
  CHECK(header.lsn == last_.lsn.next());
  if (!open_ || blocks_.back().bytes->size() + bytes.size() > kBlockBytes) {
    blocks_.push_back({last_, header.lsn, last_, std::make_shared<std::string>()});
    open_ = true;
  }
  OwnBlock& block = blocks_.back();
  block.bytes->append(bytes);
  block.last = last_ = Position{header.term, header.lsn};
  bytes_ += bytes.size();
}

void RecentRecords::append(const storage::RecordHeader& header, std::string&& bytes) {
  CHECK(header.lsn == last_.lsn.next());
  const Position previous = std::exchange(last_, Position{header.term, header.lsn});
  bytes_ += bytes.size();
  blocks_.push_back({previous, header.lsn, last_, std::make_shared<std::string>(std::move(bytes))});
  open_ = false;
}

std::string RecentRecords::truncate(Lsn lsn) {
  CHECK(lsn >= base_.lsn);
  std::string forgotten;
  open_ = false;
  while (!blocks_.empty() && blocks_.back().first > lsn) {
    forgotten.insert(0, *blocks_.back().bytes);
    last_ = blocks_.back().previous;
    bytes_ -= blocks_.back().bytes->size();
    blocks_.pop_back();
  }
  if (blocks_.empty() || blocks_.back().last.lsn <= lsn) return forgotten;
  OwnBlock& block = blocks_.back();
  Position before;
  const size_t end = offset_after(block, lsn, before);
  forgotten.insert(0, block.bytes->substr(end));
  bytes_ -= block.bytes->size() - end;
  block.bytes = std::make_shared<std::string>(block.bytes->substr(0, end));
  block.last = last_ = before;
  return forgotten;
}

void RecentRecords::trim(size_t max_bytes, Lsn needed) {
  while (bytes_ > max_bytes && blocks_.size() > 1 && blocks_.front().last.lsn < needed) {
    base_ = blocks_.front().last;
    bytes_ -= blocks_.front().bytes->size();
    blocks_.pop_front();
  }
}

size_t RecentRecords::block_with(Lsn lsn) const {
  const auto block =
      std::lower_bound(blocks_.begin(), blocks_.end(), lsn,
                       [](const OwnBlock& each, Lsn wanted) { return each.last.lsn < wanted; });
  if (block != blocks_.end() && block->first > lsn) return blocks_.size();
  return static_cast<size_t>(block - blocks_.begin());
}

size_t RecentRecords::offset_after(const OwnBlock& block, Lsn lsn, Position& before) const {
  std::string_view rest = *block.bytes;
  before = block.previous;
  while (before.lsn < lsn) {
    const RecordView record = storage::take_record(rest);
    before = Position{record.header.term, record.header.lsn};
  }
  return block.bytes->size() - rest.size();
}

std::optional<RecentRecords::Block> RecentRecords::from(Lsn first) const {
  const size_t index = block_with(first);
  if (index == blocks_.size()) return std::nullopt;
  const OwnBlock& block = blocks_[index];
  if (block.first == first) return Block{block.previous, first, block.last, block.bytes};
  Position before;
  const size_t begin = offset_after(block, Lsn{first.value() - 1}, before);
  return Block{before, first, block.last,
               std::make_shared<const std::string>(block.bytes->substr(begin))};
}

void RecentRecords::for_each(Lsn after, Lsn last,
                             const std::function<bool(const RecordView&)>& visit) const {
  CHECK(after >= base_.lsn && last <= last_.lsn);
  if (after >= last) return;
  size_t index = block_with(after.next());
  CHECK(index < blocks_.size());
  for (; index < blocks_.size() && blocks_[index].first <= last; ++index) {
    const std::shared_ptr<const std::string> bytes = blocks_[index].bytes;
    std::string_view rest = *bytes;
    while (!rest.empty()) {
      const RecordView record = storage::take_record(rest);
      if (record.header.lsn > last) return;
      if (record.header.lsn > after && !visit(record)) return;
    }
  }
}

storage::RecordHeader RecentRecords::header_of(Lsn lsn) const {
  storage::RecordHeader header;
  for_each(Lsn{lsn.value() - 1}, lsn, [&](const RecordView& record) {
    header = record.header;
    return true;
  });
  return header;
}

}  // namespace kvorum::server
