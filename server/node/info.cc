#include "server/node/info.h"

#include "absl/strings/str_format.h"
#include "base/text.h"
#include "server/node/info_section.h"

namespace kvorum::server {
namespace {

struct Section {
  std::string_view name;  // lower case
  std::string_view heading;
  bool shown_by_default;
  void (*write)(Node& node, InfoLines& lines);
};

constexpr Section kSections[] = {
    {"server", "Server", true, write_server_section},
    {"clients", "Clients", true, write_clients_section},
    {"memory", "Memory", true, write_memory_section},
    {"persistence", "Persistence", true, write_persistence_section},
    {"stats", "Stats", true, write_stats_section},
    {"replication", "Replication", true, write_replication_section},
    {"quorum", "Quorum", true, write_quorum_section},
    {"cpu", "CPU", true, write_cpu_section},
    {"modules", "Modules", true, [](Node&, InfoLines&) {}},
    {"commandstats", "Commandstats", false, write_commandstats_section},
    {"errorstats", "Errorstats", true, write_errorstats_section},
    {"latencystats", "Latencystats", false, write_latencystats_section},
    {"cluster", "Cluster", true, [](Node&, InfoLines& lines) { lines.add("cluster_enabled", 0); }},
    {"keyspace", "Keyspace", true, write_keyspace_section},
};

}  // namespace

std::string human_bytes(uint64_t bytes) {
  if (bytes < 1024) return base::concat(bytes, "B");
  auto value = static_cast<double>(bytes) / 1024;
  for (const char unit : {'K', 'M', 'G', 'T', 'P'}) {
    if (value < 1024) return absl::StrFormat("%.2f%c", value, unit);
    value /= 1024;
  }
  return base::concat(bytes, "B");
}

void InfoLines::heading(std::string_view name) {
  if (!out_.empty()) out_ += "\r\n";
  out_ += "# ";
  out_ += name;
  out_ += "\r\n";
}

void InfoLines::add(std::string_view name, std::string_view value) {
  out_ += name;
  out_ += ':';
  out_ += value;
  out_ += "\r\n";
}

void InfoLines::add_real(std::string_view name, double value, int digits) {
  add(name, std::string_view(absl::StrFormat("%.*f", digits, value)));
}

void InfoLines::add_percent(std::string_view name, double part, double whole) {
  const double percent = whole > 0 ? 100 * part / whole : 0;
  add(name, std::string_view(absl::StrFormat("%.2f%%", percent)));
}

void InfoLines::add_bytes(std::string_view name, uint64_t bytes) {
  add(name, bytes);
  add(base::concat(name, "_human"), std::string_view(human_bytes(bytes)));
}

void write_info(Node& node, const std::function<bool(std::string_view, bool)>& wanted,
                std::string& out) {
  InfoLines lines(out);
  for (const Section& section : kSections) {
    if (!wanted(section.name, section.shown_by_default)) continue;
    lines.heading(section.heading);
    section.write(node, lines);
  }
}

}  // namespace kvorum::server
