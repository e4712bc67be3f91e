// The documentation of commands as COMMAND DOCS and COMMAND INFO show it: the arguments of a row,
// written compactly (Command::arguments), and the facts that rows do not carry.
//
// Arguments are separated by blanks, alternatives of a `oneof` by '|':
//
//   arguments   = argument { " " argument }
//   argument    = name [ "<" type ">" ] [ "(" alternatives ")" | "{" arguments "}" ] { suffix }
//               | "'" token "'" …                a bare token: name is the token in lower case
//   name        = [a-z0-9_:/-]+
//   type        = string | integer | double | key | pattern | unix-time | pure-token
//   alternatives = argument { "|" argument }     one of them: type oneof
//   "{" … "}"                                    all of them, together: type block
//   suffix      = "=" token       written before the value; without a type: type pure-token
//               | "#" number      index of the key spec it is; without a type: type key
//               | "@" version     since
//               | "!" version     deprecated since
//               | "?"             optional
//               | "*"             may be repeated
//               | "+"             may be repeated, the token each time
//   token       = [A-Z0-9-]+ | "'" anything but "'" "'"
//
// Without type, token and key spec the type is string. A word in capitals is a pure token whose
// name is its lower case: "NX" is "nx=NX". SET, for an example:
//
//   key#0 value condition(NX|XX)@2.6.12? GET@6.2.0? expiration(seconds<integer>=EX@2.6.12|
//   milliseconds<integer>=PX@2.6.12|…|KEEPTTL@6.0.0)?
//
// Thread: any; parsed anew at each call.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "resp/reply_writer.h"
#include "server/node/command.h"

namespace kvorum::server {

struct ArgumentDocumentation {
  std::string name;
  std::string_view type;
  int key_spec_index = -1;
  bool has_token = false;  // the token may be empty
  std::string_view token, since, deprecated_since;
  bool optional = false, multiple = false, multiple_token = false;
  std::vector<ArgumentDocumentation> arguments;  // of a oneof or block
};

// kInvalidArgument, with the place, if the text does not follow the grammar.
absl::StatusOr<std::vector<ArgumentDocumentation>> parse_argument_documentation(
    std::string_view text);

// What Redis tells about a command beyond what its row holds.
struct CommandDetails {
  std::string_view name = {};       // as in the row
  std::string_view key_specs = {};  // ';' between, see KeySpec
  std::string_view tips = {};       // separated by blanks
  std::string_view history = {};    // '\n' between: "6.2.0 Added the `GET` option."
  std::string_view flags = {};      // documentation flags: "deprecated", "syscmd"
  std::string_view deprecated_since = {}, replaced_by = {};
};

// One place where keys stand: "[note: ]RW access update @1 range 0 1 0" is from argument 1 to 0
// behind it (negative: counted from the end), every one, no limit.
struct KeySpec {
  std::string_view note;
  std::vector<std::string_view> flags;
  int first = 0, last = 0, step = 0, limit = 0;
};
// REQUIRES: `text` is a CommandDetails::key_specs.
std::vector<KeySpec> parse_key_specs(std::string_view text);

// Sorted by name.
std::span<const CommandDetails> all_command_details();

// A command, or a subcommand as "config|get"; any case, null if unknown.
const Command* find_full_command(std::string_view name);

// "read" of "@read @fast", in any case.
bool has_category(const Command& command, std::string_view category);

// The parts between separators; none of an empty text.
std::vector<std::string_view> split(std::string_view text, char separator);

// Null if there is nothing more to tell.
const CommandDetails* find_command_details(std::string_view name);

// One element of COMMAND's reply.
void write_command_info(resp::ReplyWriter& reply, const Command& command);
// The name and the documentation, as they stand in the map of COMMAND DOCS.
void write_command_documentation(resp::ReplyWriter& reply, const Command& command);

}  // namespace kvorum::server
