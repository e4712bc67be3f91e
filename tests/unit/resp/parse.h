// Runs a parser over bytes that arrive in pieces, for the tests of the parser.
#pragma once

#include <algorithm>
#include <cstring>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "resp/parser.h"

namespace kvorum::resp {

using Command = std::vector<std::string>;

struct Parsed {
  std::vector<Command> commands;
  std::string error;

  bool operator==(const Parsed&) const = default;
};

inline void PrintTo(const Parsed& parsed, std::ostream* out) {
  for (const Command& command : parsed.commands) {
    for (const std::string& argument : command) *out << '[' << argument << ']';
    *out << '\n';
  }
  *out << "error: " << parsed.error << '\n';
}

// Puts `bytes` into the parser, whatever pieces reserve() wants them in, with no call of next().
inline void put(Parser& parser, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<char> room = parser.reserve(bytes.size());
    const size_t fits = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), fits);
    parser.commit(fits);
    bytes.remove_prefix(fits);
  }
}

// Takes out every command that is whole.
inline Parser::Result take(Parser& parser, Parsed& parsed) {
  while (true) {
    const Parser::Result result = parser.next();
    if (result == Parser::Result::kError) parsed.error = parser.error();
    if (result != Parser::Result::kCommand) return result;
    Command& command = parsed.commands.emplace_back();
    for (const std::string_view argument : parser.arguments()) command.emplace_back(argument);
  }
}

// Reads `bytes` in pieces of at most `piece` bytes, next() after each, until an error.
inline Parsed parse(std::string_view bytes, const Limits& limits = {}, size_t piece = SIZE_MAX) {
  Parser parser(limits);
  Parsed parsed;
  while (!bytes.empty() && parsed.error.empty()) {
    const std::span<char> room = parser.reserve(std::min(piece, bytes.size()));
    const size_t fits = std::min({room.size(), bytes.size(), piece});
    std::memcpy(room.data(), bytes.data(), fits);
    parser.commit(fits);
    bytes.remove_prefix(fits);
    take(parser, parsed);
  }
  return parsed;
}

}  // namespace kvorum::resp
