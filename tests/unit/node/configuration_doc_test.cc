// docs/configuration.md says what the option table says. The tables between its two markers are
// generated here; to write them anew:
//   KVORUM_REWRITE_DOCS=1 node_test --gtest_filter='ConfigurationDocument.*'
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>

#include "base/text.h"
#include "server/node/options.h"

namespace kvorum::server {
namespace {

constexpr const char* kPath = KVORUM_SOURCE_DIR "/docs/configuration.md";
constexpr std::string_view kBegin = "<!-- options: begin, generated -->\n";
constexpr std::string_view kEnd = "<!-- options: end -->\n";

std::string read_document() {
  std::ifstream file(kPath);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// As a cell of a table shows it.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '|' || c == '*') result += '\\';
    result += c;
  }
  return result;
}

std::string code(std::string_view text) {
  return text.empty() ? "empty" : base::concat("`", text, "`");
}

// 67108864 → "64mb"; what no unit divides stays a number.
std::string bytes_text(int64_t bytes) {
  for (const auto& [unit, name] :
       {std::pair{int64_t{1} << 30, "gb"}, std::pair{int64_t{1} << 20, "mb"},
        std::pair{int64_t{1} << 10, "kb"}}) {
    if (bytes != 0 && bytes % unit == 0) {
      return base::concat(bytes / unit, std::string_view(name));
    }
  }
  return std::to_string(bytes);
}

std::string default_cell(const Option& option) {
  const std::string text = OptionTable::default_value(option);
  if (option.type != OptionType::kBytes) return code(text);
  return code(bytes_text(*base::parse_integer<int64_t>(text)));
}

std::string limit_text(const Option& option, int64_t limit) {
  if (option.type == OptionType::kBytes) return bytes_text(limit);
  if (option.type != OptionType::kOctal) return std::to_string(limit);
  std::ostringstream digits;
  digits << std::oct << limit;
  return digits.str();
}

std::string range_text(const Option& option) {
  const std::string from = limit_text(option, option.minimum);
  if (option.maximum == std::numeric_limits<int64_t>::max()) return base::concat(from, " or more");
  return base::concat(from, " to ", limit_text(option, option.maximum));
}

std::string choices_text(std::string_view choices) {
  std::string text;
  std::istringstream names{std::string(choices)};
  for (std::string name; std::getline(names, name, '|');) {
    text += base::concat(text.empty() ? "" : ", ", code(name));
  }
  return text;
}

std::string values_cell(const Option& option) {
  switch (option.type) {
    case OptionType::kBoolean:
      return "`true`, `false`";
    case OptionType::kInteger:
      return range_text(option);
    case OptionType::kBytes:
      return base::concat("bytes, ", range_text(option));
    case OptionType::kSeconds:
      return base::concat("seconds, ", range_text(option));
    case OptionType::kOctal:
      return base::concat("octal, ", range_text(option));
    case OptionType::kString:
      return "a string";
    case OptionType::kStringList:
      return "a list of strings";
    case OptionType::kChoice:
      return choices_text(option.choices);
    case OptionType::kEvents:
      return "letters";
    case OptionType::kQuorum:
      return "`majority`, `all`, a number of nodes";
  }
  return {};
}

std::string row(const Option& option) {
  const std::string key =
      option.short_key.empty() ? "" : base::concat(", in the file ", code(option.short_key));
  return base::concat("| `", option.name, "`", key, " | ",
                      option.redis_name.empty() ? "" : code(option.redis_name), " | ",
                      default_cell(option), " | ", values_cell(option), " | ",
                      option.changeable ? "yes" : "no", " | ", cell(option.documentation), " |\n");
}

std::string generated_tables() {
  std::string text;
  std::string_view section;
  for (const Option& option : OptionTable::options()) {
    if (option.section != section) {
      section = option.section;
      text += base::concat("\n## [", section, "]\n\n",
                           "| option | Redis' name | default | values | while running | |\n",
                           "|---|---|---|---|---|---|\n");
    }
    text += row(option);
  }
  return text + "\n";
}

// Replaces what stands between the markers.
void rewrite_document() {
  const std::string document = read_document();
  const size_t begin = document.find(kBegin), end = document.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  std::ofstream(kPath) << document.substr(0, begin) << kBegin << generated_tables()
                       << document.substr(end);
}

TEST(ConfigurationDocument, ShowsEveryOptionAsTheTableHasIt) {
  if (std::getenv("KVORUM_REWRITE_DOCS") != nullptr) rewrite_document();
  const std::string document = read_document();
  const size_t begin = document.find(kBegin), end = document.find(kEnd);
  ASSERT_NE(begin, std::string::npos) << "no marker " << kBegin;
  ASSERT_NE(end, std::string::npos) << "no marker " << kEnd;
  const size_t from = begin + kBegin.size();
  EXPECT_EQ(document.substr(from, end - from), generated_tables());
}

TEST(ConfigurationDocument, HasNoSecondListOfOptions) {
  const std::string document = read_document();
  for (const Option& option : OptionTable::options()) {
    const std::string start = base::concat("\n| `", option.name, "`");
    const size_t at = document.find(start);
    ASSERT_NE(at, std::string::npos) << option.name;
    EXPECT_EQ(document.find(start, at + 1), std::string::npos) << option.name;
  }
}

}  // namespace
}  // namespace kvorum::server
