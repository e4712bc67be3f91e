// The newest records of the log as the bytes they are on disk, in blocks: what followers are sent
// and what a follower applies when it is committed. Older ones are read from segments. Belongs to
// the loop; blocks are shared with sockets.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "storage/record.h"
#include "storage/types.h"

namespace kvorum::server {

class RecentRecords {
 public:
  struct Block {
    storage::Position previous;  // the record before the first one
    storage::Lsn first{0};
    storage::Position last;
    std::shared_ptr<const std::string> bytes;
  };

  // Begins anew after `base`, with nothing.
  void reset(storage::Position base);
  // REQUIRES: the record follows last() and was verified.
  void append(const storage::RecordHeader& header, std::string_view bytes);
  // A long one, in a block of its own without a copy.
  void append(const storage::RecordHeader& header, std::string&& bytes);
  // The next record begins a new block: what is there so far is about to be shipped.
  void close_block() { open_ = false; }
  // Forgets what is after `lsn`; the bytes of what is forgotten. REQUIRES: lsn >= base().lsn.
  std::string truncate(storage::Lsn lsn);
  // Forgets old blocks while more than `max_bytes` are held, though nothing after `needed`.
  void trim(size_t max_bytes, storage::Lsn needed);

  storage::Position base() const { return base_; }
  storage::Position last() const { return last_; }
  size_t bytes() const { return bytes_; }

  // The records from `first` on that one block holds, at least one; nullopt: before the oldest or
  // after the newest.
  std::optional<Block> from(storage::Lsn first) const;
  // Calls `visit` for each record after `after` up to `last`, oldest first, until it returns false.
  // REQUIRES: after >= base().lsn and last <= last().lsn.
  void for_each(storage::Lsn after, storage::Lsn last,
                const std::function<bool(const storage::RecordView&)>& visit) const;
  // REQUIRES: base().lsn < lsn <= last().lsn.
  storage::RecordHeader header_of(storage::Lsn lsn) const;

 private:
  struct OwnBlock {
    storage::Position previous;
    storage::Lsn first{0};
    storage::Position last;
    std::shared_ptr<std::string> bytes;
  };
  // Index of the block that holds the record; blocks_.size() if none does.
  size_t block_with(storage::Lsn lsn) const;
  // Offset in the block of the first record after `lsn`, and the position of the one before it.
  size_t offset_after(const OwnBlock& block, storage::Lsn lsn, storage::Position& before) const;

  storage::Position base_, last_;
  std::deque<OwnBlock> blocks_;
  size_t bytes_ = 0;
  bool open_ = false;  // the newest block takes more
};

}  // namespace kvorum::server
