#include "server/node/redaction.h"

#include "absl/strings/ascii.h"
#include "base/text.h"
#include "server/node/options.h"

namespace kvorum::server {
namespace {

constexpr std::string_view kRedacted = "(redacted)";

void redact_hello(std::vector<std::string_view>& shown) {
  for (size_t i = 2; i < shown.size(); ++i) {
    if (!base::equal_ignoring_case(shown[i], "auth")) continue;
    for (size_t secret = i + 1; secret < shown.size() && secret <= i + 2; ++secret) {
      shown[secret] = kRedacted;
    }
    i += 2;
  }
}

void redact_config_set(std::vector<std::string_view>& shown) {
  for (size_t i = 2; i + 1 < shown.size(); i += 2) {
    const Option* option = OptionTable::find(shown[i]);
    if (option != nullptr && option->secret) shown[i + 1] = kRedacted;
  }
}

}  // namespace

std::vector<std::string_view> redact(resp::Arguments arguments) {
  std::vector<std::string_view> shown(arguments.begin(), arguments.end());
  if (shown.empty()) return shown;
  if (base::equal_ignoring_case(shown[0], "auth")) {
    for (size_t i = 1; i < shown.size(); ++i) shown[i] = kRedacted;
  } else if (base::equal_ignoring_case(shown[0], "hello")) {
    redact_hello(shown);
  } else if (base::equal_ignoring_case(shown[0], "replconf") && shown.size() > 2 &&
             base::equal_ignoring_case(shown[1], "hello")) {
    for (size_t i = 2; i < shown.size(); ++i) shown[i] = kRedacted;  // the cluster's secret
  } else if (base::equal_ignoring_case(shown[0], "config") && shown.size() > 3 &&
             base::equal_ignoring_case(shown[1], "set")) {
    redact_config_set(shown);
  }
  return shown;
}

void append_quoted(std::string& out, std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : bytes) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '"':
        out += "\\\"";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\a':
        out += "\\a";
        break;
      case '\b':
        out += "\\b";
        break;
      default:
        if (absl::ascii_isprint(static_cast<unsigned char>(c))) {
          out += c;
        } else {
          out += "\\x";
          out += kHex[static_cast<unsigned char>(c) >> 4];
          out += kHex[static_cast<unsigned char>(c) & 15];
        }
    }
  }
  out += '"';
}

}  // namespace kvorum::server
