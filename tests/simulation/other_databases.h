// Commands of the kinds that the checked keys leave out: whole databases, keys that move, scans,
// long values, messages. They keep to databases 1 to 3, whose contents no client is asked about:
// what they do has to be the same on every node, and undone without a trace.
#pragma once

#include <string>
#include <vector>

#include "tests/support/random.h"

namespace kvorum::simulation {

using CommandWords = std::vector<std::string>;

// A pipeline for a connection in this database, which it leaves there.
std::vector<CommandWords> draw_other_commands(Random& random, int database);

inline constexpr int kFirstOtherDatabase = 1, kLastOtherDatabase = 3;

}  // namespace kvorum::simulation
