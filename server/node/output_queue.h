// A session's replies in order, each free to leave only when its gate opens. A gate names a log
// position and how many voters must hold it on disk (docs/architecture.md, Reply gates). Belongs to
// the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/types.h"

namespace kvorum::server {

// What a reply waits for.
struct Gate {
  storage::Lsn lsn{0};  // 0: no record
  // Voters that must hold the record on disk, the leader included; below a majority it need not be
  // committed. 0: it needs to be committed: a read, or a write quorum of a majority.
  uint16_t voters = 0;
  bool all = false;        // of the voters there are by then, whatever `voters` says
  bool committed = false;  // it was a majority when the command was executed: no less will do
  // A read: the clock when it was executed; leadership must be confirmed up to there. INT64_MIN: no
  // matter.
  int64_t read_us = INT64_MIN;
  int64_t deadline_us = INT64_MAX;  // monotonic: then the reply becomes an error

  bool may_open_before_commit() const { return voters != 0 && !all && !committed; }
};

// What is known, to open gates with.
struct GateView {
  storage::Lsn commit{0};
  size_t majority = 1;
  std::span<const storage::Lsn> durable_on;  // [n - 1]: what n voters have on disk
  int64_t reads_until_us = INT64_MAX;

  bool opens(const Gate& gate) const;
};

// What a piece of output is, which decides what replaces it if its gate can never open.
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

  // Everything unsealed leaves when `gate` opens, and not before what precedes it; nullopt: at
  // once. REQUIRES: it is exactly one reply or one push, unless there is no gate.
  void seal(const std::optional<Gate>& gate, OutputKind kind);

  // Opens every gate that may open. True if bytes became sendable.
  bool open(const GateView& view);

  struct Errors {
    std::string_view write, read;  // whole error lines
  };
  // The records above `kept` are gone for good: the replies that wait for them become error lines,
  // their pushes vanish. REQUIRES: nothing unsealed.
  void drop_above(storage::Lsn kept, const Errors& errors);
  // Leadership is lost: reads that wait for its confirmation beyond `reads_until_us` become errors.
  void drop_reads(int64_t reads_until_us, const Errors& errors);
  // Gates whose deadline has passed become errors: the outcome of a write is then unknown.
  void expire(int64_t now_us, const Errors& errors);

  bool gated() const { return !marks_.empty(); }
  // When the oldest gate gives up; INT64_MAX: none does.
  int64_t deadline_us() const {
    return marks_.empty() || !marks_.front().gate ? INT64_MAX : marks_.front().gate->deadline_us;
  }
  std::string_view sendable() const {
    return std::string_view(buffer_).substr(sent_, open_ - sent_);
  }
  // REQUIRES: bytes <= sendable().size().
  void sent(size_t bytes);
  // Held in memory, gated or not.
  size_t size() const { return buffer_.size() - sent_; }

 private:
  struct Mark {
    std::optional<Gate> gate;
    size_t end;  // offset in buffer_
    OutputKind kind;
  };
  template <class Predicate>
  void replace_if(const Errors& errors, const Predicate& hopeless);

  std::string buffer_;
  size_t sent_ = 0;  // bytes before it have left
  size_t open_ = 0;  // bytes before it may leave
  size_t sealed_ = 0;
  std::deque<Mark> marks_;
};

}  // namespace kvorum::server
