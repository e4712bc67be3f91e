#include "server/node/commands/value_names.h"

#include "server/node/commands/arguments.h"

namespace kvorum::server {

namespace {

constexpr size_t kMaxEmbeddedBytes = 44;  // of a string Redis keeps in one piece with its header
constexpr int64_t kSharedIntegers = 10000;

}  // namespace

std::string_view encoding_name(const storage::Entry& entry) {
  const std::string_view text = entry.string();
  int64_t value = 0;
  if (entry.raw()) return "raw";
  if (parse_integer(text, value)) return "int";
  return text.size() <= kMaxEmbeddedBytes ? "embstr" : "raw";
}

int64_t reference_count(const storage::Entry& entry) {
  int64_t value = 0;
  const bool shared =
      !entry.raw() && parse_integer(entry.string(), value) && value >= 0 && value < kSharedIntegers;
  return shared ? INT_MAX : 1;
}

}  // namespace kvorum::server
