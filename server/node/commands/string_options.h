// The options that SET and GETEX share: an expiry in one of four forms, and what goes with it.
#pragma once

#include <cstddef>
#include <string_view>

#include "server/node/command.h"
#include "server/node/commands/arguments.h"

namespace kvorum::server {

struct StringOptions {
  bool only_if_absent = false;   // SET NX
  bool only_if_present = false;  // SET XX
  bool get = false;              // SET GET
  bool keep_expiry = false;      // SET KEEPTTL
  bool persist = false;          // GETEX PERSIST
  ExpiryForm form = ExpiryForm::kNone;
  std::string_view expiry;  // the argument of EX, PX, EXAT or PXAT
};

enum class OptionsOf : uint8_t { kSet, kGetEx };

// Reads the arguments from `first` on. False, with a syntax error answered, if they are unknown or
// contradict each other; saying the same twice is fine, and the last expiry counts.
[[nodiscard]] bool read_string_options(CommandContext& context, size_t first, OptionsOf command,
                                       StringOptions& options);

}  // namespace kvorum::server
