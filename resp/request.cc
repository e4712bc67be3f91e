#include "resp/request.h"

#include <charconv>

namespace kvorum::resp {
namespace {

void append_count(std::string& out, char type, size_t count) {
  char line[24];
  line[0] = type;
  char* end = std::to_chars(line + 1, line + sizeof line, count).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(line, end);
}

}  // namespace

void append_request(std::string& out, std::span<const std::string_view> arguments) {
  append_count(out, '*', arguments.size());
  for (const std::string_view argument : arguments) {
    append_count(out, '$', argument.size());
    out.append(argument).append("\r\n");
  }
}

std::string encode_request(std::initializer_list<std::string_view> arguments) {
  std::string out;
  append_request(out, {arguments.begin(), arguments.size()});
  return out;
}

}  // namespace kvorum::resp
