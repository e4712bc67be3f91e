#include "server/node/cluster/peer_fields.h"

#include <span>

#include "server/node/redaction.h"

namespace kvorum::server::peer {
namespace {

constexpr size_t kQuotedBytes = 64;
constexpr char kDigits[] = "0123456789abcdef";

// A digit's value, or -1. Only lower case: there is one way to write an id.
int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::string hex(const Id& id) {
  std::string text;
  text.reserve(2 * id.size());
  for (const uint8_t byte : id) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string hex(uint64_t number) {
  std::string text(16, '0');
  for (size_t i = text.size(); i-- > 0; number >>= 4) text[i] = kDigits[number & 15];
  return text;
}

bool parse_hex(std::string_view text, Id& id) {
  if (text.size() != 2 * id.size()) return false;
  for (size_t i = 0; i < id.size(); ++i) {
    const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    id[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

bool parse_hex(std::string_view text, uint64_t& number) {
  if (text.size() != 16) return false;
  number = 0;
  for (const char c : text) {
    const int value = digit(c);
    if (value < 0) return false;
    number = number << 4 | static_cast<uint64_t>(value);
  }
  return true;
}

std::string quoted(std::string_view bytes) {
  std::string text;
  append_quoted(text, bytes.substr(0, kQuotedBytes));
  if (bytes.size() > kQuotedBytes) text += base::concat(" ... (", bytes.size(), " bytes)");
  return text;
}

FieldWriter::FieldWriter(std::string_view word, size_t fields) {
  out_ = base::concat("*", fields + 2, "\r\n$8\r\nREPLCONF\r\n");
  bytes(word);
}

FieldWriter& FieldWriter::number(uint64_t number) { return bytes(std::to_string(number)); }

FieldWriter& FieldWriter::signed_number(int64_t number) { return bytes(std::to_string(number)); }

FieldWriter& FieldWriter::position(storage::Position position) {
  return number(position.term.value()).number(position.lsn.value());
}

FieldWriter& FieldWriter::bytes(std::string_view bytes) {
  length(bytes.size());
  out_ += bytes;
  out_ += "\r\n";
  return *this;
}

FieldWriter& FieldWriter::length(size_t bytes) {
  out_ += '$';
  out_ += std::to_string(bytes);
  out_ += "\r\n";
  return *this;
}

std::string_view FieldReader::bytes(std::string_view name) {
  if (failed()) return {};
  if (left() == 0) {
    fail(name, "a field", "nothing");
    return {};
  }
  return arguments_[taken_++];
}

bool FieldReader::flag(std::string_view name) {
  const std::string_view text = bytes(name);
  if (!failed() && text != "0" && text != "1") fail_bytes(name, "0 or 1", text);
  return text == "1";
}

Id FieldReader::id(std::string_view name) {
  Id id{};
  const std::string_view text = bytes(name);
  if (!failed() && !parse_hex(text, id)) fail_bytes(name, "32 hexadecimal digits", text);
  return id;
}

uint64_t FieldReader::digest(std::string_view name) {
  uint64_t digest = 0;
  const std::string_view text = bytes(name);
  if (!failed() && !parse_hex(text, digest)) fail_bytes(name, "16 hexadecimal digits", text);
  return digest;
}

void FieldReader::fail(std::string_view name, std::string_view expected, std::string_view got) {
  if (failed()) return;
  status_ =
      absl::InvalidArgumentError(base::concat("REPLCONF ", base::upper(arguments_[1].substr(0, 32)),
                                              ": ", name, ": expected ", expected, ", got ", got));
}

void FieldReader::fail_bytes(std::string_view name, std::string_view expected,
                             std::string_view got) {
  fail(name, expected, quote_ ? quoted(got) : base::concat(got.size(), " other bytes"));
}

void FieldReader::fail_number(std::string_view name, std::string_view from, std::string_view to,
                              std::string_view got) {
  fail_bytes(name, base::concat("a number from ", from, " to ", to), got);
}

absl::Status FieldReader::finish() {
  if (left() > 0) {
    fail("fields", base::concat(taken_ - 2), base::concat(arguments_.size() - 2));
  }
  return status_;
}

}  // namespace kvorum::server::peer
