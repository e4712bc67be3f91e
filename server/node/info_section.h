// The lines of INFO, and the functions that write its sections. Belongs to the loop.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvorum::server {

class Node;

class InfoLines {
 public:
  explicit InfoLines(std::string& out) : out_(out) {}

  void heading(std::string_view name);
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, const char* value) { add(name, std::string_view(value)); }
  template <std::integral Integer>
  void add(std::string_view name, Integer value) {
    add(name, std::string_view(std::to_string(value)));
  }
  // With that many digits behind the point.
  void add_real(std::string_view name, double value, int digits);
  void add_percent(std::string_view name, double part, double whole);
  // A number of bytes, and a second line `name_human`.
  void add_bytes(std::string_view name, uint64_t bytes);

 private:
  std::string& out_;
};

// "1.50M", as Redis rounds.
std::string human_bytes(uint64_t bytes);

void write_server_section(Node& node, InfoLines& lines);
void write_clients_section(Node& node, InfoLines& lines);
void write_memory_section(Node& node, InfoLines& lines);
void write_persistence_section(Node& node, InfoLines& lines);
void write_stats_section(Node& node, InfoLines& lines);
void write_replication_section(Node& node, InfoLines& lines);
void write_quorum_section(Node& node, InfoLines& lines);
void write_cpu_section(Node& node, InfoLines& lines);
void write_commandstats_section(Node& node, InfoLines& lines);
void write_errorstats_section(Node& node, InfoLines& lines);
void write_latencystats_section(Node& node, InfoLines& lines);
void write_keyspace_section(Node& node, InfoLines& lines);

}  // namespace kvorum::server
