#include "server/node/glob.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/text.h"

namespace kvorum::server {

namespace {

// Characters compare signed, as in Redis: it shows in ranges that cross from ASCII to other bytes.
using Character = signed char;

Character fold(char c, bool ignore_case) {
  return static_cast<Character>(ignore_case ? base::lower(c) : c);
}

// Matches one character against the class that begins behind '[' at `at`, and moves `at` behind the
// class. Redis' readings: a class may lack its end, ']' ends it even in first place, an escaped
// character is compared with its case.
bool class_matches(std::string_view pattern, size_t& at, char c, bool ignore_case) {
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  const Character wanted = fold(c, ignore_case);
  bool matches = false;
  for (; at < pattern.size() && pattern[at] != ']'; ++at) {
    const size_t left = pattern.size() - at;
    if (pattern[at] == '\\' && left >= 2) {
      ++at;
      matches |= pattern[at] == c;
    } else if (left >= 3 && pattern[at + 1] == '-') {
      // The ends change places before their case is folded.
      auto [low, high] = std::minmax(
          {static_cast<Character>(pattern[at]), static_cast<Character>(pattern[at + 2])});
      at += 2;
      matches |= fold(static_cast<char>(low), ignore_case) <= wanted &&
                 wanted <= fold(static_cast<char>(high), ignore_case);
    } else {
      matches |= fold(pattern[at], ignore_case) == wanted;
    }
  }
  if (at < pattern.size()) ++at;  // the ']'
  return matches != negated;
}

// Matches one character against the element at `at`, which is no '*', and moves `at` behind it.
bool element_matches(std::string_view pattern, size_t& at, char c, bool ignore_case) {
  const char element = pattern[at++];
  if (element == '?') return true;
  if (element == '[') return class_matches(pattern, at, c, ignore_case);
  const bool escape = element == '\\' && at < pattern.size();
  const char literal = escape ? pattern[at++] : element;
  return fold(literal, ignore_case) == fold(c, ignore_case);
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text, bool ignore_case) {
  // Redis never looks at a pattern when the text is empty, so not even "*" matches it.
  if (text.empty()) return pattern.empty();
  // Every element but '*' takes one character. So it is enough to go back to the last '*' met and
  // let it take one character more.
  constexpr size_t kNone = std::string_view::npos;
  size_t at = 0, position = 0;
  size_t star = kNone, star_position = 0;
  while (position < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      star_position = position;
      if (star == pattern.size()) return true;
      continue;
    }
    if (at < pattern.size() && element_matches(pattern, at, text[position], ignore_case)) {
      ++position;
      continue;
    }
    if (star == kNone) return false;
    at = star;
    position = ++star_position;
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace kvorum::server
