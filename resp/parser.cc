#include "resp/parser.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"
#include "resp/inline_arguments.h"

namespace kvorum::resp {
namespace {

constexpr size_t kSmallestQueryLimit = 1024;
// No count line that can be right is longer, whatever the limits say.
constexpr size_t kSmallestLineLimit = 64;
// From here on a bulk is read into space of its own size; below, reading ahead is worth more.
constexpr size_t kLargeBulkBytes = size_t{32} * 1024;
// More room for arguments than this is freed with the command that needed it.
constexpr size_t kKeptArguments = 1024;

constexpr std::string_view kQueryTooBig = "Protocol error: too big query";

constexpr ptrdiff_t kPlainCountBytes = 4;

unsigned digit_at(const char* p) {
  return static_cast<unsigned>(static_cast<unsigned char>(*p)) - unsigned{'0'};
}

// The rest of read_plain_count(), for three digits or more: `value` holds the two before `p`.
bool read_long_count(const char* p, const char*& cursor, const char* end, size_t& value) {
  const char* const last = std::min(end - 2, p + 8);
  size_t number = value;
  for (; p <= last; ++p) {
    if (*p == '\r') {
      value = number;
      cursor = p + 2;
      return true;
    }
    if (digit_at(p) > 9) return false;
    number = number * 10 + digit_at(p);
  }
  return false;
}

// Reads "123\r\n" at `cursor` and moves past it. False, with `cursor` not moved, whenever that is
// not what is there: the line may be incomplete, wrong, negative or just unusual. In a pipeline
// this is most of the parser's work, hence the steps.
[[gnu::always_inline]] inline bool read_plain_count(const char*& cursor, const char* end,
                                                    size_t& value) {
  const char* const p = cursor;
  const unsigned first = digit_at(p);
  if (first > 9) return false;
  if (p[1] == '\r') {
    value = first;
    cursor = p + 3;
    return true;
  }
  const unsigned second = digit_at(p + 1);
  if (first == 0 || second > 9) return false;
  value = first * 10 + second;
  if (p[2] != '\r') return read_long_count(p + 2, cursor, end, value);
  cursor = p + 4;
  return true;
}

// An integer as Redis reads one: no blanks, no '+', no superfluous zeros.
std::optional<int64_t> read_strict_integer(std::string_view text) {
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (digits.empty() || (digits[0] == '0' && text.size() > 1)) return std::nullopt;
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Parser::Parser(const Limits& limits) { set_limits(limits); }

void Parser::set_limits(const Limits& limits) {
  limits_ = limits;
  limits_.max_query_bytes = std::max(limits_.max_query_bytes, kSmallestQueryLimit);
}

size_t Parser::held_bytes() const {
  return buffer_.capacity() + arguments_.capacity() * sizeof(std::string_view);
}

std::span<char> Parser::reserve(size_t at_least) {
  CHECK(at_least > 0);
  if (!command_.empty()) drop_command();
  size_t pending = 0;
  if (bulk_bytes_ != kLengthUnknown && bulk_bytes_ >= kLargeBulkBytes) {
    const size_t bulk_end = position_ + bulk_bytes_ + 2;
    pending = bulk_end - std::min(bulk_end, buffer_.size());
  }
  const auto before = reinterpret_cast<uintptr_t>(buffer_.data());
  const std::span<char> room = buffer_.reserve(at_least, pending, limits_.max_query_bytes);
  if (reinterpret_cast<uintptr_t>(buffer_.data()) != before) {
    for (std::string_view& argument : arguments_) {
      const size_t offset = reinterpret_cast<uintptr_t>(argument.data()) - before;
      argument = {buffer_.data() + offset, argument.size()};
    }
  }
  return room;
}

void Parser::commit(size_t bytes) { buffer_.commit(bytes); }

Parser::Result Parser::next() {
  if (!command_.empty()) {
    drop_command();
  } else if (!error_.empty()) {
    return Result::kError;
  }
  while (missing_arguments_ == 0) {
    if (buffer_.size() == 0) return Result::kNeedMore;
    if (parse_usual_command()) return Result::kCommand;
    const bool array = buffer_.data()[0] == '*';
    const Result result = array ? parse_count() : parse_inline();
    if (result != Result::kCommand) return result;
    if (!command_.empty()) return Result::kCommand;
    if (missing_arguments_ == 0) drop_command();  // an empty one
  }
  return parse_arguments();
}

void Parser::release_memory() {
  if (!command_.empty()) drop_command();
  if (buffer_.size() > 0) return;
  buffer_.release();
  std::vector<std::string_view>().swap(arguments_);
}

// Forgets the current command, which ends at position_.
inline void Parser::drop_command() {
  buffer_.consume(position_);
  position_ = 0;
  command_ = {};
  if (arguments_.empty()) return;
  arguments_.clear();
  if (arguments_.capacity() > kKeptArguments) std::vector<std::string_view>().swap(arguments_);
}

// The command nearly every client nearly always sends: an array of few bulk strings, all of it in
// the buffer. True if it is that, else nothing has changed and the careful functions below decide.
[[gnu::always_inline]] inline bool Parser::parse_usual_command() {
  const char* const begin = buffer_.data();
  const char* const end = begin + buffer_.size();
  const char* cursor = begin + 1;
  size_t count = 0;
  if (end - cursor < kPlainCountBytes || *begin != '*') return false;
  if (!read_plain_count(cursor, end, count)) return false;
  if (count - 1 >= few_arguments_.size() || count > limits_.max_arguments) return false;
  const size_t max_bulk_bytes = limits_.max_bulk_bytes;
  std::string_view* slot = few_arguments_.data();
  for (const std::string_view* const last = slot + count; slot != last; ++slot) {
    size_t bytes = 0;
    if (end - cursor < 1 + kPlainCountBytes || *cursor != '$') return false;
    if (!read_plain_count(++cursor, end, bytes)) return false;
    if (bytes > max_bulk_bytes || static_cast<size_t>(end - cursor) < bytes + 2) return false;
    *slot = {cursor, bytes};
    cursor += bytes + 2;
  }
  position_ = static_cast<size_t>(cursor - begin);
  command_ = {few_arguments_.data(), count};
  return true;
}

Parser::Result Parser::parse_inline() {
  size_t bytes = 0;
  const Result found = find_line_end('\n', limits_.max_inline_bytes,
                                     "Protocol error: too big inline request", bytes);
  if (found != Result::kCommand) return found;
  position_ = bytes + 1;
  char* const line = buffer_.data();
  if (bytes > 0 && line[bytes - 1] == '\r') --bytes;
  switch (split_inline({line, bytes}, limits_.max_arguments, arguments_)) {
    case InlineResult::kSplit:
      command_ = arguments_;
      return Result::kCommand;
    case InlineResult::kUnbalancedQuotes:
      return fail("Protocol error: unbalanced quotes in request");
    case InlineResult::kTooManyArguments:
      break;
  }
  return fail_count();
}

// "*3\r\n"
Parser::Result Parser::parse_count() {
  size_t bytes = 0;
  const Result found = find_line_end('\r', std::max(limits_.max_inline_bytes, kSmallestLineLimit),
                                     "Protocol error: too big mbulk count string", bytes);
  if (found != Result::kCommand) return found;
  const std::optional<int64_t> count = read_strict_integer({buffer_.data() + 1, bytes - 1});
  if (!count || *count > INT_MAX) return fail("Protocol error: invalid multibulk length");
  if (*count > 0 && static_cast<uint64_t>(*count) > limits_.max_arguments) return fail_count();
  position_ = bytes + 2;
  missing_arguments_ = static_cast<size_t>(std::max<int64_t>(*count, 0));
  return Result::kCommand;
}

// Each argument: "$5\r\nhello\r\n". Like Redis, takes any two bytes for the line end of the data.
Parser::Result Parser::parse_arguments() {
  const char* const begin = buffer_.data();
  const char* const end = begin + buffer_.size();
  const char* cursor = begin + position_;
  while (missing_arguments_ > 0) {
    const char* data = cursor + 1;
    size_t bytes = 0;
    if (bulk_bytes_ != kLengthUnknown || end - cursor < 1 + kPlainCountBytes || *cursor != '$' ||
        !read_plain_count(data, end, bytes) || bytes > limits_.max_bulk_bytes ||
        static_cast<size_t>(end - data) < bytes + 2) {
      position_ = static_cast<size_t>(cursor - begin);
      const Result result = await_argument();
      if (result != Result::kCommand) return result;
      data = begin + position_;
      bytes = std::exchange(bulk_bytes_, kLengthUnknown);
    }
    arguments_.emplace_back(data, bytes);
    --missing_arguments_;
    cursor = data + bytes + 2;
  }
  position_ = static_cast<size_t>(cursor - begin);
  command_ = arguments_;
  return Result::kCommand;
}

// The argument at position_ is not simply there: its length line is unusual or wrong, or bytes are
// missing. kCommand: it is there now, position_ is its data, bulk_bytes_ its length.
Parser::Result Parser::await_argument() {
  if (bulk_bytes_ == kLengthUnknown) {
    const Result result = parse_length();
    if (result != Result::kCommand) return result;
  }
  return buffer_.size() - position_ < bulk_bytes_ + 2 ? need_more() : Result::kCommand;
}

Parser::Result Parser::parse_length() {
  size_t bytes = 0;
  const Result found = find_line_end('\r', std::max(limits_.max_inline_bytes, kSmallestLineLimit),
                                     "Protocol error: too big bulk count string", bytes);
  if (found != Result::kCommand) return found;
  const char* const line = buffer_.data() + position_;
  if (*line != '$') {
    return fail(std::string("Protocol error: expected '$', got '") + *line + '\'');
  }
  const std::optional<int64_t> length = read_strict_integer({line + 1, bytes - 1});
  const size_t most = limits_.authenticated ? limits_.max_bulk_bytes : Limits().max_bulk_bytes;
  if (!length || *length < 0 || static_cast<uint64_t>(*length) > most) {
    return fail("Protocol error: invalid bulk length");
  }
  const auto bulk_bytes = static_cast<size_t>(*length);
  if (bulk_bytes > limits_.max_bulk_bytes) {
    return fail("Protocol error: unauthenticated bulk length");
  }
  if (position_ + bytes + 2 + bulk_bytes + 2 > limits_.max_query_bytes) return fail(kQueryTooBig);
  position_ += bytes + 2;
  bulk_bytes_ = bulk_bytes;
  return Result::kCommand;
}

// Stores the bytes from position_ to the line end: '\n' for inline commands, else '\r' and any one
// byte.
Parser::Result Parser::find_line_end(char line_end, size_t limit, std::string_view too_long,
                                     size_t& bytes) {
  const size_t line_end_bytes = line_end == '\r' ? 2 : 1;
  const size_t available = std::min(buffer_.size() - position_, limit + 1);
  const char* const line = buffer_.data() + position_;
  const void* const found = std::memchr(line, line_end, available);
  if (found == nullptr) return available > limit ? fail(too_long) : need_more();
  bytes = static_cast<size_t>(static_cast<const char*>(found) - line);
  const size_t whole = position_ + bytes + line_end_bytes;
  return whole > buffer_.size() ? need_more() : Result::kCommand;
}

// The current command is not whole. There must be room for more of it: reserve() gives no more than
// max_query_bytes.
Parser::Result Parser::need_more() {
  return buffer_.size() < limits_.max_query_bytes ? Result::kNeedMore : fail(kQueryTooBig);
}

Parser::Result Parser::fail_count() {
  return fail(limits_.authenticated ? "Protocol error: invalid multibulk length"
                                    : "Protocol error: unauthenticated multibulk length");
}

Parser::Result Parser::fail(std::string_view text) {
  error_ = text;
  return Result::kError;
}

}  // namespace kvorum::resp
