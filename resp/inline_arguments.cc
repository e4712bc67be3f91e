#include "resp/inline_arguments.h"

namespace kvorum::resp {
namespace {

// isspace() of the C locale.
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// What ends an unquoted argument; vertical tab and form feed do not, they only count as blanks
// between arguments. So in Redis.
bool ends_argument(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char resolve_escape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Reads a line and writes the arguments' bytes back over it; they never take more room than their
// quoted form, so the writing never overtakes the reading.
class LineSplitter {
 public:
  explicit LineSplitter(std::span<char> line)
      : read_(line.data()), end_(read_ + line.size()), write_(line.data()) {}

  // Moves to the next argument; false at the end of the line.
  bool find_argument() {
    while (read_ != end_ && is_blank(*read_)) ++read_;
    return read_ != end_;
  }

  // False if its quotes are unbalanced.
  bool read_argument(std::string_view& argument) {
    const char* const start = write_;
    while (read_ != end_ && !ends_argument(*read_)) {
      const char c = *read_++;
      if (c == '"' || c == '\'') {
        if (!(c == '"' ? read_double_quoted() : read_single_quoted())) return false;
        break;
      }
      *write_++ = c;
    }
    argument = {start, static_cast<size_t>(write_ - start)};
    return true;
  }

 private:
  bool read_double_quoted() {
    while (read_ != end_) {
      const char c = *read_++;
      if (c == '"') return at_argument_end();
      *write_++ = c == '\\' && read_ != end_ ? read_escape() : c;
    }
    return false;
  }

  // After a backslash that is not the last byte of the line.
  char read_escape() {
    const char c = *read_++;
    if (c == 'x' && end_ - read_ >= 2 && hex_digit(read_[0]) >= 0 && hex_digit(read_[1]) >= 0) {
      const int byte = hex_digit(read_[0]) * 16 + hex_digit(read_[1]);
      read_ += 2;
      return static_cast<char>(byte);
    }
    return resolve_escape(c);
  }

  bool read_single_quoted() {
    while (read_ != end_) {
      const char c = *read_++;
      if (c == '\'') return at_argument_end();
      const bool escaped_quote = c == '\\' && read_ != end_ && *read_ == '\'';
      *write_++ = escaped_quote ? *read_++ : c;
    }
    return false;
  }

  bool at_argument_end() const { return read_ == end_ || is_blank(*read_); }

  const char* read_;
  const char* end_;
  char* write_;
};

}  // namespace

InlineResult split_inline(std::span<char> line, size_t max_arguments,
                          std::vector<std::string_view>& arguments) {
  LineSplitter splitter(line);
  size_t count = 0;
  while (splitter.find_argument()) {
    if (++count > max_arguments) return InlineResult::kTooManyArguments;
    std::string_view argument;
    if (!splitter.read_argument(argument)) return InlineResult::kUnbalancedQuotes;
    arguments.push_back(argument);
  }
  return InlineResult::kSplit;
}

}  // namespace kvorum::resp
