// The property that the parser stands on: however the bytes are cut, the commands are the same, and
// so is the error.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "resp/parser.h"
#include "resp/request.h"
#include "tests/unit/resp/parse.h"

namespace kvorum::resp {
namespace {

using Random = std::mt19937_64;

size_t below(Random& random, size_t bound) { return static_cast<size_t>(random() % bound); }

std::string random_bytes(Random& random, size_t size, std::string_view alphabet) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = alphabet[below(random, alphabet.size())];
  return bytes;
}

constexpr std::string_view kAlphabet = " \t\v\"'\\xnab09$*-+1\r\n";

std::string random_array(Random& random) {
  const size_t sizes[] = {0, 1, 2, 10, 100, 300};
  std::vector<std::string> arguments(1 + below(random, 12));
  for (std::string& argument : arguments) {
    argument = random_bytes(random, sizes[below(random, std::size(sizes))], kAlphabet);
  }
  std::string bytes;
  append_request(bytes, std::vector<std::string_view>(arguments.begin(), arguments.end()));
  return bytes;
}

// One command or something like it.
std::string random_piece(Random& random) {
  std::string piece;
  switch (below(random, 4)) {
    case 0:
      return random_bytes(random, below(random, 30), kAlphabet) + "\n";
    case 1:
      return "*" + random_bytes(random, below(random, 3), "0123-x") + "\r\n";
    default:
      piece = random_array(random);
      break;
  }
  if (below(random, 4) == 0) piece[below(random, piece.size())] = kAlphabet[below(random, 19)];
  return piece;
}

Limits random_limits(Random& random) {
  Limits limits;
  if (below(random, 2) == 0) limits.max_arguments = 1 + below(random, 12);
  if (below(random, 2) == 0) limits.max_bulk_bytes = below(random, 300);
  if (below(random, 2) == 0) limits.max_inline_bytes = below(random, 100);
  if (below(random, 2) == 0) limits.max_query_bytes = 1024 + below(random, 1024);
  limits.authenticated = below(random, 2) == 0;
  return limits;
}

// Reads `bytes` in pieces of random sizes into room of random sizes; next() is called after some.
Parsed parse_in_random_pieces(std::string_view bytes, const Limits& limits, Random& random) {
  Parser parser(limits);
  Parsed parsed;
  const size_t largest = 1 + below(random, 200);
  while (parsed.error.empty()) {
    const std::span<char> room = parser.reserve(1 + below(random, 2 * largest));
    const size_t fits = std::min({room.size(), bytes.size(), 1 + below(random, largest)});
    std::memcpy(room.data(), bytes.data(), fits);
    parser.commit(fits);
    bytes.remove_prefix(fits);
    if (bytes.empty() || fits == 0 || below(random, 3) > 0) take(parser, parsed);
    if (bytes.empty()) break;
  }
  return parsed;
}

TEST(ParserSplit, EveryPairOfCutsParsesAlike) {
  for (const std::string_view bytes :
       {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$11\r\nhello world\r\nPING\r\n",
        "SET \"a\\x41\\n\" 'b\\'c' d\r\n\r\n*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n*1\r\nx\r\n",
        "*2\r\n$0\r\n\r\n$1\r\n\r\r\n*1\r\n$-1\r\n", "a\n\n b \"c\n", "*1\r\n$1\r\na\r\n*00\r\n"}) {
    const Parsed whole = parse(bytes);
    EXPECT_FALSE(whole.commands.empty());
    for (size_t first = 0; first <= bytes.size(); ++first) {
      for (size_t second = first; second <= bytes.size(); ++second) {
        Parser parser;
        Parsed parsed;
        for (const std::string_view piece :
             {bytes.substr(0, first), bytes.substr(first, second - first), bytes.substr(second)}) {
          put(parser, piece);
          take(parser, parsed);
        }
        ASSERT_EQ(parsed, whole) << first << ' ' << second;
      }
    }
  }
}

TEST(ParserSplit, SingleBytesParseAlike) {
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    const std::string bytes = random_piece(random) + random_piece(random) + random_piece(random);
    const Limits limits = random_limits(random);
    ASSERT_EQ(parse(bytes, limits, 1), parse(bytes, limits)) << "round " << round;
  }
}

TEST(ParserSplit, RandomPiecesParseAlike) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    std::string bytes;
    for (size_t pieces = 1 + below(random, 20); pieces > 0; --pieces) bytes += random_piece(random);
    const Limits limits = random_limits(random);
    const Parsed whole = parse(bytes, limits);
    ASSERT_EQ(parse_in_random_pieces(bytes, limits, random), whole) << "seed " << seed;
  }
}

// Around the end of what may be held two limits meet. Which of them is reported may not depend on
// the split either.
TEST(ParserSplit, TheErrorAtTheEndOfTheQueryIsTheSameForEverySplit) {
  const Limits limits = {.max_inline_bytes = 70, .max_query_bytes = 1024};
  std::vector<std::string> lines = {"$1\r\na\r\n", "$x\r\n", "$2000\r\n", ":1\r\n"};
  for (const size_t digits : {20, 68, 69, 70, 71, 100}) {
    lines.push_back("$" + std::string(digits, '1') + "\r\n");
  }
  for (size_t size = 920; size < 1020; ++size) {
    const std::string first =
        "*2\r\n$" + std::to_string(size) + "\r\n" + std::string(size, 'v') + "\r\n";
    for (const std::string& line : lines) {
      const Parsed whole = parse(first + line, limits);
      for (const size_t piece : {1, 2, 3, 50}) {
        ASSERT_EQ(parse(first + line, limits, piece), whole) << size << ' ' << line;
      }
    }
  }
}

TEST(ParserSplit, ALargeCommandInPiecesKeepsItsArguments) {
  std::vector<std::string> arguments;
  Random random(2);
  for (size_t i = 0; i < 300; ++i) {
    arguments.push_back(random_bytes(random, below(random, 2000), kAlphabet));
  }
  arguments[100] = std::string(200000, 'a');  // a large bulk among small ones
  arguments[200] = std::string(50000, 'b');
  std::string bytes = encode_request({"PING"});
  append_request(bytes, std::vector<std::string_view>(arguments.begin(), arguments.end()));
  bytes += encode_request({"PING"});
  for (const size_t piece : {7, 100, 1000, 4096, 16384, 65536}) {
    EXPECT_EQ(parse(bytes, {}, piece).commands,
              (std::vector<Command>{{"PING"}, arguments, {"PING"}}))
        << piece;
  }
}

}  // namespace
}  // namespace kvorum::resp
