#include "tests/simulation/other_databases.h"

#include <cstdint>
#include <utility>

namespace kvorum::simulation {

namespace {

constexpr uint64_t kKeys = 6;
constexpr size_t kLongestPipeline = 6;
// More than one message between nodes takes whole.
constexpr size_t kLongValueBytes = 150'000;

std::string draw_key(Random& random) { return "n" + std::to_string(random.below(kKeys)); }

std::string draw_database(Random& random) {
  return std::to_string(random.between(kFirstOtherDatabase, kLastOtherDatabase));
}

std::string draw_value(Random& random) {
  return std::string(random.one_in(20) ? kLongValueBytes : random.below(300), 'y');
}

CommandWords draw_write(Random& random, const std::string& database) {
  const std::string key = draw_key(random);
  switch (random.below(17)) {
    case 0:
      return {"SET", key, draw_value(random), "PX", std::to_string(random.between(1, 3000))};
    case 1:
      return {"COPY", key, draw_key(random), "DB", draw_database(random), "REPLACE"};
    case 2:
      return {"RENAME", key, draw_key(random)};
    case 3:
      return {"RENAMENX", key, draw_key(random)};
    case 4:
      return {"MOVE", key, draw_database(random)};
    case 5:
      return {"SWAPDB", database, draw_database(random)};
    case 6:
      return {random.one_in(4) ? "FLUSHDB" : "DBSIZE"};
    case 7:
      return {"SETRANGE", key, std::to_string(random.below(random.one_in(20) ? 100'000 : 5000)),
              "range"};
    case 8:
      return {"APPEND", key, draw_value(random)};
    case 9:
      return {"PEXPIRE", key, std::to_string(random.between(-10, 2000))};
    case 10:
      return {"PERSIST", key};
    case 11:
      return {"GETEX", key, "PX", std::to_string(random.between(1, 2000))};
    case 12:
      return {"GETDEL", key};
    case 13:
      return {"INCRBYFLOAT", "f" + key, "0.5"};
    case 14:
      return {"MSET", key, draw_value(random), draw_key(random), "z"};
    default:
      return {"SET", key, draw_value(random)};
  }
}

CommandWords draw_read(Random& random) {
  switch (random.below(8)) {
    case 0:
      return {"SCAN", "0", "COUNT", "3"};
    case 1:
      return {"KEYS", "*"};
    case 2:
      return {"RANDOMKEY"};
    case 3:
      return {"PUBLISH", "channel", "message"};
    case 4:
      return {"WAIT", std::to_string(random.below(4)), std::to_string(random.between(1, 100))};
    case 5:
      return {"PTTL", draw_key(random)};
    case 6:
      return {"STRLEN", draw_key(random)};
    default:
      return {"GET", draw_key(random)};
  }
}

}  // namespace

std::vector<CommandWords> draw_other_commands(Random& random, int database) {
  const std::string here = std::to_string(database);
  std::vector<CommandWords> commands;
  const bool transaction = random.one_in(3);
  if (transaction) commands.push_back({"MULTI"});
  for (size_t count = 1 + random.below(kLongestPipeline); count > 0; --count) {
    commands.push_back(random.one_in(4) ? draw_read(random) : draw_write(random, here));
  }
  if (transaction) commands.push_back({"EXEC"});
  return commands;
}

}  // namespace kvorum::simulation
