#include "resp/reply_reader.h"

#include <charconv>
#include <cstring>

namespace kvorum::resp {
namespace {

// An empty input buffer larger than this is freed.
constexpr size_t kKeptInputBytes = size_t{64} * 1024;

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

bool is_big_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Fills in what follows the type character of a one-line value; false if it cannot.
bool read_scalar(char type, std::string_view text, Reply& value) {
  switch (type) {
    case '+':
      value.type = Reply::Type::kSimpleString;
      value.text = text;
      return true;
    case '-':
      value.type = Reply::Type::kError;
      value.text = text;
      return true;
    case ':':
      value.type = Reply::Type::kInteger;
      return read_number(text, value.integer);
    case '_':
      value.type = Reply::Type::kNull;
      return text.empty();
    case '#':
      value.type = Reply::Type::kBoolean;
      value.integer = text == "t" ? 1 : 0;
      return text == "t" || text == "f";
    case ',':
      value.type = Reply::Type::kDouble;
      value.text = text;
      return read_number(text, value.real);
    case '(':
      value.type = Reply::Type::kBigNumber;
      value.text = text;
      return is_big_number(text);
    default:
      return false;
  }
}

bool has_length(char type) { return std::strchr("$!=*~>%|", type) != nullptr && type != '\0'; }
bool is_bulk(char type) { return type == '$' || type == '!' || type == '='; }
bool has_pairs(char type) { return type == '%' || type == '|'; }

Reply::Type aggregate_type(char type) {
  switch (type) {
    case '~':
      return Reply::Type::kSet;
    case '>':
      return Reply::Type::kPush;
    case '%':
    case '|':
      return Reply::Type::kMap;
    default:
      return Reply::Type::kArray;
  }
}

}  // namespace

void ReplyReader::feed(std::string_view bytes) {
  if (consumed_ == input_.size()) {
    input_.clear();
    consumed_ = 0;
    if (input_.capacity() > kKeptInputBytes) input_.shrink_to_fit();
  } else if (consumed_ > input_.size() / 2) {
    input_.erase(0, consumed_);
    consumed_ = 0;
  }
  input_.append(bytes);
}

ReplyReader::Result ReplyReader::next(Reply& reply) {
  if (!error_.empty()) return Result::kError;
  while (true) {
    Reply value;
    switch (read_value(value)) {
      case Step::kNeedMore:
        return Result::kNeedMore;
      case Step::kError:
        return Result::kError;
      case Step::kOpened:
        break;
      case Step::kValue:
        if (!place(value)) break;
        reply = std::move(value);
        elements_ = 0;
        reply_bytes_ = 0;
        return Result::kReply;
    }
  }
}

// The next value with nothing inside, or the opening of an aggregate.
ReplyReader::Step ReplyReader::read_value(Reply& value) {
  if (bulk_type_ != 0) return read_bulk(value);
  std::string_view line;
  const Step step = read_line(line);
  if (step != Step::kValue) return step;
  if (line.empty()) return fail("Protocol error: empty line");
  const char type = line[0];
  line.remove_prefix(1);
  if (has_length(type)) return read_length(type, line, value);
  if (!read_scalar(type, line, value)) return fail("Protocol error: malformed value");
  return Step::kValue;
}

// Takes a line off the input; it stays readable until the next feed().
ReplyReader::Step ReplyReader::read_line(std::string_view& line) {
  const std::string_view input = std::string_view(input_).substr(consumed_);
  const size_t found = input.substr(0, limits_.max_line_bytes + 1).find('\r');
  if (found == std::string_view::npos) {
    if (input.size() > limits_.max_line_bytes) return fail("Protocol error: too long line");
    return Step::kNeedMore;
  }
  if (found + 1 == input.size()) return Step::kNeedMore;
  if (input[found + 1] != '\n') return fail("Protocol error: CR without LF");
  if (found + 2 > limits_.max_reply_bytes - reply_bytes_) {
    return fail("Protocol error: too large reply");
  }
  reply_bytes_ += found + 2;
  consumed_ += found + 2;
  line = input.substr(0, found);
  return Step::kValue;
}

ReplyReader::Step ReplyReader::read_length(char type, std::string_view text, Reply& value) {
  if (text == "-1" && (type == '$' || type == '*')) return Step::kValue;  // null
  size_t length = 0;
  if (!read_number(text, length)) return fail("Protocol error: invalid length");
  if (!is_bulk(type)) return open_aggregate(type, length, value);
  if (length > limits_.max_bulk_bytes) return fail("Protocol error: too large bulk string");
  const size_t room = limits_.max_reply_bytes - reply_bytes_;
  if (room < 2 || length > room - 2) return fail("Protocol error: too large reply");
  reply_bytes_ += length + 2;
  bulk_type_ = type;
  bulk_bytes_ = length;
  return read_bulk(value);
}

ReplyReader::Step ReplyReader::read_bulk(Reply& value) {
  std::string_view text = std::string_view(input_).substr(consumed_);
  if (text.size() < bulk_bytes_ + 2) return Step::kNeedMore;
  if (text.substr(bulk_bytes_, 2) != "\r\n") {
    return fail("Protocol error: bulk string without line end");
  }
  text = text.substr(0, bulk_bytes_);
  consumed_ += bulk_bytes_ + 2;
  value.type = bulk_type_ == '!' ? Reply::Type::kError : Reply::Type::kBulk;
  if (bulk_type_ == '=') {
    if (text.size() < 4 || text[3] != ':') return fail("Protocol error: malformed verbatim string");
    value.type = Reply::Type::kVerbatim;
    text.copy(value.format, sizeof value.format);
    text.remove_prefix(4);
  }
  value.text = text;
  bulk_type_ = 0;
  return Step::kValue;
}

ReplyReader::Step ReplyReader::open_aggregate(char type, size_t count, Reply& value) {
  const size_t room = limits_.max_elements - elements_;
  if (count > (has_pairs(type) ? room / 2 : room)) return fail("Protocol error: too many elements");
  if (has_pairs(type)) count *= 2;
  elements_ += count;
  const bool attribute = type == '|';
  if (count == 0) {
    value.type = aggregate_type(type);
    return attribute ? Step::kOpened : Step::kValue;
  }
  if (open_.size() == limits_.max_depth) return fail("Protocol error: too deeply nested");
  Frame& frame = open_.emplace_back();
  frame.reply.type = aggregate_type(type);
  frame.missing = count;
  frame.attribute = attribute;
  return Step::kOpened;
}

// Puts a finished value into the aggregate it belongs to, and that into its own if it is finished
// too. True if `value` is now a whole reply.
bool ReplyReader::place(Reply& value) {
  while (!open_.empty()) {
    Frame& frame = open_.back();
    frame.reply.elements.push_back(std::move(value));
    if (--frame.missing > 0) return false;
    const bool attribute = frame.attribute;
    value = std::move(frame.reply);
    open_.pop_back();
    if (attribute) return false;
  }
  return true;
}

ReplyReader::Step ReplyReader::fail(std::string_view text) {
  error_ = text;
  return Step::kError;
}

}  // namespace kvorum::resp
