// A session's replies in order, each free to leave only when its gate opens. A gate names a log
// position and how many voters must hold it on disk (docs/architecture.md, Reply gates). Belongs to
// the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "storage/types.h"

namespace kvorum::server {

struct Gate {
  storage::Position position;  // lsn 0: open
  uint16_t write_quorum = 1;   // voters, the leader included
};

// What a piece of output is, which decides what replaces it if its record is undone.
enum class OutputKind : uint8_t {
  kWrite,  // the reply of the command that made the record
  kRead,   // a reply that saw the record
  kPush,   // a message nobody asked for: it is dropped
};

class OutputQueue {
 public:
  // Where output is appended. Call seal() after each reply or push.
  std::string& buffer() { return buffer_; }
  // Bytes appended since the last seal.
  std::string_view unsealed() const { return std::string_view(buffer_).substr(sealed_); }
  void drop_unsealed() { buffer_.resize(sealed_); }

  // Everything unsealed leaves when `gate` opens, and not before what precedes it. REQUIRES: it is
  // exactly one reply or one push, unless the gate is open.
  void seal(const Gate& gate, OutputKind kind);

  // Opens every gate at or below `commit`. True if bytes became sendable.
  bool open(storage::Lsn commit);

  // The records above `kept` were undone, up to it all is committed: the replies of the undone
  // become error lines, their pushes vanish, and the rest may leave.
  // REQUIRES: nothing unsealed. True if bytes became sendable.
  bool undo_above(storage::Lsn kept, std::string_view write_error, std::string_view read_error);

  bool gated() const { return !marks_.empty(); }
  std::string_view sendable() const {
    return std::string_view(buffer_).substr(sent_, open_ - sent_);
  }
  // REQUIRES: bytes <= sendable().size().
  void sent(size_t bytes);
  // Held in memory, gated or not.
  size_t size() const { return buffer_.size() - sent_; }

 private:
  struct Mark {
    Gate gate;
    size_t end;  // offset in buffer_
    OutputKind kind;
  };

  std::string buffer_;
  size_t sent_ = 0;  // bytes before it have left
  size_t open_ = 0;  // bytes before it may leave
  size_t sealed_ = 0;
  std::deque<Mark> marks_;
};

}  // namespace kvorum::server
