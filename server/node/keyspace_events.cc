#include "server/node/keyspace_events.h"

namespace kvorum::server {

namespace {

// In Redis' order of output. The letters up to 'd' are what 'A' stands for.
constexpr std::string_view kClasses = "g$lshzxetdmn";
constexpr size_t kClassesInAll = 10;
constexpr int kFirstClassBit = 2;

constexpr uint32_t class_bit(size_t index) { return 1u << (kFirstClassBit + index); }
constexpr uint32_t kAll = (1u << (kFirstClassBit + kClassesInAll)) - (1u << kFirstClassBit);

}  // namespace

std::optional<uint32_t> parse_keyspace_events(std::string_view letters) {
  uint32_t flags = 0;
  for (const char letter : letters) {
    if (letter == 'A') {
      flags |= kAll;
    } else if (letter == 'K') {
      flags |= kKeyspaceChannel;
    } else if (letter == 'E') {
      flags |= kKeyeventChannel;
    } else if (const size_t index = kClasses.find(letter); index != std::string_view::npos) {
      flags |= class_bit(index);
    } else {
      return std::nullopt;
    }
  }
  return flags;
}

std::string format_keyspace_events(uint32_t flags) {
  std::string letters;
  const bool all = (flags & kAll) == kAll;
  if (all) letters += 'A';
  for (size_t index = all ? kClassesInAll : 0; index < kClassesInAll; ++index) {
    if (flags & class_bit(index)) letters += kClasses[index];
  }
  if (flags & kKeyspaceChannel) letters += 'K';
  if (flags & kKeyeventChannel) letters += 'E';
  for (size_t index = kClassesInAll; index < kClasses.size(); ++index) {
    if (flags & class_bit(index)) letters += kClasses[index];
  }
  return letters;
}

bool keyspace_event_wanted(uint32_t flags, char event_class) {
  if (!(flags & (kKeyspaceChannel | kKeyeventChannel))) return false;
  const size_t index = kClasses.find(event_class);
  return index != std::string_view::npos && (flags & class_bit(index));
}

}  // namespace kvorum::server
