#include "server/shell/config_file.h"

#include <fcntl.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include "base/text.h"

namespace kvorum::server {

namespace {

absl::Status at(const std::string& file, const toml::source_region& where,
                std::string_view message) {
  return absl::InvalidArgumentError(base::concat(file, ":", where.begin.line, ": ", message));
}

std::string_view expected(OptionType type) {
  switch (type) {
    case OptionType::kBoolean:
      return "true or false";
    case OptionType::kInteger:
    case OptionType::kSeconds:
      return "an integer";
    case OptionType::kBytes:
      return "a number of bytes, such as 1048576 or \"1mb\"";
    case OptionType::kOctal:
      return "an octal number in quotes, such as \"700\"";
    case OptionType::kStringList:
      return "a list of strings";
    case OptionType::kString:
    case OptionType::kChoice:
    case OptionType::kEvents:
      return "a string";
    case OptionType::kQuorum:
      return "\"majority\", \"all\" or an integer";
  }
  return "another type";
}

std::optional<std::string> list_text(const toml::array& list) {
  std::string text;
  for (const toml::node& element : list) {
    const auto* string = element.as_string();
    if (string == nullptr) return std::nullopt;
    if (!text.empty()) text += ' ';
    text += string->get();
  }
  return text;
}

// The value as OptionTable::set takes it, or nothing if it has the wrong type.
std::optional<std::string> value_text(const Option& option, const toml::node& node) {
  const auto* string = node.as_string();
  const auto* integer = node.as_integer();
  const auto* boolean = node.as_boolean();
  switch (option.type) {
    case OptionType::kBoolean:
      if (boolean != nullptr) return boolean->get() ? "yes" : "no";
      return std::nullopt;
    case OptionType::kInteger:
    case OptionType::kSeconds:
      if (integer != nullptr) return std::to_string(integer->get());
      return std::nullopt;
    case OptionType::kBytes:
    case OptionType::kQuorum:
      if (integer != nullptr) return std::to_string(integer->get());
      break;
    case OptionType::kStringList:
      if (node.as_array() != nullptr) return list_text(*node.as_array());
      break;
    case OptionType::kOctal:
    case OptionType::kString:
    case OptionType::kChoice:
    case OptionType::kEvents:
      break;
  }
  if (string != nullptr) return string->get();
  return std::nullopt;
}

bool known_section(std::string_view name) {
  for (const Option& option : OptionTable::options()) {
    if (option.section == name) return true;
  }
  return false;
}

std::string section_list() {
  std::string text;
  std::string_view last;
  for (const Option& option : OptionTable::options()) {
    if (option.section == last) continue;
    last = option.section;
    text += base::concat(text.empty() ? "[" : ", [", last, "]");
  }
  return text;
}

// What to say of a key that its section does not have.
std::string misplaced(std::string_view section, std::string_view key) {
  for (const Option& option : OptionTable::options()) {
    if (option.key() != key) continue;
    return base::concat("'", key, "' belongs in [", option.section, "], not in [", section, "]");
  }
  const Option& meant = *OptionTable::find(OptionTable::nearest(key));
  return base::concat("unknown key '", key, "' in [", section, "]; did you mean '", meant.key(),
                      "' in [", meant.section, "]?");
}

// The line of the value; of a list, those of its elements.
std::vector<std::string> origin_of(const std::string& file, const toml::node& value) {
  const auto line = [&file](const toml::node& node) {
    return base::concat(file, ":", node.source().begin.line);
  };
  std::vector<std::string> origin;
  if (const toml::array* list = value.as_array()) {
    for (const toml::node& element : *list) origin.push_back(line(element));
  }
  if (origin.empty()) origin.push_back(line(value));
  return origin;
}

absl::Status apply_key(const std::string& file, std::string_view section, const toml::key& key,
                       const toml::node& value, OptionTable& options) {
  const Option* option = OptionTable::find_key(section, key.str());
  if (option == nullptr) return at(file, key.source(), misplaced(section, key.str()));
  const std::optional<std::string> text = value_text(*option, value);
  if (!text) {
    return at(file, value.source(),
              base::concat("'", key.str(), "' must be ", expected(option->type)));
  }
  if (absl::Status status = options.set(*option, *text); !status.ok()) {
    return at(file, value.source(), base::concat("'", key.str(), "': ", status.message()));
  }
  options.set_origin(*option, origin_of(file, value));
  return absl::OkStatus();
}

absl::Status apply_table(const std::string& file, const toml::table& table, OptionTable& options) {
  for (const auto& [key, value] : table) {
    const toml::table* section = value.as_table();
    if (section == nullptr) {
      return at(
          file, key.source(),
          base::concat("'", key.str(), "' stands in no section; sections are ", section_list()));
    }
    if (!known_section(key.str())) {
      return at(file, key.source(),
                base::concat("unknown section [", key.str(), "]; sections are ", section_list()));
    }
    for (const auto& [option_key, option_value] : *section) {
      absl::Status status = apply_key(file, key.str(), option_key, option_value, options);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

std::string quoted(std::string_view text) {
  std::ostringstream out;
  out << toml::value<std::string>(std::string(text));
  return out.str();
}

std::string toml_value(const Option& option, const OptionTable& options) {
  const std::string text = options.get(option);
  switch (option.type) {
    case OptionType::kBoolean:
      return text == "yes" ? "true" : "false";
    case OptionType::kInteger:
    case OptionType::kSeconds:
    case OptionType::kBytes:
      return text;
    case OptionType::kStringList: {
      std::istringstream words(text);
      std::string list, word;
      while (words >> word) list += base::concat(list.empty() ? "" : ", ", quoted(word));
      return base::concat("[", list, "]");
    }
    case OptionType::kOctal:
    case OptionType::kString:
    case OptionType::kChoice:
    case OptionType::kEvents:
    case OptionType::kQuorum:
      return quoted(text);
  }
  return quoted(text);
}

std::string_view trimmed(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

std::string assignment(const Option& option, const OptionTable& options) {
  return base::concat(option.key(), " = ", toml_value(option, options));
}

// The option a line assigns, if it does; `section` is the one the line stands in.
const Option* assigned_option(std::string_view line, std::string_view section) {
  const std::string_view text = trimmed(line);
  const size_t end = text.find_first_of(" \t=");
  if (end == std::string_view::npos || text.find('=') == std::string_view::npos) return nullptr;
  return OptionTable::find_key(section, text.substr(0, end));
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

absl::Status read_config(std::string_view text, const std::string& name, OptionTable& options) {
  try {
    return apply_table(name, toml::parse(text, name), options);
  } catch (const toml::parse_error& error) {  // how toml++ reports; it goes no further
    return at(name, error.source(), error.description());
  }
}

absl::Status read_config_file(const std::string& path, OptionTable& options) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return absl::NotFoundError(
        base::concat("cannot read the configuration file ", path, ": ", std::strerror(errno)));
  }
  return read_config(text.str(), path, options);
}

std::string rewrite_config(std::string_view text, const OptionTable& options) {
  std::vector<std::string> lines = lines_of(text);
  std::vector<const Option*> written;
  std::string section;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = trimmed(lines[i]);
    if (line.starts_with('[')) section = std::string(line.substr(1, line.find(']') - 1));
    const Option* option = assigned_option(line, section);
    if (option == nullptr) continue;
    written.push_back(option);
    // A list may go on over several lines.
    size_t last = i;
    if (option->type == OptionType::kStringList) {
      while (last + 1 < lines.size() && lines[last].find(']') == std::string::npos) ++last;
    }
    lines.erase(lines.begin() + static_cast<ptrdiff_t>(i) + 1,
                lines.begin() + static_cast<ptrdiff_t>(last) + 1);
    lines[i] = assignment(*option, options);
  }
  for (const Option& option : OptionTable::options()) {
    if (options.is_default(option) ||
        std::find(written.begin(), written.end(), &option) != written.end()) {
      continue;
    }
    const std::string header = base::concat("[", option.section, "]");
    auto place = std::find_if(lines.begin(), lines.end(), [&](const std::string& line) {
      return trimmed(line).starts_with(header);
    });
    if (place == lines.end()) {
      lines.push_back(header);
      place = lines.end() - 1;
    }
    lines.insert(place + 1, assignment(option, options));
  }
  std::string result;
  for (const std::string& line : lines) result += line + "\n";
  return result;
}

absl::Status rewrite_config_file(const std::string& path, const OptionTable& options) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  const std::string wanted = rewrite_config(text.str(), options);
  const std::string temporary = path + ".tmp";
  const auto failed = [&](std::string_view what) {
    return absl::UnavailableError(base::concat(what, " ", temporary, ": ", std::strerror(errno)));
  };
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return failed("cannot open");
  const bool written =
      write(descriptor, wanted.data(), wanted.size()) == static_cast<ssize_t>(wanted.size()) &&
      fsync(descriptor) == 0;
  close(descriptor);
  if (!written) return failed("cannot write");
  if (rename(temporary.c_str(), path.c_str()) != 0) return failed("cannot rename");
  return absl::OkStatus();
}

}  // namespace kvorum::server
