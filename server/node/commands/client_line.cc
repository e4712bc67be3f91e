#include "server/node/commands/client_line.h"

#include <algorithm>

#include "base/text.h"
#include "server/node/node.h"
#include "server/node/session.h"

namespace kvorum::server {
namespace {

std::string flags_of(const Session& session) {
  std::string flags;
  if (session.monitor) flags += 'O';
  if (session.peer != storage::NodeId{0}) flags += 'S';
  if (session.subscribed()) flags += 'P';
  if (session.in_transaction) flags += 'x';
  if (session.blocked != nullptr) flags += 'b';
  if (session.watch_touched) flags += 'd';
  if (session.close_after_reply) flags += 'c';
  if (session.close_now) flags += 'A';
  if (session.unix_socket) flags += 'U';
  if (session.no_evict) flags += 'e';
  if (session.no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

int64_t seconds_since(const Node& node, int64_t then_us) {
  return std::max<int64_t>(0, node.monotonic_us() - then_us) / 1'000'000;
}

}  // namespace

bool valid_client_word(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return c >= '!' && c <= '~'; });
}

std::string client_line(const Node& node, const Session& session) {
  const size_t output_bytes = session.output.size();
  const size_t total_bytes = sizeof(Session) + session.query_buffer_bytes +
                             session.query_buffer_free_bytes + session.argument_bytes +
                             session.queued_bytes + output_bytes;
  const std::string multi =
      session.in_transaction ? std::to_string(session.queued.size()) : std::string("-1");
  return base::concat(
      "id=", session.id, " addr=", session.address, " laddr=", session.local_address,
      " fd=", session.file_descriptor, " name=", session.name,
      " age=", seconds_since(node, session.created_us),
      " idle=", seconds_since(node, session.last_interaction_us), " flags=", flags_of(session),
      " db=", session.database, " sub=", session.channels.size(), " psub=", session.patterns.size(),
      " ssub=", session.shard_channels.size(), " multi=", multi,
      " qbuf=", session.query_buffer_bytes, " qbuf-free=", session.query_buffer_free_bytes,
      " argv-mem=", session.argument_bytes, " multi-mem=", session.queued_bytes,
      " rbs=0 rbp=0 obl=0 oll=", output_bytes == 0 ? 0 : 1, " omem=", output_bytes,
      " tot-mem=", total_bytes, " events=", output_bytes == 0 ? "r" : "rw", " cmd=",
      session.last_command == nullptr ? std::string_view("NULL") : session.last_command->name,
      " user=default redir=-1 resp=", static_cast<int>(session.protocol),
      " lib-name=", session.library_name, " lib-ver=", session.library_version);
}

bool parse_client_type(std::string_view text, ClientType& type) {
  static constexpr std::pair<std::string_view, ClientType> kTypes[] = {
      {"normal", ClientType::kNormal}, {"pubsub", ClientType::kPubSub},
      {"master", ClientType::kMaster}, {"replica", ClientType::kReplica},
      {"slave", ClientType::kReplica},
  };
  for (const auto& [name, value] : kTypes) {
    if (!base::equal_ignoring_case(text, name)) continue;
    type = value;
    return true;
  }
  return false;
}

ClientType client_type(const Session& session) {
  if (session.peer != storage::NodeId{0}) return ClientType::kReplica;
  return session.subscribed() ? ClientType::kPubSub : ClientType::kNormal;
}

}  // namespace kvorum::server
