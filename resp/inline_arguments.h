// The quoting rules of inline commands, those of redis-cli: blanks separate arguments; "…" knows
// \n \r \t \b \a \xHH and takes any other escaped byte as it is; '…' knows \' only; a closing quote
// ends the argument and needs a blank or the end of the line behind it. Unlike Redis, which never
// finds the end of a line that holds a NUL byte, takes NUL for an ordinary byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kvorum::resp {

enum class InlineResult : uint8_t { kSplit, kUnbalancedQuotes, kTooManyArguments };

// Splits a line, its line end cut off, and appends the arguments. They point into `line`, which is
// rewritten in place where quotes or escapes are resolved.
InlineResult split_inline(std::span<char> line, size_t max_arguments,
                          std::vector<std::string_view>& arguments);

}  // namespace kvorum::resp
