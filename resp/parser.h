// Turns the bytes of one client connection into commands: RESP arrays of bulk strings and inline
// commands, told apart by their first byte, as Redis does. Incremental (any split of the bytes
// gives the same commands), iterative, and without copies: arguments point into the parser's
// buffer.
//
//   std::span<char> room = parser.reserve(16 * 1024);
//   parser.commit(read(fd, room.data(), room.size()));
//   while (parser.next() == Parser::Result::kCommand) execute(parser.arguments());
//
// Thread: one at a time; no locks. Memory: what a client announces is not yet held. A count
// reserves nothing; the length of a bulk reserves its rest, but at a time no more than 1 MiB or
// than the bytes that are already here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/limits.h"
#include "resp/query_buffer.h"

namespace kvorum::resp {

// A command and its arguments; never empty when it comes from a parser.
using Arguments = std::span<const std::string_view>;

class Parser {
 public:
  enum class Result : uint8_t {
    kCommand,   // arguments() holds the next command
    kNeedMore,  // every whole command has been returned; read more
    kError,     // the client broke the protocol: send error(), close. The parser stays here.
  };

  Parser() = default;
  explicit Parser(const Limits& limits);
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // Writable space to read into, at_least bytes of it unless max_query_bytes or the exact end of a
  // pending bulk says less. Empty only while max_query_bytes of input wait for next(): after next()
  // has said kNeedMore there is always room. Invalidates arguments().
  // REQUIRES: at_least > 0.
  std::span<char> reserve(size_t at_least);

  // `bytes` bytes were read into the beginning of what reserve() returned last.
  // REQUIRES: bytes <= the size of that span.
  void commit(size_t bytes);

  // Takes the next command off the buffer. On kCommand, arguments() is valid until the next call of
  // next(), reserve() or release_memory(). Empty commands ("*0", "*-1", empty lines) are skipped.
  Result next();

  // The command of the last next(); empty unless that said kCommand.
  Arguments arguments() const { return command_; }

  // After kError: Redis' text without its "ERR " prefix, such as
  // "Protocol error: invalid bulk length". It may hold a byte of the client's: the reply writer
  // makes it fit for an error line, a log has to escape it.
  std::string_view error() const { return error_; }

  // Bytes of the command of the last next() as they came, line ends included.
  size_t command_bytes() const { return command_.empty() ? 0 : position_; }
  // Bytes committed and not yet returned as a command.
  size_t buffered_bytes() const { return buffer_.size() - command_bytes(); }
  // Bytes of memory held, for accounting.
  size_t held_bytes() const;

  // In force from the next command, or the next argument of one that is half read. Input that is
  // here already may exceed a lower max_query_bytes.
  void set_limits(const Limits& limits);

  // Frees what an idle connection need not hold: everything, if no input is buffered. Memory beyond
  // QueryBuffer::kKeptBytes is freed without it. Invalidates arguments().
  void release_memory();

 private:
  static constexpr size_t kLengthUnknown = SIZE_MAX;

  // parser.cc says what they do. Those with a Result answer kCommand for "done, go on".
  void drop_command();
  bool parse_usual_command();
  Result parse_inline();
  Result parse_count();
  Result parse_arguments();
  Result await_argument();
  Result parse_length();
  Result find_line_end(char line_end, size_t limit, std::string_view too_long, size_t& bytes);
  Result need_more();
  Result fail_count();
  Result fail(std::string_view text);

  Limits limits_;
  QueryBuffer buffer_;                             // begins with the current command
  std::array<std::string_view, 8> few_arguments_;  // of a command that was whole at first sight
  std::vector<std::string_view> arguments_;        // of any other, as far as it is parsed
  Arguments command_;                              // returned by next(): one of the two, or empty
  std::string error_;                              // empty while all is well
  size_t position_ = 0;                            // parsed bytes of the current command
  size_t missing_arguments_ = 0;                   // of an array; 0: its count has not been read
  size_t bulk_bytes_ = kLengthUnknown;             // of the argument at position_
};

}  // namespace kvorum::resp
