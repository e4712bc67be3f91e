#include "resp/reply_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <type_traits>

#include "base/check.h"

namespace kvorum::resp {
namespace {

// Longer than any header or number line: a type, 20 digits, CR, LF.
constexpr size_t kLineBytes = 32;
// Bulk strings up to this go into the buffer in one piece with their header and line end.
constexpr size_t kSmallBulkBytes = 128;

// "00" to "99".
constexpr std::array<char, 200> kTwoDigits = [] {
  std::array<char, 200> digits{};
  for (size_t i = 0; i < digits.size(); ++i) {
    digits[i] = static_cast<char>('0' + (i % 2 == 0 ? i / 20 : i / 2 % 10));
  }
  return digits;
}();

// Writes ":<value>\r\n", or another type's line, so that it ends just before `end`; returns where
// it begins. From the back, because there its digits come for nothing.
template <typename Integer>
char* write_number_line(char* end, char type, Integer value) {
  *--end = '\n';
  *--end = '\r';
  const bool negative = std::is_signed_v<Integer> && value < 0;
  auto rest = static_cast<uint64_t>(value);
  if (negative) rest = 0 - rest;  // right for the smallest integer too
  for (; rest >= 100; rest /= 100) {
    end -= 2;
    std::memcpy(end, &kTwoDigits[rest % 100 * 2], 2);
  }
  if (rest >= 10) {
    end -= 2;
    std::memcpy(end, &kTwoDigits[rest * 2], 2);
  } else {
    *--end = static_cast<char>('0' + rest);
  }
  if (negative) *--end = '-';
  *--end = type;
  return end;
}

template <typename Integer>
void append_number_line(std::string& out, char type, Integer value) {
  char line[kLineBytes];
  const char* const begin = write_number_line(std::end(line), type, value);
  out.append(begin, static_cast<size_t>(std::end(line) - begin));
}

// Lines of text that may not hold a line end.
void append_line(std::string& out, char type, std::string_view text) {
  out.push_back(type);
  out.append(text);
  out.append("\r\n", 2);
}

}  // namespace

void ReplyWriter::simple_string(std::string_view text) { append_line(out_, '+', text); }

void ReplyWriter::error(std::string_view text) {
  constexpr std::string_view kLineEnds = "\r\n";
  const size_t first = text.find_first_not_of(kLineEnds);
  if (first == std::string_view::npos) {
    text = {};
  } else {
    text = text.substr(first, text.find_last_not_of(kLineEnds) - first + 1);
  }
  const size_t begin = out_.size();
  append_line(out_, '-', text);
  const size_t end = out_.size() - kLineEnds.size();
  for (size_t i = out_.find_first_of(kLineEnds, begin); i < end;
       i = out_.find_first_of(kLineEnds, i)) {
    out_[i] = ' ';
  }
}

void ReplyWriter::integer(int64_t value) { append_number_line(out_, ':', value); }

void ReplyWriter::bulk(std::string_view bytes) {
  char reply[kLineBytes + kSmallBulkBytes + 2];
  char* const data = reply + kLineBytes;
  const char* const begin = write_number_line(data, '$', bytes.size());
  if (bytes.size() > kSmallBulkBytes) {
    out_.append(begin, static_cast<size_t>(data - begin)).append(bytes).append("\r\n", 2);
    return;
  }
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  char* const end = data + bytes.size();
  end[0] = '\r';
  end[1] = '\n';
  out_.append(begin, static_cast<size_t>(end + 2 - begin));
}

void ReplyWriter::bulk_integer(int64_t value) {
  char digits[kLineBytes];
  const char* const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  bulk({digits, static_cast<size_t>(end - digits)});
}

void ReplyWriter::null() {
  if (protocol_ == Protocol::kResp2) {
    out_.append("$-1\r\n", 5);
  } else {
    out_.append("_\r\n", 3);
  }
}

void ReplyWriter::null_array() {
  if (protocol_ == Protocol::kResp2) {
    out_.append("*-1\r\n", 5);
  } else {
    out_.append("_\r\n", 3);
  }
}

void ReplyWriter::boolean(bool value) {
  if (protocol_ == Protocol::kResp2) {
    out_.append(value ? ":1\r\n" : ":0\r\n", 4);
  } else {
    out_.append(value ? "#t\r\n" : "#f\r\n", 4);
  }
}

void ReplyWriter::real(double value) {
  char buffer[kLineBytes];
  std::string_view text = "nan";  // never "-nan", which no client reads
  if (!std::isnan(value)) {
    const char* const end =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 17).ptr;
    text = {buffer, static_cast<size_t>(end - buffer)};
  }
  if (protocol_ == Protocol::kResp2) {
    bulk(text);
  } else {
    append_line(out_, ',', text);
  }
}

void ReplyWriter::verbatim(std::string_view format, std::string_view text) {
  CHECK(format.size() == 3) << "a verbatim string's format has three characters";
  if (protocol_ == Protocol::kResp2) {
    bulk(text);
    return;
  }
  append_number_line(out_, '=', format.size() + 1 + text.size());
  out_.append(format).append(":", 1).append(text).append("\r\n", 2);
}

void ReplyWriter::big_number(std::string_view digits) {
  if (protocol_ == Protocol::kResp2) {
    bulk(digits);
  } else {
    append_line(out_, '(', digits);
  }
}

void ReplyWriter::array(size_t elements) { append_number_line(out_, '*', elements); }

void ReplyWriter::map(size_t pairs) {
  if (protocol_ == Protocol::kResp2) {
    array(2 * pairs);
  } else {
    append_number_line(out_, '%', pairs);
  }
}

void ReplyWriter::set(size_t elements) {
  append_number_line(out_, protocol_ == Protocol::kResp2 ? '*' : '~', elements);
}

void ReplyWriter::push(size_t elements) {
  append_number_line(out_, protocol_ == Protocol::kResp2 ? '*' : '>', elements);
}

// Leaves space for the header of an empty aggregate, which is that of up to nine elements too.
size_t ReplyWriter::begin_aggregate() {
  const size_t mark = out_.size();
  out_.append("*0\r\n", 4);
  return mark;
}

void ReplyWriter::end_array(size_t mark, size_t elements) { end_aggregate(mark, '*', elements); }

void ReplyWriter::end_map(size_t mark, size_t pairs) {
  if (protocol_ == Protocol::kResp2) {
    end_aggregate(mark, '*', 2 * pairs);
  } else {
    end_aggregate(mark, '%', pairs);
  }
}

void ReplyWriter::end_aggregate(size_t mark, char type, size_t count) {
  CHECK(mark + 4 <= out_.size());
  char header[kLineBytes];
  const char* const begin = write_number_line(std::end(header), type, count);
  out_.replace(mark, 4, begin, static_cast<size_t>(std::end(header) - begin));
}

}  // namespace kvorum::resp
