// Joins the rows of every group into one table.
#include <algorithm>
#include <array>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/check.h"
#include "base/text.h"
#include "server/node/command.h"

namespace kvorum::server {

namespace {

constexpr size_t kLongestName = 32;

// Lower-cases into `buffer`; empty if the name is longer than any command's.
std::string_view lower(std::string_view name, std::array<char, kLongestName>& buffer) {
  if (name.size() > buffer.size()) return {};
  std::transform(name.begin(), name.end(), buffer.begin(), [](char c) { return base::lower(c); });
  return {buffer.data(), name.size()};
}

struct Table {
  std::vector<const Command*> sorted;
  absl::flat_hash_map<std::string_view, const Command*> by_name;

  Table() {
    for (auto rows : {string_commands(), generic_commands(), transaction_commands(),
                      connection_commands(), pubsub_commands(), server_commands()}) {
      for (const Command& row : rows) {
        CHECK(row.name.size() <= kLongestName);
        CHECK(by_name.emplace(row.name, &row).second) << "command listed twice: " << row.name;
        sorted.push_back(&row);
      }
    }
    std::sort(sorted.begin(), sorted.end(),
              [](const Command* a, const Command* b) { return a->name < b->name; });
  }
};

const Table& table() {
  static const Table* const kTable = new Table();  // never destroyed: used until exit
  return *kTable;
}

}  // namespace

const Command* find_command(std::string_view name) {
  std::array<char, kLongestName> buffer;
  const auto& rows = table().by_name;
  const auto row = rows.find(lower(name, buffer));
  return row == rows.end() ? nullptr : row->second;
}

const Command* find_subcommand(const Command& container, std::string_view name) {
  std::array<char, kLongestName> buffer;
  const std::string_view wanted = lower(name, buffer);
  for (const Command& row : container.subcommands) {
    if (row.name.substr(container.name.size() + 1) == wanted) return &row;
  }
  return nullptr;
}

std::span<const Command* const> all_commands() { return table().sorted; }

}  // namespace kvorum::server
