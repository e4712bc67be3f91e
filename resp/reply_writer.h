// Appends replies to a connection's output, in RESP2 or RESP3. What RESP2 lacks is written as Redis
// 7.0 does: a map as a flat array, a set or push as an array, a boolean as an integer, a double,
// big number or verbatim string as a bulk string.
//
// A writer holds nothing but a reference to the buffer and the version: make one where it is
// needed. Thread: that of the buffer's owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvorum::resp {

enum class Protocol : uint8_t { kResp2 = 2, kResp3 = 3 };

class ReplyWriter {
 public:
  // `out` outlives the writer.
  ReplyWriter(std::string& out, Protocol protocol) : out_(out), protocol_(protocol) {}

  Protocol protocol() const { return protocol_; }

  void ok() { out_.append("+OK\r\n", 5); }
  // REQUIRES: no CR or LF in `text`; it is ours, not a client's.
  void simple_string(std::string_view text);
  // `text` begins with its code: "ERR no such key". It may hold a client's bytes: CR and LF are cut
  // off at both ends and become spaces elsewhere, so that the line stays one line.
  void error(std::string_view text);
  void integer(int64_t value);
  void bulk(std::string_view bytes);
  // An integer as a bulk string.
  void bulk_integer(int64_t value);
  void null();
  void null_array();
  void boolean(bool value);
  // Seventeen significant digits, "inf", "-inf", "nan".
  void real(double value);
  // `format` is exactly three characters, "txt" or "mkd". RESP2 drops it.
  void verbatim(std::string_view format, std::string_view text);
  // `digits` is a decimal integer of any length.
  void big_number(std::string_view digits);

  // Headers: the elements follow, `pairs` counts keys with their values.
  void array(size_t elements);
  void map(size_t pairs);
  void set(size_t elements);
  void push(size_t elements);

  // For a reply whose length is known only when it has been written: begin, write the elements, end
  // with the mark that begin returned. Nests like brackets. Between the two nothing may be removed
  // from the buffer.
  size_t begin_array() { return begin_aggregate(); }
  void end_array(size_t mark, size_t elements);
  size_t begin_map() { return begin_aggregate(); }
  void end_map(size_t mark, size_t pairs);

 private:
  size_t begin_aggregate();
  void end_aggregate(size_t mark, char type, size_t count);

  std::string& out_;
  Protocol protocol_;
};

}  // namespace kvorum::resp
