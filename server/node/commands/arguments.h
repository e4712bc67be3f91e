// Reads the arguments of commands the way Redis does: numbers, database indexes, expiry options,
// and the errors that go with them. Functions named read_… answer the error themselves and then
// return false; the handler only has to return. Belongs to the loop.
#pragma once

#include <climits>
#include <cstdint>
#include <string_view>

#include "base/text.h"
#include "server/node/command.h"
#include "storage/entry.h"

namespace kvorum::server {

inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";
inline constexpr std::string_view kNotAFloat = "ERR value is not a valid float";
inline constexpr std::string_view kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr std::string_view kNoSuchKey = "ERR no such key";
inline constexpr std::string_view kSameObject = "ERR source and destination objects are the same";
inline constexpr std::string_view kDatabaseOutOfRange = "ERR DB index is out of range";

// Options and keywords are compared without regard to case.
inline bool is_word(std::string_view argument, std::string_view word) {
  return base::equal_ignoring_case(argument, word);
}

// Decimal digits with at most a '-' before them: no spaces, no '+', no leading zeros, no "-0";
// within 64 bits. So a text that parses is exactly what std::to_chars would print.
[[nodiscard]] bool parse_integer(std::string_view text, int64_t& value);

// What strtold takes, whole, but not "nan", and nothing that begins with white space.
[[nodiscard]] bool parse_long_double(std::string_view text, long double& value);

// `error` is answered where the text is no integer.
[[nodiscard]] bool read_integer(CommandContext& context, std::string_view text, int64_t& value,
                                std::string_view error = kNotAnInteger);
// Within minimum … maximum; beyond them Redis' error names both, unless one is given.
[[nodiscard]] bool read_integer_between(CommandContext& context, std::string_view text,
                                        int64_t minimum, int64_t maximum, int64_t& value,
                                        std::string_view error = {});
// An index that names a database. `error` replaces the one for what is no 32-bit integer.
[[nodiscard]] bool read_database(CommandContext& context, std::string_view text, int& database,
                                 std::string_view error = {});
// Milliseconds, 0 or more, as WAIT and the like take them.
[[nodiscard]] bool read_timeout_ms(CommandContext& context, std::string_view text,
                                   int64_t& timeout_ms);

// "ERR invalid expire time in 'set' command"
void reply_invalid_expiry(CommandContext& context);
// "ERR wrong number of arguments for 'mset' command"
void reply_wrong_arity(CommandContext& context);

// True, with the error answered, if the entry is there and is of another type.
[[nodiscard]] inline bool refuse_other_type(CommandContext& context, const storage::Entry* entry,
                                            storage::ValueType type) {
  if (entry == nullptr || entry->type() == type) [[likely]]
    return false;
  context.reply.error(kWrongType);
  return true;
}

// How an expiry was written: EX, PX (from now), EXAT, PXAT (Unix time).
enum class ExpiryForm : uint8_t { kNone, kSeconds, kMilliseconds, kUnixSeconds, kUnixMilliseconds };

// The time at which a key expires by SET, SETEX, GETEX and the like: positive, and below 2^63 ms.
// REQUIRES: form != kNone.
[[nodiscard]] bool read_expiry(CommandContext& context, std::string_view text, ExpiryForm form,
                               storage::ExpiryMs& expiry_ms);

}  // namespace kvorum::server
