// docs/commands.md says what the command table says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "base/text.h"
#include "server/node/command.h"

namespace kvorum::server {
namespace {

using Names = std::set<std::string>;

std::string read_document() {
  std::ifstream file(KVORUM_SOURCE_DIR "/docs/commands.md");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Of "| `CONFIG GET` | …" in the supported part: "config|get".
Names supported_names(const std::string& document) {
  Names names;
  const size_t end = document.find("\n## Not yet supported");
  std::istringstream lines(document.substr(0, end));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    std::string name = base::lower(line.substr(3, line.find('`', 3) - 3));
    if (const size_t blank = name.find(' '); blank != std::string::npos) name[blank] = '|';
    EXPECT_TRUE(names.insert(name).second) << name << " is listed twice";
  }
  return names;
}

// Everything in backquotes and capitals behind the heading of the second part's first section.
Names missing_names(const std::string& document) {
  Names names;
  std::string part = document.substr(document.find("\n## Not yet supported"));
  part.erase(0, part.find("\n### "));
  for (size_t at = part.find('`'); at != std::string::npos;) {
    const size_t end = part.find('`', at + 1);
    std::string name = base::lower(part.substr(at + 1, end - at - 1));
    if (const size_t blank = name.find(' '); blank != std::string::npos) name[blank] = '|';
    names.insert(name);
    at = part.find('`', end + 1);
  }
  return names;
}

Names table_names() {
  Names names;
  for (const Command* command : all_commands()) {
    names.emplace(command->name);
    for (const Command& subcommand : command->subcommands) names.emplace(subcommand.name);
  }
  return names;
}

TEST(CommandsDocument, ListsEveryCommandOfTheTableAndNoOther) {
  EXPECT_EQ(supported_names(read_document()), table_names());
}

TEST(CommandsDocument, ListsNothingAsMissingThatIsThere) {
  const Names table = table_names();
  const Names missing = missing_names(read_document());
  EXPECT_TRUE(missing.contains("hset"));
  EXPECT_TRUE(missing.contains("xadd"));
  for (const std::string& name : missing) EXPECT_FALSE(table.contains(name)) << name;
}

}  // namespace
}  // namespace kvorum::server
