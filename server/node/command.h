// Commands as data: one table row each, read by dispatch, COMMAND, documentation and tests.
// Rows are constant; handlers run on the loop.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "resp/parser.h"
#include "resp/reply_writer.h"

namespace kvorum::server {

class Node;
class Session;
struct Command;

// What a handler works with, for one execution of one command.
struct CommandContext {
  Node& node;
  Session& session;
  const Command& command;
  resp::Arguments arguments;  // [0] is the command's name; for a subcommand too
  resp::ReplyWriter reply;
};

using Handler = void (*)(CommandContext&);

// Redis' names (COMMAND INFO shows them in Redis' order).
namespace command_flag {
inline constexpr uint32_t kWrite = 1u << 0;
inline constexpr uint32_t kReadOnly = 1u << 1;
inline constexpr uint32_t kDenyOom = 1u << 2;
inline constexpr uint32_t kAdmin = 1u << 3;
inline constexpr uint32_t kPubSub = 1u << 4;
inline constexpr uint32_t kNoScript = 1u << 5;
inline constexpr uint32_t kBlocking = 1u << 6;
inline constexpr uint32_t kLoading = 1u << 7;  // allowed while loading
inline constexpr uint32_t kStale = 1u << 8;
inline constexpr uint32_t kSkipMonitor = 1u << 9;
inline constexpr uint32_t kSkipSlowlog = 1u << 10;
inline constexpr uint32_t kFast = 1u << 11;
inline constexpr uint32_t kNoAuth = 1u << 12;  // allowed before AUTH
inline constexpr uint32_t kMayReplicate = 1u << 13;
inline constexpr uint32_t kNoMulti = 1u << 14;
inline constexpr uint32_t kMovableKeys = 1u << 15;
inline constexpr uint32_t kAllowBusy = 1u << 16;
inline constexpr uint32_t kNoAsyncLoading = 1u << 17;
inline constexpr uint32_t kNoMandatoryKeys = 1u << 18;
// Ours: the reply speaks of the whole keyspace, so it gates on the log's end.
inline constexpr uint32_t kKeyspaceWide = 1u << 20;
}  // namespace command_flag

// Where keys stand in the arguments; first 0: none. last < 0 counts from the end.
struct KeyRange {
  int first = 0, last = 0, step = 0;
};

struct Command {
  std::string_view name;  // lower case; a subcommand's row has "client|list"
  int arity = 0;          // negative: at least
  uint32_t flags = 0;
  KeyRange keys = {};
  Handler handler = nullptr;  // null: a container whose subcommands have them
  std::string_view group;     // "string", "generic", …
  std::string_view since;
  std::string_view complexity;
  std::string_view summary;
  std::string_view categories;      // ACL categories, "@read @string @fast"
  std::string_view arguments = {};  // compact syntax for COMMAND DOCS, see command_docs.h
  std::span<const Command> subcommands = {};
};

// One per file of commands, joined by command_table.cc.
std::span<const Command> string_commands();       // commands/string_*.cc
std::span<const Command> generic_commands();      // commands/generic_*.cc
std::span<const Command> transaction_commands();  // transaction.cc
std::span<const Command> connection_commands();   // commands/connection.cc, commands/client_*.cc
std::span<const Command> pubsub_commands();       // commands/pubsub.cc
std::span<const Command> server_commands();       // commands/server_*.cc

// Case-insensitive; null if unknown.
const Command* find_command(std::string_view name);
const Command* find_subcommand(const Command& container, std::string_view name);
// Every command in the table, sorted by name.
std::span<const Command* const> all_commands();

}  // namespace kvorum::server
