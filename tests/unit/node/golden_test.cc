// Replies compared, byte for byte, with those recorded from redis-server 7.0.15: golden/*.txt, in
// the format that golden/record describes. Every section is a test of its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_reader.h"
#include "tests/unit/node/node_fixture.h"

namespace kvorum::server {
namespace {

struct Exchange {
  int line = 0;
  std::string prefix;
  std::vector<std::string> arguments;
  std::string reply;  // as the file writes it
};

struct Section {
  std::string file, name;
  std::vector<Exchange> exchanges;
};

void PrintTo(const Section& section, std::ostream* out) { *out << section.name; }

// The byte that stands behind the backslash at line[at]; moves `at` to the last character read.
char unescape(std::string_view line, size_t& at) {
  switch (line[++at]) {
    case 'r':
      return '\r';
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'x': {
      unsigned byte = 0;
      std::from_chars(&line[at + 1], &line[at + 1] + 2, byte, 16);
      at += 2;
      return static_cast<char>(byte);
    }
    default:
      return line[at];
  }
}

std::vector<std::string> split_arguments(std::string_view line) {
  std::vector<std::string> arguments;
  bool quoted = false, inside = false;
  for (size_t at = 0; at < line.size(); ++at) {
    if (line[at] == ' ' && !quoted) {
      inside = false;
      continue;
    }
    if (!inside) arguments.emplace_back();
    inside = true;
    if (line[at] == '"') {
      quoted = !quoted;
    } else {
      arguments.back() += quoted && line[at] == '\\' ? unescape(line, at) : line[at];
    }
  }
  return arguments;
}

std::string escape(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (c == '\\') {
      text += "\\\\";
    } else if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return text;
}

std::vector<Section> read_sections() {
  std::vector<std::filesystem::path> paths;
  for (const auto& file :
       std::filesystem::directory_iterator(KVORUM_SOURCE_DIR "/tests/unit/node/golden")) {
    if (file.path().extension() == ".txt") paths.push_back(file.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Section> sections;
  for (const auto& path : paths) {
    std::ifstream stream(path);
    std::string line;
    for (int number = 1; std::getline(stream, line); ++number) {
      if (line.empty() || line.starts_with("# ")) continue;
      if (line[0] == '[') {
        sections.push_back({path.stem().string(), line.substr(1, line.size() - 2), {}});
        continue;
      }
      const size_t mark = line.find("> ");
      Exchange exchange{number, line.substr(0, mark), split_arguments(line.substr(mark + 2)), {}};
      std::getline(stream, exchange.reply);
      ++number;
      sections.back().exchanges.push_back(std::move(exchange));
    }
  }
  return sections;
}

class Golden : public NodeFixture, public testing::WithParamInterface<Section> {
 protected:
  // The keyspace events that the listener has got, as golden/record writes them.
  std::string take_events(Session& listener) {
    constexpr std::string_view kChannel = "__keyevent@";
    resp::ReplyReader reader;
    reader.feed(take(listener));
    std::string events;
    resp::Reply message;
    while (reader.next(message) == resp::ReplyReader::Result::kReply) {
      const std::string& channel = message.elements.at(2).text;  // __keyevent@0__:set
      const size_t end = channel.find("__:");
      if (!events.empty()) events += ' ';
      events += channel.substr(kChannel.size(), end - kChannel.size()) + channel.substr(end + 2) +
                ':' + message.elements.at(3).text;
    }
    return events.empty() ? "(none)" : events;
  }
};

TEST_P(Golden, RepliesAreThoseOfRedis) {
  Session& resp2 = connect();
  Session& resp3 = connect();
  Session& observed = connect();
  Session& listener = connect();
  resp3.protocol = resp::Protocol::kResp3;
  if (GetParam().file == "events") {
    set_option("notify-keyspace-events", "EAnm");
    run(listener, {"PSUBSCRIBE", "__keyevent@*"});
  }
  for (const Exchange& exchange : GetParam().exchanges) {
    SCOPED_TRACE(GetParam().file + ".txt:" + std::to_string(exchange.line));
    if (exchange.prefix == "E") {
      run(observed, exchange.arguments);
      EXPECT_EQ(escape(take_events(listener)), exchange.reply);
      continue;
    }
    take(listener);
    EXPECT_EQ(escape(run(exchange.prefix == "3" ? resp3 : resp2, exchange.arguments)),
              exchange.reply);
  }
}

INSTANTIATE_TEST_SUITE_P(Section, Golden, testing::ValuesIn(read_sections()),
                         [](const auto& section) {
                           return section.param.file + "_" + section.param.name;
                         });

}  // namespace
}  // namespace kvorum::server
