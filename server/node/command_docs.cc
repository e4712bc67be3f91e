#include "server/node/command_docs.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace kvorum::server {
namespace {

using Arguments = std::vector<ArgumentDocumentation>;

bool in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == ':' || c == '/' ||
         c == '-';
}
bool in_token(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'; }
bool in_version(char c) { return (c >= '0' && c <= '9') || c == '.'; }

// Recursive descent over one row's text. The first failure sticks.
class ArgumentParser {
 public:
  explicit ArgumentParser(std::string_view text) : text_(text) {}

  absl::StatusOr<Arguments> parse() {
    Arguments arguments;
    if (!text_.empty()) arguments = list(' ');
    if (!failed_ && position_ != text_.size()) fail("trailing text");
    if (!failed_) return arguments;
    return absl::InvalidArgumentError(
        base::concat(problem_, " at ", position_, " of \"", text_, "\""));
  }

 private:
  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  bool take(char c) {
    if (failed_ || peek() != c) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail("missing bracket or quote");
  }
  void fail(std::string_view problem) {
    if (!failed_) problem_ = problem;
    failed_ = true;
  }
  template <class Belongs>
  std::string_view take_while(Belongs belongs) {
    const size_t begin = position_;
    while (position_ < text_.size() && belongs(text_[position_])) ++position_;
    return text_.substr(begin, position_ - begin);
  }

  Arguments list(char separator) {
    Arguments arguments;
    do {
      arguments.push_back(argument());
    } while (take(separator));
    return arguments;
  }

  ArgumentDocumentation argument() {
    ArgumentDocumentation result;
    const size_t begin = position_;
    const std::string_view word = take_while(in_token);
    // "NX" alone; digits and '-' may begin a name too.
    const bool bare = !word.empty() && !in_name(peek()) &&
                      std::any_of(word.begin(), word.end(), [](char c) { return c >= 'A'; });
    if (bare) {
      result.name = base::lower(word);
      result.has_token = true;
      result.token = word;
    } else {
      position_ = begin;
      result.name = take_while(in_name);
      if (result.name.empty()) fail("missing name");
    }
    type(result);
    while (!failed_ && suffix(result)) {
    }
    if (result.type.empty()) {
      result.type = result.has_token ? "pure-token" : result.key_spec_index >= 0 ? "key" : "string";
    }
    return result;
  }

  void type(ArgumentDocumentation& result) {
    static constexpr std::array<std::string_view, 7> kTypes = {
        "string", "integer", "double", "key", "pattern", "unix-time", "pure-token"};
    if (take('<')) {
      result.type = take_while(in_name);
      if (std::find(kTypes.begin(), kTypes.end(), result.type) == kTypes.end()) {
        fail("unknown type");
      }
      expect('>');
    } else if (take('(')) {
      result.type = "oneof";
      result.arguments = list('|');
      expect(')');
    } else if (take('{')) {
      result.type = "block";
      result.arguments = list(' ');
      expect('}');
    }
  }

  bool suffix(ArgumentDocumentation& result) {
    if (take('=')) {
      result.has_token = true;
      if (take('\'')) {
        result.token = take_while([](char c) { return c != '\''; });
        expect('\'');
      } else {
        result.token = take_while(in_token);
        if (result.token.empty()) fail("missing token");
      }
    } else if (take('#')) {
      const auto index = base::parse_integer<int>(take_while(in_version));
      if (!index) fail("missing key spec");
      result.key_spec_index = index.value_or(-1);
    } else if (take('@')) {
      result.since = version();
    } else if (take('!')) {
      result.deprecated_since = version();
    } else if (take('?')) {
      result.optional = true;
    } else if (take('*')) {
      result.multiple = true;
    } else if (take('+')) {
      result.multiple = result.multiple_token = true;
    } else {
      return false;
    }
    return true;
  }

  std::string_view version() {
    const std::string_view version = take_while(in_version);
    if (version.empty()) fail("missing version");
    return version;
  }

  std::string_view text_;
  size_t position_ = 0;
  bool failed_ = false;
  std::string problem_;
};

void write_argument_flags(resp::ReplyWriter& reply, const ArgumentDocumentation& argument) {
  const int flags = argument.optional + argument.multiple + argument.multiple_token;
  if (flags == 0) return;
  reply.bulk("flags");
  reply.set(static_cast<size_t>(flags));
  if (argument.optional) reply.simple_string("optional");
  if (argument.multiple) reply.simple_string("multiple");
  if (argument.multiple_token) reply.simple_string("multiple_token");
}

void write_pair(resp::ReplyWriter& reply, std::string_view name, std::string_view value) {
  reply.bulk(name);
  reply.bulk(value);
}

// Nested no deeper than the rows are written.
void write_arguments(resp::ReplyWriter& reply, const Arguments& arguments) {
  reply.array(arguments.size());
  for (const ArgumentDocumentation& argument : arguments) {
    const bool flags = argument.optional || argument.multiple;
    reply.map(2u + (argument.key_spec_index >= 0) + argument.has_token + !argument.since.empty() +
              !argument.deprecated_since.empty() + flags + !argument.arguments.empty());
    write_pair(reply, "name", argument.name);
    write_pair(reply, "type", argument.type);
    if (argument.key_spec_index >= 0) {
      reply.bulk("key_spec_index");
      reply.integer(argument.key_spec_index);
    }
    if (argument.has_token) write_pair(reply, "token", argument.token);
    if (!argument.since.empty()) write_pair(reply, "since", argument.since);
    if (!argument.deprecated_since.empty()) {
      write_pair(reply, "deprecated_since", argument.deprecated_since);
    }
    write_argument_flags(reply, argument);
    if (!argument.arguments.empty()) {
      reply.bulk("arguments");
      write_arguments(reply, argument.arguments);
    }
  }
}

void write_history(resp::ReplyWriter& reply, std::string_view history) {
  const auto lines = split(history, '\n');
  reply.bulk("history");
  reply.set(lines.size());
  for (const std::string_view line : lines) {
    const size_t blank = line.find(' ');
    reply.array(2);
    reply.bulk(line.substr(0, blank));
    reply.bulk(line.substr(blank + 1));
  }
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

const Command* find_full_command(std::string_view name) {
  const size_t bar = name.find('|');
  const Command* command = find_command(name.substr(0, bar));
  if (command == nullptr || bar == std::string_view::npos) return command;
  return find_subcommand(*command, name.substr(bar + 1));
}

bool has_category(const Command& command, std::string_view category) {
  for (const std::string_view each : split(command.categories, ' ')) {
    if (base::equal_ignoring_case(each.substr(1), category)) return true;
  }
  return false;
}

absl::StatusOr<std::vector<ArgumentDocumentation>> parse_argument_documentation(
    std::string_view text) {
  return ArgumentParser(text).parse();
}

void write_command_documentation(resp::ReplyWriter& reply, const Command& command) {
  static constexpr CommandDetails kNone{};
  const CommandDetails* found = find_command_details(command.name);
  const CommandDetails& details = found == nullptr ? kNone : *found;
  const auto arguments = parse_argument_documentation(command.arguments);
  CHECK(arguments.ok()) << command.name;

  reply.bulk(command.name);
  reply.map(3u + !command.complexity.empty() + !details.flags.empty() +
            !details.deprecated_since.empty() + !details.replaced_by.empty() +
            !details.history.empty() + !arguments->empty() + !command.subcommands.empty());
  write_pair(reply, "summary", command.summary);
  write_pair(reply, "since", command.since);
  write_pair(reply, "group", command.group);
  if (!command.complexity.empty()) write_pair(reply, "complexity", command.complexity);
  if (!details.flags.empty()) {
    const auto flags = split(details.flags, ' ');
    reply.bulk("doc_flags");
    reply.set(flags.size());
    for (const std::string_view flag : flags) reply.simple_string(flag);
  }
  if (!details.deprecated_since.empty()) {
    write_pair(reply, "deprecated_since", details.deprecated_since);
  }
  if (!details.replaced_by.empty()) write_pair(reply, "replaced_by", details.replaced_by);
  if (!details.history.empty()) write_history(reply, details.history);
  if (!arguments->empty()) {
    reply.bulk("arguments");
    write_arguments(reply, *arguments);
  }
  if (!command.subcommands.empty()) {
    reply.bulk("subcommands");
    reply.map(command.subcommands.size());
    for (const Command& each : command.subcommands) write_command_documentation(reply, each);
  }
}

}  // namespace kvorum::server
