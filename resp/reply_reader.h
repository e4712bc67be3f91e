// The client's side of RESP: turns the bytes of a connection into reply trees, RESP2 and RESP3
// alike. Incremental (any split of the bytes gives the same replies) and iterative.
//
//   reader.feed(bytes);
//   Reply reply;
//   while (reader.next(reply) == ReplyReader::Result::kReply) use(reply);
//
// Thread: one at a time; no locks. Limits are checked before memory is taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::resp {

struct Reply {
  enum class Type : uint8_t {
    kSimpleString,  // text
    kError,         // text, without the '-'; a RESP3 bulk error too
    kInteger,       // integer
    kBulk,          // text
    kNull,          // RESP2's null bulk string and null array too
    kBoolean,       // integer, 0 or 1
    kDouble,        // real, and text as it came
    kBigNumber,     // text
    kVerbatim,      // text, and format of three characters
    kArray,         // elements
    kSet,           // elements
    kPush,          // elements; not an answer to a command
    kMap,           // elements: key, value, key, value …
  };

  Type type = Type::kNull;
  char format[3] = {};
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<Reply> elements;
};

struct ReplyLimits {
  size_t max_depth = 64;                      // aggregates within aggregates
  size_t max_elements = size_t{1024} * 1024;  // values of one reply, at all depths
  size_t max_bulk_bytes = size_t{512} * 1024 * 1024;
  size_t max_line_bytes = size_t{64} * 1024;  // without the line end
  size_t max_reply_bytes = size_t{1024} * 1024 * 1024;
};

class ReplyReader {
 public:
  enum class Result : uint8_t {
    kReply,     // a whole reply was stored
    kNeedMore,  // feed more
    kError,     // not RESP, or beyond the limits: see error(). The reader stays here.
  };

  ReplyReader() = default;
  explicit ReplyReader(const ReplyLimits& limits) : limits_(limits) {}

  // Copies the bytes to the end of the unread input.
  void feed(std::string_view bytes);

  // Moves the next whole reply into `reply`, which is unspecified otherwise. A RESP3 attribute is
  // read and dropped: it is an annotation of the reply that follows.
  Result next(Reply& reply);

  std::string_view error() const { return error_; }

  // Bytes fed and not yet part of a returned reply's values.
  size_t buffered_bytes() const { return input_.size() - consumed_; }

 private:
  enum class Step : uint8_t { kValue, kOpened, kNeedMore, kError };

  // An aggregate whose elements are still arriving.
  struct Frame {
    Reply reply;
    size_t missing = 0;
    bool attribute = false;
  };

  Step read_value(Reply& value);
  Step read_line(std::string_view& line);
  Step read_length(char type, std::string_view text, Reply& value);
  Step read_bulk(Reply& value);
  Step open_aggregate(char type, size_t count, Reply& value);
  bool place(Reply& value);
  Step fail(std::string_view text);

  ReplyLimits limits_;
  std::string input_;
  size_t consumed_ = 0;
  std::vector<Frame> open_;
  size_t elements_ = 0;     // announced by the reply's aggregates so far
  size_t reply_bytes_ = 0;  // of the reply's finished values and its pending bulk string
  char bulk_type_ = 0;      // of the pending bulk string; 0: none
  size_t bulk_bytes_ = 0;
  std::string error_;  // empty while all is well
};

}  // namespace kvorum::resp
